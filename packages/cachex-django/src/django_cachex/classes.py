"""CLIENT_CLASS and CONNECTION_FACTORY: what is made of a configuration."""

from typing import Any

import attrs

from cachex_client.config import readers
from cachex_client.config.classes import agreed
from cachex_client.config.given import Options, convert, refuse
from cachex_client.config.topologies import EVERY, REPLICATED, Topology


def chosen(options: Options) -> tuple[type, type, Topology]:
    """
    Return the client class, the factory of its connections, and the topology both are for.

    Either of them says what the other is.
    """
    client = _value(options, "CLIENT_CLASS")
    factory = _value(options, "CONNECTION_FACTORY")
    if client is None:
        topology = REPLICATED if factory is None else _topology_of(factory, options)
        client = readers.imported(topology.client_class)
        return client, factory or client.connection_factory, topology
    own = getattr(client, "connection_factory", None)
    if not isinstance(own, type):
        expected = f"expected a client class such as {REPLICATED.client_class}"
        refuse(options.where("CLIENT_CLASS"), f"{expected}, got {client!r}")
    its = _topology_of(own, options)
    if factory is None:
        return client, own, its
    name = f"{client.__module__}.{client.__qualname__}"
    return client, factory, agreed(its, _topology_of(factory, options), options, name)


def _topology_of(factory: Any, options: Options) -> Topology:
    its = getattr(factory, "topology", None)
    topology: Topology | None = next((one for one in EVERY if one is its), None)
    if topology is None:
        expected = "expected a factory such as django_cachex.pool.ConnectionFactory"
        refuse(options.where("CONNECTION_FACTORY"), f"{expected}, got {factory!r}")
    return topology


def _value(options: Options, name: str) -> Any:
    if name not in options.given:
        return None
    given = options.given[name]
    return convert(attrs.evolve(given.option, reader=readers.CLASS), given.value, given.where)
