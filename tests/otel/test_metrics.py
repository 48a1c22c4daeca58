"""What is counted, and how it is called."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cachex_client import (
    AsyncCache,
    AsyncDefaultClient,
    Cache,
    ClientOptions,
    DefaultClient,
    commands,
)
from cachex_otel.attributes import DURATION_BUCKETS, LOOKUPS
from cachex_otel.metrics import Counts
from cachex_pool import PoolError, PoolOptions
from otel.receiver import Receiver, id_of
from support.proxy import MakeProxy
from support.servers import Standalone
from support.waiting import eventually


@pytest.fixture
def cache(colour: Any, standalone: Standalone) -> Any:
    return colour.cache(colour.client(standalone.url))


def test_lookups_are_counted_by_what_came_of_them(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    cache.set_many({"a": 1, "b": None})
    cache.get("a")
    cache.get("b")
    cache.get("missing")
    cache.get_many(["a", "b", "missing", "gone"])
    cache.get_or_set("new", 1)
    lookups = receiver.metric("cachex.lookups")
    assert lookups.value(cachex_lookup_result="hit") == 4
    assert lookups.value(cachex_lookup_result="miss") == 4
    assert lookups.value(cachex_cache_name="default", cachex_tier="server") == 8


def test_writes_and_removals_are_counted_by_key(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    cache.set("a", 1)
    cache.set_many({"b": 1, "c": 1})
    cache.add("a", 2)  # it is there
    cache.delete("a")
    cache.delete("a")
    cache.delete_many(["b", "c", "missing"])
    assert receiver.metric("cachex.writes").value(cachex_cache_name="default") == 3
    assert receiver.metric("cachex.deletes").value(cachex_cache_name="default") == 3


def test_bytes_are_counted_in_both_directions(cache: Any, receiver: Receiver) -> None:
    cache.set("a", "x" * 1000)
    receiver.instrument()
    cache.get("a")
    cache.get_many(["a", "b"])
    io = receiver.metric("cachex.io")
    assert 2000 <= io.value(network_io_direction="receive") < 2200
    assert 0 < io.value(network_io_direction="transmit") < 200


def test_every_wire_operation_is_measured_once(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    cache.set_many({str(n): n for n in range(100)})
    for _ in range(5):
        cache.get("1")
    durations = receiver.metric("db.client.operation.duration")
    assert durations.value(db_operation_name="GET") == 5
    assert durations.value(db_operation_name="PIPELINE SET") == 1
    (point,) = [p for at, p in durations.points.items() if ("db.operation.name", "GET") in at]
    assert 0 < point.sum < 5
    assert point.explicit_bounds == DURATION_BUCKETS


def test_a_duration_leads_to_its_span(cache: Any, receiver: Receiver) -> None:
    receiver.instrument()
    cache.get("a")
    (point,) = receiver.metric("db.client.operation.duration").points.values()
    (exemplar,) = point.exemplars
    assert exemplar.span_id == id_of(receiver.span)


def test_an_error_is_counted_as_a_lookup_that_failed(
    standalone: Standalone, receiver: Receiver
) -> None:
    with Standalone() as server:
        client = DefaultClient([server.url], ClientOptions(timeout=0.3))
        cache = Cache(client, name="default")
        cache.set("a", 1)
        receiver.instrument()
        server.kill()
        with pytest.raises(PoolError):
            cache.get("a")
        client.close()
    lookups = receiver.metric("cachex.lookups")
    assert lookups.value(cachex_lookup_result="error") == 1
    assert lookups.value(cachex_lookup_result="miss") == 0


# Connections


def test_connections_are_counted_idle_and_used(
    standalone: Standalone, proxy: MakeProxy, receiver: Receiver
) -> None:
    server = proxy(standalone)  # with an address that no other pool of this process has
    options = ClientOptions(pool=PoolOptions(max_size=7, min_size=1))
    client = DefaultClient([server.url], options)
    receiver.instrument()
    name = f"127.0.0.1:{server.port}/0"
    with client.lease():
        client.execute(commands.ping())
        found = receiver.metrics()
        count = found["db.client.connection.count"]
        at = {"db_client_connection_pool_name": name}
        assert count.value(db_client_connection_state="used", **at) == 1
        assert count.value(db_client_connection_state="idle", **at) == 1
        assert found["db.client.connection.max"].value(**at) == 7
        assert found["db.client.connection.idle.max"].value(**at) == 7
        assert found["db.client.connection.idle.min"].value(**at) == 1
        assert found["db.client.connection.pending_requests"].value(**at) == 0
        assert found["db.client.connection.create_time"].value(**at) == 2
        assert found["cachex.breaker.state"].value(cachex_breaker_state="closed", **at) == 1
        assert found["cachex.breaker.state"].value(cachex_breaker_state="open", **at) == 0
    client.close()


def test_who_queues_is_counted_while_waiting_and_measured_after(
    standalone: Standalone, receiver: Receiver
) -> None:
    client = DefaultClient([standalone.url], ClientOptions(pool=PoolOptions(max_size=1)))
    receiver.instrument()
    waiter = threading.Thread(target=client.execute, args=(commands.ping(),))
    with client.lease():
        waiter.start()
        eventually(lambda: receiver.metric("db.client.connection.pending_requests").value() == 1)
        assert receiver.metric("db.client.connection.wait_time").points == {}
    waiter.join()
    assert receiver.metric("db.client.connection.wait_time").value() == 1
    assert receiver.metric("db.client.connection.pending_requests").value() == 0
    client.close()


def test_connections_that_end_are_counted_by_reason(
    standalone: Standalone, receiver: Receiver
) -> None:
    client = DefaultClient([standalone.url])
    receiver.instrument()
    client.execute(commands.ping())
    client.close()
    closes = receiver.metric("cachex.connection.closes")
    assert closes.value(cachex_close_reason="closed by its user") == 1


def test_two_pools_of_one_server_are_one_series(
    standalone: Standalone, proxy: MakeProxy, receiver: Receiver
) -> None:
    server = proxy(standalone)
    clients = [DefaultClient([server.url]) for _ in range(2)]
    receiver.instrument()
    for client in clients:
        client.execute(commands.ping())
    count = receiver.metric("db.client.connection.count")
    here = [at for at in count.points if any(f":{server.port}/" in str(v) for _, v in at)]
    assert len(here) == 2  # idle and used
    assert count.value(db_client_connection_pool_name=f"127.0.0.1:{server.port}/0") == 2
    for client in clients:
        client.close()


def test_collecting_from_another_thread_disturbs_nobody(
    standalone: Standalone, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters have threads of their own; event loops come and go meanwhile."""
    over = threading.Event()
    collected: list[int] = []

    def collect() -> None:
        while not over.is_set():
            collected.append(len(receiver.metrics()))

    async def load() -> None:
        client = AsyncDefaultClient([standalone.url])
        cache = AsyncCache(client, name="default")
        await asyncio.gather(*(cache.set(f"k{n}", n) for n in range(100)))
        await client.aclose()

    receiver.instrument()
    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(10):
            asyncio.run(load())
            client = DefaultClient([standalone.url])
            Cache(client).get("k1")
            client.close()
        eventually(lambda: len(collected) > 2, 60)  # a busy machine may let it begin late
    finally:
        over.set()
        collector.join()
    assert receiver.metric("cachex.writes").value() == 1000
    assert not caplog.records


# Counting


def test_threads_lose_no_counts() -> None:
    counts = Counts()
    lookups = counts.of(LOOKUPS)

    def work() -> None:
        for _ in range(20_000):
            lookups[(("a", "b"), ("c", "d"))] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert counts.read(LOOKUPS) == [((("a", "b"), ("c", "d")), 160_000)]
