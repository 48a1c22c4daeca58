"""The cases of a run, in the order of the table in README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ground import Ground
from measure import Case

from cases import (
    bulk,
    cluster,
    connect,
    django_calls,
    event_loop,
    inside,
    pool,
    round_trip,
    telemetry,
    threads,
)

CASES: Mapping[str, Callable[[Ground], Case]] = {
    "django-get": django_calls.get,
    "client-get": round_trip.get,
    "django-get-many": django_calls.get_many,
    "django-set-many": django_calls.set_many,
    "loop-get": event_loop.client_get,
    "django-aget": event_loop.django_aget,
    "pool": pool.turn,
    "connect-tls": connect.tls,
    "cluster-get": cluster.get,
    "cluster-get-many": cluster.get_many,
    "cluster-set-many": cluster.set_many,
    "connect": connect.plain,
    "django-set": django_calls.set_,
    "django-delete": django_calls.delete,
    "django-incr": django_calls.incr,
    "django-delete-many": django_calls.delete_many,
    "pipeline": round_trip.pipeline,
    "threads-get": threads.get,
    "loop-gather": event_loop.gather,
    "bulk": bulk.in_thread,
    "loop-bulk": bulk.on_loop,
    "loop-bulk-cluster": bulk.in_cluster,
    "telemetry-look": telemetry.look,
    "telemetry-inside": telemetry.inside,
    "telemetry-get": telemetry.get,
    "inside-sets": inside.sets,
    "inside-command": inside.command,
}
