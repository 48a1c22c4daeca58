"""Asking one server, on a connection of its own: no retries, nobody else instead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, perf_counter
from typing import Any

import attrs
from redis.exceptions import NoPermissionError, RedisError

from cachex_pool import BreakerOptions, Pool, PoolOptions, pack
from django_cachex.inspection import facts
from django_cachex.inspection.facts import Facts
from django_cachex.inspection.places import Place
from django_cachex.settings import ClientConfig

Ask = Callable[..., Any]
"""Sends the words of a command; returns the reply, or raises what went wrong."""


@contextmanager
def asking(place: Place, config: ClientConfig) -> Iterator[Ask]:
    """Connect to a server as the cache does, but with its deadline for each question."""
    limits = PoolOptions(
        max_size=1,
        connect_timeout=config.options.pool.connect_timeout,
        breaker=BreakerOptions(enabled=False),
    )
    pool = Pool(place.endpoint, limits)

    def ask(*words: str) -> Any:
        reply = pool.call(pack(words), monotonic() + config.options.timeout)
        if isinstance(reply, Exception):
            raise reply
        return reply

    try:
        yield ask
    finally:
        pool.close()


def look(place: Place, config: ClientConfig, *, samples: int = 0) -> Facts:
    """
    Return what a server says of itself; `samples` round trips are measured.

    An error is part of the answer: it becomes the `error` of the facts.
    """
    try:
        with asking(place, config) as ask:
            return _look(place, config, ask, samples)
    except Exception as error:  # also what a CREDENTIAL_PROVIDER raises
        text = f"{type(error).__name__}: {error}"
        return Facts(name=place.name, expected_role=place.role, error=text)


def _look(place: Place, config: ClientConfig, ask: Ask, samples: int) -> Facts:
    try:
        found = facts.read(place.name, place.role, facts.fields(_text(ask("INFO"))))
    except NoPermissionError as error:  # it answers, but this user is told nothing
        found = Facts(name=place.name, expected_role=place.role, untold=str(error))
        return attrs.evolve(found, latency=_latency(ask, samples))
    if found.mode == "sentinel":
        found = attrs.evolve(found, role="sentinel")
        if config.service is not None:
            return attrs.evolve(found, sentinel=_sentinel(ask, config.service.name))
        return found
    if found.mode == "cluster":
        found = attrs.evolve(
            found, full_coverage=_setting(ask, "cluster-require-full-coverage") == "yes"
        )
        with suppress(NoPermissionError):
            told = facts.fields(_text(ask("CLUSTER", "INFO")))
            found = attrs.evolve(
                found,
                cluster_state=told.get("cluster_state", ""),
                slots_ok=int(told.get("cluster_slots_ok", 0)),
            )
    idle = _setting(ask, "timeout")
    idle_timeout = None if idle is None else int(idle)
    return attrs.evolve(found, idle_timeout=idle_timeout, latency=_latency(ask, samples))


def _latency(ask: Ask, samples: int) -> facts.Latency | None:
    """Measure so many round trips; None if there are to be none, or the user may not PING."""
    if not samples:
        return None
    try:
        return facts.latency([_round_trip(ask) for _ in range(samples)])
    except NoPermissionError:
        return None


def _round_trip(ask: Ask) -> float:
    began = perf_counter()
    ask("PING")
    return perf_counter() - began


def _setting(ask: Ask, name: str) -> str | None:
    """Return a setting of the server, None if it does not tell."""
    try:
        told = ask("CONFIG", "GET", name)
    except RedisError:  # managed servers do not let everybody see that
        return None
    pairs = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return next(map(_text, pairs.values()), None)


def _sentinel(ask: Ask, service: str) -> dict[str, str]:
    """Return what a Sentinel says of a service, and of the quorum that a failover needs."""
    try:
        told = ask("SENTINEL", "MASTER", service)
    except RedisError as error:
        return {"error": str(error)}
    pairs = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)
    state = {_text(name): _text(value) for name, value in pairs}
    try:
        ask("SENTINEL", "CKQUORUM", service)
    except NoPermissionError:
        state["quorum-unknown"] = "1"
    except RedisError as error:
        state["no-quorum"] = str(error)
    return state


def _text(reply: Any) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
