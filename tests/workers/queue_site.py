"""A site with django-rq: `queue_site.py URL HIDE COMMAND...` runs one of its management commands.

HIDE is "1" to run as if django-redis were not installed.
"""

from __future__ import annotations

import sys

from django.conf import settings


def configure(url: str) -> None:
    """Set Django up, with a queue on the connections of the cache."""
    import django

    settings.configure(
        CACHES={"default": {"BACKEND": "django_cachex.cache.RedisCache", "LOCATION": url}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_rq"],
        DATABASES={},
        SECRET_KEY="not a secret",
        USE_TZ=True,
        RQ_QUEUES={"default": {"USE_REDIS_CACHE": "default"}},
    )
    django.setup()


def enqueue(number: str, delay: str = "") -> None:
    """Put a job in the queue that returns a number, now or in a second; print its id."""
    import operator
    from datetime import timedelta

    import django_rq

    queue = django_rq.get_queue()
    if delay:
        job = queue.enqueue_in(timedelta(seconds=float(delay)), operator.add, int(number), 0)
    else:
        job = queue.enqueue(operator.add, int(number), 0)
    print(job.id)


def result(job: str) -> None:
    """Print what a job returned, None as long as it has not."""
    import django_rq

    found = django_rq.get_queue().fetch_job(job)
    print(None if found is None else found.return_value())


if __name__ == "__main__":
    location, hide, command, *arguments = sys.argv[1:]
    if hide == "1":
        sys.modules["django_redis"] = None  # type: ignore[assignment]
    configure(location)
    if command in ("enqueue", "result"):
        {"enqueue": enqueue, "result": result}[command](*arguments)
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["manage.py", command, *arguments])
