"""Turning it on and off, providers that come late, forks, silence."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import cachex_otel
import cachex_pool
from cachex_client import Cache, ClientObserver, DefaultClient, Operation, Origin, Sent, commands
from cachex_client import _audience as seam
from cachex_otel import TelemetryOptions
from cachex_otel.instrumentor import CachexInstrumentor
from cachex_otel.metrics import Meters
from cachex_otel.observer import Telemetry
from cachex_pool import Endpoint
from cachex_pool import observer as pool_seam
from otel.receiver import Receiver, facts, receiving
from support.forks import FORKS
from support.servers import Standalone
from support.waiting import eventually

PYPROJECT = Path(__file__).parents[2] / "packages/cachex-otel/pyproject.toml"


@pytest.fixture
def client(standalone: Standalone) -> Any:
    client = DefaultClient([standalone.url])
    yield client
    client.close()


def in_process(program: str, standalone: Standalone, *flags: str) -> str:
    """Run a program of its own, with warnings as errors; return what it prints."""
    program = textwrap.dedent(program).replace("URL", repr(standalone.url))
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# On and off


def test_uninstrumented_nobody_listens(client: Any, receiver: Receiver) -> None:
    assert seam.audience.observers == ()
    assert pool_seam.audience.observers == ()
    receiver.instrument()
    client.execute(commands.get(b"a"))
    assert len(seam.audience.observers) == len(pool_seam.audience.observers) == 1
    cachex_otel.uninstrument()
    assert seam.audience.observers == ()
    assert pool_seam.audience.observers == ()
    client.execute(commands.get(b"a"))
    assert len(receiver.ours) == 1


class Fading(Telemetry):
    """Is turned off by another thread as soon as it has looked whether it is on."""

    @property  # type: ignore[override]
    def meters(self) -> Meters | None:
        meters, self._left = self._left, None
        return meters

    @meters.setter
    def meters(self, meters: Meters | None) -> None:
        self._left = meters


def test_it_may_be_turned_off_in_the_midst_of_a_call() -> None:
    meters = Meters(MeterProvider().get_meter("any"))
    telemetry = Fading(TelemetryOptions(), lambda: False)
    sent = Sent()
    sent.server, sent._commands = Endpoint(), (commands.get(b"a"),)
    operation = Operation(Origin("default", "get_many"))

    def hear(event: str, *facts: Any, **more: Any) -> Any:
        telemetry.meters = meters
        return getattr(telemetry, event)(*facts, **more)

    hear("settled", sent, hear("sending", sent))
    hear("ended", operation, hear("began", operation))
    hear("looked_up", "default", "get", 1, 1, 1)
    hear("wrote", "default", "set", 1)
    hear("deleted", "default", "delete", 1)
    hear("refreshed", "here", trigger="first", took=0.1, error=None)
    hear("promoted", "here", old="a:1", new="b:1")
    counted = (meters.lookups, meters.writes, meters.deletes, meters.refreshes, meters.failovers)
    assert [sum(one.values()) for one in counted] == [3, 1, 1, 1, 1]


def test_to_uninstrument_what_is_not_instrumented_changes_nothing() -> None:
    cachex_otel.uninstrument()
    assert not cachex_otel.is_instrumented()


def test_to_instrument_again_with_the_same_changes_nothing(client: Any, receiver: Receiver) -> None:
    receiver.instrument(exclude_commands=["PING"])
    (before,) = seam.audience.observers
    receiver.instrument(exclude_commands=("ping",))
    assert seam.audience.observers == (before,)
    client.execute(commands.get(b"a"))
    assert len(receiver.ours) == 1


def test_to_instrument_again_with_something_else_takes_its_place(
    client: Any, receiver: Receiver
) -> None:
    receiver.instrument()
    with receiving() as other:
        other.instrument(system_name="valkey")
        assert len(seam.audience.observers) == 1
        client.execute(commands.get(b"a"))
        assert receiver.ours == []
        assert facts(other.span)["db.system.name"] == "valkey"


def test_counts_go_on_after_an_interruption_and_are_not_doubled(
    client: Any, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(client, name="default")
    for turn in range(3):
        receiver.instrument(sentry_compat=bool(turn % 2))
        cache.set("a", 1)
        assert receiver.metric("cachex.writes").value() == turn + 1
        assert receiver.metric("db.client.operation.duration").value() == turn + 1
    cachex_otel.uninstrument()
    cache.set("a", 1)
    assert receiver.metric("cachex.writes").points == {}
    assert not caplog.records


def test_a_call_under_way_is_told_to_its_end(standalone: Standalone, receiver: Receiver) -> None:
    client = DefaultClient([standalone.url])
    cache = Cache(client)
    receiver.instrument()
    cache.get_or_set("a", lambda: cachex_otel.uninstrument() or 1)
    client.close()
    assert [one.name for one in receiver.ours] == ["GET", "get_or_set"]


# Silence


@pytest.mark.parametrize(
    "key",
    ["suppress_instrumentation", context._SUPPRESS_INSTRUMENTATION_KEY],
    ids=["by its name", "by OpenTelemetry's key"],
)
def test_in_a_context_that_asks_for_silence_nothing_is_told(
    client: Any, receiver: Receiver, key: str
) -> None:
    cache = Cache(client)
    receiver.instrument()
    token = context.attach(context.set_value(key, True))
    try:
        cache.get("a")
        cache.get_or_set("a", 1)
    finally:
        context.detach(token)
    assert receiver.ours == []
    assert receiver.metric("db.client.operation.duration").points == {}
    cache.get("a")
    assert len(receiver.ours) == 1


def test_providers_that_do_nothing_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    cachex_otel.instrument(TracerProvider(), MeterProvider())
    assert cachex_otel.is_instrumented()
    assert seam.audience.observers == ()
    cachex_otel.uninstrument()


# Providers that come late, or never


def test_without_a_provider_a_call_is_hardly_told(client: Any) -> None:
    """Nothing is made for an observer that is asleep, the only one there is."""
    told: list[Any] = []

    class Sleeper(ClientObserver):
        awake = False

        def asleep(self) -> bool:
            return not self.awake

        def sending(self, sent: Any) -> None:
            told.append(sent)

    cachex_otel.instrument()
    assert repr(seam.audience.sleeper).startswith("<cachex_otel.waiting.Waiting")
    assert seam.audience.beginners == seam.audience.counters == ()
    cachex_otel.uninstrument()
    sleeper = Sleeper()
    seam.observe(sleeper)
    try:
        client.execute(commands.get(b"a"))
        assert told == []
        sleeper.awake = True
        client.execute(commands.get(b"a"))
        assert len(told) == 1
    finally:
        seam.unobserve(sleeper)


def test_one_who_fails_to_say_that_it_sleeps_hears_no_more(client: Any) -> None:
    class Restless(ClientObserver):
        def asleep(self) -> bool:
            raise ValueError

        def sending(self, sent: Any) -> None:
            raise AssertionError

    seam.observe(Restless())
    client.execute(commands.set(b"a", b"1"))
    assert client.execute(commands.get(b"a")) == b"1"
    assert seam.audience.observers == ()


def test_without_an_sdk_it_can_be_imported_and_does_nothing(standalone: Standalone) -> None:
    printed = in_process(
        """
        import sys
        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name.startswith(("opentelemetry.sdk", "opentelemetry.instrumentation")):
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Hidden())
        import cachex_otel
        from cachex_client import Cache, DefaultClient
        from cachex_otel.instrumentor import CachexInstrumentor
        CachexInstrumentor().instrument(skip_dep_check=True)
        client = DefaultClient([URL])
        cache = Cache(client)
        cache.set("a", 1)
        print(cache.get("a"), cache.get_or_set("b", 2), cache.get_many(["a", "b"]))
        CachexInstrumentor().uninstrument()
        print(cachex_otel.is_instrumented())
        client.close()
        loaded = [name for name in sys.modules if name.startswith("opentelemetry")]
        print(not any("sdk" in name or "instrumentation" in name for name in loaded))
        """,
        standalone,
    )
    assert printed.splitlines() == ["1 2 {'a': 1, 'b': 2}", "False", "True"]


def test_providers_that_are_set_later_are_found(standalone: Standalone) -> None:
    printed = in_process(
        """
        import time
        import cachex_otel
        from cachex_client import Cache, DefaultClient
        from opentelemetry import metrics, trace
        cachex_otel.instrument()
        client = DefaultClient([URL])
        cache = Cache(client, name="default")
        cache.get("a")
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(tracers)
        until = time.monotonic() + 20
        while not exporter.get_finished_spans() and time.monotonic() < until:
            cache.get("a")
        print(exporter.get_finished_spans()[0].name)
        metrics.set_meter_provider(MeterProvider([reader]))
        while not reader.get_metrics_data() and time.monotonic() < until:
            cache.get("a")
        print(reader.get_metrics_data() is not None)
        client.close()
        """,
        standalone,
    )
    assert printed.splitlines() == ["GET", "True"]


# Forks


def test_a_child_counts_from_nothing(
    client: Any, receiver: Receiver, in_a_child: Callable[..., None]
) -> None:
    cache = Cache(client, name="default")
    receiver.instrument()
    cache.set("a", 1)
    cache.get("a")

    def child() -> None:
        assert receiver.metric("cachex.writes").points == {}
        cache.set("a", 2)
        assert receiver.metric("cachex.writes").value() == 1
        assert receiver.metric("cachex.lookups").points == {}

    in_a_child(child)
    assert receiver.metric("cachex.writes").value() == 1


@pytest.mark.parametrize("fork", FORKS)
def test_a_child_finds_the_providers_that_it_sets(standalone: Standalone, fork: str) -> None:
    """As Celery's workers do in `worker_process_init`."""
    printed = in_process(
        """
        import os
        import cachex_otel
        from cachex_client import Cache, DefaultClient
        from support.forks import FORKS
        cachex_otel.instrument()
        client = DefaultClient([URL])
        cache = Cache(client, name="default")
        cache.get("a")
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        pid = FORKS[FORK]()
        if pid == 0:
            exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
            tracers = TracerProvider()
            tracers.add_span_processor(SimpleSpanProcessor(exporter))
            trace.set_tracer_provider(tracers)
            metrics.set_meter_provider(MeterProvider([reader]))
            cache.get("a")
            names = [one.name for one in exporter.get_finished_spans()]
            print(names, reader.get_metrics_data() is not None, flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        client.close()
        """.replace("[FORK]", f"[{fork!r}]"),
        standalone,
        "-W",
        "ignore::DeprecationWarning",  # of fork where a thread runs, in Python 3.12
    )
    assert printed.strip() == "['GET'] True"


