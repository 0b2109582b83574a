"""Splitting a command written as one text, the way a shell would quote it."""

import shlex

from yurt.errors import InvalidArgument


def split(text: str) -> tuple[str, ...]:
    """Return the words of *text*; InvalidArgument when a quote is not closed."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidArgument(
            f"can't be split into words: {str(error).lower()}, expected balanced quotes"
        ) from error
