"""The settings of a newspaper that was written for Django's own backend."""

from __future__ import annotations

from migration.projects.common import BACKEND, COMMON, URL

globals().update(COMMON)

ROOT_URLCONF = "migration.projects.news.views"
CACHES = {
    "default": {
        "BACKEND": BACKEND,
        "LOCATION": URL,
        "TIMEOUT": 900,
        "KEY_PREFIX": "news:eu",
        "VERSION": 2,
        "OPTIONS": {
            "db": 3,
            "pool_class": "redis.BlockingConnectionPool",
            "max_connections": 20,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "health_check_interval": 30,
        },
    },
    "drafts": {
        "BACKEND": BACKEND,
        "LOCATION": [URL],
        "KEY_FUNCTION": "migration.keys.key_function",
        "OPTIONS": {"serializer": "django.core.cache.backends.redis.RedisSerializer"},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
]
