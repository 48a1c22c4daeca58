"""docs/reference/costs.md: what it says of every method is what servers and clients count."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from djangocache import project
from djangocache.costs import EXAMPLES, KEYS, NAME, Cost, Example, Watch, methods, plain
from support.servers import Cluster, Replicated, Sentinels, Server
from support.structure_calls import commands_known, fill

Make = Callable[..., Any]

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/reference/costs.md"
TOPOLOGIES = ("standalone", "replicated", "sentinels", "cluster")
FEW = {"n": len(KEYS), "m": 1, "s": 1, "u": 1}
MANY = 6_500


class Row(NamedTuple):
    """A method's line: commands as on one server and in a cluster, round trips by topology."""

    commands: str
    in_a_cluster: str
    trips: Mapping[str, str]


@cache
def rows() -> dict[str, Row]:
    found = {}
    for line in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE):
        name, cells = line[0], line[1].split(" | ")
        assert name not in found, f"{name} is there twice"
        found[name] = Row(cells[0], cells[1], dict(zip(TOPOLOGIES, cells[2:], strict=True)))
    return found


def number(formula: str, letters: Mapping[str, int]) -> int:
    """Evaluate what the page writes: `p·s`, `s + u + 4`, `⌈n / 5,000⌉`."""
    text = formula.replace("·", "*").replace(",", "").replace("⌈", "ceil(").replace("⌉", ")")
    return int(eval(text, {"ceil": math.ceil, "__builtins__": {}}, dict(letters)))


def line(name: str, cost: Cost) -> str:
    """Return the row of a method that the page does not have yet, as on one server."""
    times = "\N{MULTIPLICATION SIGN}"
    counts = cost.commands.items()
    words = [f"`{one}`" if count == 1 else f"{count} {times} `{one}`" for one, count in counts]
    commands = ", ".join(words) or "none"
    return f"| `{name}` | {' | '.join((commands, commands, *[cost.trips] * 4))} |"


def expected(name: str, topology: str, letters: Mapping[str, int]) -> Cost:
    row = rows()[name]
    text = row.in_a_cluster if topology == "cluster" else row.commands
    commands: Counter[str] = Counter()
    for item in text.split(", ") if text != "none" else ():
        times, _, command = item.rpartition(" \N{MULTIPLICATION SIGN} ")
        commands[command.strip("`")] += number(times or "1", letters)
    trips, per, node = row.trips[topology].partition(" per node")
    return Cost(commands, f"{number(trips, letters)}{per}{node}")


class Bench:
    """A cache on one of the topologies, and everything to see what it costs."""

    def __init__(self, servers: Any, make_cache: Make) -> None:
        self.servers = servers
        if isinstance(servers, Sentinels):
            entry, self.nodes = project.sentinel_entry(servers, client_name=NAME), servers.nodes
        elif isinstance(servers, Cluster):
            entry, self.nodes = project.cluster_entry(servers, client_name=NAME), servers.servers
        elif isinstance(servers, Replicated):
            entry, self.nodes = project.entry(servers.urls, client_name=NAME), servers.servers
        else:
            entry, self.nodes = project.entry(servers.url, client_name=NAME), [servers]
        location, backend = entry.pop("LOCATION"), entry.pop("BACKEND")
        self.cache = make_cache(location, backend=backend, **entry)
        self._replicas = {Sentinels: 2, Replicated: 2, Cluster: 1}.get(type(servers), 0)

    @property
    def primaries(self) -> list[Server]:
        if isinstance(self.servers, Server):
            return [self.servers]
        if isinstance(self.servers, Cluster):
            return self.servers.primaries
        return [self.servers.primary]

    def measured(self, examples: Mapping[str, Example], *, twins: bool = False) -> dict[str, Cost]:
        """Run each example, or its twin, and say what it cost."""
        watch, parts = Watch(self.nodes, self.cache), {}
        with asyncio.Runner() as loop:
            with watch.watching():
                for name, example in examples.items():
                    self._prepare(example)
                    parts[name] = watch.mark()
                    if twins:
                        loop.run(example.arun(self.cache))
                    else:
                        example.run(self.cache)
                    watch.mark()
            return {name: watch.cost(part) for name, part in parts.items()}

    def _prepare(self, example: Example) -> None:
        primaries = self.primaries
        for primary in primaries:
            primary.command("FLUSHALL")
        for key, content in example.given.items():
            full = self.cache.make_key(key)
            home = (
                self.servers.primary_for(full)
                if isinstance(self.servers, Cluster)
                else primaries[0]
            )
            fill(home, full, content, self.cache.codec.dumps, self._replicas)
        if example.many:
            self.cache.set_many(example.many)

    def differing(
        self,
        examples: Mapping[str, Example],
        wanted: Callable[[str, Cost], Any],
        *,
        twins: bool = False,
    ) -> dict[str, Any]:
        """
        Return what is not as wanted.

        Processes load scripts at first and look for their servers now and then, in between: what
        differs is measured again.
        """
        wrong: dict[str, Any] = {}
        for _ in range(4):
            wrong = {}
            for name, cost in self.measured(examples, twins=twins).items():
                if difference := wanted(name, cost):
                    wrong[name] = difference
            examples = {name: examples[name] for name in wrong}
            if not wrong:
                break
        return wrong


