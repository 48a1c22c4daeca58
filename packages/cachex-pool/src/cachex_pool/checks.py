"""Checks of settings: one sentence that names the setting, what it takes and what was given."""

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from cachex_pool.errors import ConfigurationError

QUOTED = 120
"""Characters of a value that a message shows."""

Check: TypeAlias = Callable[[Any, Any, Any], None]
"""What attrs calls with the instance, the attribute and the value."""


def quoted(value: object) -> str:
    """Return a value as messages show it: not more than its beginning, or else its type."""
    try:
        text = repr(value)
    except Exception:  # a number of too many digits, or whatever a class of others raises
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def said(error: BaseException) -> str:
    """Return the text of an error, or its beginning; its type if it has none."""
    try:
        text = str(error)
    except Exception:  # of a class of others
        text = ""
    return (text if len(text) <= QUOTED else f"{text[:QUOTED]}...") or type(error).__name__


def encodes(text: str) -> bool:
    """Say whether a text can be sent as UTF-8; one that came of other bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
            raise error(f"{attribute.name} is {what}, not {quoted(value)}")

    return check


def text_or_none(_: Any, attribute: Any, value: Any) -> None:
    """Take None, and text that can be sent; what was given instead is not shown."""
    if not isinstance(value, str | None):
        raise ConfigurationError(f"{attribute.name} is of type str, not {type(value).__name__}")
    if value is not None and not encodes(value):
        raise ConfigurationError(f"{attribute.name} does not encode as UTF-8")


def not_empty(_: Any, attribute: Any, value: Any) -> None:
    """Take anything but a text without a letter, as a variable has that was forgotten."""
    if value == "":
        raise ConfigurationError(f"{attribute.name} is empty: leave it out, or name something")


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
        if not is_number or value != value or not fits(value):
            raise error(f"{attribute.name} is {what}, not {quoted(value)}")

    return check


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)
