"""Programs of documents, each run as one: `run`, and `end` when there are no more.

They are forked from one process that has imported what nearly all of them import first, which takes
longer than what they do.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

IMPORTED = (
    "django.core.cache",
    "django.core.management",
    "django.db",
    "django.test",
    "cachex_client",
    "cachex_otel",
    "cachex_pool",
    "django_cachex.cache",
    "django_cachex.checks",
    "redis.asyncio",
)
"""What is there before a program starts; none of it asks for settings."""

WARNINGS = ("-W", "error", "-W", "ignore::ResourceWarning")  # what is open at the end may be

_nurseries: list[subprocess.Popen[str]] = []


def run(folder: Path, text: str, timeout: float = 120) -> str:
    """Run a program in a folder, with warnings as errors; return its output.

    It may import what is in the folder. AssertionError if it fails or writes to stderr.
    """
    program = folder / "program.py"
    program.write_text(text)
    if not _nurseries:
        _nurseries.append(_start())
    (nursery,) = _nurseries
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    limit = threading.Timer(timeout, os.killpg, (nursery.pid, signal.SIGKILL))
    limit.start()
    print(json.dumps(str(program)), file=nursery.stdin, flush=True)
    status = nursery.stdout.readline().strip()
    limit.cancel()
    if not status:
        end()
    output, errors = ((folder / name).read_text() for name in ("stdout", "stderr"))
    ended = f"exit status {status}" if status else f"no end within {timeout} s"
    assert status == "0", f"{ended}\n{output}{errors}"
    assert not errors, errors
    return output


def end() -> None:
    """End the process that programs are forked from."""
    while _nurseries:
        nursery = _nurseries.pop()
        nursery.kill()
        nursery.communicate()


def _start() -> subprocess.Popen[str]:
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    return subprocess.Popen(
        [sys.executable, *WARNINGS, __file__],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def main() -> None:
    """Fork for each line that names a program, and answer with its exit status."""
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # as if it were not this file's
    for name in IMPORTED:
        if find_spec(name.partition(".")[0]):  # not all of them where one package is tested alone
            import_module(name)
    assert threading.active_count() == 1, "a fork would lose the others"
    gc.freeze()  # or each of them spends most of its time on these at its end
    for line in sys.stdin:
        program = json.loads(line)
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            _become(Path(program))
            return


def _become(program: Path) -> None:
    """Do what Python does with a program that it is given, until its end."""
    os.chdir(program.parent)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_CREAT | os.O_TRUNC | os.O_WRONLY
        opened = os.open(os.devnull if number == 0 else name, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.environ["PYTHONPATH"] = os.pathsep.join((str(program.parent), os.environ["PYTHONPATH"]))
    sys.path.insert(0, str(program.parent))
    sys.argv = [str(program)]
    module = types.ModuleType("__main__")
    module.__file__ = str(program)
    sys.modules["__main__"] = module
    exec(compile(program.read_text(), str(program), "exec"), module.__dict__)


if __name__ == "__main__":
    main()
