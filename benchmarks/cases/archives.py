"""Images as archives: in and out."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import say
from benchmarks.engines import Engine, Engines
from benchmarks.images import LARGE, large_archive
from benchmarks.measure import Comparison, Contestant, compare


def cases(engines: Engines, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons, on an archive that Docker made."""
    taking_part = [one for one in (engines.ours, engines.theirs, engines.podman) if one is not None]
    folder = Path(tempfile.mkdtemp(prefix="yurt-bench-archive-"))
    archive = folder / "large.tar.gz"
    try:
        say("making a large image")
        large_archive(archive, engines.theirs)
        size = archive.stat().st_size // 1_000_000

        def loading(engine: Engine) -> Contestant:
            return Contestant(engine.work("load", "-i", str(archive)), undo=engine.work("rmi", "-f", LARGE))

        if "load" in chosen:
            yield compare(
                f"load of {size} MB of gzip", *map(loading, taking_part), target=0.7, runs=3, report=say
            )
        if "save" in chosen:
            for engine in taking_part:
                engine.run("load", "-i", str(archive))
            yield compare(
                "save of that image",
                *(Contestant(engine.work("save", LARGE, discard=True)) for engine in taking_part),
                target=1.0,
                runs=3,
                report=say,
            )
            for engine in taking_part:
                engine.run("rmi", "-f", LARGE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
