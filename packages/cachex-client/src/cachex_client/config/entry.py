"""
An entry of CACHES becomes one frozen value, or a ConfigurationError that says what was
expected, what was given and where. Secrets are never shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from cachex_client.cluster_map import ClusterMap
from cachex_client.codec import Codec
from cachex_client.compressors import MAX_DECOMPRESSED
from cachex_client.config import locations, readers
from cachex_client.config.classes import named
from cachex_client.config.given import Options, convert, kind_of, nearest, refuse
from cachex_client.config.option import Option
from cachex_client.config.services import Service, read_service
from cachex_client.config.topologies import CLUSTER, SENTINEL, Topology
from cachex_client.keys import Keys
from cachex_client.options import ClientOptions
from cachex_client.sentinel_map import SentinelMap
from cachex_client.serializers import PickleSerializer
from cachex_client.signing import is_usable
from cachex_pool import Endpoint, PoolOptions
from cachex_pool.checks import encodes, quoted
from cachex_pool.secrecy import keeps_secrets


@attrs.frozen(kw_only=True)
class ClientConfig:
    """
    What the connections of a cache are made from.

    `servers` are the primary and its replicas; with `service`, how to log in to its servers; in a
    cluster, the nodes to ask first. `allowed_hosts` are those that servers may name, None for any.
    """

    topology: Topology
    servers: tuple[Endpoint, ...]
    options: ClientOptions
    service: Service | None = None
    address_remap: Any = None
    allowed_hosts: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The servers as messages name them."""
        if self.service is not None:
            return str(self.service)
        return ", ".join(server.name for server in self.servers)

    def sentinel_map(self) -> SentinelMap:
        """Make the map of the service that Sentinels watch."""
        assert self.service is not None
        return SentinelMap(
            self.service.name,
            self.service.sentinels,
            self.servers[0],
            address_remap=self.address_remap,
            allowed_hosts=self.allowed_hosts,
            ask_within=self.service.ask_within,
        )

    def cluster_map(self) -> ClusterMap:
        """Make the map of the cluster."""
        return ClusterMap(self.servers, self.address_remap, allowed_hosts=self.allowed_hosts)


@attrs.frozen(kw_only=True)
class CacheConfig:
    """
    An entry, read and checked. `timeout` is in seconds, None for never.

    `others` are the options that only a Django site heeds, by their names in small letters.
    """

    client: ClientConfig
    codec: Codec = attrs.field(eq=False, repr=False)
    timeout: float | None = 300
    key_prefix: str = ""
    version: int | str = 1
    key_function: Any = None
    reverse_key_function: Any = None
    clear: str = "prefix"
    other_prefixes: tuple[str, ...] | None = None
    others: Mapping[str, Any] = attrs.field(factory=dict, hash=False)

    def keys(self) -> Keys:
        """Make the rule by which keys are stored."""
        return Keys(
            self.key_prefix,
            self.version,
            self.key_function,
            self.reverse_key_function,
            others=self.other_prefixes,
            owns_database=self.owns_database,
        )

    @property
    def owns_database(self) -> bool:
        """Whether `clear()` empties the database."""
        return self.clear == "database"


@keeps_secrets()
def read_config(
    entry: Mapping[str, Any], *, secret_keys: Sequence[str | bytes] = (), where: str = "config"
) -> CacheConfig:
    """
    Read an entry as Django's CACHES has it: LOCATION, OPTIONS, KEY_PREFIX, VERSION and the like.

    CLIENT_CLASS and CONNECTION_FACTORY count by their names: those of django_cachex need not be
    installed. `secret_keys` are what SIGNING_KEY=True stands for, the newest first: a site's
    SECRET_KEY and SECRET_KEY_FALLBACKS. `where` is how errors call the entry.
    ConfigurationError if anything in it cannot work.
    """
    if not isinstance(entry, Mapping):
        refuse(where, f"expected a dict, as in Django's CACHES; got a {kind_of(entry)}")
    _refuse_backend(entry.get("BACKEND"), f"{where}['BACKEND']")
    options = options_of(entry, where)
    topology = named(options)
    return read_entry(entry.get("LOCATION"), entry, where, options, topology, secret_keys)


def options_of(params: Mapping[str, Any], where: str) -> Options:
    """Return the OPTIONS of an entry, each of them read; `where` is how errors call the entry."""
    options = Options()
    given = params.get("OPTIONS") or {}
    if not isinstance(given, Mapping):
        refuse(f"{where}['OPTIONS']", f"expected a dict, got a {kind_of(given)}")
    options.take_all(given, f"{where}['OPTIONS']")
    return options


