"""Where the pages are."""

from __future__ import annotations

from demo.site import moving, views
from django.urls import path

urlpatterns = [
    path("", views.overview, name="overview"),
    path("async/", views.in_one_loop, name="async"),
    path("burst/", views.burst, name="burst"),
    path("forget/", views.forget, name="forget"),
    path("key/", views.key, name="key"),
    path("mandelbrot.png", views.mandelbrot, name="mandelbrot"),
    path("stats.json", views.stats, name="stats"),
    path("topology/", moving.topology, name="topology"),
    path("topology/act/", moving.act, name="act"),
    path("topology/keys.json", moving.keys, name="topology-keys"),
    path("topology/now.json", moving.now, name="topology-now"),
]
