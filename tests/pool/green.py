"""Pools under gevent, as a program of its own: nothing else may be patched.

    green.py <unix socket or host> <port> <kills> [<ca file> <port for TLS>]

It prints what went wrong, if anything, and ends with 1 then.
"""

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from time import monotonic  # noqa: E402

import gevent  # noqa: E402

from cachex_pool import (  # noqa: E402
    DeadlineExceeded,
    Endpoint,
    Exchange,
    Pool,
    PoolOptions,
    PoolTimeout,
    SideBySide,
    Tls,
    pack,
)


def ask(pool: Pool, word: str) -> None:
    text = word.encode()
    assert pool.call(pack(("ECHO", text)), monotonic() + 20) == text


def greenlets_share_the_pool(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=4))

    def work(number: int) -> None:
        for sequence in range(50):
            ask(pool, f"{number}-{sequence}")

    gevent.joinall([gevent.spawn(work, number) for number in range(40)], raise_error=True)
    assert pool.stats().opened == 4, pool
    pool.close()


def waiting_blocks_nobody_else(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=2))
    held = [pool.acquire(monotonic() + 5) for _ in range(2)]
    waiter = gevent.spawn(lambda: pool.acquire(monotonic() + 20))
    for _ in range(20):
        gevent.sleep(0.01)
    assert not waiter.ready()
    for connection in held:
        pool.release(connection)
    pool.release(waiter.get(timeout=20))
    blocked = gevent.spawn(lambda: pool.call(pack(("BLPOP", "list", 0)), monotonic() + 20))
    for _ in range(20):
        gevent.sleep(0.01)
    assert not blocked.ready()
    pool.call(pack(("RPUSH", "list", "x")), monotonic() + 20)
    assert blocked.get(timeout=20) == [b"list", b"x"]
    pool.close()


def waiting_ends_in_time(endpoint: Endpoint) -> None:
    pool = Pool(endpoint, PoolOptions(max_size=1))
    with pool.connection(monotonic() + 5):
        started = monotonic()
        try:
            pool.acquire(started + 0.2)
        except PoolTimeout:
            assert 0.2 <= monotonic() - started < 5
        else:
            raise AssertionError("there was none to lend")
    started = monotonic()
    try:
        pool.call(pack(("BLPOP", "nothing", 0)), started + 0.2)
    except DeadlineExceeded:
        assert 0.2 <= monotonic() - started < 5
    else:
        raise AssertionError("there was nothing to pop")
    pool.close()


def large_values_pass_both_ways_at_once(endpoint: Endpoint) -> None:
    pool = Pool(endpoint)
    pool.call(pack(("SET", "a", b"v" * 1_000_000)), monotonic() + 5)
    data = pack(("ECHO", b"e" * 100_000)) + pack(("GET", "a"))
    replies = pool.exchange(data * 20, 40, monotonic() + 20)
    assert [len(reply) for reply in replies] == [100_000, 1_000_000] * 20
    pool.close()


def exchanges_go_side_by_side(endpoint: Endpoint) -> None:
    pool = Pool(endpoint)
    until = monotonic() + 20
    late = []
    for position, command in enumerate((("BLPOP", "later", 0), ("ECHO", "e" * 1_000_000))):
        connection, data = pool.checkout(until), pack(command)
        late.append(Exchange(connection, data, connection.start(data), 1, until, [], position))
    pusher = gevent.spawn_later(0.2, lambda: pool.call(pack(("RPUSH", "later", "x")), until))
    left = SideBySide(late)
    ended = []
    while left:
        ended += [(one.position, one.end) for one in left.next_ended()]
    assert ended == [(1, [b"e" * 1_000_000]), (0, [[b"later", b"x"]])], ended
    assert pusher.get(timeout=20) == 1
    for one in late:
        pool.checkin(one.connection)
    assert pool.stats().idle == pool.stats().size, pool
    pool.close()


def greenlets_killed_at_any_point_lose_nothing(endpoint: Endpoint, kills: int) -> None:
    limit = 3
    pool = Pool(endpoint, PoolOptions(max_size=limit, backoff=0.001, max_backoff=0.001))
    dice = random.Random(kills)
    killed = 0

    def once(name: str) -> None:
        words = [f"{name}-{part}".encode() for part in range(3)]
        if dice.random() < 0.6:
            assert pool.call(pack(("ECHO", words[0])), monotonic() + 20) == words[0]
            return
        data = b"".join(pack(("ECHO", word)) for word in words)
        assert pool.exchange(data, 3, monotonic() + 20) == words

    def work(number: int) -> None:
        nonlocal killed
        sequence = 0
        while killed < kills:
            sequence += 1
            victim = gevent.spawn(once, f"{number}-{sequence}")
            for _ in range(dice.randrange(8)):
                gevent.sleep(0)
            victim.kill()
            killed += not victim.successful() or isinstance(victim.value, gevent.GreenletExit)
            if victim.exception is not None:
                raise victim.exception

    gevent.joinall([gevent.spawn(work, number) for number in range(6)], raise_error=True)
    gc.collect()
    assert pool.stats().lent == pool.stats().opening == pool.stats().waiting == 0, pool
    held = [pool.acquire(monotonic() + 5) for _ in range(limit)]
    for number, connection in enumerate(held):
        assert connection.call(pack(("ECHO", number)), monotonic() + 5) == b"%d" % number
        pool.release(connection)
    pool.close()


def more_files_than_select_can_count(endpoint: Endpoint) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = [os.dup(0) for _ in range(1100)]
    assert max(held) >= 1024
    try:
        large_values_pass_both_ways_at_once(endpoint)
        waiting_ends_in_time(endpoint)
    finally:
        for one in held:
            os.close(one)


def main() -> None:
    host, port, kills, *tls = sys.argv[1:]
    plain = Endpoint(host=host, port=int(port))
    greenlets_killed_at_any_point_lose_nothing(plain, int(kills))
    endpoints = [plain]
    if tls:
        endpoints.append(Endpoint(host=host, port=int(tls[1]), tls=Tls(ca_certs=tls[0])))
    for endpoint in endpoints:
        greenlets_share_the_pool(endpoint)
        exchanges_go_side_by_side(endpoint)
        waiting_blocks_nobody_else(endpoint)
        waiting_ends_in_time(endpoint)
        large_values_pass_both_ways_at_once(endpoint)
        more_files_than_select_can_count(endpoint)


if __name__ == "__main__":
    main()
