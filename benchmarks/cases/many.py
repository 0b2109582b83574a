"""Many containers at once: what they cost to list, in memory, and the next one."""

from collections.abc import Iterator

from benchmarks import memory
from benchmarks.cases import say
from benchmarks.engines import Engine, Engines
from benchmarks.images import BUSYBOX
from benchmarks.measure import Comparison, Contestant, compare

LISTED = 50
IDLE = 100
CROWD = 499
PREFIX = "bench-idle-"
NEXT = "bench-next"


def _start(engine: Engine, numbers: range) -> list[str]:
    """Start idle containers, one after another; return their whole ids."""
    say(f"starting {len(numbers)} idle containers on {engine.cli}")
    return [
        engine.run(
            "run", "-d", "--name", f"{PREFIX}{number}", BUSYBOX, "/bin/busybox", "sleep", "7200"
        ).strip()
        for number in numbers
    ]


def _remove(engine: Engine, numbers: range) -> None:
    engine.run("rm", "-f", *(f"{PREFIX}{number}" for number in numbers))


def cases(engines: Engines, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons."""
    if chosen & {"ps", "memory"}:
        count = IDLE if "memory" in chosen else LISTED
        taking_part = [one for one in (engines.ours, engines.theirs, engines.podman) if one is not None]
        ids = {engine: _start(engine, range(LISTED)) for engine in taking_part}
        try:
            if "ps" in chosen:
                yield compare(
                    f"ps with {LISTED} containers",
                    *(Contestant(engine.work("ps")) for engine in taking_part),
                    target=1.0,
                    runs=15,
                    report=say,
                )
            if "memory" in chosen:
                for engine, known in ids.items():
                    known.extend(_start(engine, range(LISTED, IDLE)))
                yield _memory(ids)
        finally:
            for engine in taking_part:
                _remove(engine, range(count))
    if "crowd" in chosen:
        yield _crowd(engines.ours)


def _memory(ids: dict[Engine, list[str]]) -> Comparison:
    """Compare what is needed to keep containers that do nothing."""
    taken = [
        memory.of_engine(memory.listening(engine.address) if engine.address else None, known)
        for engine, known in ids.items()
    ]
    ours, theirs, *podman = [(value,) for value in taken]
    return Comparison(
        f"{IDLE} idle containers, PSS", ours, theirs, 0.5, podman[0] if podman else (), unit="MiB"
    )


def _crowd(engine: Engine) -> Comparison:
    """Compare a container's life beside many others with that of the first."""
    whole_life = Contestant(
        lambda: _life(engine),
    )

    def lives() -> tuple[float, ...]:
        whole_life.timed()
        return tuple(whole_life.timed() for _ in range(15))

    first = lives()
    _start(engine, range(CROWD))
    try:
        last = lives()
    finally:
        _remove(engine, range(CROWD))
    return Comparison(
        f"create, start, rm -f: the {CROWD + 1}th container", last, first, 1.3, against="Yurt, the 1st"
    )


def _life(engine: Engine) -> None:
    engine.run("create", "--name", NEXT, BUSYBOX, "/bin/busybox", "sleep", "7200")
    engine.run("start", NEXT)
    engine.run("rm", "-f", NEXT)
