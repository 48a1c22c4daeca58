"""Commands on keys of any type."""

from cachex_client._core.shapes import done, flag, integer, integer_or_none, page_of_keys
from cachex_client._core.specs import spec_of
from cachex_client.command import Command

DEL = spec_of("DEL")
EXISTS = spec_of("EXISTS")
EXPIRE = spec_of("EXPIRE")
EXPIREAT = spec_of("EXPIREAT")
EXPIRETIME = spec_of("EXPIRETIME")
MEMORY_USAGE = spec_of("MEMORY USAGE")
PERSIST = spec_of("PERSIST")
PEXPIRE = spec_of("PEXPIRE")
PEXPIREAT = spec_of("PEXPIREAT")
PTTL = spec_of("PTTL")
RENAME = spec_of("RENAME")
RENAMENX = spec_of("RENAMENX")
SCAN = spec_of("SCAN")
TTL = spec_of("TTL")
TYPE = spec_of("TYPE")
UNLINK = spec_of("UNLINK")


def delete(*keys: bytes) -> Command[int]:
    """Remove the keys and return how many there were; `unlink` frees the memory later."""
    return Command(("DEL", *keys), DEL, integer)


def unlink(*keys: bytes) -> Command[int]:
    """Remove the keys and return how many there were; the server frees the memory later."""
    return Command(("UNLINK", *keys), UNLINK, integer)


def exists(*keys: bytes) -> Command[int]:
    """Return how many of the keys there are, counting a key as often as it is given."""
    return Command(("EXISTS", *keys), EXISTS, integer)


def expire(key: bytes, seconds: int) -> Command[bool]:
    return Command(("EXPIRE", key, b"%d" % seconds), EXPIRE, flag)


def expireat(key: bytes, seconds: int) -> Command[bool]:
    """Let the key end at a Unix time in seconds."""
    return Command(("EXPIREAT", key, b"%d" % seconds), EXPIREAT, flag)


def pexpire(key: bytes, milliseconds: int) -> Command[bool]:
    """Let the key end in so many milliseconds, at once if there are none left."""
    return Command(("PEXPIRE", key, b"%d" % milliseconds), PEXPIRE, flag)


def pexpireat(key: bytes, milliseconds: int) -> Command[bool]:
    """Let the key end at a Unix time in milliseconds."""
    return Command(("PEXPIREAT", key, b"%d" % milliseconds), PEXPIREAT, flag)


def persist(key: bytes) -> Command[bool]:
    """Take the end from the key; False if it is missing or had none."""
    return Command(("PERSIST", key), PERSIST, flag)


def ttl(key: bytes) -> Command[int]:
    """Return the seconds left, -1 if the key never ends, -2 if there is no such key."""
    return Command(("TTL", key), TTL, integer)


def pttl(key: bytes) -> Command[int]:
    """Return the milliseconds left, -1 if the key never ends, -2 if there is no such key."""
    return Command(("PTTL", key), PTTL, integer)


def expiretime(key: bytes) -> Command[int]:
    """Return the end in Unix seconds, -1 if the key never ends, -2 if there is no such key."""
    return Command(("EXPIRETIME", key), EXPIRETIME, integer)


def rename(source: bytes, target: bytes) -> Command[bool]:
    """Rename a key; in a cluster both names have to be in one slot."""
    return Command(("RENAME", source, target), RENAME, done)


def renamenx(source: bytes, target: bytes) -> Command[bool]:
    """Rename a key unless the new name is taken; in a cluster both have to be in one slot."""
    return Command(("RENAMENX", source, target), RENAMENX, flag)


def memory_usage(key: bytes, samples: int | None = None) -> Command[int | None]:
    """Return the bytes that a key takes, from a sample of what is under it; None if missing."""
    if samples is None:
        return Command(("MEMORY", "USAGE", key), MEMORY_USAGE, integer_or_none)
    return Command(
        ("MEMORY", "USAGE", key, "SAMPLES", b"%d" % samples), MEMORY_USAGE, integer_or_none
    )


def type(key: bytes) -> Command[bytes]:
    """Return `b"string"`, `b"list"` and so on, `b"none"` if there is no such key."""
    return Command(("TYPE", key), TYPE)


def scan(
    cursor: bytes = b"0", *, match: bytes | None = None, count: int | None = None
) -> Command[tuple[bytes, list[bytes]]]:
    """Return the next cursor, `b"0"` at the end, and some of the keys of one server."""
    arguments: tuple[str | bytes, ...] = ("SCAN", cursor)
    if match is not None:
        arguments += ("MATCH", match)
    if count is not None:
        arguments += ("COUNT", b"%d" % count)
    return Command(arguments, SCAN, page_of_keys)
