"""The management commands, on real servers of every topology."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test import override_settings

from django_cachex.management.commands import (
    cachex_check,
    cachex_clear,
    cachex_keys,
    cachex_stats,
)
from djangocache import project
from support.servers import Cluster, Replicated, Sentinels, Server, Standalone
from support.tls import Authority, TlsServer

Make = Callable[..., Any]

SECRET = "s3cr3t-Pa55"


def run(command: type[BaseCommand], *arguments: str) -> str:
    out = io.StringIO()
    call_command(command(), *arguments, stdout=out, stderr=io.StringIO(), no_color=True)
    return out.getvalue()


def run_in_ascii(command: type[BaseCommand], *arguments: str) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    call_command(command(), *arguments, stdout=out, stderr=io.StringIO(), no_color=True)
    out.flush()
    return out.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]


def fails(command: type[BaseCommand], *arguments: str) -> tuple[str, str]:
    """Return what was written and the error."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(command(), *arguments, stdout=out, stderr=io.StringIO(), no_color=True)
    assert SECRET not in out.getvalue() + str(caught.value)
    return out.getvalue(), str(caught.value)


def checked(*arguments: str) -> dict[str, Any]:
    (report,) = json.loads(run(cachex_check.Command, "--json", *arguments))["caches"]
    assert isinstance(report, dict)
    return report


def ailing(*arguments: str) -> dict[str, Any]:
    out, _ = fails(cachex_check.Command, "--json", *arguments)
    told = json.loads(out)
    assert told["ok"] is False
    (report,) = told["caches"]
    assert isinstance(report, dict)
    return report


def said(report: dict[str, Any], level: str = "") -> str:
    found = report["findings"]
    return "\n".join(
        f"{one['level']}: {one['where']}: {one['text']} {one['hint']}"
        for one in found
        if not level or one["level"] == level
    )


def roles(report: dict[str, Any]) -> list[str]:
    return [server["role"] for server in report["servers"]]


@pytest.fixture
def alone(standalone: Standalone, make_cache: Make) -> Any:
    return make_cache(standalone.url, KEY_PREFIX="shop")


@pytest.fixture(params=["standalone", "replicated", "sentinels", "cluster"])
def anywhere(request: pytest.FixtureRequest, make_cache: Make) -> Any:
    """A cache with a prefix, on each topology."""
    servers = request.getfixturevalue(request.param)
    if isinstance(servers, Sentinels):
        entry = project.sentinel_entry(servers, KEY_PREFIX="shop")
    elif isinstance(servers, Cluster):
        entry = project.cluster_entry(servers, KEY_PREFIX="shop")
    else:
        entry = project.entry(
            servers.urls if isinstance(servers, Replicated) else servers.url, KEY_PREFIX="shop"
        )
    location = entry.pop("LOCATION")
    return make_cache(location, **{**entry, "backend": entry.pop("BACKEND")})


# cachex_check


def test_all_is_well_with_a_server_that_is(standalone: Standalone, alone: Any) -> None:
    standalone.command("CONFIG", "SET", "maxmemory", "100mb")
    standalone.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    report = checked("--processes", "2")
    assert report["ok"]
    assert said(report) == ""
    (server,) = report["servers"]
    assert server["role"] == "primary"
    assert server["max_memory"] == 100 * 1024 * 1024
    assert server["latency"]["samples"] == cachex_check.SAMPLES
    assert 0 < server["latency"]["median"] <= server["latency"]["p99"]
    assert "all is well" in run(cachex_check.Command, "--processes", "2")


def test_roles_of_all_servers_are_told(replicated: Replicated, make_cache: Make) -> None:
    make_cache(replicated.urls)
    report = checked("--samples", "1")
    assert report["kind"] == "replicated"
    assert roles(report) == ["primary", "replica", "replica"]
    assert {server["replication_id"] for server in report["servers"]} == {
        report["servers"][0]["replication_id"]
    }
    assert said(report, "error") == ""


def test_a_primary_that_is_none_is_an_error(replicated: Replicated, make_cache: Make) -> None:
    make_cache([replicated.urls[1], replicated.urls[0]])
    assert "is a replica, not the primary" in said(ailing(), "error")


