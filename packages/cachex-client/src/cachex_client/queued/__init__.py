"""All methods of a pipeline that queue a command.

Written by tools/verbs.py from cachex_client/structures: edit that instead.
"""

from cachex_client.queued.hashes import QueuedHashVerbs
from cachex_client.queued.lists import QueuedListVerbs
from cachex_client.queued.sets import QueuedSetVerbs
from cachex_client.queued.sorted_sets import QueuedSortedSetVerbs
from cachex_client.queued.values import QueuedValueVerbs


class QueuedVerbs(
    QueuedHashVerbs, QueuedListVerbs, QueuedSetVerbs, QueuedSortedSetVerbs, QueuedValueVerbs
):
    """All methods of a pipeline that queue a command."""
