"""
What a reply announces, checked before the reader makes room for it.

The reader allocates as soon as it reads how many elements an array has: thirteen bytes can cost
gigabytes, and seconds in which no other thread runs. So whatever may hold such a header is looked
through first. A value may contain bytes that look like one; the reader itself tells them apart:
it has consumed all before a header, and waits for the rest of a value.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from cachex_pool.errors import ReplyTooLarge

MAX_ELEMENTS = 1 << 24
"""Elements that a reply may announce beyond those that its bytes can have brought."""
MAX_PUSH = 1 << 16
"""Elements of a push; those that servers send have four at most."""
MAX_STRING = 1 << 29
"""Bytes of one string, the server's own limit."""
BULK = ord("$")
_LARGE = 512  # bytes of a string that is quicker to skip than to look through
_TINY = 64  # bytes that are looked through more quickly than is_plain does
_SHORT = 8192  # bytes in which a large string cannot have begun
_LONG_DIGITS = 9  # of a string that is too large
_LINE_END = ord("\n")
AGGREGATES = frozenset(b"*~%>|")
_COUNTED = AGGREGATES | {BULK}
_NOTED_DIGITS = 5
_HEADER = re.compile(rb"\n([*~%>|][0-9]{5,}|\$[0-9]{9,})\r")
_FIRST = re.compile(rb"([*~%>|][0-9]{5,}|\$[0-9]{9,})\r")
_LONG = re.compile(rb"\$[0-9]{9,}\r")
_UNFINISHED = re.compile(rb"[*~%>|$][0-9]*\r?\Z")
_MIN_BYTES = 3  # of an element: a type, CR, LF


def is_plain(chunk: bytes) -> bool:
    """
    Say at once whether bytes that begin a reply, or go on with one, announce little.

    True of most: of nothing but short strings and numbers in an array of some thousands.
    """
    if len(chunk) > _SHORT or chunk[-1] != _LINE_END or chunk.find(b"\r", 0, 6) < 0:
        return False
    last = chunk.rfind(b"$") + _LONG_DIGITS
    return not (
        chunk.find(b"*", 1) >= 0  # one by one is what is quickest
        or chunk.find(b"%", 1) >= 0
        or chunk.find(b">", 1) >= 0
        or chunk.find(b"~", 1) >= 0
        or chunk.find(b"|", 1) >= 0
        or chunk[last : last + 1].isdigit()
    )


class Lengths:
    """
    Looks through what one connection receives.

    `waits` says whether the reader has bytes that are not part of a reply yet.
    """

    __slots__ = ("_name", "_skip", "_waits", "announced", "held", "received")

    def __init__(self, name: str, waits: Callable[[], bool]) -> None:
        self._name = name
        self._waits = waits
        self._skip = 0  # bytes of the next ones that belong to a string
        self.held = b""  # the start of a header that goes on in the next bytes
        self.received = 0  # bytes since the last whole reply, to be set to 0 by who reads one
        self.announced = 0  # elements announced since then, likewise

    def pieces(self, chunk: bytes) -> Iterable[bytes]:
        """
        Give back what was received in pieces, each of them safe to feed to the reader.

        All that is complete has to be read before the next piece is asked for. Raises
        ReplyTooLarge where more is announced than may be.
        """
        if self.held:
            chunk, self.held = self.held + chunk, b""
        self.received += len(chunk)
        start = self._skip
        if start >= len(chunk):
            self._skip = start - len(chunk)
            return (chunk,)
        if not start and len(chunk) > _TINY and is_plain(chunk):
            return (chunk,)
        if len(chunk) > _LARGE and (start or not self._waits()):
            start = self._after_strings(chunk, start)
            if start >= len(chunk):
                self._skip = start - len(chunk)
                return (chunk,)
        self._skip = 0
        if chunk[-1] != _LINE_END:
            tail = _UNFINISHED.search(chunk, max(start, len(chunk) - 24))
            if tail is not None:
                self.held = chunk[tail.start() :]
                chunk = chunk[: tail.start()]
                if not chunk:
                    return ()
        fifth = chunk[start + _NOTED_DIGITS : start + _NOTED_DIGITS + 1]
        first = _FIRST.match(chunk, start) if fifth.isdigit() else None  # as it rarely is one
        rest = start + 1
        if len(chunk) <= _LARGE:
            if first is not None or _HEADER.search(chunk, start) is not None:
                return self._looked_through(chunk, start, first)
            return (chunk,)
        if (
            first is not None
            or chunk.find(b"*", rest) >= 0  # one by one is what is quickest
            or chunk.find(b"~", rest) >= 0
            or chunk.find(b"%", rest) >= 0
            or chunk.find(b">", rest) >= 0
            or chunk.find(b"|", rest) >= 0
            or _LONG.match(chunk, chunk.rfind(b"$", rest)) is not None
        ):
            return self._looked_through(chunk, start, first)
        return (chunk,)

    def begun(self, chunk: bytes) -> None:
        """Note that the reader was given a string that is not complete yet."""
        self.received = len(chunk)
        header = _FIRST.match(chunk)
        if header is not None and self._too_much(header[1]):
            raise self._refusal(header[1])
        self._skip = max(0, self._after_strings(chunk, 0) - len(chunk))

    def suspects(self, chunk: bytes) -> bool:
        """Say whether something in here announces too much, or only looks like it."""
        return any(self._too_much(header[1]) for header in _HEADER.finditer(chunk))

    def _refusal(self, header: bytes) -> ReplyTooLarge:
        what = "a string" if header[0] == BULK else "an array"
        return ReplyTooLarge(self._name, f"{what} of {header[1:24].decode()} is announced")

    def _after_strings(self, chunk: bytes, at: int) -> int:
        """
        Return where the large strings end that begin here; that may be beyond the chunk.

        They may stand in arrays of some thousands.
        """
        while at < len(chunk) and (kind := chunk[at]) in _COUNTED:
            end = chunk.find(b"\r\n", at, at + 24)
            digits = chunk[at + 1 : end]
            if end < 0 or not digits.isdigit():
                break
            size = int(digits)
            if kind != BULK:
                if len(digits) >= _NOTED_DIGITS:
                    break
                at = end + 2
                continue
            if not _LARGE <= size <= MAX_STRING:
                break
            at = end + 2 + size + 2
        return at

    def _looked_through(
        self, chunk: bytes, start: int, first: "re.Match[bytes] | None"
    ) -> Iterator[bytes]:
        fed = 0
        if first is not None:
            if start:
                yield chunk[:start]
            fed = start
            self._note(first[1])
        for header in _HEADER.finditer(chunk, start):
            at = header.start(1)
            if at > fed:
                yield chunk[fed:at]
            fed = at
            self._note(header[1])
        yield chunk[fed:]

    def _note(self, header: bytes) -> None:
        """Count what a header announces, if it is one."""
        if self._waits():
            return
        if self._too_much(header):
            raise self._refusal(header)
        if header[0] != BULK:
            self.announced += int(header[1:])

    def _too_much(self, header: bytes) -> bool:
        number = int(header[1:]) if len(header) < 24 else MAX_STRING + 1
        if header[0] == BULK:
            return number > MAX_STRING
        if header[:1] == b">":
            return number > MAX_PUSH
        brought = self.received // _MIN_BYTES
        return self.announced + number - brought > MAX_ELEMENTS
