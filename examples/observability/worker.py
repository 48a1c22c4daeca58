"""The worker: celery -A worker worker. Every process it forks sets up telemetry of its own."""

from celery import Celery
from celery.signals import worker_process_init
from shop import BROKER, CACHE

from cachex_client import Cache

app = Celery("shop", broker=BROKER, backend=BROKER)
app.conf.update(result_expires=60, broker_connection_retry_on_startup=True)
cache = Cache.from_config(CACHE, name="default")


@worker_process_init.connect  # with --pool threads or gevent: worker_init
def _in_every_process(**_):
    import telemetry  # only here: without telemetry nothing of it has to be installed

    telemetry.set_up()


@app.task
def deliver(name):
    """Count what goes out, and tell what it costs."""
    cache.add(f"delivered:{name}", 0, timeout=None)
    total = cache.incr(f"delivered:{name}")
    return {"total": total, "price": cache.get(f"price:{name}")}
