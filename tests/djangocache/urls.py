"""The views of the test project."""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import path


def visit(request: HttpRequest) -> HttpResponse:
    """Use the cache a little, from a thread."""
    cache.add("visits", 0, None)
    cache.get_many(["a", "b"])
    return HttpResponse(str(cache.incr("visits")))


async def avisit(request: HttpRequest) -> HttpResponse:
    """Use the cache a little, from an event loop."""
    await cache.aadd("visits", 0, None)
    await cache.aget_many(["a", "b"])
    return HttpResponse(str(await cache.aincr("visits")))


urlpatterns = [path("visit", visit), path("avisit", avisit)]
