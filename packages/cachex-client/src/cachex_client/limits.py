"""What a rate limit says."""

import attrs


@attrs.frozen(slots=True)
class RateLimit:
    """
    Whether something may be done now, and when more may be; true if it may.

    `remaining` is how many more are allowed at once, `retry_after` in how many seconds what was
    refused is allowed (0 if it was allowed), `reset_after` in how many nothing of the limit is
    used any more.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after: float = 0.0
    reset_after: float = 0.0

    def __bool__(self) -> bool:
        return self.allowed
