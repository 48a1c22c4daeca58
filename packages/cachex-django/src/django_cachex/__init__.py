"""Django cache backend for Redis and Valkey."""

__version__ = "0.1.0"
