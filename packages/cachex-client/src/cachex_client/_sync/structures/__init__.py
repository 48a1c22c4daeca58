# Written by tools/unasync.py from _async/structures/__init__.py: edit that file instead.
"""All verbs of a cache for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client._sync.structures.bitmaps import BitmapVerbs
from cachex_client._sync.structures.geo import GeoVerbs
from cachex_client._sync.structures.hashes import HashVerbs
from cachex_client._sync.structures.hyperloglogs import HyperLogLogVerbs
from cachex_client._sync.structures.keys import KeyVerbs
from cachex_client._sync.structures.lists import ListVerbs
from cachex_client._sync.structures.sets import SetVerbs
from cachex_client._sync.structures.sorted_sets import SortedSetVerbs
from cachex_client._sync.structures.streams import StreamVerbs


class StructureVerbs(
    BitmapVerbs,
    GeoVerbs,
    HashVerbs,
    HyperLogLogVerbs,
    KeyVerbs,
    ListVerbs,
    SetVerbs,
    SortedSetVerbs,
    StreamVerbs,
):
    """All verbs of a cache for data structures."""
