"""CACHES for every topology: the part of a site's settings that one may want to copy.

Each function takes addresses, "host:port", and returns the whole setting. A visitor's next request
may come before a replica has heard of the last one: so sessions are read from the primary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Caches = dict[str, dict[str, Any]]


def standalone(servers: list[str]) -> Caches:
    """One server."""
    return {
        "default": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": f"redis://{servers[0]}/0",
            "KEY_PREFIX": "demo",
            "TIMEOUT": 300,
            "OPTIONS": {
                "CLIENT_NAME": "demo",  # how CLIENT LIST shows our connections
                "MAX_CONNECTIONS": 8,
            },
        },
        "sessions": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": f"redis://{servers[0]}/0",
            "KEY_PREFIX": "demo-sessions",
            "OPTIONS": {"CLIENT_NAME": "demo-sessions", "MAX_CONNECTIONS": 4},
        },
    }


def replica(servers: list[str]) -> Caches:
    """A primary, whose address comes first, and its replicas, which answer reads."""
    urls = [f"redis://{server}/0" for server in servers]
    return {
        "default": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": urls,
            "KEY_PREFIX": "demo",
            "TIMEOUT": 300,
            "OPTIONS": {
                "CLIENT_CLASS": "django_cachex.client.DefaultClient",
                "CLIENT_NAME": "demo",  # how CLIENT LIST shows our connections
                "MAX_CONNECTIONS": 8,
                "READ_YOUR_WRITES": 0.05,  # the replica is next door
            },
        },
        "sessions": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": urls[0],
            "KEY_PREFIX": "demo-sessions",
            "OPTIONS": {"CLIENT_NAME": "demo-sessions", "MAX_CONNECTIONS": 4},
        },
    }


def sentinel(servers: list[str]) -> Caches:
    """What Sentinels watch: the addresses are theirs."""
    sentinels = [(host, int(port)) for host, port in (one.split(":") for one in servers)]
    return {
        "default": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": ["redis://mymaster/0", "redis://mymaster/0?is_master=0"],
            "KEY_PREFIX": "demo",
            "TIMEOUT": 300,
            "OPTIONS": {
                "CLIENT_CLASS": "django_cachex.client.SentinelClient",
                "SENTINELS": sentinels,
                "CLIENT_NAME": "demo",  # how CLIENT LIST shows our connections
                "MAX_CONNECTIONS": 8,
                "READ_YOUR_WRITES": 0.05,  # the replicas are next door
            },
        },
        "sessions": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": "redis://mymaster/0",
            "KEY_PREFIX": "demo-sessions",
            "OPTIONS": {
                "CLIENT_CLASS": "django_cachex.client.SentinelClient",
                "SENTINELS": sentinels,
                "CLIENT_NAME": "demo-sessions",
                "MAX_CONNECTIONS": 4,
            },
        },
    }


def cluster(servers: list[str]) -> Caches:
    """A cluster: the addresses are those of any of its nodes, the others are found."""
    urls = [f"redis://{server}" for server in servers]
    return {
        "default": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": urls,
            "KEY_PREFIX": "demo",
            "TIMEOUT": 300,
            "OPTIONS": {
                "CLIENT_CLASS": "django_cachex.client.ClusterClient",
                "CLIENT_NAME": "demo",  # how CLIENT LIST shows our connections
                "MAX_CONNECTIONS": 8,  # to each node
                "READ_FROM": "replica_preferred",  # without it primaries answer reads
                "READ_YOUR_WRITES": 0.05,  # the replicas are next door
            },
        },
        "sessions": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": urls,
            "KEY_PREFIX": "demo-sessions",
            "OPTIONS": {
                "CLIENT_CLASS": "django_cachex.client.ClusterClient",
                "CLIENT_NAME": "demo-sessions",
                "MAX_CONNECTIONS": 4,
            },
        },
    }


CACHES_OF: dict[str, Callable[[list[str]], Caches]] = {
    "standalone": standalone,
    "replica": replica,
    "sentinel": sentinel,
    "cluster": cluster,
}
