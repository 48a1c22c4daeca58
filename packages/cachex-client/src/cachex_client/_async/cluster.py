# tools/unasync.py writes the sync twin of this file.
"""Talking to a cluster: every command to the server that holds its key."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ReadOnlyError,
    ResponseError,
)

from cachex_client._async.aim import Aim
from cachex_client._async.cluster_bulk import AsyncClusterBulk
from cachex_client._async.cluster_links import AsyncClusterLinks
from cachex_client._async.cluster_scan import async_scan_cluster
from cachex_client._audience import audience
from cachex_client._concurrency import last_write, monotonic
from cachex_client._core.addresses import Address, Remap
from cachex_client._core.health import in_order
from cachex_client._core.keyslot import slot_of
from cachex_client._core.multikey import one_slot
from cachex_client._core.redirects import REDIRECTS, Redirect, is_redirect, redirect_text
from cachex_client._core.retry import Verdict
from cachex_client._core.wrong_replies import as_reply_to
from cachex_client._links import AsyncLink
from cachex_client._live import born
from cachex_client._telling import announced, settle
from cachex_client.cluster_map import ClusterMap
from cachex_client.command import Command, Spec, as_is
from cachex_client.errors import AddressReused, BadAddress, BadRedirect, SlotNotCovered
from cachex_client.observer import Origin
from cachex_client.options import ClientOptions
from cachex_client.view import NodeView, TopologyView, node_view
from cachex_pool import AsyncPool, Endpoint, PoolError, PoolObserver, ProtocolError, pack
from cachex_pool.secrecy import keeps_secrets

T = TypeVar("T")

NOT_LOCAL = "non local key in a cluster node"
"""What a script is told that may not write where it runs, or names a key of another server."""
REFRESHED_WITHIN = 1.0
"""Seconds that a caller waits for a newer map when the one there is leads to servers of others."""
PROBE_EVERY = 0.1
"""Seconds between two looks whether a silent primary's replica was promoted, for each shard."""


