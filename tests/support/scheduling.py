"""Which test runs when, if several processes run them (pytest-xdist).

The processes that collect the tests know their marks, the one that hands them out does not: it is
told in a file.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

TIMING = "timing"
"""The mark of tests that measure time, and the group that they make."""


def tell_groups(config: Any, items: list[pytest.Item]) -> None:
    """Write down which tests belong together; called in each of the processes."""
    groups = {item.nodeid: group for item in items if (group := _group_of(item))}
    file = _file_of(config.workerinput["testrunuid"])
    own = file.with_name(f"{file.name}.{os.getpid()}")
    own.write_text(json.dumps(groups))
    own.replace(file)  # All of them write the same.


def _group_of(item: pytest.Item) -> str | None:
    if item.get_closest_marker(TIMING):
        return TIMING
    marker = item.get_closest_marker("xdist_group")
    return None if marker is None else str(marker.args[0])


def _file_of(run: str) -> Path:
    return Path(tempfile.gettempdir()) / f"cachex-groups-{run}"


class TimingLast(LoadGroupScheduling):
    """Give each test to the next free process; tests that measure time run last and alone.

    They wait until all processes but one have ended, their servers with them. The tests of another
    group (`xdist_group`) run one after the other in one process.
    """

    _groups: dict[str, str]

    def schedule(self) -> None:
        if self.collection is None:
            file = _file_of(self.nodes[0].workerinput["testrunuid"])
            self._groups = json.loads(file.read_text())
            file.unlink()
        super().schedule()

    def remove_node(self, node: Any) -> str | None:
        crashed = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if TIMING in self.workqueue:
            self.workqueue.move_to_end(TIMING)
        if next(iter(self.workqueue)) != TIMING or len(self.nodes) == 1:
            super()._assign_work_unit(node)
        elif node is not self.nodes[0]:
            node.shutdown()
