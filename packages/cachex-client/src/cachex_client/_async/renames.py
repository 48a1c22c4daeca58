# tools/unasync.py writes the sync twin of this file.
"""Renaming what is signed for its key: the server can move it, but not sign it anew."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from redis.exceptions import ResponseError, WatchError

from cachex_client._async.structures import AsyncStructureVerbs
from cachex_client._audience import audience
from cachex_client.codec import FIELD, MEMBER, discreet
from cachex_client.errors import ConfigurationError, SerializerError
from cachex_client.keys import Key, Version

ATTEMPTS = 16
"""How often a key is read anew that was changed between reading and writing it."""
AT_ONCE = 1000  # members of one command


class AsyncRenameVerbs(AsyncStructureVerbs):
    """The verbs of a cache that give what is under a key another one."""

    async def rename(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> bool:
        """Give what is under a key another one, in place of what is there, and return True.

        It ends when it would have. If there is no such key, the server's ResponseError. In a
        cluster both have to be in one slot. Never sent twice. With signatures that say where a
        value is stored it is read, signed for the new key and written, in one transaction that
        begins anew if another client changes the key meanwhile: ConfigurationError for a stream,
        SerializerError for what is never signed, such as a bitmap or a lock. A key that is renamed
        to itself is signed anew with the first signing key. Redis: RENAME.
        """
        places = self._places(src, dst, version, version_src, version_dst)
        if places is None:
            return await super().rename(src, dst, version, version_src, version_dst)
        return await self._renamed("rename", *places, False)

    async def renamenx(
        self,
        src: Key,
        dst: Key,
        version: Version | None = None,
        version_src: Version | None = None,
        version_dst: Version | None = None,
    ) -> bool:
        """Give what is under a key another one; False if there is something already.

        Otherwise as `rename`. Redis: RENAMENX.
        """
        places = self._places(src, dst, version, version_src, version_dst)
        if places is None:
            return await super().renamenx(src, dst, version, version_src, version_dst)
        return await self._renamed("renamenx", *places, True)

    def _places(
        self,
        src: Key,
        dst: Key,
        version: Version | None,
        version_src: Version | None,
        version_dst: Version | None,
    ) -> tuple[bytes, bytes] | None:
        """Return both full keys, None if the server can rename by itself."""
        source, target = self.commands._two(src, dst, version, version_src, version_dst)
        if self.codec.binds_key or (self.codec.signs and source == target):
            return source, target
        return None

    async def _renamed(self, operation: str, source: bytes, target: bytes, nx: bool) -> bool:
        if audience.observers:
            work = self._sign_anew
            return bool(await self._whole(operation, work, source, target, nx))
        return await self._sign_anew(source, target, nx)

    async def _sign_anew(self, source: bytes, target: bytes, nx: bool) -> bool:
        pipe = self.client.redis.pipeline()
        for _ in range(ATTEMPTS):
            try:
                await pipe.watch(source, target)
                if nx and await pipe.exists(target):
                    return False
                left = await pipe.pttl(source)
                try:
                    write = await self._written_anew(pipe, source, target)
                except ResponseError:  # maybe of a key that was changed meanwhile
                    pipe.multi()
                    await pipe.execute()  # WatchError if it was
                    raise
                if write is None:
                    return True
                pipe.multi()
                pipe.unlink(target)
                write(pipe)
                del write  # has what is stored
                if left >= 0:
                    pipe.pexpire(target, max(1, left))
                if source != target:
                    pipe.unlink(source)
                await pipe.execute()
                return True
            except WatchError:
                continue
            except SerializerError as error:
                raise discreet(error.at(source))  # noqa: B904  without what led to it
            except ResponseError as error:  # its text may quote a command with what is stored
                error.args = (str(error).rpartition(" of pipeline caused error: ")[2],)
                raise error.with_traceback(None) from None
            finally:
                await pipe.reset()
        raise WatchError(f"{source!r} was changed {ATTEMPTS} times while it was renamed")

    async def _written_anew(
        self, pipe: Any, source: bytes, target: bytes
    ) -> Callable[[Any], None] | None:
        """Read what is under a key, sign it for another one, and return what writes it there.

        None for a stream that stays where it is; WatchError if the key was removed meanwhile.
        """
        kind = await pipe.type(source)
        moved = self.codec.moved
        if kind == b"string":
            value = moved(_there(await pipe.get(source)), source, target)
            return lambda queue: queue.set(target, value)
        if kind == b"hash":
            fields = _there(await pipe.hgetall(source))
            ends = await self._ends(pipe, source, list(fields))
            signed = {
                field: moved(value, source, target, FIELD + field)
                for field, value in fields.items()
            }
            return partial(_write_hash, target, signed, ends)
        if kind == b"list":
            values = _there(await pipe.lrange(source, 0, -1))
            members = [moved(one, source, target, MEMBER) for one in values]
            return partial(_write, "rpush", target, members)
        if kind == b"set":
            found = _there(await pipe.smembers(source))
            members = [moved(one, source, target, MEMBER) for one in found]
            return partial(_write, "sadd", target, members)
        if kind == b"zset":
            scored = _there(await pipe.zrange(source, 0, -1, withscores=True))
            current = {one for one, _ in scored if moved(one, source, source, MEMBER) == one}
            scored.sort(key=lambda pair: pair[0] in current)  # of two scores the current key's
            scores = {moved(one, source, target, MEMBER): score for one, score in scored}
            return partial(_write_scores, target, scores)
        if kind == b"none":
            raise ResponseError("no such key")
        if source == target:
            return None
        raise ConfigurationError(
            f"a {kind.decode()} cannot be renamed whose values are signed for its key:"
            " SIGNING_BINDS_KEY=False signs them for any"
        )

    async def _ends(self, pipe: Any, source: bytes, fields: list[bytes]) -> dict[bytes, int]:
        """Return when fields of a hash end, in Unix milliseconds, of those that do."""
        try:
            words = ("HPEXPIRETIME", source, "FIELDS", len(fields), *fields)
            ends = await pipe.execute_command(*words)
        except ResponseError:  # of a server whose fields never end
            return {}
        return {field: end for field, end in zip(fields, _there(ends), strict=True) if end > 0}


def _there(found: Any) -> Any:
    """Return what a key was found to hold; WatchError for nothing: the key was there before."""
    if not found and found != b"":
        raise WatchError("removed while it was renamed")
    return found


def _write(verb: str, target: bytes, members: list[bytes], queue: Any) -> None:
    for at in range(0, len(members), AT_ONCE):
        getattr(queue, verb)(target, *members[at : at + AT_ONCE])


def _write_scores(target: bytes, scores: dict[bytes, float], queue: Any) -> None:
    left = iter(scores.items())
    while some := dict(islice(left, AT_ONCE)):
        queue.zadd(target, some)


def _write_hash(
    target: bytes, fields: dict[bytes, bytes], ends: dict[bytes, int], queue: Any
) -> None:
    left = iter(fields.items())
    while some := dict(islice(left, AT_ONCE)):
        queue.hset(target, mapping=some)
    for field, end in ends.items():
        queue.execute_command("HPEXPIREAT", target, end, "FIELDS", 1, field)
