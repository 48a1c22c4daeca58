# tools/unasync.py writes the sync twin of this file.
"""All verbs of a cache for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client._async.structures.bitmaps import AsyncBitmapVerbs
from cachex_client._async.structures.geo import AsyncGeoVerbs
from cachex_client._async.structures.hashes import AsyncHashVerbs
from cachex_client._async.structures.hyperloglogs import AsyncHyperLogLogVerbs
from cachex_client._async.structures.keys import AsyncKeyVerbs
from cachex_client._async.structures.lists import AsyncListVerbs
from cachex_client._async.structures.sets import AsyncSetVerbs
from cachex_client._async.structures.sorted_sets import AsyncSortedSetVerbs
from cachex_client._async.structures.streams import AsyncStreamVerbs


class AsyncStructureVerbs(
    AsyncBitmapVerbs,
    AsyncGeoVerbs,
    AsyncHashVerbs,
    AsyncHyperLogLogVerbs,
    AsyncKeyVerbs,
    AsyncListVerbs,
    AsyncSetVerbs,
    AsyncSortedSetVerbs,
    AsyncStreamVerbs,
):
    """All verbs of a cache for data structures."""
