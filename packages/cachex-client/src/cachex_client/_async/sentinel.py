# tools/unasync.py writes the sync twin of this file.
"""Talking to a service that Sentinels watch: to its primary, whoever that is, and its replicas."""

from collections.abc import Sequence
from typing import Any

from cachex_client._async.default import AsyncDefaultClient
from cachex_client._async.sentinel_links import AsyncSentinelLinks
from cachex_client._concurrency import monotonic
from cachex_client._core.addresses import Address
from cachex_client._core.retry import Verdict
from cachex_client._links import AsyncLink
from cachex_client.options import ClientOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_client.view import TopologyView, node_view
from cachex_pool import PoolObserver

FIND_WITHIN = 1.0
"""Seconds that a call waits for whoever leads after a primary that is none any more."""


class AsyncSentinelClient(AsyncDefaultClient):
    """
    Sends commands to the primary and the replicas of a service that Sentinels watch.

    The primary is looked up at first use and followed through failovers: when a Sentinel announces
    one, when the old primary is read-only, silent or gone, and every ten seconds. It is asked for
    its ROLE before it is believed. Reads go where `options.read_from` says. Clients that are
    given the same `map` share what they know of the service.
    """

    follows = True
    _links: AsyncSentinelLinks  # type: ignore[assignment]

    def __init__(
        self,
        map: SentinelMap,
        options: ClientOptions | None = None,
        *,
        observers: Sequence[PoolObserver] = (),
    ) -> None:
        self.map = map
        super().__init__((map.endpoint(_NOWHERE),), options, observers=observers)
        self._alone = False
        first = map.sentinels[0]
        self.address = map.endpoint(Address(first.host, first.port))

    def __repr__(self) -> str:
        return f"<AsyncSentinelClient {self.map!r}>"

    async def warm_up(self) -> None:
        """Find the primary and connect to all servers; raises what keeps that from happening."""
        await self._ready(monotonic() + self._timeout)
        await super().warm_up()

    def view(self) -> TopologyView:
        """Return what is known of the service: servers, roles, health, pools."""
        known = self.map.opinion
        sets: list[Any] = self._all_links()
        if known is None:
            return TopologyView(kind="sentinel", nodes=())
        leader = self.map.endpoint(known.primary).name
        nodes = []
        for node in (known.primary, *known.replicas):
            several = [link for links in sets if (link := links.links.get(node)) is not None]
            if several and node == known.primary:
                nodes.append(node_view(several, role="primary"))
            elif several:
                nodes.append(node_view(several, role="replica", primary=leader))
        count = self.map.schedule.count
        return TopologyView(kind="sentinel", nodes=tuple(nodes), refreshes=count)

    def _open_links(self) -> Any:
        self.map.listen_with(self.options)
        return AsyncSentinelLinks(self.map, self.options, self._observers)

    async def _ready(self, deadline: float) -> Any:
        return await self._links.mapped(deadline)

    async def _learn(
        self, verdict: Verdict, error: Exception, link: AsyncLink, deadline: float
    ) -> None:
        links = self._links
        if verdict.demoted:
            link.pool.retire("read-only")
            await links.find(min(deadline, monotonic() + FIND_WITHIN))
        elif (verdict.blame or verdict.patient) and link is links.primary:
            links.want()

    async def ready(self) -> None:
        """Find the primary, if it is not known."""
        await self._ready(monotonic() + self._timeout)

    async def refreshed(self) -> None:
        """Look for the primary again, if it is time to."""
        self._links.want()


_NOWHERE = Address("sentinel", 0)
