"""Logging for rare events, through the standard library: an application's settings rule."""

import logging
from typing import cast

import structlog


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """
    Return a structlog logger on top of the standard library's logger `name`.

    Facts travel as `extra`, so they are attributes of the LogRecord. Nothing is printed unless
    the application has configured logging.
    """
    plain = logging.getLogger(name)
    if not plain.handlers:
        plain.addHandler(logging.NullHandler())
    return cast(
        structlog.stdlib.BoundLogger,
        structlog.wrap_logger(
            plain,
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
        ),
    )
