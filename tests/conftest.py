"""What every test may ask for."""

import os
import shutil
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

IN_CI = os.environ.get("CI") == "true"
# Of the tests marked `parity` each so manieth is taken; scripts/test sets it for the whole suite, scripts/parity takes all.
PARITY_SHARE = int(os.environ.get("YURT_PARITY_SHARE", "1"))

# What CI says of a change is to be about that change: properties are tried there with the same inputs each time, and
# with new ones wherever else the tests run.
hypothesis.settings.register_profile("ci", derandomize=True)
if IN_CI:
    hypothesis.settings.load_profile("ci")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a share of the cases that compare with the reference engine, in turn from each file."""
    seen: Counter[Path] = Counter()
    left: list[pytest.Item] = []
    for item in items:
        if item.get_closest_marker("parity") and not _is_ours(item):
            if seen[item.path] % PARITY_SHARE:
                left.append(item)
            seen[item.path] += 1
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _is_ours(item: pytest.Item) -> bool:
    """Whether a test that runs once for each engine is to run on ours."""
    spec = getattr(item, "callspec", None)
    return spec is not None and spec.params.get("yurt") == "yurtd"


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
