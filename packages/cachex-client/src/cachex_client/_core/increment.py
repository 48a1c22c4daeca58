"""Adding to a number only if it is there: a script, since no command does it."""

from operator import index

from cachex_client import commands
from cachex_client._core.shapes import integer_or_none
from cachex_client.command import Command
from cachex_client.commands.scripts import EVALSHA

# A missing key is nil; what is no whole number is the server's own error, not a script's.
INCREMENT = commands.Script(
    b"if redis.call('EXISTS', KEYS[1]) == 0 then return nil end "
    b"return redis.pcall('INCRBY', KEYS[1], ARGV[1])"
)


def whole(delta: int) -> int:
    """Return what is to be added; TypeError if it is no whole number."""
    try:
        return index(delta)
    except TypeError:
        raise TypeError(
            f"incr and decr add whole numbers, not the {type(delta).__name__} {delta!r}: count in"
            " smaller units, or use INCRBYFLOAT on the full key, client.redis.incrbyfloat"
        ) from None


def increment(key: bytes, delta: int, *, by_text: bool = False) -> Command[int | None]:
    """Add to a whole number and return the sum, None if there is no such key.

    Sent by digest: after `NoScriptError` the server has done nothing, and wants it `by_text`.
    `TypeError` if `delta` is no whole number.
    """
    try:
        amount = b"%d" % index(delta)
    except TypeError:
        amount = b"%d" % whole(delta)  # which says why not
    if by_text:
        return commands.eval_(INCREMENT.text, (key,), (amount,), integer_or_none)
    # `commands.evalsha` for one key and one argument: this is what every incr() does.
    return Command(("EVALSHA", INCREMENT.digest, b"1", key, amount), EVALSHA, integer_or_none)
