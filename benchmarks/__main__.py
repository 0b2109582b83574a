"""``python -m benchmarks``: bring up the engines with the same images, run the cases, print and write the table."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import report
from benchmarks.cases import archives, many, output, project, say, shop, short
from benchmarks.engines import Engines, docker, podman, yurt
from benchmarks.images import BUSYBOX, busybox_rootfs
from benchmarks.measure import CommandFailed, Comparison

PAGE = Path("docs/benchmarks.md")
CASES = (
    "run",
    "parallel",
    "exec",
    "ps",
    "memory",
    "crowd",
    "output",
    "load",
    "save",
    "build",
    "compose",
    "project",
)


def comparisons(engines: Engines, chosen: set[str]) -> Iterator[Comparison]:
    """Yield what was compared, as it comes."""
    rootfs = busybox_rootfs()
    for engine in engines.all:
        engine.run("import", "-", BUSYBOX, stdin=rootfs)
    yield from short.cases(engines, chosen)
    yield from many.cases(engines, chosen)
    if "output" in chosen:
        yield from output.cases(engines)
    if chosen & {"load", "save"}:
        yield from archives.cases(engines, chosen)
    if chosen & {"build", "compose"}:
        yield from shop.cases(engines, chosen)
    if "project" in chosen:
        yield from project.cases(engines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--peer", type=Path, required=True, help="script that brings up the reference Docker")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which cases (default: all)")
    arguments = parser.parse_args()
    if not arguments.peer.is_file():
        print(f"bench: no reference engine at {arguments.peer}", file=sys.stderr)
        print("hint: set PEER to a script that brings up Docker", file=sys.stderr)
        return 1
    chosen = set(arguments.cases or CASES)
    results: list[Comparison] = []
    try:
        with ExitStack() as running:
            ours = running.enter_context(yurt("runc"))
            theirs = running.enter_context(docker(arguments.peer))
            third, podman_runtime = running.enter_context(podman())
            crun = running.enter_context(yurt("crun")) if shutil.which("crun") else None
            versions = (
                "Docker " + theirs.run("version", "--format", "{{.Server.Version}}").strip(),
                f"{third.run('--version').strip().replace('podman version', 'Podman')} on {podman_runtime}",
                "Yurt " + ours.run("version", "--format", "{{.Server.Version}}").strip(),
            )
            for result in comparisons(Engines(ours, theirs, third, crun), chosen):
                results.append(result)
                say(f"{result.name}: {result.ratio:.3f}")
    except CommandFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    print(report.text(results))
    if chosen == set(CASES):
        report.write(PAGE, results, versions)
        say(f"written to {PAGE}")
    return 0 if all(result.within_target for result in results) else 3


if __name__ == "__main__":
    sys.exit(main())
