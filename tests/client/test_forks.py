"""Child processes, however they are forked, on every topology: what is the parent's stays so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

InAChild = Callable[..., None]


def test_a_child_has_connections_of_its_own(place: Any, in_a_child: InAChild) -> None:
    with place.cache() as cache:
        cache.set("who", "parent")
        lock = cache.lock("lock", timeout=60)
        assert lock.acquire()

        def child() -> None:
            assert not cache.lock("lock", timeout=60).acquire(blocking=False)
            for number in range(20):
                cache.set(f"child:{number}", os.getpid())
            assert set(cache.get_many([f"child:{n}" for n in range(20)]).values()) == {os.getpid()}
            assert cache.get_or_set("made", os.getpid) == os.getpid()
            in_a_child(lambda: cache.set("grandchild", 1))
            assert cache.get("grandchild") == 1

        opened = [stats.opened for stats in cache.client.stats()]
        in_a_child(child)
        assert cache.get("who") == "parent"
        lock.release()
        stats = cache.client.stats()
        assert [one.opened for one in stats][: len(opened)] == opened
        assert all(one.closed == {} for one in stats)


def test_a_child_of_an_event_loop_starts_with_loops_of_its_own(
    place: Any, in_a_child: InAChild
) -> None:
    async def main() -> None:
        async with place.async_cache() as cache:
            await cache.set("who", "parent")

            async def child() -> None:
                await cache.set("child", os.getpid())
                assert await cache.get("child") == os.getpid()
                assert await cache.get_or_set("made", os.getpid) == os.getpid()

            in_a_child(lambda: asyncio.run(child()))
            assert await cache.get("who") == "parent"
            assert all(one.closed == {} for one in cache.client.stats())

    asyncio.run(main())
