"""The pages of the documentation, taken apart: blocks, and what each is for."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'python title="([^"]+)"')

KINDS = {"python", "python settings", "shell", "text", "text acl"}


class Block(NamedTuple):
    """One fenced block: `kind` is what stands behind the fence, `title` a file it belongs into."""

    kind: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = []
    for info, text in FENCE.findall(page.read_text()):
        titled = TITLE.fullmatch(info)
        found.append(Block("file", titled[1], text) if titled else Block(info, "", text))
    return found


def of_kind(page: Path, kind: str) -> list[str]:
    return [block.text for block in blocks(page) if block.kind == kind]


def users(page: Path) -> list[list[str]]:
    """Return what a page tells servers of users: first what whoever uses the cache needs."""
    return [text.split() for text in of_kind(page, "text acl")]


def words(text: str) -> list[list[str]]:
    """Return the lines of a shell block as words."""
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def commands(page: Path) -> list[list[str]]:
    """Return what the shell blocks of a page run."""
    return [line for text in of_kind(page, "shell") for line in words(text)]


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the files that a page shows, in the order of the page; return their names.

    What is shown of settings goes to the end of what is there; other files begin with what is
    shown first.
    """
    names: list[str] = []
    for block in blocks(page):
        if block.kind != "file":
            continue
        file = folder / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        for package in file.relative_to(folder).parents:
            if package.name and file.suffix == ".py":
                (folder / package / "__init__.py").touch()
        begun = block.title in names or file.name == "settings.py"
        with file.open("a" if begun else "w") as stream:
            stream.write(block.text)
        if block.title not in names:
            names.append(block.title)
    return names


def checked(block: str) -> str:
    """Turn `expression  # value; more words` into an assertion, where the comment is a value."""
    lines = block.splitlines()
    for node in ast.parse(block).body:
        if not isinstance(node, ast.Expr) or node.lineno != node.end_lineno:
            continue
        line = lines[node.lineno - 1]
        _, _, comment = line[node.end_col_offset :].partition("# ")
        try:
            value = ast.literal_eval(re.split(r"; | - ", comment)[0].strip())
        except (SyntaxError, ValueError):
            continue
        expression = line[: node.end_col_offset]
        lines[node.lineno - 1] = f"_ = {expression}; assert _ == {value!r}, _"
    return "\n".join(lines)
