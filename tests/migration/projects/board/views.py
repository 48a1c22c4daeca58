"""The pages of the notice board."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path


def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


urlpatterns = [path("visit", visit)]
