# tools/unasync.py writes the sync twin of this file.
"""Verbs of a cache that are kept until `execute` and then leave in one write."""

from collections.abc import Sequence
from itertools import repeat
from types import TracebackType
from typing import Any, Self

from cachex_client._async.verbs import AsyncVerbs
from cachex_client._audience import audience
from cachex_client._concurrency import AsyncPacer
from cachex_client._core.slices import slices
from cachex_client._telling import origin_of
from cachex_client.command import Command, on_primary
from cachex_client.keys import Version
from cachex_client.queued import QueuedVerbs
from cachex_client.queued.queue import Failed, Queued
from cachex_client.structures import CacheCommands


class AsyncCachePipeline(QueuedVerbs):
    """Verbs of a cache, kept until `execute`.

    Every verb that is one command is here, with the arguments it has on the cache, and returns the
    pipeline. Keys, versions, timeouts and values are read when it is called: what cannot be stored
    raises there. Nothing has to be closed, and after `execute` it may be filled again.
    """

    def __init__(
        self, cache: AsyncVerbs, transaction: bool = False, commands: CacheCommands | None = None
    ) -> None:
        super().__init__(commands or cache.commands)
        self.transaction = transaction
        self._cache = cache

    def __repr__(self) -> str:
        kind = "transaction" if self.transaction else "pipeline"
        return f"<{type(self).__name__}: {kind} of {len(self)} on {self._cache!r}>"

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send what was kept, one write for each server, and return the results in order.

        Each result is what the verb returns. The first error is raised once all are done, with
        `raise_on_error=False` errors stay in the places of their results. A transaction is run by
        one server, whole and without anything in between, or not at all: then why not is raised;
        in a cluster its keys have to be in one slot. What was kept is forgotten in any case.
        """
        queued = self._taken()
        if not queued:
            return []
        try:
            if len(queued) > AsyncPacer.HUGE:
                wanted = await self._commands_of(queued)
            else:
                wanted = [one.command for one in queued]
            replies = await self._send(wanted)
            del wanted  # who has what was kept lets go of it slice by slice
        except Exception as error:  # of a transaction, for all of it
            if self.instead is None:
                raise
            replies = [error] * len(queued)
        if len(queued) > AsyncPacer.HUGE:
            return await self._read_slices(queued, replies, raise_on_error)
        results = list(map(self._read, queued, replies))
        del replies  # no traceback shows them
        return self._settled(results, queued, raise_on_error)

    async def _commands_of(self, queued: list[Queued]) -> list[Command[Any]]:
        """Return the commands of very many."""
        wanted, pacer = list[Command[Any]](), AsyncPacer()
        for part in slices(len(queued)):
            wanted += [one.command for one in queued[part]]
            await pacer.pause()
        return wanted

    async def _read_slices(
        self, queued: list[Queued], replies: Sequence[Any], raise_on_error: bool
    ) -> list[Any]:
        """Return the results of very many, and let go of what was kept."""
        results, pacer = list[Any](), AsyncPacer()
        for part in slices(len(queued)):
            some = list(map(self._read, queued[part], replies[part]))
            if isinstance(replies, list) and not audience.observers:
                replies[part] = repeat(None, len(some))
            results += self._settled(some, queued[part], raise_on_error, part.start)
            await pacer.pause()
        await pacer.drop(queued)
        return results

    def _settled(
        self, results: list[Any], queued: list[Queued], raise_on_error: bool, first: int = 0
    ) -> list[Any]:
        """Put errors in the places of what failed, or raise the first one."""
        for at, result in enumerate(results):
            if isinstance(result, Failed):
                if raise_on_error:
                    number = first + at + 1
                    result.error.add_note(f"{queued[at].verb}, number {number} of a pipeline")
                    raise result.error
                results[at] = result.error
        return results

    def reset(self) -> None:
        """Forget what was kept."""
        self._taken()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reset()

    async def _send(self, commands: Sequence[Command[Any]]) -> Sequence[Any]:
        """Return a reply, not parsed, or an error for each command."""
        client = self._cache.client
        if len(commands) > AsyncPacer.HUGE and not self.transaction:
            return await self._send_very_many(commands)
        raw = self._raw(commands, any(one.spec.write for one in commands))
        if self.transaction:
            return await client.execute_atomic(raw)
        return await client.execute_many(raw)

    async def _send_very_many(self, commands: Sequence[Command[Any]]) -> Sequence[Any]:
        writes, raw, pacer = False, list[Command[Any]](), AsyncPacer()
        for part in slices(len(commands)):
            writes = writes or any(one.spec.write for one in commands[part])
            await pacer.pause()
        for part in slices(len(commands)):
            raw += self._raw(commands[part], writes)
            await pacer.pause()
        replies = await self._cache.client.execute_many(raw)
        if not audience.observers:  # who keeps a `Sent` may look at its commands later
            await pacer.drop(raw)
        return replies

    def _raw(self, commands: Sequence[Command[Any]], writes: bool) -> list[Command[Any]]:
        """Return commands whose replies are not parsed; `writes` if any of the pipeline writes."""
        raw: list[Command[Any]] = [
            Command(one.arguments, one.spec, packed=one.packed) for one in commands
        ]
        if writes:  # a replica would not know yet what was written
            raw = [one if one.spec.write else on_primary(one) for one in raw]
        if audience.observers:
            origin = origin_of(self._cache.name, "pipeline")
            for one in raw:
                one.origin = origin
        return raw


class AsyncPipelineVerbs(AsyncVerbs):
    """The verb of a cache that makes pipelines."""

    def pipeline(
        self, transaction: bool = False, version: Version | None = None
    ) -> AsyncCachePipeline:
        """Return a pipeline: verbs that are kept until its `execute`, then sent in one write.

        With `transaction` they run between MULTI and EXEC; `version` is that of all keys for which
        a call names no other.
        """
        return AsyncCachePipeline(self, transaction, self.commands.at(version))
