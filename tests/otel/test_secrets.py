"""What was stored, and how it is called, is told to nobody."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import pytest
from redis.exceptions import RedisError

from cachex_client import commands
from otel.receiver import Receiver
from support.servers import Standalone

SECRET = "hunter2-4711"


@pytest.mark.parametrize("spans", ["auto", "both", "cache", "command"])
def test_a_secret_argument_is_nowhere(
    colour: Any,
    standalone: Standalone,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    spans: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = colour.client(standalone.url.replace("//", f"//default:{SECRET}@"))
    fine = colour.client(standalone.url)
    cache = colour.cache(fine)
    receiver.instrument(spans=spans, metrics="full", query_text="masked", key_attribute="hash")
    cache.set("text", SECRET)
    with pytest.raises(RedisError):
        cache.incr("text")
    for words in (
        ("NO.SUCH.COMMAND", SECRET),
        ("LPUSH", ":1:text", SECRET),
        ("SET", "a", SECRET, SECRET),
        ("EVAL", f"return redis.error_reply('{SECRET} is wrong')", 0),
        ("EVAL", f"error('{SECRET}')", 0),
        ("CONFIG", "SET", SECRET, SECRET),
        ("AUTH", SECRET, SECRET),
    ):
        with contextlib.suppress(RedisError):
            fine.execute(commands.custom(*words))
    with contextlib.suppress(RedisError):
        fine.execute_atomic([commands.custom("NO.SUCH", SECRET), commands.get(SECRET.encode())])
    with contextlib.suppress(RedisError):
        client.execute(commands.get(SECRET.encode()), timeout=2)
    with pytest.raises(LookupError):
        cache.get_or_set("b", lambda: {}[SECRET])
    assert len(receiver.ours) > 2
    assert SECRET not in receiver.everything()
    assert SECRET not in caplog.text
