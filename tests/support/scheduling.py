"""Which test runs when, if several processes run them (pytest-xdist)."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

TIMING = "timing"
"""The mark of tests that measure time, and the group that they make."""


def group_timing_tests(items: list[pytest.Item]) -> None:
    """Let the tests that measure time be one group, whatever groups they are in."""
    for item in items:
        if item.get_closest_marker(TIMING):
            item.own_markers = [mark for mark in item.own_markers if mark.name != "xdist_group"]
            item.add_marker(pytest.mark.xdist_group(TIMING))


class TimingLast(LoadGroupScheduling):
    """Give each test to the next free process; tests that measure time run last and alone.

    They wait until all processes but one have ended, their servers with them. The tests of another
    group (`xdist_group`) run one after the other in one process.
    """

    def _assign_work_unit(self, node: Any) -> None:
        if TIMING in self.workqueue:
            self.workqueue.move_to_end(TIMING)
        if next(iter(self.workqueue)) != TIMING or len(self.nodes) == 1:
            super()._assign_work_unit(node)
        elif node is not self.nodes[0]:
            node.shutdown()

    def remove_node(self, node: Any) -> str | None:
        crashed = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return crashed
