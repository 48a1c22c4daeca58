# Written by tools/unasync.py from _async/structures/__init__.py: edit that file instead.
"""All verbs of a cache for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client._sync.structures.hashes import HashVerbs


class StructureVerbs(HashVerbs):
    """All verbs of a cache for data structures."""
