"""A Django project around Django's own tests, set up once per process."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from support.servers import Cluster, Sentinels

BACKEND = "django_cachex.cache.RedisCache"

DJANGO_TESTS = os.environ.get("CACHEX_DJANGO_TESTS", "")
"""Where Django's own tests are, which are in its source distribution only; dev.py knows."""


def set_up() -> None:
    """Configure Django, with the apps of Django's own tests if those are there."""
    if settings.configured:
        return
    apps = ["django.contrib.contenttypes", "django.contrib.sessions"]
    if DJANGO_TESTS:
        if not Path(DJANGO_TESTS, "cache").is_dir():
            raise RuntimeError(f"CACHEX_DJANGO_TESTS: no Django tests in {DJANGO_TESTS!r}")
        sys.path.append(DJANGO_TESTS)
        apps += ["cache", "sessions_tests"]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=apps,
        LANGUAGE_CODE="en",
        ROOT_URLCONF="djangocache.urls",
        SECRET_KEY="not a secret: tests",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        USE_TZ=False,
    )
    django.setup()


def entry(location: Any, backend: str = BACKEND, **rest: Any) -> dict[str, Any]:
    """Make a CACHES entry; names in capitals go beside OPTIONS, others into it."""
    beside = {name: value for name, value in rest.items() if name.isupper()}
    options = {name: value for name, value in rest.items() if not name.isupper()}
    made = {"BACKEND": backend, "LOCATION": location, **beside}
    if options:
        made["OPTIONS"] = {**made.get("OPTIONS", {}), **options}
    return made


def sentinel_entry(
    sentinels: Sentinels, query: str = "", backend: str = BACKEND, **rest: Any
) -> dict[str, Any]:
    """Make a CACHES entry for a service, patient on busy machines; `query` ends its URL."""
    rest.setdefault("socket_connect_timeout", 3)
    return entry(
        f"redis://{sentinels.name}/0{query}",
        backend,
        client_class="django_cachex.client.SentinelClient",
        sentinels=sentinels.addresses,
        **rest,
    )


def cluster_entry(cluster: Cluster, backend: str = BACKEND, **rest: Any) -> dict[str, Any]:
    """Make a CACHES entry for a cluster."""
    client = "django_cachex.client.ClusterClient"
    return entry(cluster.urls[0], backend, client_class=client, **rest)


def moved(
    caches: dict[str, Any], urls: list[str], backend: str = BACKEND, **options: Any
) -> dict[str, Any]:
    """Return a CACHES setting on our backend; what was in one place stays in one place."""
    places = list(dict.fromkeys(there.get("LOCATION", "") for there in caches.values()))
    return {
        alias: {
            **there,
            "BACKEND": backend,
            "LOCATION": [
                _in_database(url, places.index(there.get("LOCATION", ""))) for url in urls
            ],
            **({"OPTIONS": {**there.get("OPTIONS", {}), **options}} if options else {}),
        }
        for alias, there in caches.items()
    }


def _in_database(url: str, number: int) -> str:
    return re.sub(r"/\d+(?=$|\?)", f"/{number}", url)
