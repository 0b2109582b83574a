"""What every test may ask for."""

import os
import shutil
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"


class Needs:
    """Prerequisites: a missing one skips the test on a developer's machine and fails it in CI."""

    def _missing(self, what: str) -> None:
        if IN_CI:
            pytest.fail(f"missing prerequisite: {what}")
        pytest.skip(f"needs {what}")

    def root(self) -> None:
        if os.geteuid() != 0:
            self._missing("root")

    def program(self, name: str) -> str:
        found = shutil.which(name)
        if found is None:
            self._missing(name)
        return found or ""

    def file(self, path: str) -> Path:
        if not Path(path).exists():
            self._missing(path)
        return Path(path)

    def reference(self) -> str:
        """Return the address of the reference engine: DOCKER_HOST, else Docker's default; its socket is there."""
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        self.file(host.removeprefix("unix://"))
        return host


@pytest.fixture(scope="session")
def needs() -> Needs:
    return Needs()
