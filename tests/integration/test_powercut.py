"""The power is cut in the middle of whatever the engine does: what it has acknowledged is there, and whole.

A chosen part of `scripts/powercut`, which cuts at every flush of the disk and between: here ten of them.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.conftest import Needs
from tests.integration.engine_host import BUSYBOX
from tests.powercut.scene import Scene, cuts

pytestmark = pytest.mark.root
SEED = int(os.environ.get("YURT_POWERCUT_SEED", "0")) or random.randrange(1, 1 << 30)
CUTS = 10


@pytest.fixture
def scene(needs: Needs) -> Iterator[Scene]:
    needs.root()
    for program in ("runc", "docker-registry", "mkfs.ext4", "losetup"):
        needs.program(program)
    for file in (str(BUSYBOX), "/dev/fuse", "/dev/loop-control"):
        needs.file(file)
    with TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True) as folder:
        yield Scene(Path(folder))


@pytest.mark.timeout(900)  # starts two dozen engines, each on a disk in a process of ours
def test_what_was_acknowledged_is_there_and_whole(scene: Scene) -> None:
    """Images equal their digests, in their blobs and in what containers see of them; containers, volumes and
    networks are as the client was told; containers run again; and the engine goes on."""
    print(f"YURT_POWERCUT_SEED={SEED}")
    dice = random.Random(SEED)
    for cut in cuts(scene.flushes(), dice, CUTS):
        scene.cut(cut)
