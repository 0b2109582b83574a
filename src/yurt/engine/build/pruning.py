"""What of the build cache goes: the least recently used first. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

STEP, MOUNT = "regular", "exec.cachemount"  # BuildKit's words


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Something that the build cache keeps. *size* in bytes, a layer's blob and its unpacked files; *shared*: an image has it, too, so that it frees nothing.

    *kind* is STEP or MOUNT; *layer* is the chain id of a step's layer, empty where the step changed nothing.
    """

    key: str
    kind: str
    size: int = 0
    created_ns: int = 0
    used_ns: int = 0
    uses: int = 0
    description: str = ""
    layer: str = ""
    shared: bool = False
    in_use: bool = False

    @property
    def freed(self) -> int:
        """Bytes that come free when it goes."""
        return 0 if self.shared else self.size


@dataclass(frozen=True, slots=True)
class PruneLimits:
    """Which entries go. Without any limit all that are not in use.

    *until_ns*: only those that nobody used since then (nanoseconds since 1970). *max_used*: as many as it takes for
    the cache to have at most so many bytes; *min_free*: for the disk to have that many. *reserved* bytes are never
    taken from it.
    """

    until_ns: int = 0
    max_used: int | None = None
    min_free: int = 0
    reserved: int = 0


def doomed(entries: Iterable[CacheEntry], limits: PruneLimits, *, free: int = 0) -> tuple[CacheEntry, ...]:
    """Return the entries that go, in their order; *free* is what the disk has."""
    known = tuple(entries)
    total = sum(entry.freed for entry in known)
    # Of two that were used at the same moment the younger one goes: it stands on the older.
    order = sorted(known, key=lambda entry: (entry.used_ns, -entry.created_ns))
    bounded = limits.max_used is not None or bool(limits.min_free)
    going: list[CacheEntry] = []
    for entry in order:
        if entry.in_use or (limits.until_ns and entry.used_ns >= limits.until_ns):
            continue
        if bounded:
            too_much = limits.max_used is not None and total > limits.max_used
            too_little = bool(limits.min_free) and free < limits.min_free
            if not (too_much or too_little):
                break
            if not entry.freed:
                continue  # it would take a step away and give nothing
        if limits.reserved and total - entry.freed < limits.reserved:
            continue
        going.append(entry)
        total -= entry.freed
        free += entry.freed
    return tuple(going)
