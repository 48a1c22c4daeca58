"""The settings of a shop that was written for django-redis."""

from __future__ import annotations

from migration.projects.common import BACKEND, COMMON, URL

globals().update(COMMON)

ROOT_URLCONF = "migration.projects.shop.views"
CACHES = {
    "default": {
        "BACKEND": BACKEND,
        "LOCATION": URL,
        "KEY_PREFIX": "shop",
        "TIMEOUT": 600,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
            "CONNECTION_POOL_KWARGS": {"max_connections": 20, "retry_on_timeout": True},
            "SOCKET_CONNECT_TIMEOUT": 5,
            "SOCKET_TIMEOUT": 5,
            "PICKLE_VERSION": -1,
        },
    },
    "api": {
        "BACKEND": BACKEND,
        "LOCATION": [URL],
        "KEY_PREFIX": "api",
        "VERSION": 3,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "PARSER_CLASS": "redis.connection.DefaultParser",
        },
    },
    "sessions": {"BACKEND": BACKEND, "LOCATION": URL, "KEY_PREFIX": "sessions"},
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "sessions"
CACHE_MIDDLEWARE_SECONDS = 300
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
DJANGO_REDIS_SCAN_ITERSIZE = 100
DJANGO_REDIS_IGNORE_EXCEPTIONS = False
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
