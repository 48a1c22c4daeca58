"""What becomes of the keys of a bulk call, one by one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

K = TypeVar("K")

OnError: TypeAlias = Callable[[Any, Exception], None]
"""Told of a key that failed, and why; None stands for several keys that failed together.

A failure policy returns from it, and the call goes on as if the key were missing; or it raises.
"""


def settle(
    names: Sequence[K], results: Iterable[Any], on_error: OnError | None = None
) -> dict[K, Any]:
    """Return the results by name, without the errors.

    Each error goes to `on_error`; without that, the first one is raised.
    """
    settled = {}
    for name, result in zip(names, results, strict=True):
        if not isinstance(result, Exception):
            settled[name] = result
        elif on_error is None:
            raise result
        else:
            on_error(name, result)
    return settled
