"""Where the package's few log lines go: to the standard library's logger, whose rules apply."""

import logging

import structlog

_logger = logging.getLogger("cachex_pool")
_logger.addHandler(logging.NullHandler())  # nothing is printed unless the application wants it

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    _logger,
    processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
    wrapper_class=structlog.stdlib.BoundLogger,
)
