# Written by tools/unasync.py from _async/__init__.py: edit that file instead.
