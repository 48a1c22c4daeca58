"""Real servers, faults between client and server, and checks of what came out.

Nothing in here imports the packages under test, so that it cannot share their mistakes.

- servers: `Standalone`, `Replicated`, `Sentinels`, `Cluster`: start, kill, pause, fail over, reset
- proxy: every fault that a network has, aimed at all traffic or at the reply to one command; counts
- tls: throw-away certificates, and servers that speak TLS
- silence: an address at which connecting hangs
- load, storm, history: many at work, random faults, and whether what they saw can be right
- leaks, waiting: nothing left behind, and no sleeping in tests
- resp: a client that shares no code with those under test
"""
