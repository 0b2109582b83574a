"""Cut the power at every flush of the disk and between, and print what came of it: `scripts/powercut --help`."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.leaving import leave_in_order
from tests.powercut.scene import Scene, cuts


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/powercut", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30), help="chooses the cuts")
    parser.add_argument("--cuts", type=int, metavar="N", help="so many, spread over the work (default: all)")
    arguments = parser.parse_args()
    leave_in_order()
    print(f"seed {arguments.seed}", flush=True)
    failures = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True) as name:
        scene = Scene(Path(name))
        chosen = cuts(scene.flushes(), random.Random(arguments.seed), arguments.cuts)
        print(f"{len(scene.flushes())} flushes, {len(chosen)} cuts", flush=True)
        for cut in chosen:
            try:
                scene.cut(cut)
            except AssertionError as error:
                failures += 1
                print(error, flush=True)
    print(f"{len(chosen)} cuts, {failures} failures, {time.monotonic() - begun:.0f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
