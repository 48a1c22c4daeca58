"""Text for people: columns, amounts, durations. Values in, lines out."""

from collections.abc import Iterable, Sequence

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return aligned lines; columns in which nothing stands are left out."""
    given = [list(row) for row in rows]
    used = [at for at in range(len(head)) if any(row[at] for row in given)]
    lines = [[head[at] for at in used], *([row[at] for at in used] for row in given)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [(indent + "  ".join(map(str.ljust, line, widths))).rstrip() for line in lines if given]


def amount(number: int | None) -> str:
    """Return bytes as people read them: `1.5 MiB`."""
    if number is None:
        return ""
    size = float(number)
    for unit in UNITS:
        if size < 1024 or unit == UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def milliseconds(seconds: float | None) -> str:
    """Return a duration: `0.08 ms`."""
    return "" if seconds is None else f"{seconds * 1000:.2f} ms"


def share(part: int, whole: int) -> str:
    """Return a percentage; nothing if there is nothing to have a part of."""
    return f"{100 * part / whole:.1f} %" if whole else ""
