"""The application, for INSTALLED_APPS: management commands and system checks. Caches need none."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.checks.caches import (
    check_cache_location_not_exposed,
    check_file_based_cache_is_absolute,
)
from django.core.checks.registry import registry

from django_cachex import checks


class CachexConfig(AppConfig):
    """Brings `manage.py cachex_check` and its kin, and the checks of `manage.py check`."""

    name = "django_cachex"
    verbose_name = "Cachex"

    def ready(self) -> None:
        register(checks.check_caches, Tags.caches)
        register(checks.check_deployed_caches, Tags.caches, deploy=True)
        # These two make every cache, and would end the command with the first that cannot be made.
        theirs: Sequence[tuple[set[Any], Any]] = (
            (registry.registered_checks, check_file_based_cache_is_absolute),
            (registry.deployment_checks, check_cache_location_not_exposed),
        )
        for registered, check in theirs:
            if check in registered:
                registered.remove(check)
                registered.add(checks.guarded(check))
