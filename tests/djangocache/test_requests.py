"""Requests, threads, aliases, processes: how many connections they cost."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.core.cache import caches
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.test import Client, RequestFactory, override_settings

from django_cachex import get_async_redis_connection, get_redis_connection, registry, warm_up
from django_cachex.pool import Client as PoolClient
from django_cachex.pool import ConnectionFactory
from django_cachex.settings import ClientConfig
from djangocache import project
from support.servers import Replicated, Standalone
from support.waiting import eventually

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _project(request: pytest.FixtureRequest) -> Iterator[None]:
    with override_settings(ROOT_URLCONF="djangocache.urls"):
        yield


def connections_made(server: Standalone) -> Callable[[], int]:
    """Return a function that counts connections accepted from now on."""
    before = server.connections_received()
    return lambda: server.connections_received() - before


def test_two_hundred_wsgi_requests_in_fifty_threads_share_the_pool(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, max_connections=10)
    made = connections_made(standalone)
    together = threading.Barrier(50)

    def work(_: int) -> list[bytes]:
        together.wait(10)
        client = Client()
        return [client.get("/visit").content for _ in range(4)]

    with ThreadPoolExecutor(50) as threads:
        visits = [int(text) for texts in threads.map(work, range(50)) for text in texts]
    assert sorted(visits) == list(range(1, 201))
    assert made() <= 10
    assert standalone.connected_clients() <= 10


def test_requests_one_after_the_other_share_one_connection(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url)
    made = connections_made(standalone)
    application = WSGIHandler()
    for _ in range(50):
        request = RequestFactory().get("/visit")
        # As a WSGI server does it, in a new thread each.
        thread = threading.Thread(
            target=lambda environ=request.environ: application(environ, lambda *_: None).close()
        )
        thread.start()
        thread.join()
    assert caches["default"].get("visits") == 50
    assert made() == 1


async def asgi_get(application: Any, path: str) -> bytes:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "headers": [(b"host", b"testserver")],
        "query_string": b"",
    }
    communicator = ApplicationCommunicator(application, scope)
    await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
    start = await communicator.receive_output(10)
    assert start["status"] == 200
    body = await communicator.receive_output(10)
    await communicator.wait(10)
    content: bytes = body["body"]
    return content


def test_two_hundred_asgi_requests_at_once_share_one_connection(
    standalone: Standalone, make_cache: Make, run: Any
) -> None:
    make_cache(standalone.url, max_connections=10)
    made = connections_made(standalone)

    async def serve() -> list[bytes]:
        application = get_asgi_application()
        return await asyncio.gather(*(asgi_get(application, "/avisit") for _ in range(200)))

    visits = sorted(map(int, run(serve())))
    assert visits == list(range(1, 201))
    assert made() <= 2
    eventually(lambda: standalone.connected_clients() == 0, what="the loop's end closing them")


def test_asgi_requests_to_synchronous_views_share_the_pool(
    standalone: Standalone, make_cache: Make, run: Any
) -> None:
    make_cache(standalone.url, max_connections=10)
    made = connections_made(standalone)

    async def serve() -> None:
        application = get_asgi_application()
        for _ in range(50):
            await asgi_get(application, "/visit")

    run(serve())
    assert made() <= 10


def test_a_loop_for_each_call_leaves_no_connections_behind(
    standalone: Standalone, make_cache: Make, run: Any
) -> None:
    cache = make_cache(standalone.url)
    for number in range(20):
        run(cache.aset("k", number))
    assert run(cache.aget("k")) == 19
    eventually(lambda: standalone.connected_clients() == 0, what="the loops' connections closing")


def test_the_end_of_a_request_closes_nothing(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url)
    cache.set("k", 1)
    made = connections_made(standalone)
    for _ in range(10):
        request_finished.send(object)
        assert caches["default"].get("k") == 1
    assert made() == 0


# The registry


def test_aliases_with_equal_settings_share_a_client(make_cache: Make) -> None:
    make_cache("redis://nowhere/1", alias="default", max_connections=3)
    make_cache("redis://nowhere/1", alias="prefixed", KEY_PREFIX="p", max_connections=3)
    make_cache("redis://nowhere/1", alias="other", max_connections=4)
    make_cache("redis://nowhere/1", alias="login", max_connections=3, password="x")
    client = caches["default"].client
    assert caches["prefixed"].client is client
    assert caches["other"].client is not client
    assert caches["login"].client is not client
    assert len(registry.clients()) == 3


class AsksAnotherCache(ConnectionFactory):
    """Makes its clients of what another cache knows."""

    def connect(self) -> PoolClient:
        caches["other"].get("password")
        return super().connect()


def test_a_connection_factory_may_use_another_cache(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, alias="other", TIMEOUT=10)
    answers: list[Any] = []

    def ask() -> None:
        cache = make_cache(standalone.url, connection_factory=AsksAnotherCache, client_name="one")
        answers.append(cache.get("k", "none"))

    asking = threading.Thread(target=ask, daemon=True)  # as a lock may never open
    asking.start()
    asking.join(30)
    assert answers == ["none"]


def test_threads_that_race_make_one_client(make_cache: Make) -> None:
    made: list[ClientConfig] = []

    class Slow(project_client()):  # type: ignore[misc]
        def __init__(self, config: ClientConfig) -> None:
            made.append(config)
            threading.Event().wait(0.05)
            super().__init__(config)

    make_cache("redis://nowhere", client_class=Slow)
    registry.close_all()
    together = threading.Barrier(16)

    def ask(_: int) -> Any:
        together.wait(10)
        return caches["default"].client

    made.clear()
    with ThreadPoolExecutor(16) as threads:
        clients = set(threads.map(ask, range(16)))
    assert len(clients) == len(made) == 1


def project_client() -> type:
    from django_cachex.client import DefaultClient

    return DefaultClient


def test_a_cache_object_is_cheap_and_shares_all_but_itself(make_cache: Make) -> None:
    cache = make_cache("redis://nowhere", password="x", max_connections=5)
    params = {**project.entry("redis://nowhere", password="x", max_connections=5)}
    del params["BACKEND"], params["LOCATION"]
    twin = type(cache)("redis://nowhere", params)
    assert twin is not cache
    assert twin._cache is cache._cache
    assert twin._acache is cache._acache


def test_unhashable_settings_are_told_apart(make_cache: Make) -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def dumps(self, value: Any) -> bytes:
            return repr(value).encode()

        def loads(self, data: bytes) -> Any:
            return data

    one, two = Odd(), Odd()
    a = make_cache("redis://nowhere", alias="a", serializer=one)
    b = make_cache("redis://nowhere", alias="b", serializer=two)
    assert a.codec.serializers == (one,)
    assert b.codec.serializers == (two,)


def test_changed_global_settings_are_read_again(make_cache: Make) -> None:
    make_cache("redis://nowhere")
    with override_settings(DJANGO_CACHEX_SCAN_ITERSIZE=7):
        cache = type(caches["default"])("redis://nowhere", {})
        assert cache._shared.config.scan_itersize == 7
    cache = type(caches["default"])("redis://nowhere", {})
    assert cache._shared.config.scan_itersize == 1000


def test_warming_up_connects_before_the_first_request(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, min_connections=4)
    warm_up()
    eventually(lambda: standalone.connected_clients() == 4, what="4 connections")
    made = connections_made(standalone)
    caches["default"].get("k")
    assert made() == 0


def test_closing_all_closes_and_forgets(standalone: Standalone, make_cache: Make) -> None:
    make_cache(standalone.url).get("k")
    registry.close_all()
    eventually(lambda: standalone.connected_clients() == 0, what="no connections")
    assert registry.clients() == ()


def test_a_forked_worker_has_connections_of_its_own(
    standalone: Standalone, make_cache: Make, fork: Callable[[], int]
) -> None:
    cache = make_cache(standalone.url)
    cache.set("who", "parent")
    reader, writer = os.pipe()
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:  # in a thread that the child does not have
        with registry._lock:
            held.set()
            forked.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    child = fork()
    if child == 0:  # pragma: no cover
        try:
            told = caches["default"].get("who")
            caches["default"].set("who", "child")
            with registry._lock:
                os.write(writer, told.encode())
        finally:
            os._exit(0)
    forked.set()
    holder.join()
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"parent"
    os.close(reader)
    assert cache.get("who") == "child"


# redis-py's face


def test_get_redis_connection_is_a_redis_client(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url)
    cache.set("k", 5)
    connection = get_redis_connection()
    assert isinstance(connection, redis.Redis)
    assert connection is get_redis_connection("default") is cache.client.get_client()
    assert connection.get(":1:k") == b"5"
    assert connection.lpush("list", "a", "b") == 2
    assert connection.lrange("list", 0, -1) == [b"b", b"a"]
    with connection.pipeline() as pipeline:
        assert pipeline.incr("n").get("n").execute() == [1, b"1"]
    assert connection.transaction(lambda pipe: (pipe.multi(), pipe.incr("n")), "n") == [2]


def test_a_connection_for_writing_reads_what_was_written(
    replicated: Replicated, make_cache: Make, run: Any
) -> None:
    make_cache(replicated.urls, read_your_writes=0)
    for replica in replicated.replicas:
        replica.command("REPLICAOF", "127.0.0.1", "1")  # hears of nothing any more
    writing, reading = get_redis_connection(), get_redis_connection(write=False)
    writing.set("k", 1)
    assert [writing.get("k") for _ in range(5)] == [b"1"] * 5
    assert writing.pipeline(transaction=False).get("k").execute() == [b"1"]
    assert replicated.primary.commands_seen()["GET"] == 6
    assert [reading.get("k") for _ in range(5)] == [None] * 5

    async def ask() -> Any:
        return (
            await get_async_redis_connection().get("k"),
            await get_async_redis_connection(write=False).get("k"),
        )

    assert run(ask()) == (b"1", None)


def test_get_async_redis_connection_is_one_for_tasks(
    standalone: Standalone, make_cache: Make, run: Any
) -> None:
    make_cache(standalone.url)

    async def ask() -> Any:
        connection = get_async_redis_connection()
        await connection.hset("hash", mapping={"a": 1})
        return await connection.hgetall("hash")

    assert run(ask()) == {b"a": b"1"}


def test_other_backends_have_no_redis_connection(make_cache: Make) -> None:
    with override_settings(
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    ):
        with pytest.raises(NotImplementedError, match="'default' is not one of django_cachex"):
            get_redis_connection()
        warm_up()  # has nothing to do
