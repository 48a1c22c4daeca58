"""What observers hear of Django's caches: the alias, the verb, and its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cachex_client import ClientObserver, Operation, Sent, observe, unobserve
from support.servers import Standalone

Make = Callable[..., Any]


class Ear(ClientObserver):
    """Writes down what it hears, parts of a verb with an indent."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._inside = 0

    def sending(self, sent: Sent) -> None:
        verb = f" for {sent.origin.cache}.{sent.origin.operation}" if sent.origin else ""
        self.heard.append(f"{'  ' * self._inside}{sent.name}{verb}")

    def began(self, operation: Operation) -> bool:
        self.heard.append(f"{operation.origin.cache}.{operation.origin.operation}")
        self._inside += 1
        return True

    def ended(self, operation: Operation, token: Any) -> None:
        self._inside -= 1
        if operation.error is not None:
            self.heard.append(type(operation.error).__name__)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    observe(ear)
    yield ear
    unobserve(ear)


@pytest.fixture
def cache(standalone: Standalone, make_cache: Make) -> Any:
    return make_cache(standalone.url, alias="shop")


def test_a_verb_is_told_with_the_alias(cache: Any, ear: Ear, run: Any) -> None:
    cache.set("k", 1)
    run(cache.aget("k"))
    assert ear.heard == ["SET for shop.set", "GET for shop.get"]


def test_get_or_set_is_one_and_has_parts(cache: Any, ear: Ear, run: Any) -> None:
    cache.get_or_set("k", lambda: 1)
    first = ear.heard[:]
    ear.heard.clear()
    run(cache.aget_or_set("other", 1))
    for heard in (first, ear.heard):
        assert heard[0] == "shop.get_or_set"
        assert [part.split()[0] for part in heard[1:]] == ["GET", "SET"]
        assert all(part.startswith("  ") for part in heard[1:])


def test_what_a_default_raises_is_told(cache: Any, ear: Ear, run: Any) -> None:
    async def nothing() -> int:
        raise LookupError

    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("k", lambda: 1 // 0)
    with pytest.raises(LookupError):
        run(cache.aget_or_set("k", nothing))
    assert [one for one in ear.heard if one.endswith("Error")] == [
        "ZeroDivisionError",
        "LookupError",
    ]