def read_entry(
    location: Any,
    params: Mapping[str, Any],
    where: str,
    options: Options,
    topology: Topology,
    secret_keys: Sequence[str | bytes] = (),
) -> CacheConfig:
    """Read the rest of an entry, of which OPTIONS and the topology are known."""
    beside = _beside_options(params, where)
    servers = locations.parse(location, f"{where}['LOCATION']", options, topology)
    options.check(topology)
    groups = options.grouped()
    made = locations.endpoints(servers, groups["endpoint"], groups["tls"], options)
    service = None
    if topology is SENTINEL:
        locations.one_way_in(made, servers, hosts=True)
        service = read_service(servers, groups["topology"], options)
        made = made[:1]
    elif topology is CLUSTER:
        locations.one_way_in(made, servers, hosts=False)
    groups["client"].setdefault("read_from", _read_from(topology, service))
    cache = groups["cache"]
    return CacheConfig(
        client=ClientConfig(
            topology=topology,
            servers=made,
            options=_client_options(groups, f"{where}['OPTIONS']"),
            service=service,
            address_remap=groups["topology"].get("address_remap"),
            allowed_hosts=groups["topology"].get("allowed_hosts"),
        ),
        codec=_codec(cache, options, secret_keys),
        **beside,
        **{name: cache.pop(name) for name in _ABOUT_KEYS if name in cache},
        others=cache,
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


def _codec(cache: dict[str, Any], options: Options, secret_keys: Sequence[str | bytes]) -> Codec:
    """Make the codec of what is in `cache` for it, and take that out."""
    serializers = cache.pop("serializers", (PickleSerializer(),))
    if "pickle_version" in cache:
        pickle = PickleSerializer(protocol=cache.pop("pickle_version"))
        if not any(type(one) is PickleSerializer for one in serializers):
            refuse(options.where("PICKLE_VERSION"), "SERIALIZER does not pickle")
        serializers = tuple(pickle if type(one) is PickleSerializer else one for one in serializers)
    keys = cache.pop("signing_keys", False) or (None,)
    if keys is True:
        if not secret_keys:
            expected = "expected a key, or what True stands for in the argument `secret_keys`"
            refuse(options.where("SIGNING_KEY"), f"{expected}: a site's SECRET_KEY")
        if not isinstance(secret_keys, list | tuple) or not all(map(is_usable, secret_keys)):
            expected = "expected `secret_keys`, which True stands for, as a list of str or bytes"
            refuse(options.where("SIGNING_KEY"), f"{expected}, none of them empty")
        keys = tuple(secret_keys)
    return Codec(
        serializers,
        cache.pop("compressors", ()),
        signing_key=keys[0],
        signing_fallbacks=keys[1:],
        **{name: cache.pop(name) for name in _ABOUT_SIGNING if name in cache},
        max_decompressed=cache.pop("max_decompressed", MAX_DECOMPRESSED),
    )


def _refuse_backend(backend: Any, where: str) -> None:
    """Refuse one of Django's own that keeps nothing where another process could find it."""
    own = "django.core.cache.backends."
    if isinstance(backend, str) and backend.startswith(own) and ".redis." not in backend:
        refuse(where, f"{backend} has no server to share values through")


def _lifetime(value: Any) -> float | None:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        value = float(value)
        value = int(value) if value.is_integer() else value
    if value is not None and not isinstance(value, int | float):
        raise TypeError
    if value is not None and not -LONGEST <= value <= LONGEST:
        raise ValueError
    return value


def _version(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str) or not encodes(str(value)):
        raise TypeError
    return value


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not encodes(value):
        raise TypeError
    return value


_ABOUT_SIGNING = ("signing_binds_key", "signing_plain_integers", "signing_accepts_unsigned")
_ABOUT_KEYS = ("reverse_key_function", "clear", "other_prefixes")
_ANYTHING = readers.ANYTHING
LONGEST = 2**53
"""Seconds that a value may live: a server counts the milliseconds since 1970 in 63 bits."""
_BESIDE_OPTIONS = {
    "BACKEND": _ANYTHING,
    "LOCATION": _ANYTHING,
    "OPTIONS": _ANYTHING,
    "TIMEOUT": readers.Reader("a number of seconds, or None for never", _lifetime),
    "KEY_PREFIX": readers.Reader("a str", _prefix),
    "VERSION": readers.Reader("a number or a str", _version),
    "KEY_FUNCTION": readers.FUNCTION,
    "REVERSE_KEY_FUNCTION": readers.FUNCTION,
    "MAX_ENTRIES": _ANYTHING,
    "CULL_FREQUENCY": _ANYTHING,
}
_UNDOCUMENTED = ("timeout", "max_entries", "cull_frequency")  # read by Django in small letters


def _beside_options(params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what stands beside OPTIONS, by the names of CacheConfig."""
    checked: dict[str, Any] = {}
    for name, value in params.items():
        if name in _UNDOCUMENTED:
            name = name.upper()
            if name in params:
                refuse(f"{where}[{name.lower()!r}]", f"contradicts {name!r} beside it")
        if name not in _BESIDE_OPTIONS:
            refuse(
                where,
                f"there is no setting {quoted(name)}{nearest(str(name).upper(), _BESIDE_OPTIONS)}",
            )
        reader = _BESIDE_OPTIONS[name]
        if reader is not _ANYTHING:
            option = Option(name=name, reader=reader, doc="")
            checked[name.lower()] = convert(option, value, f"{where}[{name!r}]")
    return checked
