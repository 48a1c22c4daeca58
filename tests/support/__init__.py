"""Real servers, faults between client and server, and checks of what came out.

Nothing in here imports the packages under test, so that it cannot share their mistakes.
"""
