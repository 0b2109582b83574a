"""``--cache-from`` and ``--cache-to`` of builds, as they are sent: folders are named for the engine, which is here."""

from __future__ import annotations

import os

from yurt.errors import InvalidArgument

_FOLDERS = ("src", "dest")


def sent(text: str, *, flag: str, is_near: bool) -> str:
    """Return *text* with its folder absolute; raise InvalidArgument when the engine is far away."""
    parts = text.split(",")
    if "type=local" not in parts:
        return text
    if not is_near:
        raise InvalidArgument(
            f"{flag} type=local needs an engine on this machine, which reads and writes the folder",
            hint="take type=registry,ref=NAME",
        )
    return ",".join(_absolute(part) for part in parts)


def _absolute(part: str) -> str:
    name, mark, value = part.partition("=")
    if name not in _FOLDERS or not value:
        return part
    return f"{name}{mark}{os.path.abspath(os.path.expanduser(value))}"
