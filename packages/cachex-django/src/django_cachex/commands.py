"""A cache's verbs as commands, with Django's word for the cache's own timeout."""

from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from cachex_client import CacheCommands


class DjangoCommands(CacheCommands):
    """What pipelines are made of: they take DEFAULT_TIMEOUT too."""

    def _px(self, timeout: Any) -> int | None:
        return self.own_px if timeout is DEFAULT_TIMEOUT else super()._px(timeout)
