"""CACHES entries, read or refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex.settings import CacheConfig, read_config

URL = "redis://127.0.0.1:6379/1"
SECRET = "s3cr3t-Pa55"


def read(location: Any = URL, options: Any = None, **beside: Any) -> CacheConfig:
    params = dict(beside)
    if options is not None:
        params["OPTIONS"] = options
    return read_config("default", location, params)


def refused(location: Any = URL, options: Any = None, **beside: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(location, options, **beside)
    text = str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:  # what a traceback would show
        assert SECRET not in str(error), "a secret is shown"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert text.startswith(("CACHES['default']", "DJANGO_")), text
    return text
