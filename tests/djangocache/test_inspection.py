"""What reports are made of and how they look: no servers."""

from __future__ import annotations

import io

import pytest

from django_cachex.inspection import advice, facts, shown, tables
from django_cachex.inspection.advice import Finding
from django_cachex.inspection.facts import Facts
from django_cachex.inspection.places import Places
from django_cachex.inspection.progress import Progress, drawn
from django_cachex.inspection.report import Report
from djangocache.configs import read

INFO = """\
# Server\r
redis_version:7.2.4\r
valkey_version:9.1.2\r
server_mode:standalone\r
# Clients\r
connected_clients:12\r
maxclients:100\r
# Memory\r
used_memory:1048576\r
maxmemory:0\r
maxmemory_policy:noeviction\r
mem_fragmentation_ratio:1.25\r
# Replication\r
role:slave\r
master_link_status:down\r
master_last_io_seconds_ago:-1\r
master_replid:abc\r
slave_repl_offset:70\r
# Keyspace\r
db0:keys=5,expires=1,avg_ttl=0\r
db11:keys=7,expires=0,avg_ttl=0,subexpiry=0\r
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_info_is_read() -> None:
    one = facts.read("a", "replica", facts.fields(INFO))
    assert (one.product, one.mode, one.role) == ("valkey 9.1.2", "standalone", "replica")
    assert (one.clients, one.max_clients, one.memory) == (12, 100, 1048576)
    assert one.keys == {0: 5, 11: 7}
    assert one.fragmentation == 1.25
    assert not one.link_up


def test_a_report_with_nothing_in_it_is_read_too() -> None:
    one = facts.read("a", "primary", {})
    assert (one.role, one.clients, one.max_memory, one.keys) == ("", None, None, {})


def test_how_far_a_replica_is_behind_is_told_by_its_own_primary() -> None:
    primary = Facts(name="a", expected_role="primary", role="primary", replication_id="x", offset=9)
    replica = Facts(name="b", expected_role="replica", role="replica", replication_id="x", offset=4)
    stray = Facts(name="c", expected_role="replica", role="replica", replication_id="y", offset=1)
    assert [one.behind for one in facts.compared([primary, replica, stray])] == [0, 5, 0]


def test_median_and_tail_of_latencies() -> None:
    measured = facts.latency([number / 1000 for number in range(101, 0, -1)])
    assert (measured.samples, measured.median, measured.p99) == (101, 0.051, 0.1)
    assert facts.latency([2.0]).p99 == 2.0


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0005, ""), (0.02, "is it far away?"), (0.0, "")]
)
def test_a_server_far_away_is_noticed(seconds: float, expected: str) -> None:
    measured = facts.latency([seconds] * 10)
    one = Facts(name="a", expected_role="primary", role="primary", latency=measured)
    found = advice.findings(read(), Places("standalone", ()), [one], None)
    assert expected in "".join(finding.text for finding in found)
    assert bool(found) is bool(expected)


def test_uncovered_slots_are_an_error_and_come_first() -> None:
    alone = Facts(name="a", expected_role="primary", role="primary", mode="cluster", rejected=2)
    found = advice.findings(read(), Places("cluster", (), uncovered_slots=7), [alone], None)
    assert [one.level for one in found] == ["error", "warning", "info"]
    assert "7 of 16384 slots" in found[0].text
    assert "no replica" in found[2].text


def test_sentinels_that_disagree_are_noticed() -> None:
    def sentinel(port: str) -> Facts:
        told = {"ip": "10.0.0.1", "port": port, "flags": "master"}
        return Facts(name=port, expected_role="sentinel", mode="sentinel", sentinel=told)

    def found(*ports: str) -> list[Finding]:
        servers = [sentinel(port) for port in ports]
        return advice.findings(read(), Places("sentinel", ()), servers, None)

    assert found("1", "1") == []
    assert "others do not" in found("1", "2")[0].text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB"), (None, "")],
)
def test_amounts_are_readable(size: int | None, text: str) -> None:
    assert tables.amount(size) == text


def test_a_table_is_aligned_and_has_no_empty_columns() -> None:
    lines = tables.table(("name", "empty", "n"), [("a", "", "10"), ("long", "", "")])
    assert lines == ["  name  n", "  a     10", "  long"]
    assert tables.table(("name",), []) == []


def test_what_is_so_in_several_places_is_told_once() -> None:
    same = [Finding("warning", where, "is full", "empty it") for where in ("a", "b")]
    told = list(shown.findings([*same, Finding("info", "a", "is old")]))
    assert told == [
        ("warning", ["  warning: a, b: is full", "      empty it"]),
        ("info", ["  info: a: is old"]),
    ]


def test_a_server_that_is_away_has_its_line() -> None:
    gone = Facts(name="a:1/0", expected_role="primary", error="ConnectFailed: no")
    report = Report(alias="default", kind="standalone", name="a:1/0", servers=(gone,))
    assert "does not answer" in shown.check_table(report)[1]
    assert "does not answer" in shown.stats_tables(report, None, 0)[1]


def test_rates_are_differences_and_survive_a_restart() -> None:
    def report(hits: int) -> Report:
        one = Facts(name="a", expected_role="primary", role="primary", hits=hits)
        return Report(alias="x", servers=(one,))

    assert "50" in shown.stats_tables(report(200), report(100), 2.0)[4].split()
    assert "0" in shown.stats_tables(report(3), report(100), 2.0)[4].split()


def test_a_bar_is_drawn_on_a_terminal_and_wiped() -> None:
    screen = Terminal()
    with Progress("counting", 4, screen) as progress:
        progress.advance(2)
        assert "counting [" in screen.getvalue()
        assert " 50%" in screen.getvalue()
    assert screen.getvalue().endswith("\r")
    assert drawn(9, 4, "x").endswith("100%")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_is_drawn_where_nobody_looks_or_nothing_is_to_do(stream: io.StringIO) -> None:
    total = 0 if stream.isatty() else 5
    with Progress("counting", total, stream) as progress:
        progress.advance()
    assert stream.getvalue() == ""
