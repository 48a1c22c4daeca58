"""How a failure is called where only names of few kinds are wanted."""

import re

CODE = re.compile("[A-Z]{2,24}")
FRONT_DOORS = ("asyncio", "cachex_client", "cachex_pool", "django_cachex", "redis")
"""Packages whose exceptions are imported from the package itself, wherever they are defined."""


def status_code(error: BaseException) -> str | None:
    """
    Return the word an error reply begins with, "WRONGTYPE" say; None if no server said it.

    Scripts may answer with errors of any words: what does not look like a server's is no code.
    """
    for one in (error, error.__cause__):
        code = getattr(one, "code", None)
        if isinstance(code, str) and CODE.fullmatch(code):
            return code
    return None


def class_name(kind: type[BaseException]) -> str:
    """
    Return the name under which a class of exceptions is imported.

    "TimeoutError", "cachex_pool.PoolTimeout", "somewhere.errors.Broken".
    """
    module = kind.__module__
    top = module.partition(".")[0]
    if module == "builtins":
        return kind.__qualname__
    return f"{top if top in FRONT_DOORS else module}.{kind.__qualname__}"


def error_type(error: BaseException) -> str:
    """Return what `error.type` is: the server's word, else the name of the exception's class."""
    return status_code(error) or class_name(type(error))


def retry_reason(reason: str) -> str:
    """Return a server's word or a class's name as it is, "other" for anything else."""
    return reason if reason.isidentifier() else "other"
