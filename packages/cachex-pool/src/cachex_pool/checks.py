"""Checks of settings: one sentence that names the setting, what it takes and what was given."""

from collections.abc import Callable, Collection
from math import isnan
from typing import Any, TypeAlias

from cachex_pool.errors import ConfigurationError

Check: TypeAlias = Callable[[Any, Any, Any], None]
"""What attrs calls with the instance, the attribute and the value."""


def whole(
    least: int,
    most: int | None = None,
    *,
    or_none: bool = False,
    error: type[Exception] = ConfigurationError,
) -> Check:
    """Take whole numbers in a range, and None if that means something."""
    what = f"a whole number of at least {least}"
    if most is not None:
        what = f"a whole number from {least} to {most}"
    return _ranged(int, what, or_none, error, lambda value: _within(value, least, most))


def number(
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    or_none: bool = False,
    error: type[Exception] = ConfigurationError,
) -> Check:
    """Take numbers `above` one or of at `least` one, up to `most`, and None if that is useful."""
    what = f"a number above {above}" if least is None else f"a number of at least {least}"
    if most is not None:
        what += f" and at most {most}"

    def fits(value: float) -> bool:
        return (above is None or value > above) and _within(value, least, most)

    return _ranged((int, float), what, or_none, error, fits)


def one_of(known: Collection[object], *, error: type[Exception] = ConfigurationError) -> Check:
    """Take one of a few values."""
    what = " or ".join(map(repr, known))

    def check(_: Any, attribute: Any, value: Any) -> None:
        if isinstance(value, bool) or value not in known:
            raise error(f"{attribute.name} is {what}, not {value!r}")

    return check


def made_of(
    kind: type, *, or_none: bool = False, error: type[Exception] = ConfigurationError
) -> Check:
    """Take instances of a class; what was given instead is named by its type only."""

    def check(_: Any, attribute: Any, value: Any) -> None:
        if not (isinstance(value, kind) or (or_none and value is None)):
            given = type(value).__name__
            raise error(f"{attribute.name} is of type {kind.__name__}, not {given}")

    return check


def function(*, or_none: bool = False, error: type[Exception] = ConfigurationError) -> Check:
    """Take what can be called; what was given instead is named by its type only."""
    what = "a function or None" if or_none else "a function"

    def check(_: Any, attribute: Any, value: Any) -> None:
        if not (callable(value) or (or_none and value is None)):
            raise error(f"{attribute.name} is {what}, not {type(value).__name__}")

    return check


def _ranged(
    kind: Any,
    what: str,
    or_none: bool,
    error: type[Exception],
    fits: Callable[[Any], bool],
) -> Check:
    what += " or None" if or_none else ""

    def check(_: Any, attribute: Any, value: Any) -> None:
        if or_none and value is None:
            return
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if not is_number or isnan(value) or not fits(value):
            raise error(f"{attribute.name} is {what}, not {value!r}")

    return check


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)