# The entry point


def entry_point() -> str:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    found: str = declared["opentelemetry_instrumentor"]["cachex"]
    return found


def test_the_entry_point_leads_to_an_instrumentor() -> None:
    module, _, name = entry_point().partition(":")
    assert getattr(import_module(module), name) is CachexInstrumentor


def test_the_instrumentor_instruments_and_stops(client: Any, receiver: Receiver) -> None:
    instrumentor = CachexInstrumentor()
    instrumentor.instrument(
        tracer_provider=receiver.tracers,
        meter_provider=receiver.meters,
        exclude_commands=["PING"],
        skip_dep_check=True,
    )
    client.execute(commands.get(b"a"))
    assert receiver.span.name == "GET"
    instrumentor.uninstrument()
    assert not cachex_otel.is_instrumented()


def test_the_instrumentor_asks_for_what_the_package_asks_for() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    (wanted,) = CachexInstrumentor().instrumentation_dependencies()
    assert wanted.replace(" ", "") in project["dependencies"]


def test_pools_are_told_of_only_where_metrics_are_wanted(receiver: Receiver) -> None:
    receiver.instrument(metrics="off")
    assert pool_seam.audience.observers == ()
    assert cachex_pool.live_stats is pool_seam.live_stats


def test_an_observer_for_metrics_does_not_make_lending_slower(
    client: Any, receiver: Receiver
) -> None:
    receiver.instrument()
    assert not pool_seam.hears_of_each_call(pool_seam.audience.observers)
    receiver.instrument(metrics="full")
    assert pool_seam.hears_of_each_call(pool_seam.audience.observers)


def test_what_is_not_used_any_more_is_found_out_in_time(client: Any, receiver: Receiver) -> None:
    receiver.instrument()
    client.execute(commands.get(b"a"))
    eventually(lambda: receiver.metric("db.client.connection.count").points)
    client.close()
    name = client.endpoints[0].name
    counted = receiver.metric("db.client.connection.count")
    assert counted.value(db_client_connection_pool_name=name) == 0
