#!/usr/bin/env python3
"""Write the table of docs/reference/error-codes.md from cachex_client.error_codes.

python3 dev.py python tools/error_tables.py            write it
python3 dev.py python tools/error_tables.py --check    write nothing; exit 1 if it differs
"""

from __future__ import annotations

import sys

import pages
from cachex_client.error_codes import TABLE, Cause, ErrorCode

PAGE = pages.ROOT / "docs/reference/error-codes.md"
BEGIN = "<!-- tools/error_tables.py writes from here -->"


def table() -> str:
    head = ["| reply | what it means | the client | `IGNORE_EXCEPTIONS` |"]
    return "\n".join([*head, "| --- | --- | --- | --- |", *map(line, TABLE)])


def line(row: ErrorCode) -> str:
    reply = f"`{row.code}`" + (f" … `{row.contains}`" if row.contains else "")
    ignored = "ignored" if row.cause is Cause.STATE else "raised"
    return f"| {reply} | {row.meaning} | {row.action.value} | {ignored} |"


def updated(page: str) -> str:
    """Return the page with a new table between its two marks."""
    return pages.between(page, BEGIN, table())


def main(arguments: list[str]) -> int:
    return pages.bring_up_to_date(PAGE, updated(PAGE.read_text()), "error_tables", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
