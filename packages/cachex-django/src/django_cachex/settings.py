"""
A CACHES entry becomes one frozen value, or an ImproperlyConfigured that says what was
expected, what was given and where. Secrets are never shown.
"""

from collections.abc import Mapping
from typing import Any

import attrs
from django.conf import settings as django_settings

from cachex_client import ClientOptions, Codec
from cachex_client.serializers import PickleSerializer
from cachex_pool import Endpoint, PoolOptions
from django_cachex import locations, readers
from django_cachex.classes import chosen
from django_cachex.given import Options, convert, kind_of, nearest, refuse
from django_cachex.option import Option
from django_cachex.services import Service, read_service
from django_cachex.topologies import CLUSTER, SENTINEL, Topology

DEFAULT_LOGGER = "django_cachex.failures"


@attrs.frozen(kw_only=True)
class ClientConfig:
    """
    What the connections of a cache are made from.

    Caches whose values are equal, whatever their aliases, share one client per process.
    `servers` are the primary and its replicas; with `service`, how to log in to its servers; in a
    cluster, the nodes to ask first.
    """

    client_class: type
    connection_factory: type
    servers: tuple[Endpoint, ...]
    options: ClientOptions
    service: Service | None = None
    address_remap: Any = None

    @property
    def name(self) -> str:
        """The servers as messages name them."""
        if self.service is not None:
            return str(self.service)
        return ", ".join(server.name for server in self.servers)


@attrs.frozen(kw_only=True)
class CacheConfig:
    """A CACHES entry, read and checked. `timeout` is in seconds, None for never."""

    alias: str
    client: ClientConfig
    codec: Codec = attrs.field(eq=False, repr=False)
    timeout: float | None = 300
    key_prefix: str = ""
    version: int | str = 1
    key_function: Any = None
    reverse_key_function: Any = None
    scan_itersize: int = 1000
    ignore_exceptions: bool = False
    log_ignored_exceptions: bool = False
    logger: str = DEFAULT_LOGGER


def read_config(alias: str, location: Any, params: Mapping[str, Any]) -> CacheConfig:
    """
    Read what Django hands to a cache backend: LOCATION, and the rest of the entry.

    `alias` is only for messages. ImproperlyConfigured if anything in it cannot work.
    """
    top = f"CACHES[{alias!r}]"
    beside = _beside_options(params, top)
    options = Options()
    given = params.get("OPTIONS") or {}
    if not isinstance(given, Mapping):
        refuse(f"{top}['OPTIONS']", f"expected a dict, got a {kind_of(given)}")
    options.take_all(given, f"{top}['OPTIONS']")
    options.take_global_settings()
    client_class, factory, topology = chosen(options)
    servers = locations.parse(location, f"{top}['LOCATION']", options, topology)
    options.check(topology)
    groups = options.grouped()
    cache = groups["cache"]
    cache.pop("client_class", None)
    cache.pop("connection_factory", None)
    made = locations.endpoints(servers, groups["endpoint"], groups["tls"], options)
    service = None
    if topology is SENTINEL:
        locations.one_way_in(made, servers, hosts=True)
        service = read_service(servers, groups["topology"], options)
        made = made[:1]
    elif topology is CLUSTER:
        locations.one_way_in(made, servers, hosts=False)
    groups["client"].setdefault("read_from", _read_from(topology, service))
    return CacheConfig(
        alias=alias,
        client=ClientConfig(
            client_class=client_class,
            connection_factory=factory,
            servers=made,
            options=_client_options(groups, f"{top}['OPTIONS']"),
            service=service,
            address_remap=groups["topology"].get("address_remap"),
        ),
        codec=_codec(cache, options),
        **{**beside, **cache},
    )


def _read_from(topology: Topology, service: Service | None) -> str:
    """Return who answers reads unless READ_FROM says it: replicas if LOCATION speaks of them."""
    if topology is CLUSTER or (service is not None and not service.has_replicas):
        return "primary"
    return "replica_preferred"


def _client_options(groups: dict[str, dict[str, Any]], where: str) -> ClientOptions:
    try:
        return ClientOptions(**groups["client"], pool=PoolOptions(**groups["pool"]))
    except (TypeError, ValueError) as error:
        refuse(where, str(error.args[0] if error.args else error))


def _codec(cache: dict[str, Any], options: Options) -> Codec:
    """Make the codec of what is in `cache` for it, and take that out."""
    serializers = cache.pop("serializers", (PickleSerializer(),))
    if "pickle_version" in cache:
        pickle = PickleSerializer(protocol=cache.pop("pickle_version"))
        if not any(type(one) is PickleSerializer for one in serializers):
            refuse(options.where("PICKLE_VERSION"), "SERIALIZER does not pickle")
        serializers = tuple(pickle if type(one) is PickleSerializer else one for one in serializers)
    keys = cache.pop("signing_keys", False) or (None,)
    if keys is True:
        keys = (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
    return Codec(
        serializers,
        cache.pop("compressors", ()),
        signing_key=keys[0],
        signing_fallbacks=keys[1:],
    )


def _lifetime(value: Any) -> float | None:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        value = float(value)
        value = int(value) if value.is_integer() else value
    if value is not None and not isinstance(value, int | float):
        raise TypeError
    return value


def _version(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return value


def _prefix(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_ANYTHING = readers.ANYTHING
_BESIDE_OPTIONS = {
    "BACKEND": _ANYTHING,
    "LOCATION": _ANYTHING,
    "OPTIONS": _ANYTHING,
    "TIMEOUT": readers.Reader("a number of seconds, or None for never", _lifetime),
    "KEY_PREFIX": readers.Reader("a str", _prefix),
    "VERSION": readers.Reader("a number or a str", _version),
    "KEY_FUNCTION": readers.FUNCTION,
    "REVERSE_KEY_FUNCTION": readers.FUNCTION,
}


def _beside_options(params: Mapping[str, Any], top: str) -> dict[str, Any]:
    """Return what stands beside OPTIONS, by the names of CacheConfig."""
    checked: dict[str, Any] = {}
    for name, value in params.items():
        if name not in _BESIDE_OPTIONS:
            refuse(top, f"there is no setting {name!r}{nearest(name, _BESIDE_OPTIONS)}")
        reader = _BESIDE_OPTIONS[name]
        if reader is not _ANYTHING:
            option = Option(name=name, reader=reader, doc="")
            checked[name.lower()] = convert(option, value, f"{top}[{name!r}]")
    return checked
