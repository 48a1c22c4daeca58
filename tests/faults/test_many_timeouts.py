"""Many tasks that wait for a server that hangs."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from cachex_client import AsyncDefaultClient, ClientOptions
from cachex_client.commands import strings
from cachex_pool import PoolError
from support.proxy import Proxy
from support.servers import Standalone
from support.waiting import Pulse


@pytest.mark.timing
def test_a_thousand_tasks_that_run_out_of_time_at_once_are_told_so_within_a_tenth_of_it(
    standalone: Standalone,
) -> None:
    seconds = 2.0

    async def main() -> list[float]:
        with Proxy(standalone) as front:
            client = AsyncDefaultClient([front.url], ClientOptions(timeout=seconds))
            await client.execute(strings.get(b"a"))
            front.freeze()
            took = []

            async def one() -> None:
                started = monotonic()
                try:
                    await client.execute(strings.get(b"a"))
                except PoolError:
                    took.append(monotonic() - started)

            await asyncio.gather(*(one() for _ in range(1_000)))
            await client.aclose()
            return took

    with Pulse() as pulse:
        took = asyncio.run(main())
    assert len(took) == 1_000
    assert max(took) <= seconds * 1.1 + 3 * pulse.worst
