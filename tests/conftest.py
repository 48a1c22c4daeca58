"""Fixtures that every test may use; what they give is in tests/support."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from support.forks import FORKS, in_child
from support.leaks import LeftOpen
from support.proxy import MakeProxy, Proxy
from support.servers import Cluster, Replicated, Sentinels, Standalone
from support.topologies import Topology

if TYPE_CHECKING:
    from support.tls import Authority, TlsServer

T = TypeVar("T")
S = TypeVar("S", bound=Topology)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say, in one of several processes, which tests have to run alone."""
    if config.getoption("loadgroup", default=False):
        from support.scheduling import tell_groups  # Needs pytest-xdist.

        tell_groups(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "loadgroup":
        return None
    from support.scheduling import TimingLast

    return TimingLast(config, log)


def pytest_collection_finish() -> None:
    """Spare every search for garbage what is there until the end anyway."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let pytest find what was left in the end."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def _left_open() -> Iterator[LeftOpen]:
    left_open = LeftOpen()
    logger = logging.getLogger("asyncio")
    logger.addHandler(left_open.handler)
    yield left_open
    logger.removeHandler(left_open.handler)


@pytest.fixture(autouse=True)
def _nothing_is_left_open(_left_open: LeftOpen) -> Iterator[None]:
    """Fail the test that leaves a connection, a task or a thread behind, not a later one."""
    _left_open.before()
    yield
    _left_open.check()


class Runner(Protocol):
    def __call__(self, coroutine: Coroutine[Any, Any, T], timeout: float = ...) -> T: ...


@pytest.fixture(scope="session")
def run() -> Runner:
    """Run a coroutine in an event loop of its own, for at most `timeout` seconds."""

    def run(coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        async def limited() -> T:
            async with asyncio.timeout(timeout):
                return await coroutine

        return asyncio.run(limited())

    return run


@pytest.fixture(params=FORKS)
def fork(request: pytest.FixtureRequest) -> Callable[[], int]:
    """Python's fork, and then one as programs written in C do it, uWSGI for one."""
    return FORKS[request.param]


@pytest.fixture
def in_a_child(fork: Callable[[], int]) -> Callable[..., None]:
    """`in_child` with each `fork`."""
    return partial(in_child, fork=fork)


@pytest.fixture(scope="session")
def session_standalone() -> Iterator[Standalone]:
    with Standalone() as server:
        yield server


@pytest.fixture
def standalone(session_standalone: Standalone) -> Standalone:
    """One server, empty and with its settings as at the start."""
    session_standalone.reset()
    return session_standalone


_shared: list[Topology] = []
"""Servers that tests use one after the other."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    for servers in _shared:
        servers.stop_if_idle(10.0)


@contextlib.contextmanager
def shared(servers: S) -> Iterator[S]:
    """Have servers for many tests: started for the first, and again when one comes after long."""
    _shared.append(servers)
    try:
        yield servers
    finally:
        _shared.remove(servers)
        servers.stop()


@pytest.fixture(scope="session")
def session_replicated() -> Iterator[Replicated]:
    with shared(Replicated(replicas=2)) as servers:
        yield servers


@pytest.fixture
def replicated(session_replicated: Replicated) -> Iterator[Replicated]:
    """A primary and two replicas, empty and in sync."""
    with session_replicated.used() as servers:
        yield servers


@pytest.fixture(scope="session")
def session_sentinels() -> Iterator[Sentinels]:
    with shared(Sentinels()) as servers:
        yield servers


@pytest.fixture
def sentinels(session_sentinels: Sentinels) -> Iterator[Sentinels]:
    """A primary and two replicas watched by three Sentinels, empty, in sync, all well."""
    with session_sentinels.used() as servers:
        yield servers


@pytest.fixture(scope="session")
def session_cluster() -> Iterator[Cluster]:
    with shared(Cluster()) as servers:
        yield servers


@pytest.fixture
def cluster(session_cluster: Cluster) -> Iterator[Cluster]:
    """
    A cluster of three primaries with a replica each, empty, in sync, all nodes of one mind.

    No replica takes over because this machine stalls for a second: `be_quick` is for tests in
    which one is to, after its primary died.
    """
    with session_cluster.used() as servers:
        servers.be_patient(5_000)
        yield servers


@pytest.fixture
def proxy() -> Iterator[MakeProxy]:
    """Put a proxy in front of a server: `proxy(standalone)`; stopped after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda upstream, **options: stack.enter_context(Proxy(upstream, **options))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority, with files of a server's and a client's certificates."""
    from support.tls import Authority  # Here, because few tests need certificates.

    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_server(standalone: Standalone, authority: Authority) -> Iterator[TlsServer]:
    """The `standalone` server, spoken to in TLS; its `proxy` has all faults of a proxy."""
    from support.tls import TlsServer

    with TlsServer(standalone, authority, authority.server_context()) as server:
        yield server