def test_a_replica_of_somebody_else_is_an_error(
    replicated: Replicated, standalone: Standalone, make_cache: Make
) -> None:
    make_cache([standalone.url, replicated.urls[1]])
    assert "follows a primary that is not one of this cache's" in said(ailing(), "error")


def test_a_replica_that_lost_its_primary_is_an_error(
    replicated: Replicated, make_cache: Make
) -> None:
    make_cache(replicated.urls)
    replicated.replicas[0].command("REPLICAOF", "127.0.0.1", "1")
    assert "has lost its primary" in said(ailing(), "error")


def test_sentinels_are_asked_too(sentinels: Sentinels, make_cache: Make) -> None:
    entry = project.sentinel_entry(sentinels)
    make_cache(entry.pop("LOCATION"), **entry["OPTIONS"])
    report = checked()
    assert report["kind"] == "sentinel"
    assert sorted(roles(report)) == ["primary", "replica", "replica", *["sentinel"] * 3]
    assert said(report, "error") == ""


def test_sentinels_without_a_quorum_are_an_error(sentinels: Sentinels, make_cache: Make) -> None:
    entry = project.sentinel_entry(sentinels)
    make_cache(entry.pop("LOCATION"), **entry["OPTIONS"])
    for sentinel in sentinels.sentinels:
        sentinel.command("SENTINEL", "SET", sentinels.name, "quorum", 9)
    try:
        assert "cannot fail over" in said(ailing(), "error")
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.command("SENTINEL", "SET", sentinels.name, "quorum", 2)


def test_sentinels_that_do_not_let_the_user_ask_for_the_quorum_are_no_error(
    sentinels: Sentinels, make_cache: Make
) -> None:
    rules = ("-@all", "+@connection", "+info", "+sentinel|master", "+sentinel|replicas")
    for sentinel in sentinels.sentinels:
        sentinel.command("ACL", "SETUSER", "ann", "on", ">hush", *rules)
    login = {"username": "ann", "password": "hush"}
    entry = project.sentinel_entry(sentinels, sentinel_kwargs=login)
    make_cache(entry.pop("LOCATION"), **entry["OPTIONS"])
    try:
        report = checked()
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.command("ACL", "DELUSER", "ann")
    assert said(report, "error") == ""
    assert "whether a failover is possible" in said(report, "warning")


def test_a_cluster_is_looked_at_node_by_node(cluster: Cluster, make_cache: Make) -> None:
    make_cache(cluster.urls[0], client_class="django_cachex.client.ClusterClient")
    report = checked()
    assert report["kind"] == "cluster"
    assert report["slots"] == 16384
    assert "16384 of 16384 slots served" in run(cachex_check.Command)
    assert sorted(roles(report)) == ["primary"] * 3 + ["replica"] * 3
    assert {server["slots_ok"] for server in report["servers"]} == {16384}
    assert "cluster-require-full-coverage no" in said(report, "info")
    for server in cluster.servers:
        server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    assert said(checked(), "info").count("full-coverage") == 0


def test_a_replica_that_is_down_is_a_warning_and_a_primary_an_error(
    replicated: Replicated, make_cache: Make
) -> None:
    make_cache(replicated.urls, socket_connect_timeout=0.3)
    replicated.replicas[0].kill()
    report = checked("--samples", "1")
    assert f"warning: {replicated.replicas[0].host}" in said(report, "warning")
    fails(cachex_check.Command, "--fail-level", "warning", "--samples", "1")
    replicated.primary.kill()
    assert "ConnectFailed" in said(ailing(), "error")


def test_a_server_that_hangs_costs_its_connect_timeout(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, socket_connect_timeout=0.2)
    standalone.pause()
    assert "ConnectTimeout" in said(ailing(), "error")


@pytest.mark.parametrize("topology", ["sentinels", "cluster"])
def test_nobody_being_there_is_told_and_raises_nothing_else(
    make_cache: Make, topology: str
) -> None:
    nobody = {
        "sentinels": {
            "location": "redis://mymaster/0",
            "client_class": "django_cachex.client.SentinelClient",
            "sentinels": [("127.0.0.1", 1)],
        },
        "cluster": {
            "location": "redis://127.0.0.1:1",
            "client_class": "django_cachex.client.ClusterClient",
        },
    }
    make_cache(**nobody[topology], timeout=2, socket_connect_timeout=0.3)
    report = ailing()
    assert report["servers"][0]["error"]
    assert "127.0.0.1:1" in said(report, "error")
    assert "does not answer" in fails(cachex_check.Command)[0]


