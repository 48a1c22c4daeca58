# tools/unasync.py writes the sync twin of this file.
"""Lua scripts by digest."""

from collections.abc import Iterable, Sequence
from typing import Any

import redis.asyncio.client
import redis.commands.core
from redis.exceptions import NoScriptError


class AsyncScript(redis.commands.core.AsyncScript):
    """
    A script that a server knows by digest once it has run it.

    redis-py's, in fewer round trips: EVALSHA, and only if the server does not know the script,
    which it says before it has done anything, EVAL.
    """

    async def __call__(
        self,
        keys: Sequence[Any] | None = None,
        args: Iterable[Any] | None = None,
        client: Any = None,
    ) -> Any:
        """Run the script on its keys and arguments, by `client` or else by its own client."""
        client = client or self.registered_client
        words = (*(keys or ()), *(args or ()))
        if isinstance(client, redis.asyncio.client.Pipeline):
            scripts: set[Any] = client.scripts
            scripts.add(self)  # which sees to it that the server knows the script
        try:
            return await client.evalsha(self.sha, len(keys or ()), *words)
        except NoScriptError:
            return await client.eval(self.script, len(keys or ()), *words)
