"""Lists: values in a row under one key."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from cachex_client._core.shapes import integer
from cachex_client.codec import MEMBER
from cachex_client.command import Command
from cachex_client.commands import eval_
from cachex_client.commands import lists as build
from cachex_client.keys import Key, Version
from cachex_client.structures.terms import Terms, asked_for, several

# LREM for a value in several forms. ARGV is how often, and the forms.
REMOVE = b"""
local count, removed = tonumber(ARGV[1]), 0
if count == 0 then
  for form = 2, #ARGV do
    removed = removed + redis.call('LREM', KEYS[1], 0, ARGV[form])
  end
  return removed
end
local one = count < 0 and -1 or 1
while removed < math.abs(count) do
  local first, its = nil, nil
  for form = 2, #ARGV do
    local at = redis.call('LPOS', KEYS[1], ARGV[form], 'RANK', one)
    if at and (not first or at * one < first * one) then
      first, its = at, ARGV[form]
    end
  end
  if not first then
    break
  end
  removed = removed + redis.call('LREM', KEYS[1], one, its)
end
return removed
"""


class ListCommands(Terms):
    """Commands on lists. Indices begin with 0; negative ones count from the end, -1 the last."""

    def lpush(self, key: Key, *values: Any, version: Version | None = None) -> Command[int]:
        """Put values at the front, one after the other; return how long the list is then.

        Never sent twice. Redis: LPUSH.
        """
        wire = self.keyspace.wire(key, version)
        return build.lpush(wire, self._stored(wire, values, "value"))

    def rpush(self, key: Key, *values: Any, version: Version | None = None) -> Command[int]:
        """Put values at the end, one after the other; return how long the list is then.

        Never sent twice. Redis: RPUSH.
        """
        wire = self.keyspace.wire(key, version)
        return build.rpush(wire, self._stored(wire, values, "value"))

    def lpop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Take the first value, or with `count` a list of the first ones; None if there is no list.

        Never sent twice. Redis: LPOP.
        """
        wire = self.keyspace.wire(key, version)
        return build.lpop(wire, count).then(self._member_or_members(wire))

    def rpop(
        self, key: Key, count: int | None = None, version: Version | None = None
    ) -> Command[Any]:
        """Take the last value, or with `count` a list of the last ones; None if there is no list.

        The last one comes first. Never sent twice. Redis: RPOP.
        """
        wire = self.keyspace.wire(key, version)
        return build.rpop(wire, count).then(self._member_or_members(wire))

    def lrange(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> Command[list[Any]]:
        """Return the values from `start` to `end`, both included. Redis: LRANGE."""
        wire = self.keyspace.wire(key, version)
        return build.lrange(wire, start, end).then(self._members(wire))

    def lindex(self, key: Key, index: int, version: Version | None = None) -> Command[Any]:
        """Return a value by its index, None if there is none. Redis: LINDEX."""
        wire = self.keyspace.wire(key, version)
        return build.lindex(wire, index).then(self._member(wire))

    def llen(self, key: Key, version: Version | None = None) -> Command[int]:
        """Return how long a list is, 0 if there is no such key. Redis: LLEN."""
        return build.llen(self.keyspace.wire(key, version))

    def lpos(
        self,
        key: Key,
        value: Any,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
        version: Version | None = None,
    ) -> Command[int | list[int] | None]:
        """Return the index of a value, None if there is none; with `count` a list of indices.

        `count` is how many to find, 0 for all; `rank` which one to begin with, from the end if
        negative; `maxlen` how many values to look at. Redis: LPOS.
        """
        wire = self.keyspace.wire(key, version)
        backwards = -1 if rank is not None and rank < 0 else None
        ask = partial(build.lpos, wire, rank=backwards, count=0, maxlen=maxlen)
        if each := self._by_form(wire, value, ask):
            return each.then(partial(_positions, rank or 1, count))
        stored = self._stored_member(wire, value)
        return build.lpos(wire, stored, rank=rank, count=count, maxlen=maxlen)

    def lmove(
        self,
        src: Key,
        dst: Key,
        wherefrom: str,
        whereto: str,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Command[Any]:
        """Move a value from an end of one list to an end of another, and return it; or None.

        Ends are "LEFT" and "RIGHT". In a cluster both keys have to be in one slot. Never sent
        twice. Redis: LMOVE.
        """
        source, target = self._two(src, dst, version, version_src, version_dst)
        place = self._one_place("lmove", source, target)
        return build.lmove(source, target, wherefrom, whereto).then(self._member(place))

    def lrem(
        self, key: Key, count: int, value: Any, version: Version | None = None
    ) -> Command[int]:
        """Remove a value where it comes first, `count` times; return how many were removed.

        From the end if `count` is negative, everywhere if it is 0. Never sent twice. Redis: LREM.
        """
        wire = self.keyspace.wire(key, version)
        if self.codec.has_forms:
            forms = self.codec.forms(value, wire, MEMBER)
            return eval_(REMOVE, (wire,), (b"%d" % count, *forms), integer)
        return build.lrem(wire, count, self._stored_member(wire, value))

    def ltrim(
        self, key: Key, start: int, end: int, version: Version | None = None
    ) -> Command[bool]:
        """Keep the values from `start` to `end`, both included, and return True.

        Never sent twice. Redis: LTRIM.
        """
        return build.ltrim(self.keyspace.wire(key, version), start, end)

    def lset(
        self, key: Key, index: int, value: Any, version: Version | None = None
    ) -> Command[bool]:
        """Replace the value at an index and return True; ResponseError if there is none.

        Redis: LSET.
        """
        wire = self.keyspace.wire(key, version)
        return build.lset(wire, index, self._stored_member(wire, value))

    def linsert(
        self, key: Key, where: str, pivot: Any, value: Any, version: Version | None = None
    ) -> Command[int]:
        """Put a value "BEFORE" or "AFTER" another one; return how long the list is then.

        -1 if the other one is not there, 0 if there is no such key. Never sent twice.
        Redis: LINSERT.
        """
        wire = self.keyspace.wire(key, version)
        one, other = self._stored(wire, (pivot, value))
        return build.linsert(wire, where, one, other)

    def blpop(
        self,
        keys: Key | Iterable[Key],
        *more: Key,
        timeout: float = 0,
        version: Version | None = None,
    ) -> Command[tuple[Key, Any] | None]:
        """Take the first value of the first list that has one; return the list's key and it.

        Keys come one by one, or as a collection; behind one key or a collection a number is the
        timeout. Waits for `timeout` seconds at most, for ever if 0, on a connection of its own;
        None if nothing came. In a cluster all keys have to be in one slot. Never sent twice.
        Redis: BLPOP.
        """
        names, seconds, version = _waiting(keys, more, timeout, version)
        wires = self._wires(names, version)
        return build.blpop(wires, seconds).then(self._popped(names, wires))

    def brpop(
        self,
        keys: Key | Iterable[Key],
        *more: Key,
        timeout: float = 0,
        version: Version | None = None,
    ) -> Command[tuple[Key, Any] | None]:
        """Take the last value of the first list that has one; else as `blpop`. Redis: BRPOP."""
        names, seconds, version = _waiting(keys, more, timeout, version)
        wires = self._wires(names, version)
        return build.brpop(wires, seconds).then(self._popped(names, wires))

    def blmove(
        self,
        src: Key,
        dst: Key,
        timeout: float,
        wherefrom: str = "LEFT",
        whereto: str = "RIGHT",
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> Command[Any]:
        """Do as `lmove`, waiting for a value for `timeout` seconds at most, for ever if 0.

        Redis: BLMOVE.
        """
        source, target = self._two(src, dst, version, version_src, version_dst)
        place = self._one_place("blmove", source, target)
        command = build.blmove(source, target, timeout, wherefrom, whereto)
        return command.then(self._member(place))

    def _popped(self, names: Sequence[Key], wires: Sequence[bytes]) -> Any:
        """Return a function that gives the caller's key back instead of the stored one."""

        def read(found: tuple[bytes, bytes] | None) -> tuple[Key, Any] | None:
            if found is None:
                return None
            its_key, stored = found
            return asked_for(names, wires, its_key), self._member(its_key)(stored)

        return read


def _positions(rank: int, count: int | None, found: list[list[int]]) -> int | list[int] | None:
    """Do as LPOS with where the forms of a value are: all of them, from the end for a rank < 0."""
    indices = sorted(chain.from_iterable(found), reverse=rank < 0)[abs(rank) - 1 :]
    if count is None:
        return indices[0] if indices else None
    return indices[:count] if count else indices


def _waiting(
    keys: Any, more: tuple[Any, ...], timeout: float, version: Version | None
) -> tuple[list[Key], float, Version | None]:
    """Read keys one by one; or one key or a collection, and timeout and version behind."""
    together = isinstance(keys, Iterable) and not isinstance(keys, (str, bytes))
    if more and (together or (len(more) == 1 and isinstance(more[0], (int, float)))):
        timeout, more = more[0], more[1:]
    names, version = several(keys, more, version)
    return names, timeout, version
