# tools/unasync.py writes the sync twin of this file.
"""Verbs of a cache that are kept until `execute` and then leave in one write."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from cachex_client._async.verbs import AsyncVerbs
from cachex_client._audience import audience
from cachex_client._telling import origin_of
from cachex_client.command import Command, on_primary
from cachex_client.keys import Version
from cachex_client.queued import QueuedVerbs
from cachex_client.queued.queue import Failed
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
            replies = await self._send([one.command for one in queued])
        except Exception as error:  # of a transaction, for all of it
            if self.instead is None:
                raise
            replies = [error] * len(queued)
        results = list(map(self._read, queued, replies))
        for at, result in enumerate(results):
            if isinstance(result, Failed):
                if raise_on_error:
                    result.error.add_note(f"{queued[at].verb}, number {at + 1} of a pipeline")
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
        raw: list[Command[Any]] = [
            Command(one.arguments, one.spec, packed=one.packed) for one in commands
        ]
        if any(one.spec.write for one in raw):  # a replica would not know yet what was written
            raw = [one if one.spec.write else on_primary(one) for one in raw]
        if audience.observers:
            origin = origin_of(self._cache.name, "pipeline")
            for one in raw:
                one.origin = origin
        client = self._cache.client
        if self.transaction:
            return await client.execute_atomic(raw)
        return await client.execute_many(raw)


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
