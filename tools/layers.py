#!/usr/bin/env python3
"""Check who imports whom in packages/; print what is not allowed and exit 1.

    tools/layers.py [root]

1. A package imports the standard library, itself, and what its pyproject.toml declares.
2. It enters another package of this repository through public names only.
3. `_async/` and `_sync/` never import each other.
4. `_core/` decides and does nothing else: no clock, no randomness, no logging, no input or output,
   and none of the modules that have them.

What may be imported in which module of a package besides that, ruff knows (TID251).
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Distributions that are imported under another name.
IMPORT_NAMES = {
    "attrs": ("attr", "attrs"),
    "cachex-django": ("django_cachex",),
    "opentelemetry-api": ("opentelemetry",),
}
OURS = ("cachex_pool", "cachex_client", "django_cachex", "cachex_otel")
NOT_IN_CORE = {
    "asyncio": "waiting is the shells' business",
    "concurrent": "threads are the shells' business",
    "hiredis": "bytes are the shells' business",
    "logging": "decisions are told, not logged",
    "queue": "threads are the shells' business",
    "random": "random numbers are arguments",
    "secrets": "random numbers are arguments",
    "select": "sockets are the shells' business",
    "selectors": "sockets are the shells' business",
    "socket": "sockets are the shells' business",
    "ssl": "sockets are the shells' business",
    "structlog": "decisions are told, not logged",
    "threading": "threads are the shells' business",
    "time": "the time is an argument",
    "uuid": "random numbers are arguments",
}
SHELLS = ("_async", "_sync", "_concurrency", "_wire")


def project_name(requirement: str) -> str:
    """Return the name in a requirement such as `attrs>=24.1`, in its normal form."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def import_names(requirement: str) -> tuple[str, ...]:
    """Return the names under which a required distribution is imported."""
    name = project_name(requirement)
    return IMPORT_NAMES.get(name, (name.replace("-", "_"),))


def requirements(pyproject: Path) -> list[str]:
    """Return what a distribution requires, that of its extras included."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [*project["dependencies"], *(asked for extra in extras for asked in extra)]


def imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield line and dotted name of all that a module of `package` imports.

    `from a import b` counts as `a.b`, since `b` may be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield node.lineno, (*module, alias.name)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def objection(module: tuple[str, ...], name: tuple[str, ...], allowed: set[str]) -> str | None:
    """Say why `module` must not import `name`, or return None."""
    top, home = name[0], module[0]
    if top not in sys.stdlib_module_names and top not in (*allowed, home):
        return f"{top} is not among the dependencies of this package"
    if top in OURS and top != home and any(map(is_private, name)):
        return f"{'.'.join(name)} is private to {top}"
    inside = name[1:] if top == home else ()
    for own, other in (("_async", "_sync"), ("_sync", "_async")):
        if own in module and other in inside:
            return f"{own} must not import {other}"
    if "_core" in module:
        if top in NOT_IN_CORE:
            return f"{top} in _core: {NOT_IN_CORE[top]}"
        if any(part in SHELLS for part in inside):
            return f"{'.'.join(name)} in _core: decisions know nothing of the shells"
    return None


def violations(root: Path) -> Iterator[str]:
    """Yield one line for each import under `root` that breaks a rule."""
    for pyproject in sorted(root.glob("packages/*/pyproject.toml")):
        allowed = {name for asked in requirements(pyproject) for name in import_names(asked)}
        source_root = pyproject.parent / "src"
        for path in sorted(source_root.rglob("*.py")):
            module = path.relative_to(source_root).with_suffix("").parts
            tree = ast.parse(path.read_text("utf-8"), str(path))
            for line, name in imported(tree, module[:-1]):
                if reason := objection(module, name, allowed):
                    yield f"{path.relative_to(root).as_posix()}:{line}: {reason}"


def main(arguments: list[str]) -> int:
    found = list(violations(Path(arguments[0]) if arguments else ROOT))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
