"""What the OTLP receiver has got, as trees."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import attrs


@attrs.frozen
class Span:
    """A span as it came; `kind` is SERVER, CLIENT, ..., `status` UNSET, OK or ERROR."""

    service: str
    trace: str
    id: str
    parent: str
    kind: str
    name: str
    status: str
    started: int
    attributes: dict[str, object] = attrs.field(hash=False)

    def __str__(self) -> str:
        return f"{self.service} {self.kind} {self.name}"


def lines(received: Path) -> Iterator[dict[str, object]]:
    """Yield what was received; the last line may still be written."""
    for line in received.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def spans(received: Path, trace: str) -> list[Span]:
    """Return the spans of a trace in the order they were started."""
    found = [
        Span(
            service=str(one["service"]),
            trace=trace,
            id=str(one["id"]),
            parent=str(one["parent"]),
            kind=str(one["kind"]).removeprefix("SPAN_KIND_"),
            name=str(one["name"]),
            status=str(one["status"]).removeprefix("STATUS_CODE_"),
            started=int(str(one["started"])),
            attributes=dict(one["attributes"]),  # type: ignore[call-overload]
        )
        for one in lines(received)
        if one.get("trace") == trace
    ]
    return sorted(found, key=lambda span: span.started)


def drawn(found: list[Span], root: str) -> str:
    """Draw the spans below one as indented lines: service, kind and name."""
    children: dict[str, list[Span]] = defaultdict(list)
    for span in found:
        children[span.parent].append(span)

    def below(parent: str, depth: int) -> Iterator[str]:
        for span in children[parent]:
            yield f"{'  ' * depth}{span}\n"
            yield from below(span.id, depth + 1)

    return "".join(below(root, 0))


def metrics(received: Path) -> set[tuple[str, str]]:
    """Return service and name of every metric that was received."""
    return {(str(one["service"]), str(one["metric"])) for one in lines(received) if "metric" in one}
