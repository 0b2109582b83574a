"""The table of a container's processes: ps(1) of the host, held against the container's cgroup."""

import shlex
from collections.abc import Collection

from yurt.errors import InvalidArgument
from yurt.linux.process import run


async def table(pids: Collection[int], ps_args: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the titles, and a row for each of *pids*; raise InvalidArgument when ps does not take *ps_args*."""
    result = await run(["ps", *shlex.split(ps_args)], check=False)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise InvalidArgument(f"ps: {said}", hint="the options are those of ps(1) on the host")
    return filtered(result.stdout.decode(errors="replace"), pids)


def filtered(text: str, pids: Collection[int]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the titles of ps's output, and the rows of *pids*; the last column takes the rest of its line. Pure."""
    lines = text.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows = []
    for line in lines[1:]:
        fields = line.split(maxsplit=len(titles) - 1)
        if len(fields) > column and fields[column].isdecimal() and int(fields[column]) in pids:
            rows.append(tuple(fields))
    return titles, tuple(rows)
