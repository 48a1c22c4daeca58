"""Pipelines: one write, errors in their places, WATCH, scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from cachex_client import AsyncDefaultClient, ClientOptions, DefaultClient
from cachex_client._core.scripting import as_text, with_texts
from cachex_client._core.transaction import Refusal, settle
from cachex_pool import ConnectionLost
from support.servers import Standalone
from support.waiting import eventually

Run = Callable[..., Any]


@pytest.fixture
def client(standalone: Standalone) -> Iterator[DefaultClient]:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=2.0))
    yield client
    client.close()


@pytest.fixture
def facade(client: Any) -> Any:
    return client.redis


@pytest.fixture(params=[True, False], ids=["transaction", "plain"])
def transaction(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# What the replies mean


def test_the_replies_of_exec_are_the_results() -> None:
    assert settle(["OK", "QUEUED", "QUEUED", [1, 2]]) == [1, 2]


def test_a_nil_from_exec_means_that_a_watched_key_changed() -> None:
    refusal = settle(["OK", "QUEUED", None])
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, redis.WatchError)


def test_the_first_command_that_was_not_queued_is_to_blame() -> None:
    wrong = redis.ResponseError("wrong number of arguments")
    abort = redis.exceptions.ExecAbortError("discarded")
    assert settle(["OK", "QUEUED", wrong, abort]) == Refusal(wrong, 1)
    assert settle(["OK", "QUEUED", abort]) == Refusal(abort)


def test_multi_that_was_refused_is_to_blame_for_what_exec_says() -> None:
    denied = redis.exceptions.NoPermissionError("no permissions to run the 'multi' command")
    baffled = redis.ResponseError("EXEC without MULTI")
    assert settle([denied, "OK", baffled]) == Refusal(denied)


@given(st.lists(st.sampled_from(["a", "b", "c", "GET"]), max_size=8))
def test_each_script_is_told_once_and_before_it_is_named(names: list[str]) -> None:
    texts = {"a": "text a", "b": "text b"}
    commands = [("EVALSHA", name, 0, "x") for name in names]
    sent = with_texts(commands, texts)
    known: set[str] = set()
    for name, words in zip(names, sent, strict=True):
        if words[0] == "EVAL":
            assert words == ("EVAL", texts[name], 0, "x")
            assert name not in known
            known.add(name)
        else:
            assert words == ("EVALSHA", name, 0, "x")
            assert name in known or name not in texts
    assert [as_text(words, texts)[0] == "EVAL" for words in commands] == [
        name in texts for name in names
    ]


# Sending


def test_all_commands_leave_in_one_write(
    standalone: Standalone, facade: Any, transaction: bool
) -> None:
    facade.ping()
    before = int(standalone.info("stats")["total_reads_processed"])
    pipe = facade.pipeline(transaction=transaction)
    for number in range(100):
        pipe.set(f"k{number}", number)
    assert len(pipe) == 100
    assert pipe.execute() == [True] * 100
    after = int(standalone.info("stats")["total_reads_processed"])
    assert after - before <= 3  # INFO itself is one, and a write may arrive in two pieces
    assert len(pipe) == 0


def test_a_pipeline_can_be_used_again(facade: Any, transaction: bool) -> None:
    pipe = facade.pipeline(transaction)
    assert pipe.execute() == []
    assert pipe.set("a", 1).incr("a").execute() == [True, 2]
    assert pipe.get("a").mget([]).get("b").execute() == [b"2", [], None]
    assert bool(pipe)
    assert isinstance(pipe, redis.client.Pipeline)


def test_the_first_error_is_raised_and_says_where(facade: Any, transaction: bool) -> None:
    pipe = facade.pipeline(transaction).set("a", "text").incr("a").get("a")
    with pytest.raises(redis.ResponseError, match=r"Command # 2 \(INCRBY a 1\) of pipeline"):
        pipe.execute()
    assert facade.get("a") == b"text"
    assert len(pipe) == 0


def test_errors_stay_in_their_places_if_asked_to(facade: Any, transaction: bool) -> None:
    pipe = facade.pipeline(transaction).set("a", "text").incr("a").get("a")
    done, error, got = pipe.execute(raise_on_error=False)
    assert (done, got) == (True, b"text")
    assert isinstance(error, redis.ResponseError)


def test_nothing_is_done_if_a_command_cannot_be_queued(facade: Any) -> None:
    pipe = facade.pipeline().set("a", 1).execute_command("GET").set("b", 1)
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        pipe.execute(raise_on_error=False)
    assert facade.exists("a", "b") == 0


def test_what_was_written_and_counts_is_not_sent_again(
    standalone: Standalone, transaction: bool
) -> None:
    client: Any = DefaultClient([standalone.url], ClientOptions(timeout=0.3))
    client.warm_up()
    standalone.pause()
    try:
        with pytest.raises(redis.TimeoutError):
            client.redis.pipeline(transaction).incr("n").execute()
    finally:
        standalone.resume()
    eventually(lambda: standalone.connected_clients() == 0)  # all that came has been read
    assert standalone.command("GET", "n") == b"1"
    client.close()


def test_a_connection_the_server_closed_in_between_does_not_matter(
    standalone: Standalone, facade: Any, transaction: bool
) -> None:
    facade.set("a", 1)
    standalone.kill_clients()
    assert facade.pipeline(transaction).get("a").get("b").execute() == [b"1", None]


def test_what_changes_the_connection_may_stand_in_a_pipeline(
    facade: Any, transaction: bool
) -> None:
    pipe = facade.pipeline(transaction)
    assert pipe.select(5).set("a", 1).get("a").execute() == [True, True, b"1"]
    assert facade.get("a") is None
    with pytest.raises(redis.ResponseError):
        pipe.select(999).get("a").execute()


def test_a_pipeline_may_block(standalone: Standalone, facade: Any) -> None:
    pipe = facade.pipeline(transaction=False)
    assert pipe.rpush("q", "a").blpop("q", timeout=1).blpop("q", timeout=0.05).execute() == [
        1,
        (b"q", b"a"),
        None,
    ]
    assert facade.pipeline().blpop("q", timeout=1).execute() == [None]  # MULTI does not wait


# WATCH


def test_commands_run_at_once_between_watch_and_multi(facade: Any) -> None:
    facade.set("a", 1)
    with facade.pipeline() as pipe:
        assert pipe.watch("a") is True
        assert pipe.watching
        value = int(pipe.get("a"))
        pipe.multi()
        pipe.set("a", value + 1).get("a")
        assert pipe.execute() == [True, b"2"]
        assert not pipe.watching


def test_a_change_of_a_watched_key_is_told(facade: Any) -> None:
    facade.set("a", 1)
    with facade.pipeline() as pipe:
        pipe.watch("a")
        facade.set("a", 2)
        pipe.multi()
        pipe.set("a", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        pipe.watch("a")
        facade.set("a", 4)
        pipe.multi()
        with pytest.raises(redis.WatchError):
            pipe.execute()  # even if there was nothing to do
    assert facade.get("a") == b"4"


def test_a_pipeline_that_was_left_gives_its_connection_back_unwatching(
    standalone: Standalone, client: Any, facade: Any
) -> None:
    with facade.pipeline() as pipe:
        pipe.watch("a")
        assert client.stats()[0].lent == 1
    assert client.stats()[0].lent == 0
    assert standalone.clients()[0].get("watch", "0") == "0"  # Redis 7.0 does not tell
    with facade.pipeline() as pipe:
        pipe.watch("a")
        assert pipe.unwatch() is True
        assert pipe.set("a", 1) is pipe  # kept again
        assert pipe.execute() == [True]


def test_a_pipeline_that_was_dropped_takes_its_connection_along(client: Any, facade: Any) -> None:
    pipe = facade.pipeline()
    pipe.watch("a")
    del pipe
    assert client.stats()[0].lent == 0
    assert client.stats()[0].idle == 0
    assert facade.pipeline().get("a").execute() == [None]


def test_multi_has_rules(facade: Any) -> None:
    pipe = facade.pipeline()
    pipe.multi()
    with pytest.raises(redis.RedisError, match="nested"):
        pipe.multi()
    with pytest.raises(redis.RedisError, match="WATCH after a MULTI"):
        pipe.watch("a")
    pipe.reset()
    pipe.get("a")
    with pytest.raises(redis.RedisError, match="without an initial WATCH"):
        pipe.multi()


def test_losing_the_connection_while_watching_counts_as_a_change(
    standalone: Standalone, facade: Any
) -> None:
    with facade.pipeline() as pipe:
        pipe.watch("a")
        standalone.kill_clients()
        with pytest.raises(redis.WatchError, match="ConnectionLost"):
            pipe.get("a")
        assert not pipe.watching
        pipe.watch("a")
        assert pipe.get("a") is None


def test_losing_the_connection_in_exec_is_not_mistaken_for_a_change(
    standalone: Standalone, facade: Any
) -> None:
    with facade.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.incr("a")
        standalone.kill_clients()
        with pytest.raises((ConnectionLost, redis.WatchError)) as caught:
            pipe.execute()
        if isinstance(caught.value, ConnectionLost):
            assert caught.value.written
    assert facade.get("a") is None


def test_a_transaction_function_is_repeated_until_nobody_interferes(facade: Any) -> None:
    facade.set("a", 1)
    rounds: list[int] = []

    def double(pipe: Any) -> str:
        value = int(pipe.get("a"))
        if not rounds:
            facade.set("a", 5)
        rounds.append(value)
        pipe.multi()
        pipe.set("a", value * 2)
        return "returned"

    assert facade.transaction(double, "a") == [True]
    assert rounds == [1, 5]
    assert facade.get("a") == b"10"
    assert facade.transaction(double, "a", value_from_callable=True) == "returned"


def test_errors_of_a_watched_transaction_say_where(facade: Any) -> None:
    facade.set("a", "text")
    with facade.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        with pytest.raises(redis.ResponseError, match=r"Command # 1 \(INCRBY a 1\)"):
            pipe.incr("a").execute()
    with facade.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.set("b", 1)
        with pytest.raises(redis.ResponseError, match=r"Command # 2 \(GET\)"):
            pipe.execute_command("GET").execute()
    assert facade.get("b") is None


# Scripts


def test_scripts_run_in_order_whether_the_server_knows_them_or_not(
    standalone: Standalone, facade: Any, transaction: bool
) -> None:
    script = facade.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    for _ in range(2):
        facade.script_flush()
        facade.delete("n")
        with standalone.monitor() as seen:
            pipe = facade.pipeline(transaction)
            script(keys=["n"], args=[5], client=pipe)
            pipe.get("n")
            script(keys=["n"], args=[2], client=pipe)
            assert pipe.execute() == [5, b"5", 7]
        sent = [command[0] for command in seen.commands]
        names = [name for name in sent if name not in (b"MULTI", b"EXEC", b"INCRBY")]
        assert names == [b"EVAL", b"GET", b"EVALSHA"]


def test_a_script_alone_is_sent_by_digest(standalone: Standalone, facade: Any) -> None:
    script = facade.register_script(b"return ARGV[1]")
    facade.ping()
    with standalone.monitor() as seen:
        assert script(args=["a"]) == b"a"
        assert script(args=["b"]) == b"b"
    sent = [command[0] for command in seen.commands]
    assert sent == [b"EVALSHA", b"EVAL", b"EVALSHA"]


def test_a_script_runs_at_once_while_watching(facade: Any) -> None:
    script = facade.register_script("return redis.call('GET', KEYS[1])")
    facade.set("a", 1)
    with facade.pipeline() as pipe:
        pipe.watch("a")
        assert script(keys=["a"], client=pipe) == b"1"
        pipe.multi()
        script(keys=["a"], client=pipe)
        assert pipe.execute() == [b"1"]


# Tasks


def test_pipelines_of_tasks(standalone: Standalone, run: Run) -> None:
    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url])
        facade: Any = client.redis
        for transaction in (True, False):
            async with facade.pipeline(transaction) as pipe:
                pipe.set("a", 1).incr("a")
                assert await pipe.execute() == [True, 2]
                await pipe.set("a", 5)  # redis-py allows to await what is only kept
                with pytest.raises(redis.ResponseError, match="Command # 2"):
                    await pipe.lpush("a", "x").execute()
        async with facade.pipeline() as pipe:
            await pipe.watch("a")
            assert await pipe.get("a") == b"5"
            await facade.set("a", 6)
            pipe.multi()
            pipe.get("a")
            with pytest.raises(redis.WatchError):
                await pipe.execute()

        async def change(pipe: Any) -> None:
            value = int(await pipe.get("a"))
            pipe.multi()
            pipe.set("a", value + 1)

        assert await facade.transaction(change, "a") == [True]
        assert await facade.get("a") == b"7"
        script = facade.register_script("return redis.call('INCR', KEYS[1])")
        async with facade.pipeline() as pipe:
            await script(keys=["a"], client=pipe)
            pipe.get("a")
            assert await pipe.execute() == [8, b"8"]
        assert await script(keys=["a"]) == 9
        before = client.stats()[0].lent
        pipe = facade.pipeline()
        await pipe.watch("a")
        assert client.stats()[0].lent == before + 1
        await pipe.aclose()
        assert client.stats()[0].lent == before
        await client.aclose()

    run(main())


def test_a_task_cancelled_while_it_watches_leaves_nothing_behind(
    standalone: Standalone, run: Run
) -> None:
    import asyncio

    async def main() -> None:
        client: Any = AsyncDefaultClient([standalone.url], ClientOptions(timeout=2.0))
        await client.redis.ping()
        before = client.stats()[0].lent

        async def work() -> None:
            async with client.redis.pipeline() as pipe:
                await pipe.watch("a")
                await pipe.blpop("queue", timeout=0)

        task = asyncio.create_task(work())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.stats()[0].lent == before
        assert await client.redis.pipeline().get("a").execute() == [None]
        await client.aclose()

    run(main())
