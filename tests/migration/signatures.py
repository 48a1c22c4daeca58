"""Says which methods the caches of other backends have, and their arguments: a program.

Not imported by tests: the other backends change the process they are imported in.
"""

from __future__ import annotations

import inspect
import json

OURS_ONLY = ("self", "client")


def arguments(client: type, name: str) -> list[str]:
    method = getattr(client, name, None)
    if method is None:
        return []
    return [
        one.name
        for one in inspect.signature(method).parameters.values()
        if one.name not in OURS_ONLY and one.kind is not one.VAR_POSITIONAL
    ]


def main() -> None:
    from django.conf import settings

    settings.configure(CACHES={"default": {}})
    from django_redis.cache import RedisCache
    from django_redis.client import DefaultClient
    from django_valkey.cache import ValkeyCache
    from django_valkey.client import DefaultClient as ValkeyClient

    found = {
        package: {
            name: arguments(client, name)
            for name in dir(cache)
            if not name.startswith("_") and callable(getattr(cache, name))
        }
        for package, cache, client in (
            ("django_redis", RedisCache, DefaultClient),
            ("django_valkey", ValkeyCache, ValkeyClient),
        )
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
