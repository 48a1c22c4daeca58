"""Which test runs when and where, if several processes run them (pytest-xdist).

The processes that collect the tests know their marks and fixtures, the one that hands them out does
not: it is told in a file.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

TIMING = "timing"
"""The mark of tests that measure time."""
AT_ONCE = max(1, min(2, os.cpu_count() or 1))
"""How many of these run at a time: each has a processor for itself."""

KINDS = ("cluster", "sentinels", "replicated")
"""Servers that take seconds to start, and some of a processor even when nobody uses them."""


def tell_groups(config: Any, items: list[pytest.Item]) -> None:
    """Write down what belongs together; called in each of the processes."""
    groups = {item.nodeid: (_group_of(item), _kind_of(item), _measures(item)) for item in items}
    file = _file_of(config.workerinput["testrunuid"])
    own = file.with_name(f"{file.name}.{os.getpid()}")
    own.write_text(json.dumps(groups))
    own.replace(file)  # All of them write the same.


def _measures(item: pytest.Item) -> bool:
    return item.get_closest_marker(TIMING) is not None


def _group_of(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return item.nodeid if marker is None else str(marker.args[0])


def _kind_of(item: Any) -> str:
    """Return the servers that a test uses, as far as its fixtures and parameters tell."""
    words = {*item.fixturenames, *re.split(r"\W", item.name)}
    return next((kind for kind in KINDS if kind in words), "")


def _place(group: tuple[str, str, bool]) -> tuple[bool, str]:
    path, of_one, _ = group[0].partition("::")
    return not of_one, path.rpartition("/")[0]


def _file_of(run: str) -> Path:
    return Path(tempfile.gettempdir()) / f"cachex-groups-{run}"


class TimingLast(LoadGroupScheduling):
    """Give each test to the next free process; tests that measure time run last and undisturbed.

    They wait until all processes have ended that do not measure time, their servers with them, and
    until the AT_ONCE others (one, for a single such test) have done all the rest. The tests of
    another group (`xdist_group`) run one after the other in one process. Each of KINDS has a
    process that does its tests first; others help when nothing else is left.
    """

    _told: dict[str, tuple[str, str, bool]]
    _queues: dict[str, deque[str]]  # the groups of each kind; some may have been given out already
    _measuring: dict[str, deque[str]]  # the same of tests that measure time
    _kinds: dict[Any, set[str]]
    _at_once: int  # how many processes measure time
    _begun = False  # to give out what measures time
    _measures = False  # whether nothing else runs any more

    def schedule(self) -> None:
        if self.collection is None:
            file = _file_of(self.nodes[0].workerinput["testrunuid"])
            self._told = {}
            if file.exists():  # unless no test was found, which pytest says itself
                self._told = json.loads(file.read_text())
                file.unlink()
            self._fill_queues(self._told.values())
            self._kinds = {node: set() for node in self.nodes}
            for node, kind in zip(cycle(self.nodes), KINDS):
                self._kinds[node].add(kind)
        super().schedule()

    def remove_node(self, node: Any) -> str | None:
        crashed = super().remove_node(node)
        if crashed:
            told = {one[0]: one for one in self._told.values()}
            self._fill_queues(told[scope] for scope in self.workqueue)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _split_scope(self, nodeid: str) -> str:
        return self._told[nodeid][0]

    def _reschedule(self, node: Any) -> None:
        if self.workqueue or not self._begun or self._measures:
            super()._reschedule(node)  # which ends the process if nothing is left to give out
        elif not node.shutting_down:
            self._assign_work_unit(node)

    def _assign_work_unit(self, node: Any) -> None:
        if not self._measures and self._assign_from(self._queues, node):
            return
        last = self.nodes[: self._at_once]
        if node not in last:
            node.shutdown()
        elif self._measures:
            self._assign_last(node)
        elif len(self.nodes) <= self._at_once and not self._begun and self._are_idle(last):
            self._begun = True  # for now they do what they kept
            for one in last:
                self._assign_last(one)
        if self._begun and not self._measures and self._are_idle(last):
            self._measures = True
            for one in last:
                self._assign_last(one)

    def _are_idle(self, nodes: Iterable[Any]) -> bool:
        """Tell whether they have one test each at most: they keep that until another comes."""
        return all(self._pending_of(self.assigned_work[node]) <= 1 for node in nodes)

    def _assign_last(self, node: Any) -> None:
        if not any(self._assign_from(each, node) for each in (self._measuring, self._queues)):
            node.shutdown()

    def _assign_from(self, queues: dict[str, deque[str]], node: Any) -> bool:
        kinds = self._kinds.setdefault(node, set())
        others = sorted({*KINDS} - kinds, key=lambda kind: -len(queues[kind]))
        for kind in (*kinds, "", *others):
            if scope := self._next(queues[kind]):
                kinds.add(kind)
                self.workqueue.move_to_end(scope, last=False)
                super()._assign_work_unit(node)
                return True
        return False

    def _fill_queues(self, groups: Iterable[tuple[str, str, bool]]) -> None:
        """Queue the groups, and then the folders from the last, so that `client` is at the end.

        Its tests are short: all processes end at about the same time.
        """
        self._queues = {kind: deque() for kind in (*KINDS, "")}
        self._measuring = {kind: deque() for kind in (*KINDS, "")}
        for scope, kind, measures in sorted(groups, key=_place, reverse=True):
            (self._measuring if measures else self._queues)[kind].append(scope)
        self._at_once = min(AT_ONCE, sum(map(len, self._measuring.values())))

    def _next(self, queue: deque[str]) -> str | None:
        """Return the next group that nobody has yet."""
        while queue:
            scope = queue.popleft()
            if scope in self.workqueue:
                return scope
        return None
