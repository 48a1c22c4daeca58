"""Redis and Valkey client for caches; needs no Django."""

__version__ = "0.1.0"
