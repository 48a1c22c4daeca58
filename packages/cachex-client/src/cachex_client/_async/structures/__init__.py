# tools/unasync.py writes the sync twin of this file.
"""All verbs of a cache for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client._async.structures.hashes import AsyncHashVerbs


class AsyncStructureVerbs(AsyncHashVerbs):
    """All verbs of a cache for data structures."""
