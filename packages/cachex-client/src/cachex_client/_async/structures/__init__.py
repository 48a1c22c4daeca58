# tools/unasync.py writes the sync twin of this file.
"""All verbs of a cache for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client._async.structures.hashes import AsyncHashVerbs
from cachex_client._async.structures.lists import AsyncListVerbs
from cachex_client._async.structures.sets import AsyncSetVerbs
from cachex_client._async.structures.sorted_sets import AsyncSortedSetVerbs


class AsyncStructureVerbs(AsyncHashVerbs, AsyncListVerbs, AsyncSetVerbs, AsyncSortedSetVerbs):
    """All verbs of a cache for data structures."""
