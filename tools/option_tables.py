#!/usr/bin/env python3
"""Write the tables of options in docs/reference/options.md from cachex_client.config.options.

python3 dev.py python tools/option_tables.py            write them
python3 dev.py python tools/option_tables.py --check    write nothing; exit 1 if they differ
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pages
from cachex_client.config.options import describe

PAGE = pages.ROOT / "docs/reference/options.md"
BEGIN = "<!-- tools/option_tables.py writes from here -->"


def tables(options: Iterable[dict[str, Any]]) -> str:
    """Return a heading and a table for each topic."""
    parts = []
    head = ["| option | value | default | what it does |", "| --- | --- | --- | --- |"]
    for topic, members in groupby(options, key=lambda option: option["topic"]):
        parts.append("\n".join([f"### {topic}", "", *head, *map(line, members)]))
    return "\n\n".join(parts)


def line(option: dict[str, Any]) -> str:
    names = " ".join(f"`{name}`" for name in (option["name"], *option["aliases"]))
    cells = (names, option["expects"], option["default"], option["doc"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def updated(page: str) -> str:
    """Return the page with new tables between its two marks."""
    return pages.between(page, BEGIN, tables(describe()))


def main(arguments: list[str]) -> int:
    wanted = updated(PAGE.read_text())
    return pages.bring_up_to_date(PAGE, wanted, "option_tables", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
