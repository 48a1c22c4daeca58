# Written by tools/unasync.py from _async/structures/__init__.py: edit that file instead.
"""All methods of Django's cache object for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from django_cachex._sync.structures.hashes import HashMethods


class Structures(HashMethods):
    """All methods of Django's cache object for data structures."""
