"""The main job: the example shop, built and run by Yurt, does all that its report claims."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHOP = REPOSITORY / "examples" / "shop"

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.timeout(1800)]


def compose(program: Path, project: Path, *arguments: str, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [str(program), "compose", *arguments],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"yurt compose {' '.join(arguments)}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )


@pytest.fixture
def shop(needs: Any, tmp_path: Path) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """The shop, up, in a copy of its folder and on ports of its own, so that a running demo is left alone."""
    needs.root()
    needs.program("runc")
    needs.program("mmdebstrap")
    yurt = Path(sys.executable).with_name("yurt")
    project = tmp_path / "shop"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    subprocess.run([REPOSITORY / "scripts" / "wheel", project / "vendor"], check=True)
    settings = (project / ".env").read_text()
    settings = settings.replace("WEB_PORT=8000", "WEB_PORT=18000").replace(
        "MAIL_PORT=8025", "MAIL_PORT=18025"
    )
    (project / ".env").write_text(settings)
    compose_file = (project / "compose.yaml").read_text()
    # A name and an image of its own.
    compose_file = compose_file.replace("name: shop", "name: shoptest", 1).replace(
        "image: shop", "image: shoptest"
    )
    (project / "compose.yaml").write_text(compose_file)
    environ = dict(os.environ)
    try:
        compose(yurt, project, "up", "--build", "--wait", environ=environ)
        yield yurt, project, environ
    finally:
        compose(yurt, project, "down", "--volumes", environ=environ)


def test_the_shop_does_all_that_its_report_claims(shop: tuple[Path, Path, dict[str, str]]) -> None:
    """From the page to the log, on the running site; down and up again in between."""
    yurt, project, environ = shop
    done = subprocess.run(
        [sys.executable, project / "report.py", "--yurt", yurt, "--project", project],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "all of it holds" in done.stdout
