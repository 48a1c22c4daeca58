"""All methods of a pipeline that queue a command.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client.queued.bitmaps import QueuedBitmapVerbs
from cachex_client.queued.geo import QueuedGeoVerbs
from cachex_client.queued.hashes import QueuedHashVerbs
from cachex_client.queued.hyperloglogs import QueuedHyperLogLogVerbs
from cachex_client.queued.keys import QueuedKeyVerbs
from cachex_client.queued.lists import QueuedListVerbs
from cachex_client.queued.sets import QueuedSetVerbs
from cachex_client.queued.sorted_sets import QueuedSortedSetVerbs
from cachex_client.queued.streams import QueuedStreamVerbs
from cachex_client.queued.values import QueuedValueVerbs


class QueuedVerbs(
    QueuedBitmapVerbs,
    QueuedGeoVerbs,
    QueuedHashVerbs,
    QueuedHyperLogLogVerbs,
    QueuedKeyVerbs,
    QueuedListVerbs,
    QueuedSetVerbs,
    QueuedSortedSetVerbs,
    QueuedStreamVerbs,
    QueuedValueVerbs,
):
    """All methods of a pipeline that queue a command."""
