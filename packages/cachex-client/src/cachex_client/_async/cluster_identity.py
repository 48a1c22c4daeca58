# tools/unasync.py writes the sync twin of this file.
"""Whether the server at a node's address is that node: addresses are reused, by other clusters."""

from typing import TYPE_CHECKING
from weakref import ref

from cachex_client._core.retry import is_rejection
from cachex_client._core.topology import recognised
from cachex_client._links import AsyncLink
from cachex_client.errors import AddressReused
from cachex_pool import AsyncConnection, pack

if TYPE_CHECKING:
    from cachex_client._async.cluster_links import AsyncClusterLinks

MYID = ("CLUSTER", "MYID")
SLOTS = pack(("CLUSTER", "SLOTS"))


def expect(link: AsyncLink, node_id: str) -> None:
    """Have new connections asked who is there, once it is known who should be."""
    link.node_id = node_id
    link.pool.questions = (MYID,) if node_id else ()


async def async_recognise(
    which: "ref[AsyncClusterLinks]",
    whose: "ref[AsyncLink]",
    connection: AsyncConnection,
    deadline: float,
) -> None:
    """
    Refuse a new connection to a server that is not the node expected there.

    A server whose id is another, or which does not tell it, is asked for its map: a node that
    joined the same cluster is welcome. AddressReused if that map shares no node with what is known.
    """
    links, link = which(), whose()
    if links is None or link is None or not link.node_id:
        return
    map, known = links.map, links.map.topology
    if known is None:
        return
    told = connection.server.get(" ".join(MYID))
    if told is None:  # it was dialled before we knew whom to expect
        told = await connection.call(pack(MYID), deadline)
    found = recognised(known, link.node_id, told)
    if found == "yes":
        return
    if found == "no":
        reply = await connection.call(SLOTS, deadline)
        if isinstance(reply, Exception) and is_rejection(reply):
            return  # it serves nobody yet
        if not map.is_ours(reply, links.address_of(link)):
            links.want()
            raise AddressReused(
                link.name, f"the server there is not the node {link.node_id} of {map.name} any more"
            )
    links.want()
