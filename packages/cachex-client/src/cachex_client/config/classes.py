"""CLIENT_CLASS and CONNECTION_FACTORY: what they say about the servers, by their names alone."""

from typing import Any

from cachex_client.config.given import Given, Options, nearest, refuse
from cachex_client.config.topologies import CLUSTER, EVERY, REPLICATED, SENTINEL, Topology

_FACTORIES = {
    "django_cachex.pool.ConnectionFactory": REPLICATED,
    "django_cachex.pool.SentinelConnectionFactory": SENTINEL,
    "django_cachex.pool.ClusterConnectionFactory": CLUSTER,
}
_CLIENTS = {
    **{one.client_class: one for one in EVERY},
    "cachex_client.DefaultClient": REPLICATED,
    "cachex_client.SentinelClient": SENTINEL,
    "cachex_client.ClusterClient": CLUSTER,
}


def named(options: Options) -> Topology:
    """
    Return the topology that the stock classes stand for, without importing them.

    A process that has no Django can therefore read what is written for a site.
    """
    client = _known(options, "CLIENT_CLASS", _CLIENTS)
    factory = _known(options, "CONNECTION_FACTORY", _FACTORIES)
    return agreed(client, factory, options)


def agreed(
    client: Topology | None, factory: Topology | None, options: Options, name: str = ""
) -> Topology:
    """
    Return the topology that a client class and a factory are for, of which either may be missing.

    As with django-redis, a DefaultClient also works on connections that Sentinels know. `name` is
    the client class as messages have it, if that is not how it was given.
    """
    if client is None or factory is None:
        return factory or client or REPLICATED
    if factory is not client and (client, factory) != (REPLICATED, SENTINEL):
        name = name or path_of(options.given["CLIENT_CLASS"].value)
        where = options.where("CONNECTION_FACTORY")
        refuse(where, f"belongs to CLIENT_CLASS {factory.client_class}, not to {name}")
    return factory


def path_of(named: Any) -> str:
    """Return the dotted path of a class, which may be given as one."""
    if isinstance(named, str):
        return named
    module = "cachex_client" if named.__module__.startswith("cachex_client.") else named.__module__
    return f"{module}.{named.__qualname__}"


def _known(options: Options, name: str, known: dict[str, Topology]) -> Topology | None:
    given: Given | None = options.given.get(name)
    if given is None or given.value is None:
        return None
    path = path_of(given.value)
    if path not in known:
        stock = ", ".join(known)
        refuse(given.where, f"expected one of {stock}; got {path!r}{nearest(path, known)}")
    return known[path]
