"""What a glob pattern of Redis matches, written from the comments of its `stringmatchlen`."""

from __future__ import annotations


def matches(pattern: bytes, text: bytes) -> bool:
    """Say whether KEYS and SCAN find a key by a pattern."""
    if not pattern:
        return not text
    if pattern[:1] == b"*":
        return any(matches(pattern[1:], text[at:]) for at in range(len(text) + 1))
    if not text:
        return False
    if pattern[:1] == b"[":
        fits, rest = _in_class(pattern[1:], text[0])
        return fits and matches(rest, text[1:])
    if pattern[:1] == b"?":
        return matches(pattern[1:], text[1:])
    if pattern[:1] == b"\\" and len(pattern) > 1:
        pattern = pattern[1:]
    return pattern[0] == text[0] and matches(pattern[1:], text[1:])


def _in_class(pattern: bytes, character: int) -> tuple[bool, bytes]:
    """Say whether a character is in the class whose bracket stands before; return what is left."""
    negated = pattern[:1] == b"^"
    pattern = pattern[negated:]
    fits = False
    while pattern and pattern[:1] != b"]":
        if pattern[:1] == b"\\" and len(pattern) > 1:
            fits |= pattern[1] == character
            pattern = pattern[2:]
        elif len(pattern) > 2 and pattern[1:2] == b"-":
            low, high = sorted((pattern[0], pattern[2]))
            fits |= low <= character <= high
            pattern = pattern[3:]
        else:
            fits |= pattern[0] == character
            pattern = pattern[1:]
    return fits != negated, pattern[1:]
