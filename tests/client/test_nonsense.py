"""A reply of the wrong kind, or too large, is an error of ours, and is not asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from cachex_pool import ProtocolError, ReplyTooLarge
from support.scripted import Scripted

MANY = (
    b"*0\r\n",
    b"*1\r\n$1\r\n1\r\n",
    b"*3\r\n_\r\n_\r\n_\r\n",
    b"*2\r\n:5\r\n*1\r\n:1\r\n",
    b"*2\r\n*1\r\n:128\r\n_\r\n",
    b"%1\r\n+a\r\n+b\r\n",
    b"$1\r\n1\r\n",
    b":5\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",1.5\r\n",
)
"""Replies that are not two values."""


@pytest.mark.parametrize("reply", [b"*0\r\n", b"%1\r\n+a\r\n+b\r\n", b":5\r\n", b"*1\r\n*0\r\n"])
def test_what_is_no_value_is_never_read_as_one(make_cache: Any, reply: bytes) -> None:
    with Scripted(lambda words: reply) as server:
        cache = make_cache(servers=[server.url])
        with pytest.raises(ProtocolError):
            cache.get("a")


@pytest.mark.parametrize("reply", MANY)
def test_what_are_no_values_is_never_read_as_many(make_cache: Any, reply: bytes) -> None:
    with Scripted(lambda words: reply) as server:
        cache = make_cache(servers=[server.url])
        with pytest.raises(ProtocolError):
            cache.get_many(["a", "b"])


def test_a_reply_of_too_few_values_gives_no_key_the_value_of_another(make_cache: Any) -> None:
    """Of 3,000 keys the first 2,000 and the others are asked for in a command each."""

    def reply(words: tuple[bytes, ...]) -> bytes:
        count = 2001 if len(words) == 2001 else 999
        return b"*%d\r\n" % count + b"$1\r\n1\r\n" * count

    with Scripted(reply) as server:
        cache = make_cache(servers=[server.url])
        with pytest.raises(ProtocolError, match="2001 in place of 2000 values"):
            cache.get_many([str(number) for number in range(3000)])


def test_a_reply_that_is_too_large_is_not_asked_for_again(make_cache: Any) -> None:
    with Scripted(lambda words: b"*1000000000\r\n") as server:
        cache = make_cache(servers=[server.url])
        for ask in (lambda: cache.get("a"), lambda: cache.get_many(["a", "b"])):
            server.commands.clear()
            with pytest.raises(ReplyTooLarge):
                ask()
            asked = [words for words in server.commands if words[0] in (b"GET", b"MGET")]
            assert len(asked) == 1
