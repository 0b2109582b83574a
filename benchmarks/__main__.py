"""``python -m benchmarks``: bring up both engines with the same images, run the cases, print and write the table."""

import argparse
import contextlib
import io
import shlex
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from benchmarks.engines import Engine, docker, yurt
from benchmarks.measure import CommandFailed, Comparison, Work, command, compare, together

SHOP = Path("examples/shop")
PAGE = Path("docs/benchmarks.md")
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
BUSYBOX = "bench-busybox:1"
CASES = ("run", "parallel", "output", "build", "compose")
LINES = 3_000_000


def busybox_rootfs() -> bytes:
    """Return a tar of the smallest useful root: one static busybox and its links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        for name in ("sh", "true", "echo", "sleep", "cat"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def run_cases(ours: Engine, theirs: Engine, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons of short containers."""
    rootfs = busybox_rootfs()
    for engine in (ours, theirs):
        engine.run("import", "-", BUSYBOX, stdin=rootfs)
    once = ("run", "--rm", BUSYBOX, "/bin/true")
    if "run" in chosen:
        yield compare(
            "run --rm IMAGE true",
            command([ours.cli, *once], ours.env),
            command([theirs.cli, *once], theirs.env),
            target=0.35,
            runs=15,
            report=say,
        )
    if "parallel" in chosen:
        yield compare(
            "20 × run --rm, in parallel",
            together([ours.cli, *once], ours.env, times=20),
            together([theirs.cli, *once], theirs.env, times=20),
            target=0.25,
            runs=7,
            report=say,
        )


def output_cases(ours: Engine, theirs: Engine) -> Iterator[Comparison]:
    """Yield the comparisons of containers that print much: into the log, out of it, and to who is attached."""
    rootfs = busybox_rootfs()
    for engine in (ours, theirs):
        engine.run("import", "-", BUSYBOX, stdin=rootfs)
    counting = (BUSYBOX, "/bin/busybox", "seq", str(LINES))
    zeros = (BUSYBOX, "/bin/busybox", "dd", "if=/dev/zero", "bs=1M", "count=1024")

    def print_lines(engine: Engine) -> list[str]:
        run = shlex.join([engine.cli, "run", "--detach", "--name", "bench-output", *counting])
        return ["sh", "-c", f"{run} && {shlex.quote(engine.cli)} wait bench-output"]

    def forget(engine: Engine) -> Work:
        return command([engine.cli, "rm", "--force", "bench-output"], engine.env)

    yield compare(
        "run of 3M lines, to its end",
        command(print_lines(ours), ours.env),
        command(print_lines(theirs), theirs.env),
        target=0.20,
        runs=3,
        between=forget(ours),
        between_theirs=forget(theirs),
        report=say,
    )
    try:
        for engine in (ours, theirs):
            command(print_lines(engine), engine.env)()
            if engine.run("logs", "bench-output").count("\n") != LINES:
                raise CommandFailed(f"{engine.cli} logs: lines are missing")
        yield compare(
            "logs of 3M lines",
            command([ours.cli, "logs", "bench-output"], ours.env, discard=True),
            command([theirs.cli, "logs", "bench-output"], theirs.env, discard=True),
            target=0.10,
            runs=3,
            report=say,
        )
    finally:
        for engine in (ours, theirs):
            forget(engine)()
    yield compare(
        "run --rm, 1 GiB of attached stdout",
        command([ours.cli, "run", "--rm", *zeros], ours.env, discard=True),
        command([theirs.cli, "run", "--rm", *zeros], theirs.env, discard=True),
        target=1.0,
        runs=3,
        report=say,
    )


@contextlib.contextmanager
def shop_images(ours: Engine, theirs: Engine) -> Iterator[Path]:
    """Give both engines the shop's images: built by Yurt, its bases handed to Docker, which then builds its own.

    Docker's build has no view of the host's certificates; its Python base gets them as one more layer.
    Yields a copy of the shop, so that the clone stays as it is.
    """
    say("building the shop on Yurt (cold: base images come from Debian's mirrors)")
    folder = Path(tempfile.mkdtemp(prefix="yurt-bench-shop-"))
    try:
        shop = folder / "shop"
        shutil.copytree(SHOP, shop)
        ours.run("compose", "--project-directory", str(shop), "build")
        images = ours.run("compose", "--project-directory", str(shop), "config", "--images").split()
        bases = sorted({image for image in images if image.partition(":")[0] != "shop"} | {"python:3"})
        for image in bases:
            ours.run("pull", image)
        say(f"handing {', '.join(bases)} to Docker")
        archive = folder / "bases.tar"
        ours.run("save", "-o", str(archive), *bases)
        theirs.run("load", "-i", str(archive))
        archive.unlink()
        certificates = folder / "ca"
        certificates.mkdir()
        shutil.copy(CA_BUNDLE, certificates / "ca.crt")
        (certificates / "Dockerfile").write_text(
            "FROM python:3\nCOPY ca.crt /etc/ssl/certs/ca-certificates.crt\n"
        )
        theirs.run("build", "-q", "-t", "python:3", str(certificates))
        say("building the shop on Docker")
        theirs.run("compose", "--project-directory", str(shop), "build")
        yield shop
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shop_cases(ours: Engine, theirs: Engine, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons on the example project."""
    with shop_images(ours, theirs) as shop:
        if "build" in chosen:
            cached = ("build", "-q", "-t", "bench-shop:1", str(shop))
            yield compare(
                "build, everything cached",
                command([ours.cli, *cached], ours.env),
                command([theirs.cli, *cached], theirs.env),
                target=0.5,
                runs=9,
                report=say,
            )
        if "compose" in chosen:
            project = ("compose", "--project-directory", str(shop))
            up = (*project, "up", "--detach")
            # Volumes stay, as on a server: databases are not made anew, only containers and the network are.
            down = (*project, "down", "--timeout", "1")
            yield compare(
                "compose up of the shop",
                command([ours.cli, *up], ours.env),
                command([theirs.cli, *up], theirs.env),
                target=0.6,
                runs=5,
                between=command([ours.cli, *down], ours.env),
                between_theirs=command([theirs.cli, *down], theirs.env),
                report=say,
            )
            for engine in (ours, theirs):
                engine.run(*down, "--volumes")


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
        with yurt() as ours, docker(arguments.peer) as theirs:
            versions = (
                "Docker " + theirs.run("version", "--format", "{{.Server.Version}}").strip(),
                "Yurt " + ours.run("version", "--format", "{{.Server.Version}}").strip(),
            )
            results += run_cases(ours, theirs, chosen)
            if "output" in chosen:
                results += output_cases(ours, theirs)
            if chosen & {"build", "compose"}:
                results += shop_cases(ours, theirs, chosen)
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
