"""The worker of examples/celery, with tasks that tell what a test wants to know."""

import os
import sys
import time

from celery.signals import worker_init
from worker import app, cache


@worker_init.connect
def _use_the_cache_before_anybody_forks(**_):
    cache.set("first", _connection_id(), timeout=None)


def _connection_id():
    return cache.client.redis.client_id()


@app.task
def connection_id():
    return _connection_id()


@app.task
def store(key, value, timeout=60):
    return cache.set(key, value, timeout)


@app.task
def fetch(key):
    """Return a value, with its type: JSON has fewer."""
    value = cache.get(key, "nothing")
    return type(value).__name__, value, cache.ttl(key)


@app.task
def meet(name, how_many):
    """Wait for the others, all of them at work at once; return process and connection."""
    cache.add(name, 0)
    cache.incr(name)
    for _ in range(600):
        if cache.get(name) >= how_many:
            return os.getpid(), _connection_id()
        time.sleep(0.05)
    return None


@app.task
def imported():
    packages = {name.partition(".")[0] for name in sys.modules}
    return sorted(name for name in packages if "cachex" in name)
