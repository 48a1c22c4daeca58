"""What libraries do with a `redis.Redis` they were given: compare, copy, rebuild it elsewhere."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio

from cachex_client import AsyncDefaultClient, DefaultClient, SentinelClient
from cachex_client.commands import server
from cachex_client.facade import AsyncRedis, Redis
from cachex_pool import Endpoint, Tls
from support.clients import map_of
from support.servers import Sentinels, Standalone


@pytest.fixture
def face(standalone: Standalone) -> Iterator[Any]:
    client = DefaultClient([standalone.url])
    yield client.redis
    client.close()


def plain(face: Any) -> Any:
    """Make a client for another process, as rq does."""
    pool = face.connection_pool
    kwargs = dict(pool.connection_kwargs)
    return type(face)(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **kwargs)
    )


def test_a_client_rebuilt_from_the_settings_of_connections_reaches_the_same_server(
    place: Any,
) -> None:
    client = place.client("")
    servers = getattr(place.servers, "servers", [place.servers])
    with plain(client.redis) as rebuilt:
        port = rebuilt.connection_pool.connection_kwargs["port"]
        assert port in {one.port for one in servers}
        assert rebuilt.ping() is True
        if not client.clustered:  # there, it is the node that the client was given first
            assert rebuilt.role()[0] == b"master"
        rebuilt.connection_pool.disconnect()
    client.close()


def test_settings_follow_a_service_to_its_primary(sentinels: Sentinels) -> None:
    client = SentinelClient(map_of(sentinels))
    assert client.redis.connection_pool.connection_kwargs["port"] == sentinels.primary.port
    client.close()


def test_two_looks_at_the_settings_are_equal(place: Any) -> None:
    client = place.client("")
    pool = client.redis.connection_pool
    first = dict(pool.connection_kwargs)
    client.execute(server.ping())
    assert pool.connection_kwargs == first
    client.close()


def test_settings_that_a_library_changes_stay_changed(face: Any) -> None:
    face.connection_pool.connection_kwargs.update({"socket_timeout": 410})
    assert face.connection_pool.connection_kwargs["socket_timeout"] == 410


def test_a_client_made_of_its_pool_shares_the_connections(face: Any) -> None:
    again = type(face)(connection_pool=face.connection_pool)
    assert isinstance(again, Redis)
    assert again.backing is face.backing
    assert again.ping()


def test_a_client_made_of_an_address_is_redis_pys_own(face: Any, standalone: Standalone) -> None:
    for made in (
        type(face).from_url(standalone.url),
        type(face)(standalone.host, standalone.port),
        type(face)(host=standalone.host, port=standalone.port),
    ):
        assert type(made) is redis.Redis
        assert made.ping()
        made.connection_pool.disconnect()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copy_shares_the_client(face: Any, make: Any) -> None:
    made = make(face)
    assert type(made) is type(face)
    assert made.backing is face.backing
    assert made.ping()


def test_pickling_is_refused_in_a_sentence(face: Any) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(face)


@pytest.mark.parametrize(
    ("endpoint", "kind", "settings"),
    [
        (
            Endpoint(host="h", port=1, db=2, username="u", password="p", client_name="n"),
            redis.Connection,
            {"host": "h", "port": 1, "db": 2, "username": "u", "password": "p", "client_name": "n"},
        ),
        (
            Endpoint(path="/run/s"),
            redis.UnixDomainSocketConnection,
            {"path": "/run/s", "db": 0},
        ),
        (
            Endpoint(tls=Tls(ca_certs="/ca", verify="none")),
            redis.SSLConnection,
            {"ssl_ca_certs": "/ca", "ssl_cert_reqs": "none", "ssl_check_hostname": False},
        ),
        (
            Endpoint(credentials=lambda: ("u", "p")),
            redis.Connection,
            {"host": "127.0.0.1", "port": 6379},
        ),
    ],
    ids=["login", "socket", "tls", "provider"],
)
def test_settings_are_those_of_redis_py(
    endpoint: Endpoint, kind: type[Any], settings: dict[str, Any]
) -> None:
    client = DefaultClient([endpoint])
    pool = client.redis.connection_pool
    assert pool.connection_class is kind
    assert settings.items() <= pool.connection_kwargs.items()
    if endpoint.credentials is not None:
        assert pool.connection_kwargs["credential_provider"].get_credentials() == ("u", "p")
    kind(**pool.connection_kwargs)  # takes them all


async def _of_tasks(url: str) -> None:
    client = AsyncDefaultClient([url])
    face = client.redis
    assert copy.copy(face).backing is client
    pool = face.connection_pool
    kwargs = dict(pool.connection_kwargs)
    made: Any = type(face)(
        connection_pool=redis.asyncio.ConnectionPool(
            connection_class=pool.connection_class, **kwargs
        )
    )
    assert type(made) is redis.asyncio.Redis
    assert await made.ping()
    await made.connection_pool.disconnect()
    again = type(face)(connection_pool=pool)
    assert isinstance(again, AsyncRedis)
    assert await again.ping()
    await client.aclose()


def test_the_face_for_tasks_is_rebuilt_the_same_way(standalone: Standalone) -> None:
    asyncio.run(_of_tasks(standalone.url))
