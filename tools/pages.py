"""Pages of the documentation that a tool writes in part, between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
END = "<!-- to here -->"


def between(page: str, begin: str, body: str) -> str:
    """Return the page with a new body between the mark `begin` and the one where it ends."""
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(END)
    return f"{head}{begin}\n\n{body}\n\n{END}{tail}"


def bring_up_to_date(path: Path, wanted: str, tool: str, arguments: Sequence[str]) -> int:
    """Write a page if it differs, or with `--check` only say so; return the exit status."""
    if path.read_text() == wanted:
        return 0
    if "--check" in arguments:
        name = path.relative_to(ROOT)
        print(f"{name} is out of step: dev.py python tools/{tool}.py")
        return 1
    path.write_text(wanted)
    return 0