@pytest.fixture(params=TOPOLOGIES)
def topology(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def bench(topology: str, request: pytest.FixtureRequest, make_cache: Make) -> Bench:
    return Bench(request.getfixturevalue(topology), make_cache)


def known(bench: Bench, examples: Mapping[str, Example]) -> dict[str, Example]:
    """Leave out what this server has no command for."""
    there = commands_known(bench.nodes[0])
    return {
        name: example
        for name, example in examples.items()
        if not example.needs or example.needs in there
    }


def test_every_method_is_on_the_page_and_tried_here() -> None:
    assert set(rows()) == methods() == set(EXAMPLES)


def test_methods_cost_what_the_page_says(bench: Bench, topology: str) -> None:
    letters = {**FEW, "p": len(bench.primaries)}

    def difference(name: str, cost: Cost) -> Any:
        if name not in rows():
            return f"to be added to the page: {line(name, cost)}"
        wanted = expected(name, topology, letters)
        return None if cost == wanted else (cost, wanted)

    assert bench.differing(known(bench, EXAMPLES), difference) == {}


@pytest.mark.parametrize(
    "topology",
    [
        "standalone",
        "cluster",
        pytest.param("replicated", marks=pytest.mark.thorough),
        pytest.param("sentinels", marks=pytest.mark.thorough),
    ],
)
def test_their_twins_ask_the_same(bench: Bench, topology: str) -> None:
    letters = {**FEW, "p": len(bench.primaries)}

    def difference(name: str, cost: Cost) -> Any:
        wanted = expected(name, topology, letters).commands if name in rows() else cost.commands
        return None if cost.commands == wanted else (cost.commands, wanted)

    assert bench.differing(known(bench, EXAMPLES), difference, twins=True) == {}


@pytest.mark.parametrize("topology", ["standalone"])
def test_thousands_of_keys_cost_what_the_page_says(bench: Bench) -> None:
    letters = {"n": MANY, "m": 4, "s": 7, "u": 7, "p": 1}
    keys = [f"k{n}" for n in range(MANY)]
    numbers = dict.fromkeys(keys, 1)
    calls: dict[str, tuple[Any, ...]] = {
        "get_many": (keys,),
        "set_many": (numbers,),
        "delete_many": (keys,),
        "touch_many": (keys, 60),
        "incr_many": (numbers,),
        "keys": ("*",),
        "clear": (),
    }
    examples = {name: plain(name, *given)._replace(many=numbers) for name, given in calls.items()}

    def difference(name: str, cost: Cost) -> Any:
        wanted = expected(name, "standalone", letters)
        return None if cost == wanted else (cost, wanted)

    assert bench.differing(examples, difference) == {}


def test_a_wrong_number_would_be_noticed() -> None:
    assert number("s + u + 4", {"s": 2, "u": 3}) == 9
    assert number("⌈n / 5,000⌉", {"n": 5001}) == 2
    assert number("4·p", {"p": 3}) == 12
    assert expected("set_many", "standalone", {**FEW, "p": 1}).commands == {"SET": 12}
    assert expected("set_many", "cluster", {**FEW, "p": 3}).trips == "1 per node"
