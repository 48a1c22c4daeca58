"""A Django site for uWSGI: `/enter` makes a session, `/who` says whose it is. Run as a file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CACHES={
        "default": {
            "BACKEND": "django_cachex.cache.RedisCache",
            "LOCATION": os.environ["SITE_SERVER"],
        }
    },
)

from django.core.cache import cache  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def enter(request: Any) -> HttpResponse:
    request.session["who"] = request.GET["who"]
    return HttpResponse("welcome")


def who(request: Any) -> HttpResponse:
    return HttpResponse(f"{request.session.get('who')} {os.getpid()}")


urlpatterns = [path("enter", enter), path("who", who)]


def use(number: int) -> None:
    cache.set(f"loaded:{number}", number)
    assert cache.get(f"loaded:{number}") == number


with ThreadPoolExecutor(4) as threads:  # while the site is loaded, before uWSGI forks
    list(threads.map(use, range(100)))
use(0)

application = get_wsgi_application()
