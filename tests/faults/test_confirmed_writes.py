"""The recipe for writes that survive a failover: what all replicas have confirmed is never lost."""

from __future__ import annotations

import asyncio
import runpy
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from cachex_client import (
    AsyncSentinelClient,
    Cache,
    ClientOptions,
    SentinelClient,
)
from cachex_client.commands import strings
from cachex_pool import pack_many
from support import documents
from support.clients import map_of
from support.servers import Sentinels
from support.waiting import eventually

RECIPES = Path(__file__).resolve().parents[2] / "docs/recipes.md"
OPTIONS = ClientOptions(read_from="primary", timeout=5.0)


class AsDjangos:
    """As much of a Django cache as the recipe asks for."""

    def __init__(self, client: Any) -> None:
        self.executor = client
        self.client = self
        self.codec = Cache(client).codec

    def make_key(self, key: str) -> str:
        return key


def lost(sentinels: Sentinels, confirmed: list[str]) -> list[str]:
    sentinels._await_ready(20)
    primary = sentinels.primary
    return [key for key in confirmed if primary.command("GET", key) is None]


def test_what_all_replicas_have_confirmed_survives_a_planned_failover(
    sentinels: Sentinels, tmp_path: Path
) -> None:
    documents.write_files(RECIPES, tmp_path)
    recipe = runpy.run_path(str(tmp_path / "shop/copies.py"))["set_on_replicas"]
    client = SentinelClient(map_of(sentinels), OPTIONS)
    cache, confirmed, done = AsDjangos(client), list[str](), threading.Event()

    def write(number: int) -> None:
        count = 0
        while not done.is_set():
            count += 1
            key = f"{number}-{count}"
            try:
                if recipe(cache, key, count, replicas=2, seconds=0.4):
                    confirmed.append(key)
            except redis.RedisError:
                time.sleep(0.005)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(confirmed) > 100, what="confirmed writes")
        sentinels.failover()
        before = len(confirmed)
        eventually(lambda: len(confirmed) > before + 20, 30, what="confirmed writes afterwards")
    finally:
        done.set()
        for thread in threads:
            thread.join()
        client.close()
    assert lost(sentinels, confirmed) == []


def test_what_all_replicas_have_confirmed_to_a_task_survives_a_planned_failover(
    sentinels: Sentinels, run: Any
) -> None:
    confirmed: list[str] = []

    async def write(client: AsyncSentinelClient, number: int, done: asyncio.Event) -> None:
        count = 0
        while not done.is_set():
            count += 1
            key = f"{number}-{count}"
            data = pack_many([("SET", key, count), ("WAIT", 2, 200)])
            try:
                async with client.lease(key=key.encode(), timeout=0.4) as connection:
                    stored, copies = await connection.exchange(data, 2, time.monotonic() + 0.4)
            except redis.RedisError:
                await asyncio.sleep(0.005)
                continue
            if not isinstance(stored, Exception) and not isinstance(copies, Exception):
                confirmed.extend([key] * (copies >= 2))

    async def until(count: int) -> None:
        async with asyncio.timeout(30):
            while len(confirmed) < count:
                await asyncio.sleep(0.01)

    async def main() -> None:
        client, done = AsyncSentinelClient(map_of(sentinels), OPTIONS), asyncio.Event()
        tasks = [asyncio.create_task(write(client, number, done)) for number in range(8)]
        try:
            await until(100)
            await asyncio.to_thread(sentinels.failover)
            await until(len(confirmed) + 20)
        finally:
            done.set()
            await asyncio.gather(*tasks)
            await client.aclose()

    run(main(), timeout=90.0)
    assert lost(sentinels, confirmed) == []


def test_nothing_is_lost_where_writes_are_paused_before_a_planned_failover(
    sentinels: Sentinels,
) -> None:
    client = SentinelClient(map_of(sentinels), ClientOptions(timeout=90.0))
    written, done, unexpected = list[str](), threading.Event(), list[Exception]()

    def write(number: int) -> None:
        count = 0
        while not done.is_set():
            count += 1
            key = f"{number}-{count}"
            try:
                client.execute(strings.set(key.encode(), b"v"))
            except redis.RedisError as error:
                unexpected.append(error)
                continue
            written.append(key)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(written) > 100, what="writes")
        old = sentinels.primary
        with sentinels.patient():  # their PINGs wait, too: they would take it for dead
            old.command("CLIENT", "PAUSE", 60_000, "WRITE")
            try:
                before = len(written) + len(threads)
                sentinels.failover()  # however long it takes
                eventually(lambda: len(written) > before + 100, 30, what="writes afterwards")
                eventually(lambda: len({key[0] for key in written[before:]}) == len(threads))
            finally:  # it is demoted only now
                old.command("CLIENT", "UNPAUSE")
    finally:
        done.set()
        for thread in threads:
            thread.join()
        client.close()
    assert unexpected == []
    assert lost(sentinels, written) == []


@pytest.mark.parametrize("copies", [0, 2])
def test_a_confirmation_costs_one_round_trip_of_the_caller(
    sentinels: Sentinels, tmp_path: Path, copies: int
) -> None:
    documents.write_files(RECIPES, tmp_path)
    recipe = runpy.run_path(str(tmp_path / "shop/copies.py"))["set_on_replicas"]
    client = SentinelClient(map_of(sentinels), OPTIONS)
    try:
        assert recipe(AsDjangos(client), "k", 1, replicas=copies, seconds=10.0)
    finally:
        client.close()
