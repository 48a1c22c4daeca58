"""How a demo says that something is wrong."""

from __future__ import annotations


class CheckFailed(Exception):
    """Something is not as it should be."""


class StageFailed(Exception):
    """Something did not start, or did not stay."""


def expect(truth: bool, what: str) -> None:
    if not truth:
        raise CheckFailed(what)
