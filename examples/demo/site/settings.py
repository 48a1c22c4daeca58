"""A site with nothing but a cache: sessions are in it, and there is no database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from demo.site.caches import CACHES_OF

TOPOLOGY = os.environ["DEMO_TOPOLOGY"]
DIRECTOR = os.environ["DEMO_DIRECTOR"]

CACHES = CACHES_OF[TOPOLOGY](os.environ["DEMO_SERVERS"].split(","))
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
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "demo.site.picture.about",
            ]
        },
    }
]
USE_TZ = True
