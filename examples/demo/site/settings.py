"""A site with nothing but a cache: sessions are in it, and there is no database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SERVERS = os.environ["DEMO_CACHE_URLS"].split(",")  # the primary's first

CACHES = {
    "default": {
        "BACKEND": "django_cachex.cache.RedisCache",
        "LOCATION": SERVERS,
        "KEY_PREFIX": "demo",
        "TIMEOUT": 300,
        "OPTIONS": {
            "CLIENT_CLASS": "django_cachex.client.DefaultClient",
            "CLIENT_NAME": "demo",  # how CLIENT LIST shows our connections
            "MAX_CONNECTIONS": 8,
            "READ_YOUR_WRITES": 0.05,  # the replica is next door
        },
    },
    # A visitor's next request may come before the replica has heard of the last one:
    # sessions are read from the primary.
    "sessions": {
        "BACKEND": "django_cachex.cache.RedisCache",
        "LOCATION": SERVERS[0],
        "KEY_PREFIX": "demo-sessions",
        "OPTIONS": {"CLIENT_NAME": "demo-sessions", "MAX_CONNECTIONS": 4},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "sessions"

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.server": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "demo.site.urls"
SECRET_KEY = secrets.token_hex()
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
USE_TZ = True
