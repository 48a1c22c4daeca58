"""Django, set up before any test module of this folder is imported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from djangocache import project

project.set_up()

from django_cachex import registry  # noqa: E402
from migration import child  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _no_children_left() -> Iterator[None]:
    """End the processes of the other backends."""
    yield
    child.end_all()


@pytest.fixture(autouse=True)
def _no_clients_left() -> Iterator[None]:
    """Close what a test connected."""
    yield
    registry.close_all()
