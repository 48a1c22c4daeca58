"""What a server can do to a scan that is confused, or hostile: nothing without an end."""

from __future__ import annotations

from typing import Any

import pytest

from cachex_client import ClientOptions
from cachex_client.commands import strings
from cachex_pool import PoolError, PoolOptions
from support.node import ScriptedNode, Words

OPTIONS = ClientOptions(timeout=1.0, read_from="primary", pool=PoolOptions(connect_timeout=0.5))


# -- what servers say of themselves


@pytest.mark.parametrize("told", [b":5\r\n", b"_\r\n", b"*0\r\n"])
def test_a_replica_that_says_nonsense_of_itself_is_asked_again(told: bytes, colour: Any) -> None:
    def silent(words: Words) -> bytes | None:
        return b"" if words[0] == b"GET" else None

    with (
        ScriptedNode(lambda words: told if words[0] == b"INFO" else None) as replica,
        ScriptedNode(silent) as node,
    ):
        node.others.append(replica)
        client = colour.make("ClusterClient", [node.url], OPTIONS)
        with pytest.raises(PoolError):
            client.execute(strings.get(b"key"))
        assert replica.asked(b"INFO") > 1
