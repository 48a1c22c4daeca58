"""A process that was forked notices it, once, before anything of its parent's is used."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cachex_pool import forks
from cachex_pool.forks import (
    ByPage,
    ByProcessId,
    StateLock,
    register,
    run_after_fork,
    same_process,
)
from support.alarms import KINDS, alarm

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class Counter:
    def __init__(self) -> None:
        self.times = 0
        register(self)

    def after_fork(self) -> None:
        self.times += 1


def test_a_process_is_the_same_until_it_is_forked(in_a_child: Callable[..., None]) -> None:
    counter = Counter()

    def child() -> None:
        if not same_process:
            run_after_fork()
        run_after_fork()
        assert same_process
        assert counter.times == 1

    assert same_process
    run_after_fork()
    assert counter.times == 0
    in_a_child(child)
    assert counter.times == 0


def test_children_of_children_notice_it_too(in_a_child: Callable[..., None]) -> None:
    counter = Counter()

    def grandchild() -> None:
        run_after_fork()
        assert counter.times == 2

    def child() -> None:
        run_after_fork()
        assert counter.times == 1
        in_a_child(grandchild)
        assert counter.times == 1

    in_a_child(child)


def test_a_child_whose_first_use_is_a_fork_leaves_it_to_its_child(
    in_a_child: Callable[..., None],
) -> None:
    counter = Counter()

    def grandchild() -> None:
        run_after_fork()
        assert counter.times >= 1

    in_a_child(lambda: in_a_child(grandchild))


def test_what_was_registered_first_is_made_ready_first(in_a_child: Callable[..., None]) -> None:
    order: list[int] = []

    class Named(Counter):
        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

        def after_fork(self) -> None:
            order.append(self.number)

    kept = [Named(number) for number in range(5)]

    def child() -> None:
        run_after_fork()
        assert order == list(range(5))

    in_a_child(child)
    assert kept


def test_what_nobody_holds_is_forgotten() -> None:
    counter = Counter()
    known = len(forks._registered)
    del counter
    assert len(forks._registered) < known


def test_threads_of_a_child_wait_until_everything_is_ready(
    in_a_child: Callable[..., None],
) -> None:
    class Slow(Counter):
        def after_fork(self) -> None:
            time.sleep(0.2)
            super().after_fork()

    slow, last = Slow(), Counter()

    def child() -> None:
        seen: list[tuple[int, int]] = []

        def use() -> None:
            if not same_process:
                run_after_fork()
            seen.append((slow.times, last.times))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [(1, 1)] * 8

    in_a_child(child)


def test_a_lock_that_another_thread_held_is_open_in_a_child(
    in_a_child: Callable[..., None],
) -> None:
    lock, held, done = StateLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(30)

    def child() -> None:
        run_after_fork()
        assert lock.acquire(timeout=1)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    in_a_child(child)
    done.set()
    thread.join()


def test_process_ids_tell_where_the_kernel_does_not(in_a_child: Callable[..., None]) -> None:
    same = ByProcessId()

    def child() -> None:
        assert not same
        same.renew()
        assert same

    assert same
    in_a_child(child)
    assert same


def test_a_signal_handler_that_raises_never_leaves_a_lock_taken() -> None:
    lock = StateLock()

    def work() -> None:
        for _ in range(100):
            with lock:
                pass

    def take() -> bool:
        return lock.acquire(timeout=10) and (lock.release() or True)

    with ThreadPoolExecutor(1) as other, alarm(random.Random(3)) as clock:
        for _ in range(300):
            try:
                clock.interrupt(work)
            except KINDS:
                pass
            assert other.submit(take).result(30)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux empties pages on fork")
def test_on_linux_no_system_call_is_needed() -> None:
    assert isinstance(same_process, ByPage)


def test_without_such_pages_a_fork_is_noticed_as_well() -> None:
    program = """
        import ctypes, mmap, os
        del mmap.MAP_PRIVATE
        from cachex_pool.forks import ByProcessId, register, run_after_fork, same_process
        assert type(same_process) is ByProcessId

        class Counter:
            times = 0

            def after_fork(self):
                self.times += 1

        counter = Counter()
        register(counter)
        for fork in (os.fork, ctypes.PyDLL(None).fork):
            child = fork()
            if child == 0:
                if not same_process:
                    run_after_fork()
                os._exit(counter.times != 1 or not same_process)
            assert os.waitpid(child, 0)[1] == 0
        assert counter.times == 0
    """
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
    )
