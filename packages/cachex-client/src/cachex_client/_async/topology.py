# tools/unasync.py writes the sync twin of this file.
"""What those who send commands ask a topology: who answers, and what a failure teaches."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from cachex_client._async.aim import Aim
from cachex_client._concurrency import AsyncClosable, AsyncLinked
from cachex_client._core.redirects import Redirect
from cachex_client._core.retry import Verdict
from cachex_client._links import AsyncLink
from cachex_client.command import Command, Spec
from cachex_client.options import ClientOptions
from cachex_pool import AsyncPool, Endpoint, PoolError

C = TypeVar("C", bound=AsyncClosable)


class AsyncTopology(AsyncLinked[C]):
    """The part of a client that knows the servers; each kind of topology says its own here."""

    follows = False
    """Whether another server may take the primary's place."""
    clustered = False
    """Whether keys are spread over servers by hash slot."""
    address: Endpoint
    """The first address that was given, a Sentinel's where there are such; for observers."""

    def __init__(self, options: ClientOptions | None) -> None:
        self.options = options or ClientOptions()
        self._timeout = self.options.timeout

    # -- who answers

    async def _route(
        self,
        spec: Spec,
        key: bytes | None,
        now: float,
        deadline: float,
        tried: Sequence[AsyncLink] = (),
    ) -> Aim | None:
        """Say who answers a command and was not tried yet; None if nobody is left."""
        raise NotImplementedError

    async def _aim(self, command: Command[Any], now: float, deadline: float) -> Aim:
        """Say who answers a command that was not sent yet; raises if nobody does."""
        aim = await self._route(command.spec, command.key, now, deadline)
        if aim is None:
            raise self._nobody(command)
        return aim

    def _nobody(self, command: Command[Any]) -> Exception:
        return PoolError(f"no server can answer {command.name}")

    async def primaries(self, deadline: float) -> Sequence[AsyncLink]:
        """Return every primary, in the order of their names."""
        raise NotImplementedError

    def primary_pool(self) -> AsyncPool:
        """Return the pool of a primary (in the running event loop)."""
        raise NotImplementedError

    def _links_in_use(self) -> Iterable[AsyncLink]:
        """Return every server there is a pool for, of all event loops."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Find out which servers there are, if that is not known."""

    # -- what a failure teaches

    def _redirect_of(self, error: Exception, key: bytes | None, aim: Aim) -> Redirect | Exception:
        """Read a redirect that a command on `key` met; an error if it cannot be followed."""
        return error

    async def _follow(self, redirect: Redirect, aim: Aim, deadline: float) -> AsyncLink:
        """Learn from a redirect; return the server it names."""
        raise NotImplementedError

    def _irreplaceable(self, link: AsyncLink) -> bool:
        """Say whether a lost connection to this server is no reason to ask another one."""
        return False

    def _promoted(self, command: Command[Any], aim: Aim) -> None:
        """Learn that a replica answered in its primary's stead."""

    def _led_astray(self, command: Command[Any], by: AsyncLink) -> None:
        """Learn that there is nobody where a server's MOVED led."""

    async def _unmasked(
        self, error: Exception, command: Command[Any], aim: Aim, deadline: float
    ) -> Exception:
        """Return the redirect that an error stands for, or the same error."""
        return error

    def _explained(self, error: Exception, command: Command[Any], aim: Aim) -> Exception:
        """Return an error that says more, or the same one."""
        return error

    async def _learn(
        self, verdict: Verdict, error: Exception, link: AsyncLink, deadline: float
    ) -> None:
        """Learn from a failure of a server."""

    async def redirected(self, error: Exception, key: bytes | None) -> None:
        """
        Learn from a redirect that a command on `key` met on a leased connection.

        Raises BadAddress or BadRedirect if it leads nowhere; then the map is looked at again.
        """

    async def refreshed(self) -> None:
        """Look at the topology again, if there is one to look at."""
