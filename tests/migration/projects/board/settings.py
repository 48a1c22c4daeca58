"""The settings of a notice board that was written for django-valkey."""

from __future__ import annotations

from migration.projects.common import BACKEND, COMMON, URL

globals().update(COMMON)

ROOT_URLCONF = "migration.projects.board.views"
CACHES = {
    "default": {
        "BACKEND": BACKEND,
        "LOCATION": URL.replace("redis://", "valkey://"),
        "KEY_PREFIX": "board",
        "OPTIONS": {
            "CLIENT_CLASS": "django_valkey.client.DefaultClient",
            "COMPRESSOR": "django_valkey.compressors.bz2.Bz2Compressor",
            "CONNECTION_POOL_KWARGS": {"max_connections": 20},
            "SOCKET_TIMEOUT": 5,
            "PICKLE_VERSION": 4,
            "IGNORE_EXCEPTIONS": True,
            "LOG_IGNORE_EXCEPTIONS": True,
        },
    },
    "json": {
        "BACKEND": BACKEND,
        "LOCATION": URL.replace("redis://", "valkey://"),
        "KEY_PREFIX": "json",
        "OPTIONS": {"SERIALIZER": "django_valkey.serializers.json.JSONSerializer"},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
CACHE_COMPRESS_LEVEL = 5
CACHE_COMPRESS_MIN_LENGTH = 100
DJANGO_VALKEY_SCAN_ITERSIZE = 200
DJANGO_VALKEY_LOGGER = "board.cache"
