"""Addresses that do not answer, not even to say no."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from support.processes import free_port


@contextlib.contextmanager
def unanswering() -> Iterator[tuple[str, int]]:
    """Give an address to which connecting neither succeeds nor fails, as behind a firewall.

    It is a listener that never accepts and whose queue is full: the kernel then drops what comes.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", free_port()))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()
