"""
Configuration as Django's CACHES has it, for whoever shares a cache with a site.

`read_config` reads one entry; `options` has the table of all OPTIONS. Nothing here needs Django.
"""

from cachex_client.config.entry import CacheConfig, ClientConfig, read_config

__all__ = ["CacheConfig", "ClientConfig", "read_config"]
