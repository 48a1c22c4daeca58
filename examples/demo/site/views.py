"""The pages."""

from __future__ import annotations

import asyncio
from time import perf_counter

import attrs
from demo.site import burst as bursting
from demo.site import lookups, watching
from demo.site.work import PIECES
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

TASKS = 500
since = lookups.milliseconds_since


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show everything."""
    request.session["visits"] = visits = request.session.get("visits", 0) + 1
    rows = lookups.rows()
    together, together_in = lookups.all_at_once()
    context = {
        "rows": rows,
        "together": together,
        "together_in": together_in,
        "computing": sum(row.computing for row in rows),
        "looking_up": sum(row.looking_up for row in rows),
        "visits": visits,
        "said": request.session.pop("said", None),
        "burst": request.session.pop("burst", None),
        "burst_of": bursting,
        **watching.snapshot(),
    }
    return render(request, "overview.html", context)


@require_GET
def stats(request: HttpRequest) -> HttpResponse:
    """Give the numbers of the page, as JSON."""
    return JsonResponse(watching.snapshot())


@require_GET
def mandelbrot(request: HttpRequest) -> HttpResponse:
    """Give a picture: a value that is bytes, out of the cache."""
    return HttpResponse(lookups.the_picture(), content_type="image/png")


@require_POST
def key(request: HttpRequest) -> HttpResponse:
    """Set, get or delete the key that was typed in."""
    name = request.POST.get("key", "").strip()[:200] or "greeting"
    action = request.POST.get("action")
    if action == "set":
        value = request.POST.get("value", "")
        seconds = request.POST.get("seconds", "")
        timeout = float(seconds) if seconds.replace(".", "", 1).isdigit() else 60.0
        cache.set(name, value, timeout)
        said = f"{name} is now {value!r}, for {timeout:g} s."
    elif action == "delete":
        said = f"{name} is deleted." if cache.delete(name) else f"There was no {name}."
    else:
        missing = object()
        value = cache.get(name, missing)
        said = f"There is no {name}." if value is missing else f"{name} is {value!r}."
    request.session["said"] = said
    return redirect("overview")


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Remove the results, so that they are computed anew."""
    lookups.forget()
    return redirect("overview")


@require_POST
def burst(request: HttpRequest) -> HttpResponse:
    """Keep the pool busy for a moment."""
    done = bursting.burst()
    request.session["burst"] = {**attrs.asdict(done), "per_second": done.per_second}
    return redirect("overview")


async def in_one_loop(request: HttpRequest) -> HttpResponse:
    """Look up from one event loop what the overview has stored."""
    keys = [piece.key for piece in PIECES]
    steps = []

    started = perf_counter()
    one = await cache.aget(keys[0])
    steps.append(("await cache.aget(key)", int(one is not None), since(started)))

    started = perf_counter()
    many = await cache.aget_many(keys)
    steps.append((f"await cache.aget_many({len(keys)} keys)", len(many), since(started)))

    started = perf_counter()
    found = await asyncio.gather(*(cache.aget(keys[n % len(keys)]) for n in range(TASKS)))
    number = sum(one is not None for one in found)
    steps.append((f"{TASKS} tasks at once, one aget(key) each", number, since(started)))

    pools = caches["default"].client.async_executor.stats()
    context = {
        "steps": steps,
        "results": [
            (piece.title, many[piece.key]["result"]) for piece in PIECES if piece.key in many
        ],
        "connections": sum(pool.size for pool in pools),
        "pools": [watching.described(pool) for pool in pools],
        "tasks": TASKS,
    }
    return render(request, "async.html", context)
