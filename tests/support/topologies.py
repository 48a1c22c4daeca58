"""Servers that belong together."""

from __future__ import annotations


class Replicated: ...


class Sentinels: ...


class Cluster: ...
