"""Child processes that are copies of this one."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def in_child(work: Callable[[], object], timeout: int = 20) -> None:
    """Fork, do the work in the child, and wait for its end, `timeout` seconds at most.

    AssertionError if it fails; what it raised is printed.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(timeout)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"
