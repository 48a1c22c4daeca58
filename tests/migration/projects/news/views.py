"""The pages of the newspaper."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path
from django.views.decorators.cache import cache_page

_numbers = count(1)
BOX = Template("{% load cache %}{% cache 500 box topic %}box {{ number }}{% endcache %}")


@cache_page(300, key_prefix="front")
def front(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"front page {next(_numbers)}")


def topic(request: HttpRequest, name: str) -> HttpResponse:
    request.session["topic"] = name
    return HttpResponse(BOX.render(Context({"topic": name, "number": next(_numbers)})))


def mine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("topic", "none"))


async def readers(request: HttpRequest, name: str) -> HttpResponse:
    await cache.aadd(f"readers:{name}", 0)
    return HttpResponse(str(await cache.aincr(f"readers:{name}")))


urlpatterns: list[Any] = [
    path("", front),
    path("topic/<name>", topic),
    path("mine", mine),
    path("readers/<name>", readers),
]
