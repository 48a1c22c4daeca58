"""What all commands of a cache share: how callers' words are sent, and servers' words are read.

- A key goes to the server with prefix and version; where a server names keys, the caller gets back
  the ones that he gave.
- Values, and the members of lists, sets and sorted sets, go through the codec: whole numbers as
  their digits, everything else serialized. They come back as they were.
- Fields of hashes, entries and groups of streams and other names are text, as they are: no prefix,
  no serializer. Half characters come back as they went out.
- Scores are floats.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, TypeAlias, TypeVar

from cachex_client._core.wrong_replies import reads, wrong_reply
from cachex_client.codec import MEMBER, Codec
from cachex_client.command import Command
from cachex_client.commands import eval_
from cachex_client.errors import ConfigurationError, UnhashableMember
from cachex_client.keys import ERRORS, Key, Keys, Version
from cachex_client.timeouts import DEFAULT, Timeout, milliseconds

Field: TypeAlias = str
"""The name of something inside a key; anything else but bytes counts as its `str()`."""


C = TypeVar("C", bound=Collection[Any])
U = TypeVar("U")

# ARGV is how many forms there are, the forms, and a command in which nothing stands for the form.
FOR_EACH = b"""
local count, replies = tonumber(ARGV[1]), {}
for form = 1, count do
  local words = {}
  for at = count + 2, #ARGV do
    words[#words + 1] = ARGV[at] == '' and ARGV[form + 1] or ARGV[at]
  end
  replies[form] = redis.call(unpack(words))
end
return replies
"""


class Terms:
    """Where keys are stored, how values are, and for how long if a call does not say."""

    def __init__(self, keyspace: Keys, codec: Codec, timeout: float | None) -> None:
        self.keyspace = keyspace
        self.codec = codec
        self.own_px = None if timeout is None else milliseconds(timeout)

    def _member(self, wire: bytes) -> Callable[[bytes | None], Any]:
        """Return a function that reads a member of a key; None stands for nothing."""

        def read(stored: bytes | None) -> Any:
            return None if stored is None else self.codec.loads(stored, wire, MEMBER)

        return read

    def _members(self, wire: bytes) -> Callable[[Sequence[bytes | None]], list[Any]]:
        """Return a function that reads members of a key."""

        def read(stored: Sequence[bytes | None]) -> list[Any]:
            return self.codec.loads_each(stored, wire)

        return read

    def _member_or_members(self, wire: bytes) -> Callable[[Any], Any]:
        """Return a function that reads what takes a count: one member without it, else a list."""
        one, several = self._member(wire), self._members(wire)

        def read(stored: Any) -> Any:
            return several(stored) if isinstance(stored, list) else one(stored)

        return read

    def _stored(self, wire: bytes, values: Collection[Any], what: str = "member") -> list[bytes]:
        """Return members, or `what` they are, as they are stored; ValueError for none."""
        return self.codec.dumps_many(needed(values, what), wire, MEMBER)

    def _forms(self, wire: bytes, members: Collection[Any]) -> list[list[bytes]]:
        """Return all forms in which each of the members may be stored; ValueError for none."""
        return [self.codec.forms(one, wire, MEMBER) for one in needed(members, "member")]

    def _each_form(self, wire: bytes, members: Collection[Any]) -> list[bytes]:
        """Return members as they may be stored, in all forms one after the other."""
        if not self.codec.has_forms:
            return self._stored(wire, members)
        return list(chain.from_iterable(self._forms(wire, members)))

    def _first_found(
        self,
        build: Callable[[bytes, Sequence[bytes]], Command[list[U]]],
        wire: bytes,
        members: Collection[Any],
    ) -> Command[list[U]]:
        """Return a command that finds members in any form, and the first answer for each.

        `build` makes a command that answers for several members: with a false value for what is
        not there, but for the score 0.
        """
        if not self.codec.has_forms:
            return build(wire, self._stored(wire, members))
        forms = self._forms(wire, members)

        def read(found: list[U]) -> list[U]:
            rest = iter(found)
            return [first_of(list(islice(rest, len(one)))) for one in forms]

        return build(wire, list(chain.from_iterable(forms))).then(read)

    def _by_form(
        self, wire: bytes, member: Any, ask: Callable[[bytes], Command[Any]]
    ) -> Command[list[Any]] | None:
        """Return a command that asks for each form of a member; None if there is one form only.

        `ask` makes the command for one form.
        """
        if not self.codec.has_forms:
            return None
        forms = self.codec.forms(member, wire, MEMBER)
        words = [one if isinstance(one, bytes) else str(one).encode() for one in ask(b"").arguments]
        return eval_(FOR_EACH, (wire,), (b"%d" % len(forms), *forms, *words), list)

    def _stored_member(self, wire: bytes, value: Any) -> bytes:
        return self.codec.dumps(value, wire, MEMBER)

    def _one_place(self, what: str, source: bytes, *others: bytes) -> bytes:
        """Return the key of members that are compared or moved as they are stored.

        ConfigurationError if there are several keys and members are signed for theirs.
        """
        if self.codec.binds_key and any(one != source for one in others):
            raise ConfigurationError(
                f"{what} of several keys compares or moves members as they are stored, and each is"
                " signed for its own key; SIGNING_BINDS_KEY=False signs them for any"
            )
        return source

    def _set(self, wire: bytes) -> Callable[[Sequence[bytes]], set[Any]]:
        """Return a function that reads members of a key as a set."""
        return partial(self._as_set, wire)

    def _as_set(self, wire: bytes, stored: Sequence[bytes]) -> set[Any]:
        values = self.codec.loads_each(stored, wire)
        try:
            return set(values)
        except TypeError:
            kinds = ", ".join(sorted({type(one).__name__ for one in values if not _hashable(one)}))
            raise UnhashableMember(
                f"members of the type {kinds} were found, which no set of Python's can hold:"
                " sscan_iter and srandmember with a count give them one by one"
            ) from None

    def _px(self, timeout: Timeout) -> int | None:
        """Return a timeout in milliseconds: None for ever, 0 if it is over."""
        if timeout is DEFAULT:
            return self.own_px
        return None if timeout is None else milliseconds(timeout)

    def _two(
        self,
        src: Key,
        dst: Key,
        version: Version | None,
        version_src: Version | None,
        version_dst: Version | None,
    ) -> tuple[bytes, bytes]:
        """Return two keys as they are stored; their own versions go before the common one."""
        first = version if version_src is None else version_src
        second = version if version_dst is None else version_dst
        return self.keyspace.wire(src, first), self.keyspace.wire(dst, second)

    def _wires(self, keys: Sequence[Key], version: Version | None) -> list[bytes]:
        return self.keyspace.wire_many(keys, version)


def first_of(found: Sequence[U]) -> U:
    """Return the first answer of several that says something; a score of 0 does."""
    return next((one for one in found if one is not None and one is not False), found[0])


def name(field: Any) -> bytes:
    """Return the name of a field as it is sent; TypeError for what holds several of them."""
    if isinstance(field, bytes):
        return field
    if isinstance(field, (list, tuple, set, frozenset, dict)):
        raise TypeError(f"a field is text; give those of this {type(field).__name__} one by one")
    return str(field).encode("utf-8", ERRORS)


def names(fields: Iterable[Any], what: str = "field") -> list[bytes]:
    """Return the names of fields, or of `what` they are, as they are sent; ValueError for none."""
    return needed([name(field) for field in fields], what)


def needed(things: C, what: str) -> C:
    """Return what a call is about; ValueError if there is nothing in it, before it is sent."""
    if not things:
        raise ValueError(f"at least one {what} is needed")
    return things


def exclusive(**options: bool) -> str | None:
    """Return the one option that is set, in capitals; ValueError if there are several."""
    wanted = [word.upper() for word, on in options.items() if on]
    if len(wanted) > 1:
        raise ValueError(f"{' and '.join(wanted)} exclude each other")
    return wanted[0] if wanted else None


def text(sent: bytes) -> str:
    """Return the name of a field as the caller knows it."""
    try:
        return sent.decode("utf-8", ERRORS)
    except AttributeError as error:
        raise wrong_reply(sent, "text") from error


@reads("a list of texts")
def texts(sent: Iterable[bytes]) -> list[str]:
    return [one.decode("utf-8", ERRORS) for one in sent]


def asked_for(keys: Sequence[Key], wires: Sequence[bytes], told: bytes) -> Key:
    """Return the caller's key for the stored one that a reply names."""
    if told not in wires:
        raise wrong_reply(told, "one of the keys that were asked for")
    return keys[wires.index(told)]


def score(number: float | str) -> bytes:
    """Return a score, or a bound such as `"(1.5"` or `"-inf"`, as it is sent."""
    if isinstance(number, str):
        return number.encode()
    return repr(number if type(number) in (int, float) else float(number)).encode()


def several(
    first: Key | Iterable[Key], rest: tuple[Any, ...], version: Version | None = None
) -> tuple[list[Key], Version | None]:
    """Read keys that come as one collection, or one by one; return them and the version.

    A collection may be followed by the version, which is then the only other argument.
    """
    if isinstance(first, Iterable) and not isinstance(first, (str, bytes)):
        if len(rest) > 1:
            raise TypeError("a collection of keys is followed by the version alone")
        keys = list(first)
        version = rest[0] if rest else version
    else:
        keys = [first, *rest]
    return needed(keys, "key"), version


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
