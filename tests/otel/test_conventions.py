"""Whatever is told, is told in the words of the conventions."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from cachex_client import ClientOptions, commands
from cachex_otel import attributes
from otel import conventions, workload
from otel.receiver import Metric, Receiver
from support.clients import map_of
from support.servers import Cluster, Replicated, Sentinels, Standalone

MODES = ("auto", "command", "cache", "both")


def check(receiver: Receiver) -> None:
    assert receiver.ours
    assert conventions.findings(receiver.ours, receiver.metrics().values()) == []


@pytest.mark.parametrize("mode", MODES)
def test_on_one_server(colour: Any, standalone: Standalone, receiver: Receiver, mode: str) -> None:
    receiver.instrument(spans=mode, metrics="full", query_text="keys", sentry_compat=True)
    client = colour.client(standalone.url)
    workload.of_cache(colour.cache(client))
    workload.of_client(client)
    workload.of_waiting(standalone.url)
    check(receiver)


def test_with_replicas(colour: Any, replicated: Replicated, receiver: Receiver) -> None:
    receiver.instrument(metrics="full", metric_peer=True, key_attribute="plain")
    client = colour.client([one.url for one in replicated.servers])
    workload.of_cache(colour.cache(client))
    workload.of_client(client)
    check(receiver)


def test_with_sentinels(colour: Any, sentinels: Sentinels, receiver: Receiver) -> None:
    receiver.instrument(key_attribute="hash")
    client = colour.client(map_of(sentinels), "SentinelClient")
    workload.of_cache(colour.cache(client))
    workload.of_client(client)
    check(receiver)


def test_on_a_cluster(colour: Any, cluster: Cluster, receiver: Receiver) -> None:
    receiver.instrument(metrics="full")
    options = ClientOptions(read_from="primary")
    client = colour.client(cluster.urls[:2], "ClusterClient", options=options)
    workload.of_cache(colour.cache(client))
    workload.of_client(client)
    check(receiver)


def test_a_wrong_span_or_metric_is_found(receiver: Receiver) -> None:
    tracer = receiver.tracers.get_tracer("cachex_otel")
    tracer.start_span("GET x", attributes={"db.system": "redis", "server.port": "1"}).end()
    found = conventions.findings(receiver.ours, [Metric("cachex.hits", "1", "counter", {})])
    assert "GET x: has db.system" in found
    assert "cachex.hits: is not in the table" in found


def test_every_metric_is_in_the_table_and_the_other_way_round() -> None:
    ours = {one.name: (one.kind, one.unit) for one in attributes.METRICS}
    assert ours == {name: row[:2] for name, row in conventions.METRICS.items()}


def test_two_processes_call_their_series_the_same(standalone: Standalone) -> None:
    printed = []
    for _ in range(2):
        standalone.reset()
        done = subprocess.run(
            [sys.executable, workload.__file__, standalone.url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert len(printed[0].splitlines()) > 20


def test_all_that_can_be_told_of_a_call_fits_on_the_wire(
    standalone: Standalone, receiver: Receiver
) -> None:
    """The encoder of OTLP takes what we give: types that it does not know it would drop."""
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    from cachex_client import Cache, DefaultClient

    receiver.instrument(sentry_compat=True, key_attribute="plain", query_text="keys")
    client = DefaultClient([standalone.url])
    Cache(client, name="default").get("a")
    client.execute(commands.get(b"a"))
    client.close()
    (resource,) = encode_spans(receiver.ours).resource_spans
    sent = [len(span.attributes) for scope in resource.scope_spans for span in scope.spans]
    assert sent == [len(span.attributes or {}) for span in receiver.ours]
    data = receiver.reader.get_metrics_data()
    assert data is not None
    assert encode_metrics(data).resource_metrics
