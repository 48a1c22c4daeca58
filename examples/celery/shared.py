"""What site and worker both know: where the cache is, and how things are kept in it."""

import os

SERVER = os.environ.get("SHOP_SERVER", "redis://127.0.0.1:6379")

BROKER = f"{SERVER}/0"

CACHE = {
    "BACKEND": "django_cachex.cache.RedisCache",  # says nothing to the worker
    "LOCATION": f"{SERVER}/1",
    "KEY_PREFIX": "shop",
    "VERSION": 2,
    "TIMEOUT": 600,
    "OPTIONS": {
        "SERIALIZER": ["json", "pickle"],
        "COMPRESSOR": "zlib",
        "MAX_CONNECTIONS": 4,
    },
}


def cache_for(name):
    """Return CACHE for one of the programs; CLIENT LIST then tells whose connection is whose."""
    return {**CACHE, "OPTIONS": {**CACHE["OPTIONS"], "CLIENT_NAME": name}}
