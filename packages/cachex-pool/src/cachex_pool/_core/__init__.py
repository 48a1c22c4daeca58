"""Decisions of the pool: values in, values out; the time is an argument."""
