"""What an engine holds at one moment: in the kernel and on the disk. Two of them are equal when nothing leaked."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from tests.integration.engine_host import EngineHost

from yurt.engine.networks.firewall import tag_of
from yurt.linux.nftables import Nftables

SETTLED = 10.0  # seconds in which what is deleted in the background must be gone
_ID = re.compile(r"\b[0-9a-f]{64}\b")
_CHURN = re.compile(
    r"build|work|bootstrap|engine\.db.*|yurtd\.(lock|log)|shims\.log|index\.json"
)  # no leaks by themselves


@dataclass(frozen=True)
class Footprint:
    """Sorted lines, each naming one thing."""

    mounts: tuple[str, ...]
    interfaces: tuple[str, ...]
    rules: tuple[str, ...]
    processes: tuple[str, ...]
    cgroups: tuple[str, ...]
    files: tuple[str, ...]

    def more_than(self, other: "Footprint") -> dict[str, tuple[list[str], list[str]]]:
        """Return by kind what this one has beyond *other*, and what it lacks."""
        found = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine != theirs:
                found[field.name] = (
                    [line for line in mine if line not in theirs],
                    [line for line in theirs if line not in mine],
                )
        return found


def footprint(host: EngineHost) -> Footprint:
    """Return what is there now."""
    places = (str(host.root), str(host.run))
    return Footprint(
        mounts=tuple(sorted(_mounts(places))),
        interfaces=_interfaces(host),
        rules=_rules(host),
        processes=tuple(sorted(_processes(places))),
        cgroups=_cgroups(host),
        files=tuple(sorted([*_files(host.root), *_files(host.run)])),
    )


def footprint_at_rest(host: EngineHost) -> Footprint:
    """Return what is there once nothing changes any more: the kernel takes namespaces down in its own time."""
    last = footprint(host)

    def rests() -> bool:
        nonlocal last
        time.sleep(0.2)
        before, last = last, footprint(host)
        return before == last

    assert soon(rests)
    return last


def assert_settles(host: EngineHost, expected: Footprint, *, ignoring: tuple[str, ...] = ()) -> None:
    """Wait until the footprint is *expected*; fail with the difference when it does not become so."""

    def different() -> dict[str, tuple[list[str], list[str]]]:
        found = footprint(host).more_than(expected)
        return {kind: lines for kind, lines in found.items() if kind not in ignoring}

    def same() -> bool:
        return not different()

    if not soon(same, within=SETTLED):
        raise AssertionError(f"leaked (more, less): {different()}\n{host.tail()}")


def soon(holds: Callable[[], bool], *, within: float = SETTLED) -> bool:
    """Return whether *holds* becomes true in time."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _mounts(places: tuple[str, ...]) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(tuple(f"{place}/" for place in places))]


def _interfaces(host: EngineHost) -> tuple[str, ...]:
    tag = tag_of(host.root)[:5]
    return tuple(
        sorted(name for name in os.listdir("/sys/class/net") if name[:7] in {f"yu{tag}", f"yv{tag}"})
    )


def _rules(host: EngineHost) -> tuple[str, ...]:
    tag = tag_of(host.root)
    nft = Nftables()
    try:
        lines = []
        for entry in nft.listing("list tables"):
            table = entry.get("table")
            if table and tag in table["name"]:
                listing = nft.listing(f"list table {table['family']} {table['name']}")
                lines += [re.sub(r"'handle': \d+", "", str(one)) for one in listing if "metainfo" not in one]
        return tuple(sorted(lines))
    finally:
        nft.close()


def _processes(places: tuple[str, ...]) -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        if any(place in line for place in places) or folder.startswith(places):
            found.append(f"{line or '?'} in {folder}")
    return found


def _cgroups(host: EngineHost) -> tuple[str, ...]:
    ids = set(_ID.findall(host.log.read_text()))
    parents = [path for pattern in ("yurt", "*/yurt") for path in Path("/sys/fs/cgroup").glob(pattern)]
    return tuple(
        sorted(f"{parent}/{name}" for parent in parents for name in os.listdir(parent) if name in ids)
    )


def _files(folder: Path) -> list[str]:
    """Return the paths down to three levels; numbered snapshots are only counted.

    The history of builds is to be kept: as much of it as its own bounds say.
    """
    found: list[str] = []
    numbered = 0
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        if Path(place).name == "snapshots":
            numbered += sum(name.isdecimal() for name in folders)
            folders[:] = [name for name in folders if not name.isdecimal()]
        if Path(place).name == "build":
            folders[:] = [name for name in folders if name != "history"]
        found += [f"{place}/{name}" for name in (*names, *folders) if not _CHURN.fullmatch(name)]
        if depth >= 2:
            folders.clear()
    return [*found, f"{folder}: {numbered} snapshots"]