@pytest.mark.parametrize("ping", ["+ping", "-ping"])
def test_a_server_whose_user_may_not_ask_how_it_is_answers_all_the_same(
    standalone: Standalone, make_cache: Make, ping: str
) -> None:
    rules = ("~*", "+@all", "-info", "-config", ping)
    standalone.command("ACL", "SETUSER", "ann", "on", ">hush", *rules)
    make_cache(standalone.url, username="ann", password="hush")
    report = checked()
    assert "answers, but this user is not told how it is" in said(report, "warning")
    assert "ACL SETUSER: +info" in said(report)
    assert said(report, "error") == ""
    shown = run(cachex_check.Command)
    assert "answers; no INFO" in shown
    assert "does not answer" not in shown
    assert (report["servers"][0]["latency"] is not None) is (ping == "+ping")
    assert "answers; no INFO" in run(cachex_stats.Command)


def test_settings_that_cannot_work_are_told_with_what_was_meant(make_cache: Make) -> None:
    caches = {"default": project.entry("redis://127.0.0.1:1", MAX_CONECTIONS=3)}
    caches["default"]["OPTIONS"] = {"MAX_CONECTIONS": caches["default"].pop("MAX_CONECTIONS")}
    with override_settings(CACHES=caches):
        report = ailing()
        assert "did you mean 'MAX_CONNECTIONS'" in said(report, "error")
        assert report["findings"][0]["id"] == "django_cachex.E001"


def test_tls_is_looked_through(
    tls_server: TlsServer, authority: Authority, make_cache: Make
) -> None:
    make_cache(tls_server.url, ssl_ca_certs=str(authority.ca))
    assert checked("--samples", "1")["ok"]
    make_cache(tls_server.url)
    assert "certificate verify failed" in said(ailing(), "error")


def no_token() -> tuple[str, str]:
    raise RuntimeError("the vault is closed")


def test_a_provider_that_gives_no_password_is_told(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, credential_provider=no_token)
    assert "the vault is closed" in said(ailing(), "error")


def test_a_wrong_password_is_told_and_none_is_shown(
    standalone: Standalone, make_cache: Make
) -> None:
    standalone.command("ACL", "SETUSER", "ann", "on", ">another", "~*", "+@all")
    url = standalone.url.replace("redis://", f"redis://ann:{SECRET}@")
    make_cache(url)
    assert "AuthenticationFailed" in said(ailing(), "error")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"maxmemory": "0"}, "has no maxmemory"),
        ({"maxmemory": "100mb"}, "maxmemory-policy noeviction"),
        ({"maxmemory": "100mb", "maxmemory-policy": "volatile-lru"}, "TIMEOUT is None"),
        ({"timeout": "60"}, "set MAX_IDLE below 60"),
    ],
)
def test_what_does_not_suit_a_cache_is_a_warning(
    standalone: Standalone, make_cache: Make, settings: dict[str, str], expected: str
) -> None:
    make_cache(standalone.url, TIMEOUT=None)
    for name, value in settings.items():
        standalone.command("CONFIG", "SET", name, value)
    assert expected in said(checked(), "warning")


def test_more_connections_than_the_server_takes_are_an_error(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, max_connections=40)
    standalone.command("CONFIG", "SET", "maxclients", 100)
    assert "has room for 2 processes" in said(checked(), "info")
    assert "MAX_CONNECTIONS at most 25" in said(ailing("--processes", "4"), "error")


def test_a_cluster_node_without_a_cluster_client_is_an_error(
    cluster: Cluster, make_cache: Make
) -> None:
    make_cache(cluster.urls[0])
    assert "CLIENT_CLASS: django_cachex.client.ClusterClient" in said(ailing(), "error")


def test_a_sentinel_as_location_is_an_error(sentinels: Sentinels, make_cache: Make) -> None:
    make_cache(sentinels.sentinels[0].url)
    assert "is a Sentinel" in said(ailing(), "error")


