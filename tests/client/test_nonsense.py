"""A reply of the wrong kind, or too large, is an error of ours, and is not asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from cachex_pool import ProtocolError, ReplyTooLarge
from support.scripted import Scripted


@pytest.mark.parametrize("reply", [b"*0\r\n", b"%1\r\n+a\r\n+b\r\n", b":5\r\n", b"*1\r\n*0\r\n"])
def test_what_is_no_value_is_never_read_as_one(make_cache: Any, reply: bytes) -> None:
    with Scripted(lambda words: reply) as server:
        cache = make_cache(servers=[server.url])
        with pytest.raises(ProtocolError):
            cache.get("a")


def test_a_reply_that_is_too_large_is_not_asked_for_again(make_cache: Any) -> None:
    with Scripted(lambda words: b"*1000000000\r\n") as server:
        cache = make_cache(servers=[server.url])
        for ask in (lambda: cache.get("a"), lambda: cache.get_many(["a", "b"])):
            server.commands.clear()
            with pytest.raises(ReplyTooLarge):
                ask()
            asked = [words for words in server.commands if words[0] in (b"GET", b"MGET")]
            assert len(asked) == 1
