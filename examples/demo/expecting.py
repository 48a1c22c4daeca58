"""How a check says that something is wrong."""

from __future__ import annotations


class CheckFailed(Exception):
    """Something is not as it should be."""


def expect(truth: bool, what: str) -> None:
    if not truth:
        raise CheckFailed(what)