def test_who_is_not_ours_is_left_out_and_refused_by_name(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url)
    make_cache("", alias="other", backend="django.core.cache.backends.locmem.LocMemCache")
    assert checked("--samples", "1")["alias"] == "default"
    assert "not one of django_cachex" in fails(cachex_check.Command, "other")[1]
    assert "there is no cache 'nobody'" in fails(cachex_check.Command, "nobody")[1]


# cachex_keys


def test_keys_come_as_callers_know_them(anywhere: Any) -> None:
    names = {f"k{number}" for number in range(50)}
    anywhere.set_many(dict.fromkeys(names, 1))
    anywhere.set("k1", 1, version=2)
    listed = run(cachex_keys.Command).splitlines()
    assert set(listed) == names
    assert run(cachex_keys.Command, "--pattern", "k4?").split() == sorted(
        run(cachex_keys.Command, "--pattern", "k4?").split(), key=listed.index
    )
    assert len(run(cachex_keys.Command, "--pattern", "k4?").split()) == 10
    assert run(cachex_keys.Command, "--version", "2").split() == ["k1"]
    assert run(cachex_keys.Command, "--count").strip() == "50"


def test_every_line_of_json_is_a_key_with_its_time(alone: Any) -> None:
    alone.set("for-ever", 1, timeout=None)
    alone.set("not-long", 1, timeout=100)
    lines = run(cachex_keys.Command, "--json", "--ttl").splitlines()
    told = {one["key"]: one["ttl"] for one in map(json.loads, lines)}
    assert told.pop("for-ever") is None
    assert 0 < told.pop("not-long") <= 100
    assert told == {}
    assert json.loads(run(cachex_keys.Command, "--json", "--count"))["count"] == 2
    assert "never\tfor-ever" in run(cachex_keys.Command, "--ttl").splitlines()


@pytest.mark.filterwarnings("ignore::django.core.cache.CacheKeyWarning")
def test_keys_are_written_in_whatever_encoding_the_output_has(alone: Any) -> None:
    alone.set_many({"\u20ac": 1, "\u00e4\x1b[2J": 1})
    assert sorted(run_in_ascii(cachex_keys.Command)) == [r"\u20ac", r"\xe4\x1b[2J"]
    told = run_in_ascii(cachex_clear.Command, "--dry-run")
    assert sorted(told[1:]) == [r"  shop:1:\u20ac", r"  shop:1:\xe4\x1b[2J"]


@pytest.mark.filterwarnings("ignore::django.core.cache.CacheKeyWarning")
def test_a_line_end_in_a_key_does_not_look_like_a_backslash(alone: Any) -> None:
    alone.set_many({"a\nb": 1, r"a\nb": 1})
    assert sorted(run(cachex_keys.Command).splitlines()) == [r"a\\nb", r"a\nb"]
    told = run(cachex_clear.Command, "--dry-run").splitlines()
    assert sorted(told[1:]) == [r"  shop:1:a\\nb", r"  shop:1:a\nb"]


def test_versions_may_be_words(standalone: Standalone, make_cache: Make) -> None:
    cache = make_cache(standalone.url)
    cache.set("k", 1, version="next")
    assert run(cachex_keys.Command, "--version", "next").split() == ["k"]


def test_a_cache_that_is_away_is_an_error_also_if_errors_are_ignored(
    standalone: Standalone, make_cache: Make
) -> None:
    make_cache(standalone.url, ignore_exceptions=True, timeout=1, socket_connect_timeout=0.2)
    standalone.kill()
    for command in (cachex_keys.Command, cachex_stats.Command):
        fails(command)
    assert "cache 'default': " in fails(cachex_clear.Command, "--noinput")[1]


# cachex_clear


def foreign(cache: Any, server: Server) -> None:
    """Put keys next to those of the cache."""
    server.command("SET", "foreign", 1)
    server.command("SET", "shop:mail:1:k", 1)


def test_clear_removes_the_prefix_and_nothing_else(standalone: Standalone, alone: Any) -> None:
    alone.set_many({"a": 1, "b": 1})
    alone.set("a", 1, version=2)
    foreign(alone, standalone)
    assert "removed 3 keys" in run(cachex_clear.Command, "--noinput")
    assert standalone.command("DBSIZE") == 2


