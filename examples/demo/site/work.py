"""Things that take a while, so that keeping their results is worth it."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import attrs


@attrs.frozen
class Piece:
    """One expensive result: `compute` makes it."""

    key: str
    title: str
    compute: Callable[[], str]


def primes(limit: int = 600_000) -> str:
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            for multiple in range(number * number, limit, number):
                sieve[multiple] = 0
    return f"{sum(sieve):,}"


def pi(digits: int = 4000) -> str:
    """Machin's formula, on whole numbers."""

    def arccot(x: int, unity: int) -> int:
        term = total = unity // x
        n, sign = 3, -1
        while term:
            term //= x * x
            total += sign * (term // n)
            n, sign = n + 2, -sign
        return total

    unity = 10 ** (digits + 10)
    text = str(4 * (4 * arccot(5, unity) - arccot(239, unity)) // 10**10)
    return f"…{text[-12:]}"


def collatz(limit: int = 10_000) -> str:
    longest, start = 0, 0
    for first in range(1, limit):
        number, steps = first, 0
        while number != 1:
            number = number // 2 if number % 2 == 0 else 3 * number + 1
            steps += 1
        if steps > longest:
            longest, start = steps, first
    return f"{start:,} takes {longest} steps"


def queens(size: int = 10) -> str:
    def count(row: int, columns: int, left: int, right: int) -> int:
        if row == size:
            return 1
        free = ~(columns | left | right) & ((1 << size) - 1)
        found = 0
        while free:
            bit = free & -free
            free ^= bit
            found += count(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
        return found

    return f"{count(0, 0, 0, 0)} ways"


def report() -> str:
    time.sleep(0.12)  # somebody else's slow database
    return "42 orders, 7 of them open"


PIECES = (
    Piece("primes", "Primes below 600,000", primes),
    Piece("pi", "4,000 digits of π, the last 12", pi),
    Piece("collatz", "Longest Collatz chain below 10⁴", collatz),
    Piece("queens", "Ten queens on a board", queens),
    Piece("report", "A report from a slow database", report),
)


def picture(width: int = 240, height: int = 90) -> bytes:
    """Compute a Mandelbrot set as a PNG: a value of a few KiB that is not text."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # PNG: this row is not filtered
        for x in range(width):
            c = complex(x / width * 3.2 - 2.35, y / height * 1.2 - 0.6)
            z, steps = 0j, 0
            while steps < 40 and z.real * z.real + z.imag * z.imag < 4:
                z = z * z + c
                steps += 1
            shade = 1 - steps / 40
            rows += bytes((int(35 + 190 * shade), int(70 + 170 * shade), int(110 + 145 * shade)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(bytes(rows))),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
