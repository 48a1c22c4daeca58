"""What `eval_script` does with keys, arguments and replies, and what may be done instead.

Of a script's arguments, numbers and text are the script's own affair; what is to be a value of
the cache is wrapped in `Encoded`. A pre-hook takes the place of that rule, a post-hook makes
values of a reply.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from cachex_client._core.shapes import members
from cachex_client.codec import FIELD, MEMBER, Codec
from cachex_client.command import as_is
from cachex_client.commands import Scripted, script_of
from cachex_client.keys import ERRORS, Key, Keys, Version


@attrs.frozen(slots=True)
class Encoded:
    """
    An argument of a script that is sent as the cache would store it.

    With a signing key it is signed for the place where the script stores it: `key`, the first of
    the call if none is given, as a `member` of a list, set or sorted set there, or as a `field`.
    """

    value: Any
    key: Any = None
    member: bool = False
    field: str | None = None


@attrs.frozen(slots=True)
class ScriptHelpers:
    """What hooks need of a cache: how its keys and its values look on the server."""

    keyspace: Keys
    codec: Codec
    version: Version | None = None
    places: tuple[bytes, ...] = ()
    """The full keys of the call. With a signing key a value is signed for its key: the first."""

    def make_key(self, key: Key, version: Version | None = None) -> bytes:
        """Return the full key, of the version of the call unless another one is given."""
        return self.keyspace.wire(key, self.version if version is None else version)

    def make_keys(self, keys: Iterable[Key]) -> list[Any]:
        """Return the full keys."""
        return self.keyspace.wire_many(keys, self.version)

    def encode(
        self, value: Any, key: Key | None = None, *, member: bool = False, field: Any = None
    ) -> bytes:
        """Return what the cache would store; `key`, `member` and `field` are as in `Encoded`."""
        return self.codec.dumps(value, self._place(key), _part(member, field))

    def encode_values(
        self, values: Iterable[Any], key: Key | None = None, *, member: bool = False
    ) -> list[Any]:
        """Return what the cache would store for each value, all of them in one place."""
        return self.codec.dumps_many(values, self._place(key), _part(member))

    def decode(
        self, stored: Any, key: Key | None = None, *, member: bool = False, field: Any = None
    ) -> Any:
        """Return the value of what a script found; a number or None of its own as it is.

        With a signing key it has to be said where it was found: `key`, the first of the call if
        none is given, as a `member` of a list, set or sorted set there, or in a `field`.
        """
        if not isinstance(stored, bytes):
            return stored
        return self.codec.loads(stored, self._place(key), _part(member, field))

    def decode_values(
        self, values: Iterable[Any], key: Key | None = None, *, member: bool = False
    ) -> list[Any]:
        """Return the value of each, all of them found in one place."""
        return [self.decode(stored, key, member=member) for stored in values]

    def _place(self, key: Key | None) -> bytes:
        if key is not None:
            return self.make_key(key)
        return self.places[0] if self.places else b""

    def as_sent(self, words: Iterable[Any]) -> tuple[bytes, ...]:
        """Return keys or arguments as bytes; TypeError for what is no text, bytes or number."""
        return tuple(map(_word, words))

    def call(
        self,
        script: str | bytes,
        keys: Sequence[Key],
        args: Sequence[Any],
        pre_hook: "PreHook | None",
        post_hook: "PostHook | None",
    ) -> Scripted[Any]:
        """Return one run of a script, as `eval_script` describes it."""
        helpers = attrs.evolve(self, places=tuple(self.make_keys(keys)))
        wires, words = (pre_hook or encoded_pre)(helpers, keys, args)
        parse = as_is if post_hook is None else partial(post_hook, helpers)
        return Scripted(script_of(script), self.as_sent(wires), self.as_sent(words), parse)


PreHook: TypeAlias = Callable[
    [ScriptHelpers, Sequence[Any], Sequence[Any]], tuple[Sequence[Any], Sequence[Any]]
]
"""Called with keys and arguments as given; returns both as they are to be sent."""

PostHook: TypeAlias = Callable[[ScriptHelpers, Any], Any]
"""Called with the reply; returns what the caller gets."""


def encoded_pre(
    helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Make full keys, and encode the arguments that are wrapped in `Encoded`: the rule itself."""
    words = [_encoded(helpers, one) if isinstance(one, Encoded) else one for one in args]
    return helpers.make_keys(keys), words


def keys_only_pre(
    helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Make full keys, and leave the arguments alone."""
    return helpers.make_keys(keys), args


def full_encode_pre(
    helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Make full keys, and encode every argument, as the value of the first key."""
    return helpers.make_keys(keys), helpers.encode_values(args)


def encode_members_pre(
    helpers: ScriptHelpers, keys: Sequence[Any], args: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Make full keys, and encode every argument, as a member of what is under the first key."""
    return helpers.make_keys(keys), helpers.encode_values(args, member=True)


def decode_single_post(helpers: ScriptHelpers, reply: Any) -> Any:
    """Return the value of the first key, as GET finds it, None if it found none."""
    return helpers.decode(reply)


def decode_list_post(helpers: ScriptHelpers, reply: Any) -> list[Any]:
    """Return the values of the keys, as MGET finds them, none of them if it found nothing.

    If the reply is not as long as the list of keys, all values are those of the first key.
    """
    found = [] if reply is None else members(reply)
    if len(found) != len(helpers.places):
        return helpers.decode_values(found)
    loads = helpers.codec.loads
    return [
        loads(stored, place) if isinstance(stored, bytes) else stored
        for stored, place in zip(found, helpers.places, strict=True)
    ]


def decode_member_post(helpers: ScriptHelpers, reply: Any) -> Any:
    """Return a member of what is under the first key, as LPOP finds it, None if it found none."""
    return helpers.decode(reply, member=True)


def decode_members_post(helpers: ScriptHelpers, reply: Any) -> list[Any]:
    """Return members of what is under the first key, as LRANGE and SMEMBERS find them."""
    return [] if reply is None else helpers.decode_values(members(reply), member=True)


def decode_fields_post(helpers: ScriptHelpers, reply: Any) -> dict[str, Any]:
    """Return the fields of the hash under the first key with their values, as HGETALL does."""
    words = iter([] if reply is None else members(reply))
    return {
        field.decode("utf-8", ERRORS): helpers.decode(stored, field=field)
        for field, stored in zip(words, words, strict=True)
    }


def _encoded(helpers: ScriptHelpers, one: Encoded) -> bytes:
    return helpers.encode(one.value, one.key, member=one.member, field=one.field)


def _part(member: bool, field: Any = None) -> bytes:
    """Return the part of a key that is signed besides the key."""
    if field is not None:
        return FIELD + _word(field)
    return MEMBER if member else b""


def _word(word: Any) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return word.encode("utf-8", ERRORS)
    if isinstance(word, int) and not isinstance(word, bool):
        return b"%d" % word
    if isinstance(word, float):
        return repr(float(word)).encode()
    if isinstance(word, (bytearray, memoryview)):
        return bytes(word)
    raise TypeError(
        f"a script takes text, bytes and numbers, not {type(word).__name__};"
        " wrap what is to be stored as a value in Encoded()"
    )


__all__ = [
    "Encoded",
    "PostHook",
    "PreHook",
    "ScriptHelpers",
    "decode_fields_post",
    "decode_list_post",
    "decode_member_post",
    "decode_members_post",
    "decode_single_post",
    "encode_members_pre",
    "encoded_pre",
    "full_encode_pre",
    "keys_only_pre",
]
