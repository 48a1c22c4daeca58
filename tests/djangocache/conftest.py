"""Django, set up before any test module of this folder is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from djangocache import project

project.set_up()

from django.core.cache import caches  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.test.utils import (  # noqa: E402
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)

from django_cachex import registry  # noqa: E402
from support.examples import pytest_configure  # noqa: E402, F401 - a hook

MakeCache = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _environment() -> Iterator[None]:
    """What Django's test runner does around all tests."""
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(databases, verbosity=0)
    teardown_test_environment()
    connections.close_all()


@pytest.fixture(autouse=True)
def _no_clients_left() -> Iterator[None]:
    """Close what a test connected."""
    yield
    registry.close_all()


@pytest.fixture
def make_cache() -> Iterator[MakeCache]:
    """Configure a cache and return it: `make_cache(location, alias=..., **entry)`."""
    with ExitStack() as stack:
        settings: dict[str, Any] = {}

        def make(location: Any, alias: str = "default", **rest: Any) -> Any:
            settings[alias] = project.entry(location, **rest)
            settings.setdefault("default", settings[alias])
            stack.enter_context(override_settings(CACHES=dict(settings)))
            return caches[alias]

        yield make