def test_clear_works_wherever_keys_are(anywhere: Any) -> None:
    anywhere.set_many(dict.fromkeys(map(str, range(100)), 1))
    told = json.loads(run(cachex_clear.Command, "--json", "--noinput", "--pattern", "1*"))
    assert told["keys"] == 11
    assert json.loads(run(cachex_clear.Command, "--json", "--noinput"))["keys"] == 89
    assert run(cachex_keys.Command) == ""


def test_a_dry_run_removes_nothing_and_names_some(standalone: Standalone, alone: Any) -> None:
    alone.set_many(dict.fromkeys(map(str, range(20)), 1))
    foreign(alone, standalone)
    for arguments, count in [((), 20), (("--pattern", "1?"), 10), (("--flush-db",), 22)]:
        told = json.loads(run(cachex_clear.Command, "--json", "--dry-run", *arguments))
        assert told["keys"] == count
        assert told["dry_run"]
        assert len(told["examples"]) == cachex_clear.EXAMPLES
    assert "would remove 20 keys" in run(cachex_clear.Command, "--dry-run")
    seen = standalone.commands_seen()
    assert not {"UNLINK", "DEL", "FLUSHDB"} & set(seen)
    assert standalone.command("DBSIZE") == 22


def test_one_version_goes_and_the_others_stay(alone: Any) -> None:
    for version in (1, 2):
        alone.set("k", 1, version=version)
    run(cachex_clear.Command, "--noinput", "--version", "1")
    assert alone.get("k") is None
    assert alone.get("k", version=2) == 1


def test_only_flush_db_removes_what_is_foreign(standalone: Standalone, alone: Any) -> None:
    alone.set("k", 1)
    foreign(alone, standalone)
    assert "ALL keys" in run(cachex_clear.Command, "--noinput", "--flush-db")
    assert standalone.command("DBSIZE") == 0
    assert (
        "goes with no other"
        in fails(cachex_clear.Command, "--flush-db", "--pattern", "a", "--noinput")[1]
    )


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("y", 1), ("", 1), (None, 1)])
def test_clear_asks_first(
    standalone: Standalone,
    alone: Any,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    left: int,
) -> None:
    def read() -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", read)
    alone.set("k", 1)
    if left:
        fails(cachex_clear.Command)
    else:
        run(cachex_clear.Command)
    assert standalone.command("DBSIZE") == left


def test_a_cache_that_is_only_read_from_is_not_cleared(
    sentinels: Sentinels, make_cache: Make
) -> None:
    entry = project.sentinel_entry(sentinels, "?is_master=0")
    make_cache(entry.pop("LOCATION"), **entry["OPTIONS"])
    sentinels.primary.command("SET", ":1:k", 1)

    assert "CacheIsReadOnly" in fails(cachex_clear.Command, "--noinput")[1]
    assert sentinels.primary.command("DBSIZE") == 1


# cachex_stats


def test_stats_tell_what_each_server_counted(anywhere: Any) -> None:
    anywhere.set("k", 1)
    for name in ("k", "k", "nothing"):
        anywhere.get(name)
    told = json.loads(run(cachex_stats.Command, "--json"))
    servers = [one for one in told["servers"] if one["role"] != "sentinel"]
    assert sum(one["hits"] for one in servers) == 2
    assert sum(one["misses"] for one in servers) == 1
    assert sum(one["keys"].get("0", 0) for one in servers if one["role"] == "primary") == 1
    assert all(one["memory"] > 0 for one in servers)
    assert sum(pool["uses"] for pool in told["pools"]) >= 4


def test_watching_shows_what_happened_in_between(alone: Any) -> None:
    lines = run(cachex_stats.Command, "--json", "--watch", "0.01", "--times", "3").splitlines()
    told = [json.loads(line)["seconds"] for line in lines]
    assert told[0] is None
    assert len(told) == 3
    assert min(told[1:]) >= 0.01
    assert "hits/s" in run(cachex_stats.Command, "--watch", "0.01", "--times", "2")


def test_a_watch_is_ended_with_control_c(alone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cachex_stats, "sleep", interrupted)
    assert "hits" in run(cachex_stats.Command, "--watch", "5")
