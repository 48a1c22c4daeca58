# tools/unasync.py writes the sync twin of this file.
"""Many commands, one write."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import redis.asyncio.client
from redis.client import EMPTY_RESPONSE
from redis.exceptions import MovedError, NoScriptError, PubSubError, ResponseError, WatchError

from cachex_client._concurrency import monotonic
from cachex_client._core.everywhere import EVERYWHERE
from cachex_client._core.redirects import REDIRECTS, is_redirect, redirect_text
from cachex_client._core.routes import Way, route_of, wait_of
from cachex_client._core.scripting import as_text, with_texts
from cachex_client._core.transaction import Refusal, settle
from cachex_client._telling import Telling
from cachex_client.command import Command
from cachex_client.errors import BadAddress, BadRedirect, ConfigurationError
from cachex_pool import PoolError, pack, pack_many

if TYPE_CHECKING:
    from cachex_client._async.facade import AsyncRedis

_UNWATCH = pack(("UNWATCH",))
_FORGET = frozenset(("DISCARD", "EXEC", "UNWATCH"))


class AsyncPipeline(redis.asyncio.client.Pipeline):
    """
    Commands that are kept until `execute` and then leave in one write.

    For its callers it is redis-py's pipeline. With `transaction` the commands run between MULTI
    and EXEC. After `watch`, commands run at once on a connection of its own, until `multi`.
    What was written and may not be done twice is never sent again.
    """

    def __init__(self, owner: "AsyncRedis", transaction: bool, shard_hint: str | None) -> None:
        super().__init__(owner.connection_pool, owner.response_callbacks, transaction, shard_hint)
        self._owner = owner
        self._atomic = bool(transaction)
        self._lease: AbstractAsyncContextManager[Any] | None = None
        self._watcher: Any = None
        self._trouble: BaseException | None = None  # why the watcher must not be used again

    def __del__(self, *_: Any) -> None:
        """Do nothing: a lease that is dropped closes its connection, WATCH and all."""

    # -- all at once

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """
        Send what was kept; return the results in order.

        The first error reply is raised; with `raise_on_error=False` all stay in their places.
        Raises WatchError if a watched key changed.
        """
        stack = self.command_stack
        if not stack and not self.watching:
            return []
        sent = [args for args, options in stack if EMPTY_RESPONSE not in options]
        routes = [route_of(args) for args in sent]
        ways = {route.way for route in routes}
        if Way.PUBSUB in ways:
            raise PubSubError("a subscription has no reply to wait for; use pubsub()")
        if Way.REDIS_PY in ways and self._watcher is None:
            return await super().execute(raise_on_error)
        try:
            replies = await self._send(sent, changing=Way.OWN in ways)
            if raise_on_error:
                self._raise_first(sent, replies)
            read = self._owner.read_reply
            came = zip(replies, routes, strict=True)
            results: list[Any] = []
            for args, options in stack:
                if EMPTY_RESPONSE in options:
                    results.append(options[EMPTY_RESPONSE])
                    continue
                reply, route = next(came)
                if not isinstance(reply, Exception):
                    reply = read(args[0], route.name, reply, options)
                results.append(reply)
            return results
        finally:
            await self.reset()

    async def _send(self, commands: Sequence[Sequence[Any]], *, changing: bool) -> list[Any]:
        """Return a reply or an error reply for each command; raise any other error."""
        texts = {script.sha: script.script for script in self.scripts}
        complete = with_texts(commands, texts) if texts else commands
        atomic = self._atomic or self.explicit_transaction
        made = self._commands(complete)
        spread = self._owner.backing.clustered and any(one.name in EVERYWHERE for one in made)
        if spread and atomic:
            raise ConfigurationError(
                "a transaction is run by one server; of these, each server has a part: "
                + ", ".join(sorted({one.name for one in made} & EVERYWHERE.keys()))
            )
        if self._watcher is not None:
            return await self._send_watched(complete) if atomic else []
        if atomic and not changing:
            return await self._owner.backing.execute_atomic(made)
        if atomic:
            block = [("MULTI",), *complete, ("EXEC",)]
            return self._settle(commands, await self._owner.exchange_alone(block))
        wait = sum(wait_of(one.arguments) for one in made if one.spec.blocking)
        if spread or (wait and not changing and self._owner.backing.clustered):
            return await self._send_singly(made)
        if changing or wait:
            return await self._owner.exchange_alone(complete, keep=not changing, wait=wait)
        return await self._send_plain(complete, made, texts)

    async def _send_singly(self, made: Sequence[Command[Any]]) -> list[Any]:
        """Send one after the other: they wait for a server, or concern all of them."""
        replies: list[Any] = []
        for command in made:
            try:
                replies.append(await self._owner.execute_in_cluster(command))
            except ResponseError as error:
                replies.append(error)
        return replies

    async def _send_plain(
        self,
        commands: Sequence[Sequence[Any]],
        made: Sequence[Command[Any]],
        texts: dict[str, Any],
    ) -> list[Any]:
        replies = await self._owner.backing.execute_many(made)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if texts and unknown:  # on another node than where the script's text went
            again = self._commands([as_text(commands[at], texts) for at in unknown])
            repaired = await self._owner.backing.execute_many(again)
            for at, reply in zip(unknown, repaired, strict=True):
                replies[at] = reply
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
        return replies

    async def _send_watched(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        block = self._commands([("MULTI",), *commands, ("EXEC",)])
        data = pack_many([command.arguments for command in block])
        deadline = monotonic() + self._owner.timeout
        try:
            with Telling(self._owner.backing.address, block[1:-1], atomic=True) as sent:
                replies = await self._watcher.exchange(data, len(block), deadline)
                if sent is not None:
                    sent.came(replies[-1] if isinstance(replies[-1], list) else replies[-1:])
        except PoolError as error:
            self._trouble = error
            if error.written:
                raise  # it may have been done
            raise self._lost(error) from error
        except BaseException as error:
            self._trouble = error
            raise
        self.watching = False
        moved = next(filter(is_redirect, replies), None)
        if moved is not None:  # then nothing was run
            await self._owner.backing.refreshed()
            raise self._bad(moved, "a transaction stays on the connection that watches")
        return self._settle(commands, replies)

    def _settle(self, commands: Sequence[Sequence[Any]], replies: Sequence[Any]) -> list[Any]:
        settled = settle(replies)
        if not isinstance(settled, Refusal):
            return settled
        if settled.position >= 0:
            self.annotate_exception(settled.error, settled.position + 1, commands[settled.position])
        raise settled.error

    def _raise_first(self, commands: Sequence[Sequence[Any]], replies: Sequence[Any]) -> None:
        for number, reply in enumerate(replies, 1):
            if isinstance(reply, Exception):
                self.annotate_exception(reply, number, commands[number - 1])
                raise reply

    # -- at once: WATCH, and what follows until MULTI

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command now, on the connection that watches."""
        route = route_of(args)
        command = self._owner.make_command(route.words + args[1:])
        first = self._watcher is None
        try:
            reply = await self._call(command)
        except PoolError as error:
            watching, self._trouble = self.watching, error
            safe = command.spec.idempotent or not error.written
            await self.reset()
            if not safe or not (watching or first):
                raise
            if watching:
                raise self._lost(error) from error
            reply = await self._call(command)
        except BaseException as error:
            self._trouble = error
            raise
        if first and self._owner.backing.clustered and is_redirect(reply):
            reply = await self._call_again(command, reply)
        if isinstance(reply, Exception):
            if isinstance(reply, ResponseError) and EMPTY_RESPONSE in options:
                return options[EMPTY_RESPONSE]
            raise reply
        if route.name == "WATCH":
            self.watching = True
        elif route.name in _FORGET:
            self.watching = False
        elif route.way is Way.OWN:
            self._trouble = _Changed()
        return self._owner.read_reply(args[0], route.name, reply, options)

    async def _call_again(self, command: Command[Any], error: Exception) -> Any:
        """Watch where the key's slot went to; after any other redirect there is one more try."""
        reply: Any = error
        for attempt in range(REDIRECTS):
            stack = self.command_stack
            await self.reset()
            self.command_stack = stack
            try:
                if not isinstance(reply, MovedError):
                    await self._owner.backing.refreshed()
                    raise self._bad(reply, "a connection that watches cannot follow it")
                await self._owner.backing.redirected(reply, command.key)
            except (BadAddress, BadRedirect):
                if attempt:
                    raise
            reply = await self._call(command)
            if not is_redirect(reply):
                return reply
        raise self._bad(reply, f"the call has followed {REDIRECTS}")

    def _bad(self, reply: Exception, why: str) -> BadRedirect:
        return BadRedirect(self._owner.backing.address.name, redirect_text(reply), why)

    async def _call(self, command: Command[Any]) -> Any:
        if self._watcher is None:
            self._lease = self._owner.backing.lease(key=command.key)
            self._watcher = await self._lease.__aenter__()
        wait = wait_of(command.arguments) if command.spec.blocking else 0.0
        deadline = monotonic() + self._owner.timeout + wait
        with Telling(self._owner.backing.address, (command,)) as sent:
            reply = await self._watcher.call(pack(command.arguments), deadline)
            if sent is not None:
                sent.came((reply,))
        return reply

    async def reset(self) -> None:
        """Forget what was kept, and give the connection that watches back."""
        self.command_stack = []
        self.scripts = set()
        self.explicit_transaction = False
        watching, self.watching = self.watching, False
        watcher, self._watcher = self._watcher, None
        lease, self._lease = self._lease, None
        trouble, self._trouble = self._trouble, None
        if self.connection is not None:  # redis-py's own, see `execute`
            connection, self.connection = self.connection, None
            await self.connection_pool.release(connection)
        if lease is None:
            return
        try:
            if watching and trouble is None:
                await watcher.call(_UNWATCH, monotonic() + self._owner.timeout)
        except PoolError as error:
            trouble = error
        except BaseException as error:
            await lease.__aexit__(type(error), error, None)
            raise
        await lease.__aexit__(type(trouble) if trouble else None, trouble, None)

    def _lost(self, error: Exception) -> WatchError:
        what = type(error).__name__
        return WatchError(f"A {what} occurred while watching one or more keys")

    # -- words

    def _commands(self, commands: Sequence[Sequence[Any]]) -> list[Command[Any]]:
        make = self._owner.make_command
        return [make(route_of(args).words + tuple(args[1:])) for args in commands]


class _Changed(Exception):
    """The connection is not what it was: SELECT, AUTH, ... were run on it."""
