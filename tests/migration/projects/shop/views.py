"""The pages of the shop."""

from __future__ import annotations

from itertools import count

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.cache import never_cache

_numbers = count(1)


def front(request: HttpRequest) -> HttpResponse:
    """Show a number that changes whenever the page is made anew."""
    return HttpResponse(f"front page {next(_numbers)}")


@never_cache
def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


urlpatterns = [path("", front), path("visit", visit)]
