"""Identifiers of containers, networks, execs and the like: 64 hexadecimal digits, shown as 12."""

import os

SHORT = 12


def new_id() -> str:
    """Return a fresh identifier: 64 lower-case hexadecimal digits, 256 random bits.

    Never all decimal in its first twelve digits, so that a short id is never mistaken for a number
    (a host name made of digits alone breaks resolvers).
    """
    while True:
        candidate = os.urandom(32).hex()
        if not candidate[:SHORT].isdecimal():
            return candidate


def short(identifier: str) -> str:
    """Return the twelve digits shown to people; a leading ``sha256:`` is dropped."""
    return identifier.removeprefix("sha256:")[:SHORT]
