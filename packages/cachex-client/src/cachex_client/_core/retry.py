"""
Whether to send a command again.

Three facts decide: was anything written, did the server reject it, is it idempotent. A command
is sent again if it was rejected, or never written, or may be done twice; everything
else is the caller's to know.
"""

import attrs

from cachex_client.command import Spec
from cachex_client.error_codes import Action, row_of
from cachex_client.errors import AddressReused, BadAddress, BadRedirect
from cachex_client.options import RetryOptions
from cachex_pool import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectionLost,
    DeadlineExceeded,
    HandshakeRefused,
    NodeUnavailable,
    PoolClosed,
    PoolError,
    PoolTimeout,
    ReplyTooLarge,
)


@attrs.frozen(slots=True)
class Verdict:
    """
    What to do after a failure.

    `again` on any node, `here` on the same one; `at_once` without a pause; `blame` the node,
    so that others are asked first for a while; `demoted`: it is no primary any more; `passing`:
    what is in the way will not last, and no other node can help: more attempts are worth it;
    `others` may help;
    `patient`: it turned the command away for now, so that it is asked until the deadline.
    """

    again: bool
    here: bool = True
    at_once: bool = False
    blame: bool = True
    demoted: bool = False
    passing: bool = False
    others: bool = True
    patient: bool = False


FINAL = Verdict(again=False, blame=False)
FINAL_AND_BLAMED = Verdict(again=False)
PAUSE = Verdict(again=True)
AT_ONCE = Verdict(again=True, at_once=True, blame=False)
ELSEWHERE = Verdict(again=True, here=False)
CROWDED = Verdict(again=True, here=False, blame=False)
DEMOTED = Verdict(again=True, demoted=True, blame=False)
REPLACED = Verdict(again=True, passing=True)
MISLED = Verdict(again=True, others=False)
ON_THE_MOVE = Verdict(again=True, blame=False, passing=True)
TURNED_AWAY = Verdict(again=True, patient=True)
SUSPENDED = Verdict(again=True, blame=False, passing=True, patient=True)

PERSEVERANCE = 4
"""So many times as often is something sent again that only a slot on the move is in the way of."""

_OF_ITS_CONNECTION = frozenset(("WAIT", "WAITAOF"))
"""Commands that ask about the writes of their connection: elsewhere the answer would be wrong."""

_VERDICTS = {
    Action.WAIT: TURNED_AWAY,
    Action.SUSPEND: SUSPENDED,
    Action.RECONNECT: PAUSE,
    Action.SPLIT: ON_THE_MOVE,
    Action.REDISCOVER: DEMOTED,
}


def is_rejection(reply: object) -> bool:
    """Say whether an error reply means "not now, not me" rather than "not like this"."""
    row = row_of(reply)
    return row is not None and row.rejected


def judge(error: Exception, spec: Spec) -> Verdict:
    """Say what an error, raised or replied, means for a command."""
    if spec.name in _OF_ITS_CONNECTION:
        return FINAL
    if not isinstance(error, PoolError):
        row = row_of(error)
        return FINAL if row is None else _VERDICTS.get(row.action, FINAL)
    if isinstance(error, PoolClosed | ConfigurationError | ReplyTooLarge):
        return FINAL  # what is too large now will be so again
    if isinstance(error, PoolTimeout):  # our own crowd: the node did nothing wrong
        return CROWDED
    if isinstance(error, AddressReused):  # until the map says where the node is now
        return REPLACED
    if isinstance(error, BadAddress | BadRedirect):
        return MISLED
    if isinstance(error, NodeUnavailable | AuthenticationFailed | HandshakeRefused):
        return ELSEWHERE
    if error.written and not spec.idempotent:
        return FINAL_AND_BLAMED
    if isinstance(error, DeadlineExceeded):
        return ELSEWHERE
    return AT_ONCE if isinstance(error, ConnectionLost) else PAUSE


def may_repeat(verdict: Verdict, attempt: int, attempts: int, *, waits: bool = False) -> bool:
    """
    Say whether after so many attempts another one is allowed, of at most `attempts`.

    `waits` is whether a server that turns commands away for now is worth waiting for.
    """
    again = attempts - 1
    if verdict.patient and waits and again:
        return True
    if verdict.patient:
        return attempt <= again
    return attempt <= (again * PERSEVERANCE if verdict.passing else again)


def note_attempts(error: Exception, attempts: int, seconds: float) -> Exception:
    """Write into an error how often and how long it was tried."""
    if attempts > 1 and not hasattr(error, "attempts"):  # one error may befall many commands
        error.attempts = attempts  # type: ignore[attr-defined]
        error.add_note(f"given up after {attempts} attempts in {seconds:.3f} s")
    return error


@attrs.define(eq=False)
class Budget:
    """How many retries one node still gets: a bucket that calls and time fill."""

    options: RetryOptions
    tokens: float = attrs.field(
        default=attrs.Factory(lambda self: 10 * self.options.budget_per_second, takes_self=True)
    )
    _at: float = 0.0
    _uses: int = 0

    def take(self, now: float, uses: int) -> bool:
        """Spend one retry if there is one left; `uses` counts all calls so far."""
        options = self.options
        earned = options.budget_ratio * max(0, uses - self._uses)
        earned += options.budget_per_second * max(0.0, now - self._at if self._at else 0.0)
        self.tokens = min(self.tokens + earned, 10 * options.budget_per_second)
        self._at, self._uses = now, uses
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
