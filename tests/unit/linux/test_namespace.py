"""Threads in other namespaces hand back what they made, or how they failed."""

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from yurt.linux.namespace import forget, keep, run_in_network, run_in_new_network

if TYPE_CHECKING:
    from tests.conftest import Needs

pytestmark = pytest.mark.root


def namespace() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_a_kept_namespace_can_be_entered_and_forgotten(needs: "Needs", tmp_path: Path) -> None:
    """It has its own interfaces, outlives its descriptor by its name, and leaves nothing."""
    needs.root()
    path = tmp_path / "netns"
    descriptor, inode = run_in_new_network(namespace)
    assert inode != namespace()
    keep(descriptor, path)
    os.close(descriptor)
    again = os.open(path, os.O_RDONLY)
    assert run_in_network(again, namespace) == inode
    assert run_in_network(again, socket.if_nameindex)[0] == (1, "lo")
    os.close(again)
    forget(path)
    forget(path)
    assert not path.exists()
    assert str(path) not in Path("/proc/self/mountinfo").read_text()


def test_a_failure_inside_reaches_the_caller(needs: "Needs") -> None:
    """An exception inside is raised outside, and no descriptor is left."""
    needs.root()
    before = len(os.listdir("/proc/self/fd"))

    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        run_in_new_network(fail)
    assert len(os.listdir("/proc/self/fd")) == before
