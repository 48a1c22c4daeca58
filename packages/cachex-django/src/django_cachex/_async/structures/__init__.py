# tools/unasync.py writes the sync twin of this file.
"""All methods of Django's cache object for data structures.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from django_cachex._async.structures.hashes import AsyncHashMethods


class AsyncStructures(AsyncHashMethods):
    """All methods of Django's cache object for data structures."""
