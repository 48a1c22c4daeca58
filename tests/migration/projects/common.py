"""What the settings of the projects have in common."""

from __future__ import annotations

import os
from typing import Any

BACKEND = os.environ["CACHE_BACKEND"]
URL = os.environ["CACHE_URL"]

COMMON: dict[str, Any] = {
    "SECRET_KEY": "of the tests",
    "ALLOWED_HOSTS": ["*"],
    "INSTALLED_APPS": ["django.contrib.sessions"],
    "USE_TZ": True,
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
}
