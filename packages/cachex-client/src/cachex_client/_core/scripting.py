"""Scripts inside a pipeline, where nobody can ask first whether the server knows them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Words: TypeAlias = Sequence[Any]


def with_texts(commands: Sequence[Words], texts: Mapping[str, Any]) -> list[Words]:
    """
    Send each script's text (by digest in `texts`) where the script is first run.

    After that the server knows it, so the later runs may go on naming the digest. Order is kept,
    and a transaction needs nothing from outside.
    """
    told: set[str] = set()
    complete: list[Words] = []
    for words in commands:
        digest = _digest(words)
        if digest in texts and digest not in told:
            told.add(digest)
            words = as_text(words, texts)
        complete.append(words)
    return complete


def as_text(words: Words, texts: Mapping[str, Any]) -> Words:
    """Return EVAL instead of an EVALSHA whose script is in `texts`, anything else unchanged."""
    digest = _digest(words)
    return ("EVAL", texts[digest], *words[2:]) if digest in texts else words


def _digest(words: Words) -> str:
    if words[0] != "EVALSHA" or len(words) < 2:
        return ""
    digest = words[1]
    return digest.decode() if isinstance(digest, bytes) else str(digest)
