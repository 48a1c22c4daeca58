"""What this package raises itself, besides Django's ImproperlyConfigured."""

from cachex_client.errors import CacheIsReadOnly
from cachex_pool.errors import Portable

__all__ = ["CacheIsReadOnly", "CacheUnavailable", "CachexError"]


class CachexError(Portable):
    """Base of the errors of this package."""


class CacheUnavailable(CachexError, RuntimeError):
    """
    No server answers, and what was asked for has no harmless substitute.

    Raised with IGNORE_EXCEPTIONS on only; the error of the connection is the cause.
    """
