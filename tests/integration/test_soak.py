"""A short soak: what scripts/soak does for half an hour, for half a minute and with another seed each time."""

import subprocess
import sys

import pytest
from tests.conftest import Needs

pytestmark = [pytest.mark.root, pytest.mark.docker]


def test_nothing_is_violated_by_random_work_and_random_kills(needs: Needs) -> None:
    """It ends by itself, clean; its output has the seed and, after a violation, the story."""
    needs.root()
    needs.program("docker")
    needs.program("docker-registry")
    command = [sys.executable, "-m", "tests.soak", "--minutes", "0.5", "--round", "15", "--workers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
