# Written by tools/unasync.py from _async/configured.py: edit that file instead.
"""A cache from configuration: an entry of Django's CACHES, or a URL."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from cachex_client._sync.cluster import ClusterClient
from cachex_client._sync.default import DefaultClient
from cachex_client._sync.read_only import ReadOnlyClient
from cachex_client._sync.sentinel import SentinelClient
from cachex_client._sync.verbs import Verbs
from cachex_client.config.entry import ClientConfig, read_config
from cachex_client.config.topologies import CLUSTER, SENTINEL
from cachex_pool.secrecy import keeps_secrets

Client: TypeAlias = DefaultClient | ClusterClient
C = TypeVar("C", bound="Configured")


class Configured(Verbs):
    """Caches that are told everything by a configuration."""

    @classmethod
    @keeps_secrets()
    def from_config(
        cls: type[C],
        entry: Mapping[str, Any],
        *,
        name: str = "",
        secret_keys: Sequence[str | bytes] = (),
    ) -> C:
        """
        Make a cache, and a client of its own, from an entry of Django's CACHES.

        A worker without Django that is given the entry of a site finds the site's values, locks and
        counters: LOCATION, KEY_PREFIX, VERSION, TIMEOUT, KEY_FUNCTION and OPTIONS mean what they
        mean there. CLIENT_CLASS says which topology it is. Options about a site's errors, such as
        IGNORE_EXCEPTIONS, are checked and go unheeded: this cache raises. `name` is what
        observers call it, the site's alias for instance; `secret_keys` is what SIGNING_KEY=True
        stands for: the site's SECRET_KEY, then its fallbacks.

        ConfigurationError says what was expected, what was given and where. Nothing is connected
        before the first use; make one per process, and end with `cache.client`'s close().
        """
        config = read_config(entry, secret_keys=secret_keys)
        client = client_of(config.client)
        return cls(client, config.keys(), config.codec, config.timeout, name=name)

    @classmethod
    @keeps_secrets()
    def from_url(cls: type[C], url: str | Sequence[str], *, name: str = "", **beside: Any) -> C:
        """
        Make a cache, and a client of its own, from a URL, or several: the primary, then replicas.

        Options may stand in the query, as in `redis://127.0.0.1:6379/1?max_connections=4`;
        `beside` is the rest of an entry in small letters: `key_prefix`, `version`, `timeout`
        (seconds a value is kept), `options` and so on. Otherwise as `from_config`.
        """
        entry = {"LOCATION": url, **{key.upper(): value for key, value in beside.items()}}
        return cls.from_config(entry, name=name)


def client_of(config: ClientConfig) -> Client:
    """Make the client that a configuration describes."""
    if config.topology is CLUSTER:
        return ClusterClient((), config.options, map=config.cluster_map())
    if config.topology is SENTINEL:
        assert config.service is not None
        kind = ReadOnlyClient if config.service.read_only else SentinelClient
        return kind(config.sentinel_map(), config.options)
    return DefaultClient(config.servers, config.options)
