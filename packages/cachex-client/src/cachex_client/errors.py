"""What can go wrong above the connection.

An error reply of the server is raised unchanged, as the class of `redis.exceptions` that belongs
to it; trouble with connections is an error of `cachex_pool`. The rest is here.
"""

import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from redis import exceptions as redis_errors
from redis.exceptions import LockError as RedisLockError
from redis.exceptions import LockNotOwnedError as RedisLockNotOwnedError

from cachex_pool import ConfigurationError, ConnectFailed, PoolError
from cachex_pool.errors import Portable, printable

if TYPE_CHECKING:
    from cachex_client.limits import RateLimit

__all__ = [
    "BadAddress",
    "BadRedirect",
    "CacheIsReadOnly",
    "ClientError",
    "ClusterUnreachable",
    "CompressorError",
    "ConfigurationError",
    "LockError",
    "LockNotOwnedError",
    "RateLimitExceeded",
    "RemapFailed",
    "ScanAborted",
    "SemaphoreError",
    "SemaphoreLostError",
    "SemaphoreTimeoutError",
    "SentinelRefused",
    "SentinelsDisagree",
    "SerializerError",
    "SlotNotCovered",
    "UnhashableMember",
    "ValueTooLarge",
]


class ClientError(Portable):
    """Base of the errors that cachex_client raises itself, but for ConfigurationError.

    That one is the pool's: a setting that cannot work is one error, whoever finds it.
    """


class SerializerError(ClientError, pickle.UnpicklingError):
    """A value cannot be turned into bytes, or stored bytes into a value.

    `key` is where they are stored, prefix and version included, None where that is not known.
    """

    key: bytes | None = None

    def at(self, key: bytes | None) -> Self:
        """Return the error, now saying where the value is stored."""
        if self.key is None and key is not None:
            shown = key.decode("utf-8", "backslashreplace")
            self.key, self.args = key, (f"{shown!r}: {self}", *self.args[1:])
        return self


class UnhashableMember(SerializerError, TypeError):
    """A member of a set was found that a `set` of Python cannot hold, such as a list."""


class CompressorError(ClientError):
    """Bytes cannot be compressed, or are not what the compressor wrote."""


class ValueTooLarge(CompressorError, SerializerError):
    """A stored value would be larger than is allowed once it is decompressed.

    `limit` is how many bytes are allowed, `stored` how many there are compressed.
    """

    def __init__(self, stored: int, limit: int, compressor: str) -> None:
        super().__init__(
            f"{stored} bytes become more than {limit} when {compressor} decompresses them:"
            " nothing larger is read (MAX_DECOMPRESSED_SIZE)"
        )
        self.stored = stored
        self.limit = limit


class LockError(ClientError, RedisLockError):
    """A lock could not be acquired, extended or released."""


class LockNotOwnedError(LockError, RedisLockNotOwnedError):
    """The lock is held by somebody else now, most likely because it timed out."""


class SemaphoreError(ClientError):
    """A semaphore is used in a way that cannot work, or one of the errors below."""


class SemaphoreTimeoutError(SemaphoreError, TimeoutError):
    """A semaphore had no room within the time that was given."""


class SemaphoreLostError(SemaphoreError):
    """A lease has ended: somebody else may be in the holder's place by now."""


class RateLimitExceeded(ClientError):
    """What was asked for is not allowed within the time that was given; `result` says when."""

    def __init__(self, key: object, result: "RateLimit", timeout: float | None) -> None:
        super().__init__(
            f"{key!r} is allowed again in {result.retry_after:.3f} s, not within {timeout} s"
        )
        self.key = key
        self.result = result


class ClusterUnreachable(ClientError, PoolError, redis_errors.ConnectionError):
    """No node of a cluster, or no Sentinel, said who is there; `errors` has what each one did."""

    def __init__(self, name: str, errors: Sequence[Exception]) -> None:
        causes = "; ".join(map(str, errors)) or "no answer in time"
        super().__init__(f"cannot learn the topology from {name}: {causes}")
        self.errors = tuple(errors)


class SentinelRefused(ClientError, redis_errors.ResponseError):
    """A Sentinel does not know the service, or did not let us ask."""

    def __init__(self, name: str, service: str, cause: Exception) -> None:
        super().__init__(f"the Sentinel {name}, asked for the service {service!r}: {cause}")
        self.cause = cause


class SentinelsDisagree(ClientError, PoolError, redis_errors.ConnectionError):
    """More than half of a service's Sentinels would have to name the same primary, and do not.

    `named` is how many Sentinels name each primary.
    """

    def __init__(self, service: str, named: Mapping[str, int]) -> None:
        words = ", ".join(f"{count} name {node}" for node, count in named.items())
        super().__init__(f"the Sentinels do not agree who leads {service!r}: {words}")
        self.named = dict(named)


class AddressReused(ClientError, ConnectFailed):
    """A server that does not belong to the cluster answers at the address of one of its nodes."""


class BadAddress(ClientError, PoolError, redis_errors.ConnectionError):
    """A server named an address that is none, or that must not be connected to; see the text."""

    def __init__(self, by: object, address: object, why: object) -> None:
        super().__init__(f"{by} named the address {printable(str(address))}: {why}")


class RemapFailed(BadAddress):
    """ADDRESS_REMAP (`address_remap`) raised an error, or returned no host and port."""

    def __init__(self, address: object, cause: Exception) -> None:
        what = printable(said(cause))
        super(BadAddress, self).__init__(
            f"ADDRESS_REMAP cannot turn {address} into an address: {what}"
        )
        self.cause = cause


class BadRedirect(ClientError, PoolError, redis_errors.ConnectionError):
    """A server redirected a command to where it cannot be followed; the command was not run."""

    def __init__(self, by: object, redirect: object, why: object) -> None:
        super().__init__(f"{by} replied {printable(str(redirect))}, which is not followed: {why}")


class ScanAborted(ClientError, PoolError, redis_errors.RedisError):
    """A scan found no end: its server goes on with new cursors, or the time for it was up."""

    def __init__(self, server: str, why: str, keys: int) -> None:
        super().__init__(f"the scan of {server} was given up after {keys} keys: {why}")
        self.keys = keys


class SlotNotCovered(ClientError, redis_errors.ClusterDownError):
    """No server of the cluster serves the key's slot at the moment, or some of all slots."""

    def __init__(self, name: str, slot: int | None, uncovered: int = 0) -> None:
        if uncovered:
            what = f"{uncovered} of its slots"
        else:
            what = "a command without a key" if slot is None else f"slot {slot}"
        super().__init__(f"no server of the cluster at {name} serves {what}")
        self.slot = slot


class CacheIsReadOnly(ClientError, RuntimeError):
    """A write, in a cache whose LOCATION asks for the replicas of a service only."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(
            f"{what} refused: LOCATION has ?is_master=0, so that the service {service!r} is"
            " only read from; a second URL without it makes writing possible"
        )


def said(error: BaseException) -> str:
    """Return the kind and the text of an error of others, whose text may raise one itself."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
