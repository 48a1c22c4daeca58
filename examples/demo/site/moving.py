"""The page of the topology, and what one can do to it."""

from __future__ import annotations

from demo.site import picture
from demo.site.traffic import traffic
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST


@require_GET
@ensure_csrf_cookie
def topology(request: HttpRequest) -> HttpResponse:
    """Show the servers; everything on the page is drawn from `now`."""
    return render(request, "topology.html", {"now": picture.now()})


@require_GET
def now(request: HttpRequest) -> HttpResponse:
    """Give what the page draws, as JSON."""
    return JsonResponse(picture.now())


@require_GET
def keys(request: HttpRequest) -> HttpResponse:
    """Tell how many of the traffic's keys can be read."""
    return JsonResponse(picture.keys())


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Begin or end the traffic, fail a primary over, kill one."""
    action = request.POST.get("action", "")
    if action == "rest":
        traffic.stop()
    else:
        traffic.start()
    if action in ("traffic", "failover", "kill"):
        traffic.count_anew()
    if action in ("failover", "kill"):
        picture.ask_director(action)
    return JsonResponse(picture.now())
