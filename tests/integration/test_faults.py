"""An engine or a shim is killed just before a call that changes something, or the disk is full at it.

A chosen part of `scripts/faults`, which does so at every call: here at one, and at the last before the answer.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.conftest import Needs
from tests.faults.operations import OPERATIONS
from tests.faults.trial import FAULTS, Bench
from tests.integration.engine_host import BUSYBOX

pytestmark = pytest.mark.root
SEED = int(os.environ.get("YURT_FAULTS_SEED", "0")) or random.randrange(1, 1 << 30)


@pytest.fixture(scope="module")
def bench(needs: Needs) -> Iterator[Bench]:
    needs.root()
    needs.program("runc")
    needs.program("cc")
    needs.program("docker-registry")
    needs.file(str(BUSYBOX))
    print(f"YURT_FAULTS_SEED={SEED}")
    with TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True) as folder:
        made = Bench(Path(folder))
        try:
            made.open()
            yield made
        finally:
            made.close()


CASES = [
    (fault, name)
    for fault, names in {
        "kill-engine": (
            "create",
            "start",
            "stop",
            "pause",
            "rm",
            "load",
            "commit",
            "volume create",
            "network create",
        ),
        "kill-shim": ("start", "stop"),
        "kill-runtime": ("start", "exec", "lost shim"),
        "kill-init": ("restart", "network disconnect"),
        "disk-full": (
            "create",
            "stop",
            "rm",
            "rmi",
            "load",
            "commit",
            "prune",
            "network disconnect",
            "cp",
            "succeed",
        ),
    }.items()
    for name in names
]


@pytest.mark.parametrize(("fault", "name"), CASES)
def test_nothing_is_lost_leaked_or_half_done(bench: Bench, fault: str, name: str) -> None:
    """What was acknowledged is there; what was not can be asked again; the other container counts on."""
    operation = OPERATIONS[name]
    calls = bench.count(operation, FAULTS[fault])
    assert calls > 0, "nothing to interrupt"
    between = random.Random(f"{SEED} {fault} {name}").randint(1, calls)
    for at in sorted({between, calls} if fault == "kill-engine" else {between}):
        bench.trial(operation, FAULTS[fault], at)
