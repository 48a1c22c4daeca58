"""A KEY_FUNCTION and its inverse, as a project may have them."""

from __future__ import annotations

from typing import Any


def key_function(key: Any, prefix: str, version: Any) -> str:
    return f"{version}/{prefix}/{key}"


def reverse_key_function(full: str) -> str:
    return full.split("/", 2)[2]
