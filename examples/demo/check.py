"""A visit of the whole demo that nobody has to watch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from demo.expecting import CheckFailed, expect
from demo.failovers import kill, planned
from demo.stage import Stage
from demo.visitor import Visitor

from support.waiting import eventually

__all__ = ["CheckFailed", "check"]

THREADS = 8
VISITS = {"replica": 12}
"""Of each thread; less elsewhere, so that all topologies take a minute together."""
RESULTS = 5
LIMIT = 8
"""MAX_CONNECTIONS in the settings of the site."""


def check(stage: Stage) -> None:
    """Visit every page, from several threads; raise CheckFailed unless all is as it should be."""
    visitor = Visitor(stage.url)
    parts = [hits_and_misses, crowd, session, key_of_ones_own, burst, one_loop, all_servers]
    if stage.kind in ("sentinel", "cluster"):
        parts += [planned, kill]
    for part in parts:
        print(f"{part.__doc__:66}", end=" ", flush=True)
        print(part(stage, visitor), flush=True)


def hits_and_misses(stage: Stage, visitor: Visitor) -> str:
    """Results are computed once and found from then on."""
    page = visitor.get()
    expect(page.count(">computed<") == RESULTS, "the first visit computes every result")
    first = lookups(visitor)
    expect(first == {"hits": 0, "misses": RESULTS}, f"first visit: {first}")
    stage.wait_until_replicated()
    page = visitor.get()
    expect(page.count(">hit<") == RESULTS, "the second visit finds every result")
    second = lookups(visitor)
    expect(second == {"hits": RESULTS, "misses": RESULTS}, f"second visit: {second}")
    picture = visitor.get_bytes("mandelbrot.png")
    expect(picture.startswith(b"\x89PNG"), "the picture is one")
    stage.wait_until_replicated()
    expect(visitor.get_bytes("mandelbrot.png") == picture, "the picture comes back as it was")
    found = lookups(visitor)
    expect(found == {"hits": RESULTS + 1, "misses": RESULTS + 1}, f"with the picture: {found}")
    return "{hits} hits, {misses} misses".format(**found)


def crowd(stage: Stage, visitor: Visitor) -> str:
    """Many visitors at once find everything, on few connections."""
    before = lookups(visitor)
    visits = VISITS.get(stage.kind, 4)

    def visit(_: int) -> None:
        one = Visitor(stage.url)
        for _ in range(visits):
            expect(one.get().count(">hit<") == RESULTS, "a visitor in the crowd finds all results")
            expect(one.get_bytes("mandelbrot.png").startswith(b"\x89PNG"), "and the picture")

    with counted(stage) as most, ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(visit, range(THREADS)))
    now = lookups(visitor)
    hits = now["hits"] - before["hits"]
    expect(hits == THREADS * visits * (RESULTS + 1), f"{hits} hits in the crowd")
    expect(now["misses"] == before["misses"], "nothing is computed twice")
    expect(0 < most() <= LIMIT, f"{most()} connections to one server, {LIMIT} allowed")
    return f"{hits} hits, at most {most()} connections"


def session(stage: Stage, visitor: Visitor) -> str:
    """A session counts the visits of its own visitor."""
    other = Visitor(stage.url)
    for number in (1, 2, 3):
        page = other.get()
        expect(f"<b>{number}</b>" in page, f"visit {number} is counted")
    return "3 visits"


def key_of_ones_own(stage: Stage, visitor: Visitor) -> str:
    """A key can be set, read and deleted."""
    name = "check:ключ"
    said = visitor.post("key/", key=name, value="<b>1</b>", seconds="30", action="set")
    expect(f"{name} is now &#x27;&lt;b&gt;1&lt;/b&gt;&#x27;, for 30 s." in said, "it is set")
    stage.wait_until_replicated()
    said = visitor.post("key/", key=name, action="get")
    expect(f"{name} is &#x27;&lt;b&gt;1&lt;/b&gt;&#x27;." in said, "it is read")
    expect(f"{name} is deleted." in visitor.post("key/", key=name, action="delete"), "is deleted")
    stage.wait_until_replicated()
    expect(f"There is no {name}." in visitor.post("key/", key=name, action="get"), "it is gone")
    return "done"


def burst(stage: Stage, visitor: Visitor) -> str:
    """32 threads share the connections of one pool and wait their turn."""
    with counted(stage) as most:
        page = visitor.post("burst/")
    expect("lookups from 32 threads" in page, "the burst is reported")
    pools = [pool for pool in visitor.get_json("stats.json")["pools"] if pool["cache"] == "default"]
    expect(most() <= LIMIT, f"{most()} connections to one server, {LIMIT} allowed")
    for pool in pools:
        expect(pool["size"] <= LIMIT and pool["opened"] <= LIMIT, f"few connections: {pool}")
        expect(pool["lent"] == pool["waiting"] == 0, f"everything came back: {pool}")
        expect(pool["breaker"] == "closed", f"no trouble: {pool}")
    waits = sum(pool["waits"] for pool in pools)
    expect(waits > 0 or stage.kind == "cluster", "somebody had to wait")
    return f"{waits} waits, at most {most()} connections"


def one_loop(stage: Stage, visitor: Visitor) -> str:
    """500 tasks of an event loop share a connection, closed with it."""
    before = connections(stage)
    page = visitor.get("async/")
    expect('<td class="n">500<td' in page, "every task finds its result")
    eventually(lambda: connections(stage) == before, 5, what="the loop's connections being closed")
    return f"{before} connections before and after"


def all_servers(stage: Stage, visitor: Visitor) -> str:
    """Writes go to primaries, most reads to replicas if there are any."""
    told = {server["server"]: server for server in visitor.get_json("stats.json")["servers"]}
    reads = {"primary": 0, "replica": 0}
    written = 0
    for shard in stage.shards:
        for at, server in enumerate(shard):
            role = "replica" if at else "primary"
            seen = server.commands_seen()
            reads[role] += (got := seen["GET"] + seen["MGET"])
            written += seen["SET"] if role == "primary" else 0
            page = told[f"{server.host}:{server.port}/0"]
            expect(page["state"] == "answers", f"the page knows {server}")
            expect(page["role"] == role, f"the page knows the role of {server}")
            expect(page["reads"] >= got, f"the page counts the reads of {server}")
    expect(len(told) == len(stage.servers), "the page knows no others")
    expect(written >= RESULTS + 1, "the results were written to primaries")
    expect(reads["primary"] > 0, f"reads: {reads}")
    if stage.kind != "standalone":
        expect(reads["replica"] > reads["primary"], f"reads: {reads}")
    return "{primary} reads from primaries, {replica} from replicas".format(**reads)


def lookups(visitor: Visitor) -> dict[str, int]:
    found: dict[str, int] = visitor.get_json("stats.json")["lookups"]
    return found


def connections(stage: Stage) -> int:
    """Count the connections of the default cache, of all threads and loops."""
    return sum(connections_to(server) for server in stage.servers)


def connections_to(server: Any) -> int:
    return sum(client["name"] == "demo" for client in server.clients())


@contextmanager
def counted(stage: Stage) -> Iterator[Callable[[], int]]:
    """Ask the servers again and again for the connections; give the most to any one of them."""
    most = 0
    done = threading.Event()

    def count() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, *map(connections_to, stage.servers))
            done.wait(0.01)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield lambda: most
    finally:
        done.set()
        thread.join()
