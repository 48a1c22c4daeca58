"""Asking a credential provider without holding up the event loop."""

import asyncio
import contextlib
import os
import threading
from concurrent.futures import Future
from time import monotonic
from typing import Any

from cachex_pool._wire.protocol import late_credentials, no_credentials
from cachex_pool.endpoint import Endpoint

THREAD = "cachex-pool credentials"
"""The name of the threads in which providers are asked."""

Login = tuple[str | None, str]

_overdue: dict[tuple[int, int], "Future[Login | None]"] = {}
"""Questions whose asker has left, by process and provider: whoever asks next waits for them."""


async def async_login(endpoint: Endpoint, deadline: float) -> Login | None:
    """
    Return user name and password, as the provider says before `deadline`.

    A coroutine of the provider's own is awaited; anything else is called in a daemon thread. One
    that hangs has as many threads as connections were being opened, and no more after that.

    Raises ConnectFailed if the provider raises, and ConnectTimeout if it takes too long.
    """
    if endpoint.credentials is None:
        return endpoint.login()
    started = monotonic()
    try:
        async with asyncio.timeout(deadline - started):
            if endpoint.asks_natively:
                return await endpoint.async_login()
            return await _in_thread(endpoint)
    except TimeoutError as error:
        if (now := monotonic()) < deadline:
            raise no_credentials(endpoint, error) from error
        raise late_credentials(endpoint, now - started) from error
    except Exception as error:
        raise no_credentials(endpoint, error) from error


async def _in_thread(endpoint: Endpoint) -> Login | None:
    key = (os.getpid(), id(endpoint.credentials))
    question = _overdue.get(key)
    if question is None:
        question = Future()
        thread = threading.Thread(
            target=_ask, args=(endpoint, key, question), name=THREAD, daemon=True
        )
        thread.start()
    loop = asyncio.get_running_loop()
    answered = loop.create_future()

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(_set, answered)

    question.add_done_callback(wake)
    try:
        await answered
    except asyncio.CancelledError:
        _overdue[key] = question
        if question.done():  # it has been looked for in vain
            _overdue.pop(key, None)
        raise
    return question.result()


def _ask(endpoint: Endpoint, key: tuple[int, int], question: "Future[Login | None]") -> None:
    """Ask the provider; `endpoint` keeps it alive, and with it the meaning of `key`."""
    login, failure = None, None
    try:
        login = endpoint.login()
    except Exception as error:
        failure = error
    except BaseException as error:  # ends a thread, and should not end the event loop
        failure = RuntimeError(f"{type(error).__name__}: {error}")
    if failure is None:
        question.set_result(login)
    else:
        question.set_exception(failure)
    if _overdue.get(key) is question:
        _overdue.pop(key, None)


def _set(answered: "asyncio.Future[Any]") -> None:
    if not answered.done():
        answered.set_result(None)
