"""Adding to a number only if it is there: a script, since no command does it."""

from operator import index

from cachex_client import commands
from cachex_client.command import Command

# A missing key is nil; what is no whole number is the server's own error, not a script's.
INCREMENT = commands.Script(
    b"if redis.call('EXISTS', KEYS[1]) == 0 then return nil end "
    b"return redis.pcall('INCRBY', KEYS[1], ARGV[1])"
)


def increment(key: bytes, delta: int, *, by_text: bool = False) -> Command[int | None]:
    """Add to a whole number and return the sum, None if there is no such key.

    Sent by digest: after `NoScriptError` the server has done nothing, and wants it `by_text`.
    `TypeError` if `delta` is no whole number.
    """
    amount = b"%d" % index(delta)
    if by_text:
        return commands.eval_(INCREMENT.text, (key,), (amount,))
    return commands.evalsha(INCREMENT.digest, (key,), (amount,))
