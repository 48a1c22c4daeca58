"""An SSLContext made of files, and made again when they changed."""

import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from cachex_pool.forks import StateLock, in_this_process
from cachex_pool.logs import logger

log = logger("cachex_pool")

UNUSABLE = (OSError, ssl.SSLError, TypeError, ValueError)
"""What reading certificates raises: no such file, not PEM, a key of another certificate."""

State: TypeAlias = tuple[tuple[int, ...] | None, ...]


def state_of(paths: Sequence[str]) -> State:
    """Return what changes with the files: when and where they were written; None for a missing one.

    One system call a file. A link counts as what it leads to, so that it may be turned around.
    """
    return tuple(map(_state_of, paths))


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def system_authorities() -> tuple[str, ...]:
    """Return the file and the folder of the authorities that the system trusts."""
    found = ssl.get_default_verify_paths()
    return tuple(path for path in (found.cafile, found.capath) if path)


class Reloading:
    """The latest SSLContext that could be made of some files.

    If files changed and no context can be made of them, the one before is used on, and a warning
    is logged, one for each change. Threads that come while another reads files get the one before.
    """

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._paths: tuple[str, ...] = ()
        self._seen: State = ()
        self._reading = StateLock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as nothing made yet: no SSLContext can be copied."""
        return type(self), ()

    def current(
        self, paths: Callable[[], tuple[str, ...]], build: Callable[[], ssl.SSLContext]
    ) -> ssl.SSLContext:
        """Return the context, which `build` makes of the files that `paths` names.

        Raises what `build` does if there is no context before. Costs a system call a file.
        """
        context = self._context
        if context is None:
            self._paths = paths()
            seen = state_of(
                self._paths
            )  # before they are read: a change meanwhile is noticed later
            context = build()
            self._context, self._seen = context, seen
            return context
        state = state_of(self._paths)
        if state == self._seen or not in_this_process(self._reading).acquire(blocking=False):
            return context
        try:
            if state == self._seen:  # another thread was faster
                return self._context or context
            self._seen = state  # whatever comes of it: once for each change
            return self._again(build, context)
        finally:
            self._reading.release()

    def _again(self, build: Callable[[], ssl.SSLContext], before: ssl.SSLContext) -> ssl.SSLContext:
        files = ", ".join(self._paths)
        try:
            self._context = build()
        except UNUSABLE as error:
            log.warning(
                f"TLS files have changed and cannot be used: {error} ({files});"
                " new connections use what was read before",
                files=self._paths,
                error=str(error),
            )
            return before
        log.info(f"TLS files have changed and were read again: {files}", files=self._paths)
        return self._context
