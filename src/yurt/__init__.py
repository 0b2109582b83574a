"""Yurt: containers, background tasks, a cache and logs that a Python team carries with it."""

__version__ = "0.1.0"
