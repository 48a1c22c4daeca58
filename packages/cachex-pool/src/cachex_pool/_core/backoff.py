"""How long to pause."""


def full_jitter(attempt: int, first: float, cap: float, chance: float) -> float:
    """
    Return a pause of up to `first` * 2**`attempt` seconds, at most `cap`.

    `chance`, from 0 to 1, picks the point in that range ("full jitter"), so that many
    callers who failed together do not come back together.
    """
    return min(cap, first * 2.0 ** min(attempt, 60)) * chance


def equal_jitter(attempt: int, first: float, cap: float, chance: float) -> float:
    """Return a pause of at least half of what `full_jitter` could give."""
    most = min(cap, first * 2.0 ** min(attempt, 60))
    return most * (0.5 + 0.5 * chance)
