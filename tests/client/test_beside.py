"""Questions to many servers side by side: so many at a time, and no more than are needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cachex_client._concurrency import ask_all, async_ask_all
from cachex_client._concurrency.beside import AT_ONCE


class Crowd:
    """Questions that nobody answers before as many as may be asked at a time have come.

    Those after the first `answering` are answered when all is `over`.
    """

    def __init__(self, size: int, answering: int | None = None) -> None:
        self.size, self.here, self.most, self.all = size, 0, 0, 0
        self.answering = size if answering is None else answering
        self.full, self.over = threading.Event(), threading.Event()

    def come(self) -> None:
        self.here += 1
        self.all += 1
        self.most = max(self.most, self.here)
        if self.here == min(self.size, AT_ONCE):
            self.full.set()

    def waits_for(self, number: int) -> threading.Event:
        return self.full if number < self.answering else self.over

    def ask(self, enough: Any, seconds: float) -> list[tuple[int, Any]]:
        lock = threading.Lock()

        def question(number: int) -> int:
            with lock:
                self.come()
            assert self.waits_for(number).wait(30)
            with lock:
                self.here -= 1
            return number

        return ask_all([lambda n=n: question(n) for n in range(self.size)], enough, seconds)

    def async_ask(self, enough: Any, seconds: float) -> list[tuple[int, Any]]:
        async def question(number: int) -> int:
            self.come()
            while not self.waits_for(number).is_set():
                await asyncio.sleep(0)
            self.here -= 1
            return number

        work = [lambda n=n: question(n) for n in range(self.size)]
        return asyncio.run(async_ask_all(work, enough, seconds))


Ask = Callable[[Crowd, Any, float], list[tuple[int, Any]]]
WAYS = pytest.mark.parametrize("ask", [Crowd.ask, Crowd.async_ask], ids=["sync", "async"])


@WAYS
@pytest.mark.parametrize("size", [0, 1, AT_ONCE, 10 * AT_ONCE])
def test_all_are_asked_some_at_a_time(ask: Ask, size: int) -> None:
    crowd = Crowd(size)
    assert sorted(ask(crowd, size, 60.0)) == [(n, n) for n in range(size)]
    assert crowd.most == min(size, AT_ONCE)


@WAYS
def test_nobody_else_is_asked_once_there_are_enough_answers(ask: Ask) -> None:
    crowd = Crowd(10 * AT_ONCE, answering=AT_ONCE)
    try:
        assert len(ask(crowd, AT_ONCE, 60.0)) == AT_ONCE
        assert crowd.all <= 2 * AT_ONCE
    finally:
        crowd.over.set()


@WAYS
def test_what_raises_is_an_answer_and_others_go_on(ask: Ask) -> None:
    def wrong() -> int:
        raise ValueError("no")

    async def async_wrong() -> int:
        return wrong()

    if ask is Crowd.ask:
        answers = ask_all([wrong] * 40, 40, 60.0)
    else:
        answers = asyncio.run(async_ask_all([async_wrong] * 40, 40, 60.0))
    assert sorted(position for position, _ in answers) == list(range(40))
    assert {str(error) for _, error in answers} == {"no"}
