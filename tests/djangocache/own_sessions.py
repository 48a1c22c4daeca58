"""A session engine with a key prefix of its own."""

from __future__ import annotations

from django.contrib.sessions.backends import cache


class SessionStore(cache.SessionStore):
    cache_key_prefix = "mine:"
