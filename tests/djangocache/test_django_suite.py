"""Django's own tests of caches, of what is built on them, and of sessions, on our backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import SimpleTestCase, TestCase, override_settings
from redis.exceptions import ResponseError

from djangocache import project
from djangocache.backends import OneLoop
from support.servers import Cluster, Replicated, Sentinels, Standalone

if not project.DJANGO_TESTS:
    pytest.skip("CACHEX_DJANGO_TESTS is not set: see dev.py", allow_module_level=True)

from cache import tests as of_caches
from sessions_tests import tests as of_sessions

if TYPE_CHECKING:
    Base: Any = object
else:
    Base = object

CACHES = of_caches.caches_setting_for_tests(
    BACKEND="to be replaced",
    exclude={"cull", "zero_cull"},  # there is no culling here
)


THOROUGH = pytest.mark.thorough
real_sleep = time.sleep


def sleep_well(seconds: float) -> None:
    """
    Sleep a little longer than asked.

    Servers keep a key until the millisecond after its time is over, and some tests look as
    soon as it is.
    """
    real_sleep(seconds + 0.003)


@pytest.fixture(scope="module")
def standalone_that_is_well(session_standalone: Standalone) -> Standalone:
    session_standalone.reset()
    return session_standalone


@pytest.fixture(scope="module")
def replicated_that_is_well(session_replicated: Replicated) -> Iterator[Replicated]:
    with session_replicated.used() as servers:
        yield servers


@pytest.fixture(scope="module")
def sentinels_that_are_well(session_sentinels: Sentinels) -> Iterator[Sentinels]:
    with session_sentinels.used() as servers:
        yield servers


@pytest.fixture(scope="module")
def cluster_that_is_well(session_cluster: Cluster) -> Iterator[Cluster]:
    with session_cluster.used() as servers:
        yield servers


class OnStandalone(Base):
    """Moves whatever caches a test of Django's has to one server."""

    servers = "standalone_that_is_well"
    cache_backend = project.BACKEND

    def place(self, server: Any) -> tuple[list[str], dict[str, Any]]:
        """Empty the servers and return the LOCATION and the OPTIONS for them."""
        server.command("FLUSHALL")
        return [server.url], {}

    @pytest.fixture(autouse=True)
    def _on_our_backend(self, request: pytest.FixtureRequest) -> Iterator[None]:
        urls, options = self.place(request.getfixturevalue(self.servers))
        moved = project.moved(settings.CACHES, urls, self.cache_backend, **options)
        with override_settings(CACHES=moved), mock.patch.object(time, "sleep", sleep_well):
            yield


class OnReplicated(OnStandalone):
    """The same on a primary and two replicas: who wrote has to find what was written."""

    servers = "replicated_that_is_well"

    def place(self, servers: Any) -> tuple[list[str], dict[str, Any]]:
        servers.primary.command("FLUSHALL")
        return servers.urls, {}


class OnSentinel(OnStandalone):
    """The same on what Sentinels watch, with reads from replicas."""

    servers = "sentinels_that_are_well"

    def place(self, servers: Any) -> tuple[list[str], dict[str, Any]]:
        servers.primary.command("FLUSHALL")
        options = project.sentinel_entry(servers)["OPTIONS"]
        return [f"redis://{servers.name}/0", f"redis://{servers.name}/0?is_master=0"], options


class OnCluster(OnStandalone):
    """The same on a cluster of three primaries."""

    servers = "cluster_that_is_well"

    def place(self, servers: Any) -> tuple[list[str], dict[str, Any]]:
        for primary in servers.primaries:
            primary.command("FLUSHALL")
        return [servers.urls[0]], project.cluster_entry(servers)["OPTIONS"]


class ThroughFreshLoops(OnStandalone):
    cache_backend = "djangocache.backends.FreshLoops"


class InOneLoop(OnStandalone):
    cache_backend = "djangocache.backends.OneLoop"

    @pytest.fixture(autouse=True)
    def _loop(self, _on_our_backend: None) -> Iterator[None]:
        OneLoop.open_loop()
        yield
        OneLoop.close_loop()


@override_settings(CACHES=CACHES)
class CacheTests(OnStandalone, of_caches.BaseCacheTests, TestCase):  # type: ignore[misc]
    incr_decr_type_error = ResponseError


