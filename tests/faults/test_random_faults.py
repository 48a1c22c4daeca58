"""Whatever befalls the connections, nothing wrong is read, counted twice, late or left behind."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
import redis

from cachex_client import AsyncDefaultClient, DefaultClient
from cachex_client.commands import strings
from support import load
from support.history import History, Outcome
from support.leaks import no_leaks
from support.proxy import Proxy
from support.servers import Standalone
from support.storm import storm
from support.waiting import Pulse

TIMEOUT = 0.5
EXPECTED = (redis.RedisError, OSError)
RUNS = [
    pytest.param(1, 3.0),
    *(pytest.param(seed, 20.0, marks=pytest.mark.soak) for seed in range(2, 6)),
]


def judge(history: History, standalone: Standalone, happened: list[str], pulse: Pulse) -> None:
    print(
        "faults:", happened, {outcome: history.count(outcome) for outcome in Outcome}, pulse.worst
    )
    history.check()
    assert not list(history.stale_reads())
    history.check_total("counter", int(standalone.command("GET", "counter")))
    assert history.count(Outcome.OK) > 100
    history.check_longest(TIMEOUT * 1.1 + 3 * pulse.worst)


@pytest.mark.parametrize(("seed", "seconds"), RUNS)
def test_threads_in_a_storm(standalone: Standalone, seed: int, seconds: float) -> None:
    history = History(EXPECTED)
    dice = random.Random(seed)

    with no_leaks(), Proxy(standalone) as front, Pulse() as pulse:
        client = DefaultClient([front.url])

        def work(number: int) -> None:
            key, what = f"key-{dice.randrange(20)}", dice.random()
            if what < 0.4:
                with history.read(number, key) as event:
                    event.result = client.execute(strings.get(key.encode()), timeout=TIMEOUT)
            elif what < 0.7:
                with history.write(number, key, dice.choice([0, 100, 5000])) as event:
                    client.execute(strings.set(key.encode(), event.value), timeout=TIMEOUT)
            else:
                with history.add(number, "counter") as event:
                    event.result = client.execute(strings.incrby(b"counter", 1), timeout=TIMEOUT)
            time.sleep(0.002)

        with load.threads(8, work):
            happened = storm(front, seed, seconds)
        client.close()
    judge(history, standalone, happened, pulse)


@pytest.mark.parametrize(("seed", "seconds"), RUNS)
def test_tasks_in_a_storm(standalone: Standalone, seed: int, seconds: float) -> None:
    history = History(EXPECTED)
    dice = random.Random(seed)

    async def main(front: Proxy) -> list[str]:
        client = AsyncDefaultClient([front.url])

        async def work(number: int) -> None:
            key, what = f"key-{dice.randrange(20)}", dice.random()
            if what < 0.4:
                with history.read(number, key) as event:
                    event.result = await client.execute(strings.get(key.encode()), timeout=TIMEOUT)
            elif what < 0.7:
                with history.write(number, key, dice.choice([0, 100, 5000])) as event:
                    await client.execute(strings.set(key.encode(), event.value), timeout=TIMEOUT)
            else:
                with history.add(number, "counter") as event:
                    command = strings.incrby(b"counter", 1)
                    event.result = await client.execute(command, timeout=TIMEOUT)
            await asyncio.sleep(0.002)

        async with load.tasks(8, work):
            happened = await asyncio.to_thread(storm, front, seed, seconds)
        await client.aclose()
        return happened

    with no_leaks(), Proxy(standalone) as front, Pulse() as pulse:
        happened = asyncio.run(main(front))
    judge(history, standalone, happened, pulse)
