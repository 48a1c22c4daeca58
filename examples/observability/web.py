"""The site; it serves on the port it is given, 0 for any, and prints its address."""

import os
import signal
import sys
import time
from contextvars import copy_context
from threading import Thread

import django
from celery import Celery
from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import path
from shop import BROKER, CACHE

NARROW = {**CACHE, "OPTIONS": {**CACHE["OPTIONS"], "MAX_CONNECTIONS": 1, "TIMEOUT": 1.0}}

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    CACHES={"default": CACHE, "narrow": NARROW},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHOP_DB"]}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="of an example",
    USE_TZ=True,
)
django.setup()

import database  # noqa: E402
import telemetry  # noqa: E402
from django.core.cache import cache, caches  # noqa: E402
from opentelemetry.instrumentation.django import DjangoInstrumentor  # noqa: E402

from cachex_pool import PoolTimeout, live_stats  # noqa: E402

tasks = Celery("shop", broker=BROKER, backend=BROKER)


def home(request):
    links = ("price/tea/", "prices/", "order/tea/", "crowd/", "wrong/")
    return HttpResponse("".join(f'<p><a href="/{link}">{link}</a>' for link in links))


def price(request, name):
    """From the cache; from the database the first time."""
    found = cache.get_or_set(f"price:{name}", lambda: database.price_of(name), timeout=60)
    if found is None:
        raise Http404(name)
    return JsonResponse({"name": name, "price": found})


def prices(request):
    """Many at once: one call, one write to every server that has some of them."""
    names = ["tea", "coffee", "milk", *(f"article-{number}" for number in range(20))]
    found = cache.get_many([f"price:{name}" for name in names])
    cache.set_many({f"seen:{name}": True for name in names}, timeout=60)
    cache.delete_many([f"seen:{name}" for name in names])
    return JsonResponse(found)


def order(request, name):
    """Have it delivered by the worker, and wait for that."""
    cache.add(f"ordered:{name}", 0, timeout=None)
    total = cache.incr(f"ordered:{name}")
    delivered = tasks.send_task("worker.deliver", [name]).get(timeout=30)
    return JsonResponse({"ordered": total, **delivered})


def crowd(request):
    """More threads than connections: two wait in vain, one long enough."""
    narrow = caches["narrow"]
    narrow.get("seat")
    outcomes = []

    def ask():
        try:
            caches["narrow"].get("seat")
            outcomes.append("served")
        except PoolTimeout:
            outcomes.append("not served")

    def begin():
        # A thread begins without a context: without this one its spans would be of no request.
        thread = Thread(target=copy_context().run, args=(ask,))
        thread.start()
        return thread

    with narrow.client.executor.lease(key=narrow.make_key("seat").encode()):  # the only one
        for thread in [begin(), begin()]:
            thread.join()
        patient = begin()
        while patient.is_alive() and not any(pool.waiting for pool in live_stats()):
            time.sleep(0.01)
    patient.join()
    return JsonResponse({one: outcomes.count(one) for one in sorted(set(outcomes))})


def wrong(request):
    """A command that the server refuses."""
    cache.set("text", "no number")
    try:
        cache.client.redis.lpush("shop:1:text", "1")
    except Exception as error:
        return JsonResponse({"error": type(error).__name__})
    return JsonResponse({})


urlpatterns = [
    path("", home),
    path("price/<slug:name>/", price),
    path("prices/", prices),
    path("order/<slug:name>/", order),
    path("crowd/", crowd),
    path("wrong/", wrong),
]


def main(port):
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    database.create()
    telemetry.set_up()
    DjangoInstrumentor().instrument()  # before the application: it adds a middleware
    application = get_wsgi_application()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = ThreadedWSGIServer(("127.0.0.1", port), WSGIRequestHandler)
    server.set_app(application)
    print(f"Serving http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
