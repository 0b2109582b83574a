"""The main job: the example shop, built and run by Yurt, does all that its report claims."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine_host import EngineHost

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
    """The shop, up, in a copy of its folder, on ports and an engine of its own: a running demo is left alone."""
    needs.root()
    needs.program("runc")
    needs.program("mmdebstrap")
    yurt = Path(sys.executable).with_name("yurt")
    project = tmp_path / "shop"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    subprocess.run([REPOSITORY / "scripts" / "wheel", project / "vendor"], check=True)
    with tempfile.TemporaryDirectory(prefix="yurt-shop-") as folder:
        host = EngineHost(Path(folder))
        environ = {**os.environ, "YURT_HOST": host.host, "WEB_PORT": "18000", "MAIL_PORT": "18025"}
        try:
            host.start()
            compose(yurt, project, "up", "--build", "--wait", environ=environ)
            yield yurt, project, environ
            compose(yurt, project, "down", "--volumes", environ=environ)
        finally:
            host.dismantle()
            left = host.leftovers()
            host.destroy()
        assert left == []


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
