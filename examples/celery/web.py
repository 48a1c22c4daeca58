"""The site, in one file: `python web.py runserver`, or `python web.py visit` without a browser."""

import sys

import django
from celery import Celery
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from shared import BROKER, cache_for

settings.configure(
    ALLOWED_HOSTS=["*"],
    CACHES={"default": cache_for("site")},
    DEBUG=True,
    ROOT_URLCONF=__name__,
    SECRET_KEY="of an example",
    USE_TZ=True,
)
django.setup()

from django.core.cache import cache  # noqa: E402

tasks = Celery("shop", broker=BROKER, backend=BROKER)


def run(task, *arguments):
    """Have the worker do something; return what it says."""
    return tasks.send_task(f"worker.{task}", arguments).get(timeout=30)


def article(request, name):
    """What the cache knows, as the site and as the worker see it."""
    known = cache.get_or_set(f"price:{name}", lambda: {"amount": 500, "unit": "cent"})
    seen = {"site": known, "worker": run("price", name)}
    return JsonResponse({**seen, "sold": cache.get(f"sold:{name}", 0)})


def buy(request, name):
    """Sell one here and two in the worker; both count in one place."""
    cache.add(f"sold:{name}", 0, timeout=None)
    cache.incr(f"sold:{name}")
    return JsonResponse({"sold": run("sell", name, 2)})


def sale(request, name):
    """Have the worker lower the price: not while we hold the lock, but afterwards."""
    with cache.lock(f"lock:{name}", timeout=30):
        meanwhile = run("reduce", name, 10)
    return JsonResponse({"while locked": meanwhile, "then": run("reduce", name, 10)})


urlpatterns = [
    path("<slug:name>/", article),
    path("<slug:name>/buy/", buy),
    path("<slug:name>/sale/", sale),
]

if __name__ == "__main__":
    if sys.argv[1:] == ["visit"]:
        for view in (article, buy, buy, sale, article):
            print(f"{view.__name__:8}", view(HttpRequest(), "tea").content.decode())
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
