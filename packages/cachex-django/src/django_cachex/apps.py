"""The application, for INSTALLED_APPS: management commands and system checks. Caches need none."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from django_cachex import checks


class CachexConfig(AppConfig):
    """Brings `manage.py cachex_check` and its kin, and the checks of `manage.py check`."""

    name = "django_cachex"
    verbose_name = "Cachex"

    def ready(self) -> None:
        register(checks.check_caches, Tags.caches)
        register(checks.check_deployed_caches, Tags.caches, deploy=True)