class AsyncClusterClient(AsyncClusterBulk):
    """
    Sends each command to the server of a Redis or Valkey Cluster that holds its key.

    `servers` are URLs or `Endpoint`s of any nodes, asked for the map at first use; what they say of
    credentials, TLS and database holds for all nodes. Commands on many keys are split by server
    and written to all of them before any answer is read; a server that is down costs its
    own keys only. `address_remap` turns an announced `(host, port)` into one that can be reached;
    `allowed_hosts` are the names and networks that nodes may announce, None for any.
    Clients that are given the same `map` share what they know of the cluster.
    """

    clustered = True

    @keeps_secrets()
    def __init__(
        self,
        servers: Sequence[str | Endpoint],
        options: ClientOptions | None = None,
        *,
        observers: Sequence[PoolObserver] = (),
        address_remap: Remap | None = None,
        allowed_hosts: Sequence[str] | None = None,
        map: ClusterMap | None = None,
    ) -> None:
        super().__init__(options or ClientOptions(read_from="primary"))
        self.map = map or ClusterMap(servers, address_remap, allowed_hosts=allowed_hosts)
        self.address = self.map.endpoint(self.map.seeds[0], read_only=False)
        self._observers = tuple(observers)
        self._connect_with(self._open_links)
        born(self)  # last: any thread may ask for its view from now on

    def __repr__(self) -> str:
        return f"<AsyncClusterClient {self.map!r}>"

    async def execute(self, command: Command[T], *, timeout: float | None = None) -> T:
        """
        Send a command to the server of its key, return its parsed reply.

        `timeout` is the deadline in seconds, None for the client's own. Raises the server's
        error as redis-py's exception for it, or a PoolError, or SlotNotCovered.
        """
        now = monotonic()
        deadline = now + (self._timeout if timeout is None else timeout)
        if audience.senders and (sent := announced(self.address, (command,))) is not None:
            try:
                return await self._pursue_told(sent, command, None, deadline)
            finally:
                settle(sent)
        links, spec, key = self._links, command.spec, command.key
        tables = links.tables
        if tables.topology is not self.map.topology or now >= self.map.schedule.due_at:
            tables = await links.mapped(deadline)
        elsewhere = links.reads_replicas and not spec.write
        link = None if key is None or spec.blocking or elsewhere else tables.primaries[slot_of(key)]
        if link is None:
            return await self._pursue(command, await self._aim(command, now, deadline), deadline)
        failed: Exception
        try:
            reply = await link.call(command.packed or pack(command.arguments), deadline)
        except PoolError as error:
            failed = error
        else:
            if not isinstance(reply, Exception):
                if not link.health.ok:
                    link.health.succeeded()
                if links.reads_replicas:
                    self._note_write(spec)
                try:
                    return reply if command.parse is as_is else command.parse(reply)
                except ProtocolError as error:
                    as_reply_to(command.name, error)
                    raise
            failed = reply
        return await self._pursue(command, Aim(link), deadline, failed)

    async def execute_atomic(
        self, commands: Sequence[Command[Any]], *, timeout: float | None = None
    ) -> list[Any]:
        """
        Run commands as one transaction (MULTI ... EXEC); all their keys have to be in one slot.

        Raises as the base class says, and ClusterCrossSlotError with the keys if they are not.
        """
        one_slot("MULTI", [key for command in commands for key in command.keys])
        return await super().execute_atomic(commands, timeout=timeout)

    def scan(self, pattern: bytes, count: int = 1000, *, origin: Origin | None = None) -> Any:
        """
        Yield the keys that match a glob pattern, batch by batch, from every primary.

        A key that is there throughout comes at least once, also while slots move and primaries
        fail over. Each step has a deadline of its own; `count` is SCAN's hint. `origin` is for
        observers.
        """
        return async_scan_cluster(self, self.map.name, pattern, count, origin)

    # -- life

    async def warm_up(self) -> None:
        """Learn the map and connect to every primary; raises what keeps that from happening."""
        for link in await self.primaries(monotonic() + self._timeout):
            await link.warm_up()

    def view(self) -> TopologyView:
        """Return what is known of the cluster: nodes, roles, slots, health, pools."""
        topology, sets = self.map.topology, self._all_links()
        if topology is None:
            return TopologyView(kind="cluster", nodes=(), uncovered_slots=16384)

        def node(address: Address, **facts: Any) -> NodeView | None:
            several = [link for links in sets if (link := links.links.get(address)) is not None]
            return node_view(several, **facts) if several else None

        nodes = []
        for at, shard in enumerate(topology.shards):
            slots = topology.owners.count(at)
            nodes.append(node(shard.primary, role="primary", slots=slots))
            leader = self.map.endpoint(shard.primary, read_only=False).name
            nodes += [node(one, role="replica", primary=leader) for one in shard.replicas]
        return TopologyView(
            kind="cluster",
            nodes=tuple(one for one in nodes if one is not None),
            uncovered_slots=topology.uncovered,
            refreshes=self.map.schedule.count,
        )

    # -- what the engine asks

    def _open_links(self) -> AsyncClusterLinks:
        return AsyncClusterLinks(self.map, self.options, self._observers)

    async def _route(
        self,
        spec: Spec,
        key: bytes | None,
        now: float,
        deadline: float,
        tried: Sequence[AsyncLink] = (),
    ) -> Aim | None:
        links = self._links
        tables = await links.mapped(deadline)
        if key is None:
            links.turn += 1
            left = [link for link in tables.replicas if link not in tried]
            left = [link for link in left if link.health.worth_trying(now)] or left
            return Aim(left[links.turn % len(left)], len(left)) if left else None
        primary = tables.primaries[slot_of(key)]
        if primary is None:
            links.want()
            return None
        replicas = tables.replicas.get(primary, ())
        if spec.write or not links.reads_replicas or not replicas:
            return self._to_primary(replicas, primary, now, tried)
        if now - last_write.get() < self.options.read_your_writes:
            return self._to_primary(replicas, primary, now, tried)
        links.turn += 1
        order = in_order(self.options.read_from, primary, replicas, links.turn, now)
        left = [link for link in order if link not in tried]
        return Aim(left[0], len(left)) if left else None

    def _to_primary(
        self,
        replicas: Sequence[AsyncLink],
        primary: AsyncLink,
        now: float,
        tried: Sequence[AsyncLink],
    ) -> Aim | None:
        """
        Aim at the primary; once it has failed, at a replica that may have been promoted.

        A replica that is none any more answers; one that still is says MOVED. So the first
        caller after the promotion finds out, without asking for the whole map.
        """
        if primary not in tried:
            return Aim(primary)
        left = [link for link in replicas if link not in tried]
        if not left or not self.map.may_probe(primary.name, now, PROBE_EVERY):
            return None
        return Aim(left[0], len(left), heir_of=primary)

    def _nobody(self, command: Command[Any]) -> Exception:
        return SlotNotCovered(self.map.name, None if command.key is None else slot_of(command.key))

    def _redirect_of(self, error: Exception, key: bytes | None, aim: Aim) -> Redirect | Exception:
        try:
            return self.map.redirect(error, key, self._links.address_of(aim.link))
        except (BadAddress, BadRedirect) as bad:
            return bad

    async def _follow(self, redirect: Redirect, aim: Aim, deadline: float) -> AsyncLink:
        links = self._links
        tables = await links.mapped(deadline)
        if redirect.slot is None:
            return links.guest(redirect.node)
        if aim.heir_of is not None and tables.primaries[redirect.slot] is aim.link:
            return aim.link  # it was promoted after it said so: others of that write took longer
        link = links.follow(redirect.slot, redirect.node)
        links.want()
        if link is aim.link:  # a name that stands for another server by now
            link.pool.retire("moved")
        return link

    def _irreplaceable(self, link: AsyncLink) -> bool:
        return link in self._links.tables.replicas  # a primary

    async def ready(self) -> None:
        """Learn the map, if it is not known."""
        await self._links.mapped(monotonic() + self._timeout)

    async def redirected(self, error: Exception, key: bytes | None) -> None:
        """
        Learn from a redirect that a command on `key` met on a leased connection.

        Raises BadAddress or BadRedirect if it leads nowhere, once the map was looked at again.
        """
        links = self._links
        now = monotonic()
        tables = await links.mapped(now + self._timeout)
        owner = None if key is None else tables.primaries[slot_of(key)]
        by = self.map.seeds[0] if owner is None else links.address_of(owner)
        try:
            redirect = self.map.redirect(error, key, by)
            if redirect.slot is not None:
                links.follow(redirect.slot, redirect.node)
            links.want()
        except (BadAddress, BadRedirect):
            links.want()
            await links.refreshed(now + REFRESHED_WITHIN)
            raise

    async def refreshed(self) -> None:
        """Look at the topology again, if it is time to."""
        self._links.want()

    def primary_pool(self) -> AsyncPool:
        """Return the pool of some node (in the running event loop): they take turns."""
        links = self._links
        links.turn += 1
        known = list(links.tables.replicas) or [links.link(self.map.seeds[0])]
        well = [link for link in known if link.health.ok] or known
        return well[links.turn % len(well)].pool

    async def pool_for(self, key: bytes) -> AsyncPool:
        """Return the pool of the primary of a key's slot (in the running event loop)."""
        links = self._links
        tables = await links.mapped(monotonic() + self._timeout)
        link = tables.primaries[slot_of(key)]
        if link is None:
            links.want()
            raise SlotNotCovered(self.map.name, slot_of(key))
        return link.pool

    async def _learn(
        self, verdict: Verdict, error: Exception, link: AsyncLink, deadline: float
    ) -> None:
        if verdict.blame or verdict.demoted or verdict.patient:
            self._links.want()
        # As often as it is tried, it is refused; unless the map says something else by now.
        if isinstance(error, AddressReused | BadAddress | BadRedirect):
            await self._links.refreshed(min(deadline, monotonic() + REFRESHED_WITHIN))

    def _promoted(self, command: Command[Any], aim: Aim) -> None:
        """Note that a replica answered in its primary's stead: it leads the shard now."""
        if command.key is None or not (command.spec.write or not self._links.reads_replicas):
            return  # a read that a replica may answer proves nothing
        self._links.follow(slot_of(command.key), self._links.address_of(aim.link))
        self._links.want()

    def _led_astray(self, command: Command[Any], by: AsyncLink) -> None:
        if command.key is not None:
            self._links.follow(slot_of(command.key), self._links.address_of(by))

    async def _unmasked(
        self, error: Exception, command: Command[Any], aim: Aim, deadline: float
    ) -> Exception:
        """
        Ask a server that did not let a script write whether it leads no more.

        A connection that may read from a replica may start scripts there, too: they fail at their
        first write, where any other command would have been redirected. What is asked changes
        nothing, but only a primary may be asked that.
        """
        masks = isinstance(error, ReadOnlyError) or (
            isinstance(error, ResponseError) and NOT_LOCAL in str(error)
        )
        if not masks or not self._links.reads_replicas or command.key is None:
            return error
        question = pack(("SETRANGE", command.key, 0, b""))
        try:
            reply = await aim.link.call(question, deadline)
        except PoolError:
            return error
        return reply if is_redirect(reply) else error

    def _explained(self, error: Exception, command: Command[Any], aim: Aim) -> Exception:
        if isinstance(error, AskError):
            why = "the call's time is up"
            if aim.redirects >= REDIRECTS:
                why = f"the call has followed {REDIRECTS}"
            elif aim.fixed:
                why = "the command is for this server"
            return BadRedirect(aim.link.name, redirect_text(error), why)
        if not isinstance(error, ClusterCrossSlotError):
            return error
        try:
            one_slot(command.name, command.keys)
        except ClusterCrossSlotError as better:
            better.code = getattr(error, "code", None)  # type: ignore[attr-defined]
            return better
        return error

    async def primaries(self, deadline: float) -> Sequence[AsyncLink]:
        tables = await self._links.mapped(deadline)
        return sorted(tables.replicas, key=lambda link: link.name)

    def _links_in_use(self) -> Iterable[AsyncLink]:
        return [link for links in self._all_links() for link in list(links.links.values())]
