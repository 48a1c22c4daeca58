"""What this package raises itself, besides Django's ImproperlyConfigured."""


class CachexError(Exception):
    """Base of the errors of this package."""


class CacheUnavailable(CachexError, RuntimeError):
    """
    No server answers, and what was asked for has no harmless substitute.

    Raised with IGNORE_EXCEPTIONS on only; the error of the connection is the cause.
    """


class CacheIsReadOnly(CachexError, RuntimeError):
    """A write, in a cache whose LOCATION asks for the replicas of a service only."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(
            f"{what} refused: LOCATION has ?is_master=0, so that the service {service!r} is"
            " only read from; a second URL without it makes writing possible"
        )
