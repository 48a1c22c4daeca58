# tools/unasync.py writes the sync twin of this file.
"""All methods of Django's cache object for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from django_cachex._async.structures.bitmaps import AsyncBitmapMethods
from django_cachex._async.structures.geo import AsyncGeoMethods
from django_cachex._async.structures.hashes import AsyncHashMethods
from django_cachex._async.structures.hyperloglogs import AsyncHyperLogLogMethods
from django_cachex._async.structures.keys import AsyncKeyMethods
from django_cachex._async.structures.lists import AsyncListMethods
from django_cachex._async.structures.sets import AsyncSetMethods
from django_cachex._async.structures.sorted_sets import AsyncSortedSetMethods
from django_cachex._async.structures.streams import AsyncStreamMethods


class AsyncStructures(
    AsyncBitmapMethods,
    AsyncGeoMethods,
    AsyncHashMethods,
    AsyncHyperLogLogMethods,
    AsyncKeyMethods,
    AsyncListMethods,
    AsyncSetMethods,
    AsyncSortedSetMethods,
    AsyncStreamMethods,
):
    """All methods of Django's cache object for data structures."""
