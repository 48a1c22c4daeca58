"""One picture of what the two halves of a client see."""

import attrs

from cachex_client import NodeView, TopologyView


def merged(one: TopologyView, other: TopologyView) -> TopologyView:
    """Return a view with the nodes of both: threads and tasks have pools of their own."""
    nodes = {node.name: node for node in one.nodes}
    for node in other.nodes:
        known = nodes.get(node.name)
        nodes[node.name] = node if known is None else _both(known, node)
    return attrs.evolve(one, nodes=tuple(nodes.values()))


def _both(one: NodeView, other: NodeView) -> NodeView:
    return attrs.evolve(
        one,
        healthy=one.healthy and other.healthy,
        latency=max(one.latency, other.latency),
        pools=one.pools + other.pools,
    )
