"""Files of ``NAME=value`` lines: --env-file and --label-file."""

from __future__ import annotations

from yurt.cli.failure import Failure
from yurt.errors import InvalidArgument

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping


def from_files(paths: list[str], environ: Mapping[str, str]) -> list[str]:
    """Read ``NAME=value`` lines; a NAME alone takes the value from *environ*."""
    found = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as lines:
                for number, line in enumerate(lines, 1):
                    text = line.lstrip().rstrip("\r\n")
                    name, mark, _ = text.partition("=")
                    if not text or text.startswith("#"):
                        continue
                    if not name or any(letter.isspace() for letter in name):
                        raise InvalidArgument(
                            f"{path}:{number}: {name!r} is no name of a variable", hint="a line is NAME=value"
                        )
                    if mark:
                        found.append(text)
                    elif name in environ:
                        found.append(f"{name}={environ[name]}")
        except (OSError, UnicodeDecodeError) as broken:
            raise Failure(
                f"cannot read {path}: {getattr(broken, 'strerror', None) or broken}", code=125
            ) from broken
    return found
