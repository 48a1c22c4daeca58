"""A Celery worker with cachex-client shares values, locks and counters with a Django site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.server import Server
from support.waiting import eventually
from workers.company import CONNECTIONS, Site, Worker, at_work, open_site

pytestmark = pytest.mark.xdist_group("celery")  # its workers take seconds to start

VALUES: list[Any] = ["", "ä" * 2_000, 7, -1.5, None, True, [1, [2]], {"a": {"b": [None]}}]


def test_what_the_site_writes_the_worker_reads(worker: Worker, site: Site, article: str) -> None:
    for number, value in enumerate(VALUES):
        site.cache("set", f"{article}{number}", value, 100)
        kind, found, ttl = site.run("crew.fetch", f"{article}{number}")
        assert (kind, found) == (type(value).__name__, value)
        assert 60 < ttl <= 100


def test_what_the_worker_writes_the_site_reads(worker: Worker, site: Site, article: str) -> None:
    for number, value in enumerate(VALUES):
        assert site.run("crew.store", f"{article}{number}", value, 100) is True
        assert site.cache("get", f"{article}{number}", "nothing") == value
        assert 60 < site.cache("ttl", f"{article}{number}") <= 100
    assert sorted(site.cache("keys", f"{article}*")) == [
        f"{article}{n}" for n in range(len(VALUES))
    ]


def test_what_neither_has_is_missed_by_both(worker: Worker, site: Site, article: str) -> None:
    assert site.run("crew.fetch", article) == ["str", "nothing", -2]
    assert site.cache("get", article) is None
    site.cache("set", article, 1)
    site.cache("delete", article)
    assert site.run("crew.fetch", article)[1] == "nothing"


def test_counters_of_both_sides_add_up(worker: Worker, site: Site, article: str) -> None:
    site.cache("set", f"sold:{article}", 0, None)
    sent = [site.send("worker.sell", article, 50) for _ in range(12)]
    for _ in range(100):
        site.cache("incr", f"sold:{article}")
    for one in sent:
        site.result(one)
    assert site.cache("get", f"sold:{article}") == 12 * 50 + 100


def test_a_lock_of_the_site_keeps_the_worker_out(worker: Worker, site: Site, article: str) -> None:
    site.cache("set", f"price:{article}", {"amount": 500})
    assert site.lock(f"lock:{article}")
    assert site.run("worker.reduce", article, 10) is None
    assert site.cache("get", f"price:{article}") == {"amount": 500}
    site.unlock(f"lock:{article}")
    assert site.run("worker.reduce", article, 10) == {"amount": 450}
    assert site.cache("get", f"price:{article}") == {"amount": 450}


def test_a_lock_of_the_worker_keeps_the_site_out(worker: Worker, site: Site, article: str) -> None:
    sent = site.send("worker.take_stock", article)
    eventually(lambda: site.cache("get", f"stock:{article}"), 30, what="the worker's lock")
    assert not site.lock(f"lock:{article}")
    site.cache("set", f"stock:{article}", 12)
    assert site.result(sent) == 12
    assert site.lock(f"lock:{article}")
    site.unlock(f"lock:{article}")


def test_a_worker_has_no_more_connections_than_its_pool(
    worker: Worker, site: Site, article: str
) -> None:
    """Where tasks share a process they share its connections, and wait for each other's."""
    sent = [site.send("worker.sell", article, 100) for _ in range(40)]
    most = 0
    while site.cache("get", f"sold:{article}", 0) < 40 * 100:
        most = max(most, len(worker.connections()))
    for one in sent:
        site.result(one)
    most = max(most, len(worker.connections()))  # which stay, if all was done at once
    assert site.cache("get", f"sold:{article}") == 40 * 100
    if worker.pool == "prefork":  # one task at a time in each, and what the parent has opened
        assert 1 < most <= worker.concurrency + 1
    else:
        assert 1 < most <= CONNECTIONS


def test_tasks_at_once_use_connections_of_their_own_process(
    worker: Worker, site: Site, article: str
) -> None:
    """The parent has used the cache before it forked: its connection stays with it."""
    met = site.run_all("crew.meet", article, worker.concurrency, times=worker.concurrency)
    of_parent = site.cache("get", "first")
    of_server = {int(one["id"]) for one in worker.connections()}
    pids, used = {pid for pid, _ in met}, {number for _, number in met}
    assert used <= of_server
    if worker.pool == "prefork":
        assert len(pids) == len(used) == worker.concurrency
        assert of_parent not in used
        assert of_parent in of_server, "no child has closed it, nor spoken on it"
        assert pids <= set(worker.pids()[1:])
    else:
        assert pids == {worker.process.pid}


def test_a_worker_uses_nothing_of_the_layers_above(worker: Worker, site: Site) -> None:
    assert site.run("crew.imported") == ["cachex_client", "cachex_pool"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
def test_a_worker_that_ends_leaves_nothing_behind() -> None:
    with Server() as server, open_site(server) as site:
        with at_work(server, "prefork", 2) as worker:
            site.run_all("crew.meet", "all", 2, times=2)
            started = worker.pids()
            assert len(started) == 3
            assert len(worker.connections()) == 3
        assert not worker.connections()
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
