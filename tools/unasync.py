#!/usr/bin/env python3
"""Write each `_sync/` folder from its `_async/` neighbour, line for line.

    tools/unasync.py            write what is out of step
    tools/unasync.py --check    write nothing; exit 1 if anything is out of step

Rules work on whole words and never across lines, so a traceback in `_sync/pool.py` points at the
same line of `_async/pool.py`. A rule that matches nothing any more is reported, and is an error
under `--check`: take it out, or find out why the code stopped using it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import methods
import verbs

ROOT = Path(__file__).resolve().parent.parent
FIRST_LINE = "# tools/unasync.py writes the sync twin of this file."
BANNER = "# Written by tools/unasync.py from {source}: edit that file instead."

# (pattern, replacement); the first group of names is common to all packages.
COMMON = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\baclose\b", "close"),
    (r"\bredis\.asyncio\b", "redis"),
    (r"\b(_?)(Abstract)?Async(?=[A-Z])", r"\1\2"),  # AsyncPool -> Pool
    (r"\b(_?)async_(?=[a-z])", r"\1"),  # async_sleep -> sleep
    (r"\b_async\b", "_sync"),  # module paths
]

# Only in django_cachex: Django's `a` before the verb, where it is defined and where it is called,
# and the attributes that hold the two halves of a backend.
DJANGO_PACKAGE = "django_cachex"
DJANGO_ATTRIBUTES = [
    (r"\b_acache\b", "_cache"),
    (r"\b_averbatim\b", "_verbatim"),
]
BY_HAND = """
    add clear decr decr_version delete delete_many delete_pattern eval_script expire expire_at
    flush_db get get_lock get_many get_or_set has_key hscan_iter incr incr_many incr_version
    iter_keys keys lock persist pexpire pexpire_at pipeline pttl rate_limit semaphore set
    set_many sscan_iter throttle touch touch_many ttl zscan_iter
""".split()
DJANGO_VERBS = BY_HAND + methods.verbs()
DJANGO = DJANGO_ATTRIBUTES + [(rf"(\bdef |\.)a{verb}\b", rf"\1{verb}") for verb in DJANGO_VERBS]

COMPILED = {pattern: (re.compile(pattern), text) for pattern, text in COMMON + DJANGO}


class BadSource(Exception):
    """A hand-written file that cannot be translated; the text says what to change."""


def translate(source: str, name: str, rules: list[tuple[str, str]], used: set[str]) -> str:
    """Return the sync twin of `source`, and add the patterns that matched to `used`."""
    first, _, rest = source.partition("\n")
    if first != FIRST_LINE:  # it gives way to the banner, so that line numbers agree
        raise BadSource(f"{name}: the first line has to be: {FIRST_LINE}")
    for pattern, _ in rules:
        compiled, text = COMPILED[pattern]
        rest, hits = compiled.subn(text, rest)
        if hits:
            used.add(pattern)
    return f"{BANNER.format(source=name)}\n{rest}"


def packages(root: Path) -> list[Path]:
    """Return the import packages under `root`."""
    return sorted(path.parent for path in root.glob("packages/*/src/*/__init__.py"))


def sources(package: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each hand-written file with the path of its twin."""
    for source in sorted(package.rglob("_async/**/*.py")):
        parts = source.relative_to(package).parts
        yield source, package.joinpath(*("_sync" if p == "_async" else p for p in parts))


def unused(found: list[Path], used: set[str]) -> list[str]:
    """Return the patterns without a use, leaving Django's out while it has no `_async` folder."""
    expected = COMMON + (DJANGO if any(p.name == DJANGO_PACKAGE for p in found) else [])
    return [pattern for pattern, _ in expected if pattern not in used]


def run(root: Path, *, check: bool) -> list[str]:
    """Bring every `_sync` folder under `root` up to date, or with `check` only compare.

    Returns one line of text for each thing that somebody has to put right.
    """
    problems: list[str] = []
    used: set[str] = set()
    translated: list[Path] = []
    for package in packages(root):
        rules = COMMON + (DJANGO if package.name == DJANGO_PACKAGE else [])
        twins = set()
        for source, target in sources(package):
            twins.add(target)
            name = source.relative_to(package).as_posix()
            text = translate(source.read_text("utf-8"), name, rules, used)
            if target.is_file() and target.read_text("utf-8") == text:
                continue
            shown = target.relative_to(root).as_posix()
            if check:
                problems.append(f"out of step: {shown}")
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
            print(f"written: {shown}")
        if twins:
            translated.append(package)
        orphans = set(package.rglob("_sync/**/*.py")) - twins
        problems += [f"orphan: {path.relative_to(root).as_posix()}" for path in sorted(orphans)]
    never = [f"rule never used: {pattern}" for pattern in unused(translated, used)]
    if check and translated:
        return problems + never
    print("\n".join(never))
    return problems


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    check = "--check" in arguments
    problems = verbs.run(ROOT, check=check)
    try:
        problems += run(ROOT, check=check)
    except BadSource as error:
        problems.append(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
