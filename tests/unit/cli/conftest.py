"""Command lines as values: how a declaration reads what a person typed."""

import pytest

from yurt.cli.flags import Options, parse, parse_flags


@pytest.fixture
def typed():
    """Return a function: (flags, command line) → Options."""

    def read(flags: str, line: str, *, program: int = 0) -> Options:
        arguments, values = parse(parse_flags(flags), line.split(), "yurt x", program=program)
        return Options(arguments or [], values, "yurt x")

    return read
