"""The example project: a build of which everything is cached, and its start."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases import say
from benchmarks.engines import Engine, Engines
from benchmarks.measure import Comparison, Contestant, compare

SHOP = Path("examples/shop")
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


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


def cases(engines: Engines, chosen: set[str]) -> Iterator[Comparison]:
    """Yield the comparisons. Podman has no Compose of its own and takes no part."""
    ours, theirs = engines.ours, engines.theirs
    with shop_images(ours, theirs) as shop:
        if "build" in chosen:
            cached = ("build", "-q", "-t", "bench-shop:1", str(shop))
            yield compare(
                "build, everything cached",
                Contestant(ours.work(*cached)),
                Contestant(theirs.work(*cached)),
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
                Contestant(ours.work(*up), undo=ours.work(*down)),
                Contestant(theirs.work(*up), undo=theirs.work(*down)),
                target=0.6,
                runs=5,
                report=say,
            )
            for engine in (ours, theirs):
                engine.run(*down, "--volumes")
