"""What a server can send to subscribers that is no message, and how they get over it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import NoPermissionError, ResponseError

from cachex_client import ClientOptions
from cachex_client._core.keyslot import slot_of
from cachex_pool import PoolError, PoolOptions, ProtocolError
from support.examples import some_everyday
from support.node import HANG_UP, ScriptedNode, Words, sent
from support.waiting import eventually

OPTIONS = ClientOptions(timeout=0.5, read_from="primary", pool=PoolOptions(connect_timeout=0.5))
SLOT = slot_of(b"ch")

BAD = {
    "nothing": b"*0\r\n",
    "a number": b":5\r\n",
    "too short": b"*1\r\n$9\r\nsubscribe\r\n",
    "lists": sent([[], [], []]),
    "a list for a channel": sent([b"subscribe", [], 1]),
    "no channel": sent([b"subscribe", None, 1]),
    "no count": sent([b"subscribe", b"ch", b"x"]),
    "an unknown word": sent([b"hello", b"ch", b"x"]),
    "no data": sent([b"message", b"ch"]),
    "no pattern": sent([b"pmessage", b"ch", b"x"]),
    "a list in a message": sent([b"message", b"ch", [[]]]),
    "a number in a message": sent([b"message", b"ch", 5]),
    "an error inside": b"*3\r\n$9\r\nsubscribe\r\n-ERR x\r\n:1\r\n",
    "RESP3": b"%1\r\n+a\r\n+b\r\n",
    "no RESP": b"?\r\n",
    "no number": b":x\r\n",
    "bad length": b"*x\r\n",
}
MALFORMED = [b"-MOVED 1 h\r\n", b"-MOVED x h:1\r\n", b"-ASK\r\n", b"-MOVED 1 h:x\r\n"]


def subscriber(colour: Any, client: Any, **settings: Any) -> Any:
    """Make an object for publish and subscribe, closed after the test."""
    raw = getattr(client, "_cache", client)
    made = colour.plain(type(raw.redis)(raw, **settings).pubsub())
    colour.closing.insert(0, getattr(made, "aclose", made.close))
    return made


def confirmed(words: Words, kind: str = "") -> bytes:
    """Return the confirmation of a subscription, and a message."""
    name = kind or words[0].lower().decode()
    message = "smessage" if name[0] == "s" and name != "subscribe" else "message"
    return sent([name, words[1], 1]) + sent([message, words[1], b"hello"])


@contextlib.contextmanager
def node_with(command: bytes, bad: bytes) -> Iterator[ScriptedNode]:
    """Run a node that gives a bad answer to the first such command, and then good ones."""
    asked = itertools.count()

    def said(words: Words) -> bytes | None:
        if words[0] != command:
            return None
        return confirmed(words) if next(asked) else bad

    with ScriptedNode(said) as node:
        yield node


# -- SUBSCRIBE


@pytest.mark.parametrize("kind", ["DefaultClient", "ClusterClient"])
@pytest.mark.parametrize("what", BAD)
def test_what_no_subscriber_is_sent_is_an_error_and_the_next_call_subscribes_again(
    what: str, kind: str, colour: Any
) -> None:
    with node_with(b"SUBSCRIBE", BAD[what]) as node:
        channel = subscriber(colour, colour.make(kind, [node.url], OPTIONS))
        channel.subscribe("ch")
        with pytest.raises(ProtocolError) as caught:
            channel.get_message(timeout=5)
        assert isinstance(caught.value, PoolError)
        assert channel.get_message(timeout=5)["type"] == "subscribe"
        assert channel.get_message(timeout=5)["data"] == b"hello"
        assert node.asked(b"SUBSCRIBE") == 2


@pytest.mark.parametrize("bad", MALFORMED)
def test_a_redirect_that_cannot_be_read_is_an_error_of_ours(bad: bytes, colour: Any) -> None:
    with node_with(b"SUBSCRIBE", bad) as node:
        channel = subscriber(colour, colour.make("DefaultClient", [node.url], OPTIONS))
        channel.subscribe("ch")
        with pytest.raises(ProtocolError):
            channel.get_message(timeout=5)
        assert channel.get_message(timeout=5)["type"] == "subscribe"


def test_what_a_server_says_in_an_error_is_printable(colour: Any) -> None:
    with node_with(b"SUBSCRIBE", b"-ERR \x1b[31mred\xe2\x80\xae\r\n") as node:
        channel = subscriber(colour, colour.make("DefaultClient", [node.url], OPTIONS))
        channel.subscribe("ch")
        with pytest.raises(ResponseError) as caught:
            channel.get_message(timeout=5)
        assert str(caught.value).isprintable()
        assert "red" in str(caught.value)


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(
    ("reply", "type", "data"),
    [
        (sent(["message", "ch", b""]), "message", ""),
        (sent(["message", "__redis__:invalidate", ["a", "b"]]), "message", ["a", "b"]),
        (sent(["message", "__redis__:invalidate", None]), "message", None),
        (sent(["pmessage", "c*", "ch", "x"]), "pmessage", "x"),
        (sent(["unsubscribe", None, 0]), "unsubscribe", 0),
        (sent(["pong", "x"]), "pong", "x"),
        (b"+PONG\r\n", "pong", ""),
        (sent("x"), "pong", "x"),
    ],
)
def test_what_subscribers_are_sent_is_passed_on(
    reply: bytes, type: str, data: Any, decode: bool, colour: Any
) -> None:
    with node_with(b"SUBSCRIBE", reply) as node:
        client = colour.make("DefaultClient", [node.url], OPTIONS)
        channel = subscriber(colour, client, decode_responses=decode)
        channel.subscribe("ch")
        message = channel.get_message(timeout=5)
        wanted = data if decode else as_bytes(data)
        assert (message["type"], message["data"]) == (type, wanted)


def as_bytes(data: Any) -> Any:
    if isinstance(data, list):
        return [one.encode() for one in data]
    return data.encode() if isinstance(data, str) else data


# -- SSUBSCRIBE

SHARDED = BAD | {
    "another slot": b"-MOVED %d 127.0.0.1:7\r\n" % (SLOT + 1),
    "slot 16384": b"-MOVED 16384 127.0.0.1:7\r\n",
    "port 70000": b"-MOVED %d 127.0.0.1:70000\r\n" % SLOT,
    "no port": b"-MOVED %d h\r\n" % SLOT,
    "no slot": b"-MOVED x h:1\r\n",
    "ask": b"-ASK %d 127.0.0.1:7\r\n" % SLOT,
    "no ask": b"-ASK\r\n",
    "cluster down": b"-CLUSTERDOWN x\r\n",
    "try again": b"-TRYAGAIN x\r\n",
    "ok": b"+OK\r\n",
    "the other kind": sent([b"subscribe", b"ch", 1]),
    "ended at once": sent([b"sunsubscribe", b"ch", 0]),
    "null": b"*-1\r\n",
    "silence": b"",
    "another channel": sent([b"ssubscribe", b"other", 1]),
    "hung up": HANG_UP,
}


@pytest.fixture
def needs_sharded(colour: Any) -> None:
    if colour.prefix and not hasattr(redis.asyncio.client.PubSub, "ssubscribe"):
        pytest.skip("this redis-py has no sharded channels for asyncio")


@pytest.mark.usefixtures("needs_sharded")
@pytest.mark.parametrize("what", some_everyday(SHARDED, 4))
def test_a_sharded_channel_is_subscribed_again_after_a_bad_answer(what: str, colour: Any) -> None:
    with node_with(b"SSUBSCRIBE", SHARDED[what]) as node:
        channel = subscriber(colour, colour.make("ClusterClient", [node.url], OPTIONS))
        channel.ssubscribe("ch")

        def heard() -> bool:
            message = channel.get_message(timeout=0.1)
            return message is not None and message["type"] == "smessage"

        eventually(heard, what="a message")
        assert node.asked(b"SSUBSCRIBE") <= 3


@pytest.mark.usefixtures("needs_sharded")
def test_a_channel_that_is_not_allowed_leaves_the_others_alone(colour: Any) -> None:
    def said(words: Words) -> bytes | None:
        if words[0] != b"SSUBSCRIBE":
            return None
        return b"-NOPERM no\r\n" if words[1] == b"secret" else confirmed(words)

    with ScriptedNode(said) as node:
        options = ClientOptions(timeout=0.05, read_from="primary")
        channel = subscriber(colour, colour.make("ClusterClient", [node.url], options))
        channel.ssubscribe("secret", "ch")
        with pytest.raises(NoPermissionError):
            channel.get_message(timeout=5)
        assert channel.get_message(timeout=5)["type"] == "ssubscribe"
        assert channel.get_message(timeout=5)["data"] == b"hello"
        assert channel.get_message(timeout=0.2) is None
        assert node.asked(b"SSUBSCRIBE") == 2


@pytest.mark.usefixtures("needs_sharded")
def test_confirmations_that_are_read_late_are_not_overdue(colour: Any) -> None:
    with node_with(b"SSUBSCRIBE", confirmed((b"SSUBSCRIBE", b"ch"))) as node:
        options = ClientOptions(timeout=0.05, read_from="primary")
        channel = subscriber(colour, colour.make("ClusterClient", [node.url], options))
        channel.ssubscribe("ch")
        due = getattr(channel, "_cache", channel)._due
        due[b"ch"] = 0.0
        eventually(lambda: node.asked(b"SSUBSCRIBE") == 1)
        kinds = [channel.get_message(timeout=5)["type"] for _ in range(2)]
        assert kinds == ["ssubscribe", "smessage"]
        assert not due
        assert node.asked(b"SSUBSCRIBE") == 1
