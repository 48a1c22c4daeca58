"""MOVED and ASK: what a server's redirect is worth."""

from typing import Any

import attrs
from redis.exceptions import AskError, MovedError, ResponseError

from cachex_client._core.addresses import Address, AddressRules
from cachex_client._core.keyslot import SLOTS, slot_of
from cachex_client.errors import BadRedirect

REDIRECTS = 8
"""How many redirects one call follows, whatever happens in between."""
STRANGERS = 64
"""So many nodes that no map has named may come from redirects, until the map is read again."""


@attrs.frozen(slots=True)
class Redirect:
    """
    Where a command was sent to.

    `slot` is what the map learns of it, None if nothing; `asking` is whether the server takes it
    after ASKING only.
    """

    node: Address
    slot: int | None
    asking: bool


def is_redirect(reply: object) -> bool:
    """Say whether a reply is MOVED or ASK, wherever it leads."""
    return isinstance(reply, ResponseError) and (
        isinstance(reply, AskError) or getattr(reply, "code", "") in ("MOVED", "ASK")
    )


def redirect_text(error: Exception) -> str:
    """Return a redirect as the server wrote it, as far as messages show it."""
    if not isinstance(error, AskError):  # redis-py has made nothing of it
        return str(error)[:120]
    kind = "MOVED" if isinstance(error, MovedError) else "ASK"  # a MovedError is an AskError, too
    return f"{kind} {error.slot_id} {error.host}:{error.port}"[:120]


def read_redirect(
    error: Exception, key: bytes | None, by: Address, rules: AddressRules, known: Any = ()
) -> Redirect:
    """
    Return where a redirect leads that `by` gave to a command on `key`.

    A server is believed only about the slot that it was asked about, and ASK changes no map.
    BadAddress or BadRedirect if it leads nowhere.
    """
    if not isinstance(error, AskError):
        raise BadRedirect(by, redirect_text(error), "it names no slot, host and port")
    moved, text = isinstance(error, MovedError), redirect_text(error)
    if not 0 <= error.slot_id < SLOTS:
        raise BadRedirect(by, text, f"slots are 0 to {SLOTS - 1}")
    if key is not None and error.slot_id != slot_of(key):
        raise BadRedirect(by, text, f"it was asked about slot {slot_of(key)}")
    node = rules.read(error.host, error.port, by, known)
    return Redirect(node, error.slot_id if moved and key is not None else None, not moved)