def later(test: Callable[[Any], None], mark: pytest.MarkDecorator = pytest.mark.soak) -> Any:
    """Leave one that sleeps for seconds to the long tests, or to those that have another mark."""

    @mark
    @wraps(test)
    def run(self: Any) -> None:
        test(self)

    return run


class Awake(Base):
    """Without most of what sleeps every day; on one server it is run, in both colours."""

    test_forever_timeout = later(of_caches.BaseCacheTests.test_forever_timeout, THOROUGH)
    test_set_many_expiration = later(of_caches.BaseCacheTests.test_set_many_expiration, THOROUGH)
    test_touch = later(of_caches.BaseCacheTests.test_touch, THOROUGH)


class ReplicatedCacheTests(Awake, OnReplicated, CacheTests):
    pass


class FreshLoopsCacheTests(ThroughFreshLoops, CacheTests):
    def test_get_or_set_racing(self) -> None:
        with mock.patch(f"{self.cache_backend}.aadd", return_value=False):
            assert cache.get_or_set("key", "default") == "default"


class OneLoopCacheTests(Awake, InOneLoop, OnReplicated, FreshLoopsCacheTests):
    # Here Django's ORM runs in a thread of its own, which cannot see into this one's transaction;
    # FreshLoopsCacheTests have these.
    test_cache_read_for_model_instance_with_deferred = None
    test_cache_write_for_model_instance_with_deferred = None


class Brisk(Base):
    """Without most of what sleeps; on one server it is run."""

    test_forever_timeout = later(of_caches.BaseCacheTests.test_forever_timeout)
    test_set_many_expiration = later(of_caches.BaseCacheTests.test_set_many_expiration)
    test_touch = later(of_caches.BaseCacheTests.test_touch)


class Quick(Brisk):
    test_expiration = later(of_caches.BaseCacheTests.test_expiration)


class SentinelCacheTests(Brisk, OnSentinel, CacheTests):
    pass


class ClusterCacheTests(Brisk, OnCluster, CacheTests):
    pass


@THOROUGH
class SentinelFreshLoopsCacheTests(Quick, OnSentinel, FreshLoopsCacheTests):
    pass


class ClusterOneLoopCacheTests(Quick, OnCluster, OneLoopCacheTests):
    pass


@pytest.mark.soak
class SentinelOneLoopCacheTests(OnSentinel, OneLoopCacheTests):
    pass


@pytest.mark.soak
class ClusterFreshLoopsCacheTests(OnCluster, FreshLoopsCacheTests):
    pass


class UtilsTests(OnStandalone, of_caches.CacheUtils):  # type: ignore[misc]
    pass


class PrefixedUtilsTests(OnStandalone, of_caches.PrefixedCacheUtils):  # type: ignore[misc]
    pass


class HeadTests(OnStandalone, of_caches.CacheHEADTest):  # type: ignore[misc]
    pass


class I18nTests(OnStandalone, of_caches.CacheI18nTest):  # type: ignore[misc]
    pass


class PrefixedI18nTests(OnStandalone, of_caches.PrefixedCacheI18nTest):  # type: ignore[misc]
    pass


class MiddlewareTests(OnStandalone, of_caches.CacheMiddlewareTest):  # type: ignore[misc]
    pass


class TemplateResponseTests(OnStandalone, of_caches.TestWithTemplateResponse):  # type: ignore[misc]
    pass


class SessionTests(OnStandalone, of_sessions.CacheSessionTests):  # type: ignore[misc]
    pass


class ReplicatedSessionTests(OnReplicated, SessionTests):
    pass


@THOROUGH
class SentinelSessionTests(OnSentinel, SessionTests):
    pass


class ClusterSessionTests(OnCluster, SessionTests):
    pass


class CachedDatabaseSessionTests(OnStandalone, of_sessions.CacheDBSessionTests):  # type: ignore[misc]
    pass


class SessionMiddlewareTests(OnStandalone, of_sessions.SessionMiddlewareTests):  # type: ignore[misc]
    pass


@override_settings(CACHES={"default": {}})
class TemplateFragmentTests(OnStandalone, SimpleTestCase):
    def test_a_fragment_is_rendered_once(self) -> None:
        from django.template import Context, Template

        template = Template("{% load cache %}{% cache 60 place user %}{{ value }}{% endcache %}")
        first = template.render(Context({"user": 1, "value": "first"}))
        again = template.render(Context({"user": 1, "value": "second"}))
        other = template.render(Context({"user": 2, "value": "third"}))
        assert (first, again, other) == ("first", "first", "third")
