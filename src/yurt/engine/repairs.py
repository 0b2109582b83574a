"""What a start finds and puts right, in sentences. Services return them when they restore; the engine tells them."""

from collections.abc import Mapping

Repairs = tuple[str, ...]
"""A sentence for each kind of repair; none when all was as it should be."""


def counted(number: int, noun: str) -> str:
    """Return ``1 container`` or ``2 containers``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def repairs(verb: str, found: Mapping[str, int], rest: str = "") -> Repairs:
    """Return one sentence about all of *found*, numbers by noun, as far as they are not zero; none when all are."""
    parts = [counted(number, noun) for noun, number in found.items() if number]
    if not parts:
        return ()
    *others, last = parts
    listed = f"{', '.join(others)} and {last}" if others else last
    return (f"{verb} {listed}{rest}",)
