# Written by tools/unasync.py from _async/cluster_identity.py: edit that file instead.
"""Whether the server at a node's address is that node: addresses are reused, by other clusters."""

from typing import TYPE_CHECKING
from weakref import ref

from cachex_client._core.retry import is_rejection
from cachex_client._core.topology import recognised
from cachex_client._links import Link
from cachex_client.errors import AddressReused
from cachex_pool import Connection, pack

if TYPE_CHECKING:
    from cachex_client._sync.cluster_links import ClusterLinks

MYID = ("CLUSTER", "MYID")
SLOTS = pack(("CLUSTER", "SLOTS"))


def expect(link: Link, node_id: str) -> None:
    """Have new connections asked who is there, once it is known who should be."""
    link.node_id = node_id
    link.pool.questions = (MYID,) if node_id else ()


def recognise(
    which: "ref[ClusterLinks]",
    whose: "ref[Link]",
    connection: Connection,
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
        told = connection.call(pack(MYID), deadline)
    found = recognised(known, link.node_id, told)
    if found == "yes":
        return
    if found == "no":
        reply = connection.call(SLOTS, deadline)
        if isinstance(reply, Exception) and is_rejection(reply):
            return  # it serves nobody yet
        if not map.is_ours(reply, links.address_of(link)):
            links.want()
            raise AddressReused(
                link.name, f"the server there is not the node {link.node_id} of {map.name} any more"
            )
    links.want()
