"""CLIENT_CLASS and CONNECTION_FACTORY: what is made of a configuration."""

from typing import Any

from django_cachex import readers
from django_cachex.given import Options, refuse
from django_cachex.topologies import EVERY, REPLICATED, SENTINEL, Topology


def chosen(options: Options) -> tuple[type, type, Topology]:
    """
    Return the client class, the factory of its connections, and the topology both are for.

    Either of them says what the other is. As with django-redis, a DefaultClient also works on
    connections that Sentinels know.
    """
    client = _value(options, "CLIENT_CLASS")
    factory = _value(options, "CONNECTION_FACTORY")
    if client is None:
        client = readers.imported(_topology_of(factory, options).client_class)
        return client, factory or client.connection_factory, _topology_of(factory, options)
    own = getattr(client, "connection_factory", None)
    if not isinstance(own, type):
        expected = f"expected a client class such as {REPLICATED.client_class}"
        refuse(options.where("CLIENT_CLASS"), f"{expected}, got {client!r}")
    topology = _topology_of(own, options)
    if factory is None:
        return client, own, topology
    other = _topology_of(factory, options)
    if other is not topology and (topology, other) != (REPLICATED, SENTINEL):
        where = options.where("CONNECTION_FACTORY")
        refuse(where, f"belongs to CLIENT_CLASS {other.client_class}, not to {_path(client)}")
    return client, factory, other


def _topology_of(factory: Any, options: Options) -> Topology:
    if factory is None:
        return REPLICATED
    its = getattr(factory, "topology", None)
    topology: Topology | None = next((one for one in EVERY if one is its), None)
    if topology is None:
        expected = "expected a factory such as django_cachex.pool.ConnectionFactory"
        refuse(options.where("CONNECTION_FACTORY"), f"{expected}, got {factory!r}")
    return topology


def _value(options: Options, name: str) -> Any:
    return options.given[name].value if name in options.given else None


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
