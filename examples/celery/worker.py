"""The worker: celery and cachex-client are all that it needs.

celery -A worker worker --pool prefork|threads|gevent
"""

import time

from celery import Celery
from shared import BROKER, cache_for

from cachex_client import Cache, LockError

app = Celery("shop", broker=BROKER, backend=BROKER)
app.conf.update(
    result_expires=60,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)

# One for the whole worker: threads and greenlets share its connections, and every process that
# prefork makes opens its own. Nothing is connected before the first task.
cache = Cache.from_config(cache_for("worker"))


@app.task
def price(article):
    """Return what the site has stored."""
    return cache.get(f"price:{article}")


@app.task
def reduce(article, percent):
    """Lower a price, unless somebody else is at it; return the new one, or None."""
    try:
        with cache.lock(f"lock:{article}", timeout=30, blocking=False):
            known = cache.get(f"price:{article}")
            reduced = {**known, "amount": known["amount"] * (100 - percent) // 100}
            cache.set(f"price:{article}", reduced, timeout=60)
            return reduced
    except LockError:
        return None


@app.task
def sell(article, times=1):
    """Count what was sold, together with the site."""
    cache.add(f"sold:{article}", 0, timeout=None)
    for _ in range(times):
        total = cache.incr(f"sold:{article}")
    return total


@app.task
def take_stock(article, patience=30):
    """Keep everybody off an article until somebody has counted it; return that number."""
    with cache.lock(f"lock:{article}", timeout=patience):
        cache.set(f"stock:{article}", "being counted", timeout=patience)
        for _ in range(patience * 20):
            if isinstance(found := cache.get(f"stock:{article}"), int):
                return found
            time.sleep(0.05)
    return None
