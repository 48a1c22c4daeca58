# Written by tools/unasync.py from _async/structures/__init__.py: edit that file instead.
"""All methods of Django's cache object for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from django_cachex._sync.structures.bitmaps import BitmapMethods
from django_cachex._sync.structures.geo import GeoMethods
from django_cachex._sync.structures.hashes import HashMethods
from django_cachex._sync.structures.hyperloglogs import HyperLogLogMethods
from django_cachex._sync.structures.keys import KeyMethods
from django_cachex._sync.structures.lists import ListMethods
from django_cachex._sync.structures.sets import SetMethods
from django_cachex._sync.structures.sorted_sets import SortedSetMethods
from django_cachex._sync.structures.streams import StreamMethods


class Structures(
    BitmapMethods,
    GeoMethods,
    HashMethods,
    HyperLogLogMethods,
    KeyMethods,
    ListMethods,
    SetMethods,
    SortedSetMethods,
    StreamMethods,
):
    """All methods of Django's cache object for data structures."""
