"""Commands about a server rather than about keys."""

from typing import Any

from cachex_client._core.shapes import done, integer, mapping
from cachex_client._core.specs import spec_of
from cachex_client._core.wrong_replies import wrong_reply
from cachex_client.command import Command

CONFIG_GET = spec_of("CONFIG GET")
DBSIZE = spec_of("DBSIZE")
FLUSHDB = spec_of("FLUSHDB")
INFO = spec_of("INFO")
PING = spec_of("PING")
ROLE = spec_of("ROLE")


def ping() -> Command[bool]:
    return Command(("PING",), PING, done)


def info(*sections: str) -> Command[str]:
    """Return the report of one server as it is: lines of `name:value` under `# Section`."""
    return Command(("INFO", *sections), INFO, _text)


def dbsize() -> Command[int]:
    """Return how many keys the database of one server holds."""
    return Command(("DBSIZE",), DBSIZE, integer)


def flushdb(*, wait: bool = False) -> Command[bool]:
    """Remove every key of the database, whoever wrote it; memory is freed later unless `wait`."""
    return Command(("FLUSHDB", "SYNC" if wait else "ASYNC"), FLUSHDB, done)


def role() -> Command[list[Any]]:
    """Return what one server thinks of itself, `[b"master", offset, replicas]` for a primary."""
    return Command(("ROLE",), ROLE)


def config_get(pattern: str) -> Command[dict[str, str]]:
    return Command(("CONFIG", "GET", pattern), CONFIG_GET, _settings)


def _text(reply: Any) -> str:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, str):
        return reply
    raise wrong_reply(reply, "text")


def _settings(reply: Any) -> dict[str, str]:
    """Read a map of RESP3 or a flat list of RESP2."""
    return {_text(name): _text(value) for name, value in mapping(reply).items()}
