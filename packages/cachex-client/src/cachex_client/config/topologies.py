"""Which servers there can be, and what of a configuration depends on that."""

import attrs


@attrs.frozen
class Topology:
    """
    A way servers belong together.

    `client_class` is the CLIENT_CLASS for it, `its_servers` says where its servers come from.
    """

    name: str
    client_class: str
    its_servers: str


REPLICATED = Topology(
    "replicated",
    "django_cachex.client.DefaultClient",
    "the servers of LOCATION are connected to as they are",
)
SENTINEL = Topology(
    "sentinel",
    "django_cachex.client.SentinelClient",
    "the servers are those that the SENTINELS name",
)
CLUSTER = Topology(
    "cluster",
    "django_cachex.client.ClusterClient",
    "the servers are those that the cluster's nodes in LOCATION name",
)
EVERY = (REPLICATED, SENTINEL, CLUSTER)
