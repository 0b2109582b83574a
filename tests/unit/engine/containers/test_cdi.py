"""Devices that the host describes: found, chosen, given."""

import json
from pathlib import Path
from typing import Any

import pytest

from yurt.engine.containers import cdi
from yurt.engine.containers.model import DeviceRequest
from yurt.errors import InvalidArgument
from yurt.oci.cdi import DeviceNode, Edits
from yurt.oci.runtime_spec import SpecDevice, SpecMount, SpecProcess, SpecRequest

GPUS = ("amd.com/gpu=0", "corp.example/nic=0", "nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all")
ANY_GPU = (("gpu",),)


def write(folder: Path, name: str, kind: str, *devices: str, **common: Any) -> None:
    folder.mkdir(exist_ok=True)
    entries = [{"name": each, "containerEdits": {"env": [f"FROM={folder.name}/{name}"]}} for each in devices]
    document = {"cdiVersion": "0.6.0", "kind": kind, "devices": entries, "containerEdits": common}
    (folder / name).write_text(json.dumps(document))


def test_devices_are_those_of_all_documents(tmp_path: Path) -> None:
    """JSON and YAML are read (JSON is YAML); the later folder wins; what contradicts itself or is broken is left out."""
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, "a.json", "corp.example/a", "0", "1")
    write(first, "b.yaml", "corp.example/b", "x")
    write(first, "again.json", "corp.example/b", "x")
    write(second, "a.json", "corp.example/a", "1")
    (second / "broken.yaml").write_text("a: [")
    (second / "broken.json").write_text("{}")
    (second / "notes.txt").write_text("no document")
    found = cdi.devices([first, second, tmp_path / "missing"])
    assert {name: edits.env for name, (_spec, edits) in found.items()} == {
        "corp.example/a=0": ("FROM=first/a.json",),
        "corp.example/a=1": ("FROM=second/a.json",),
    }


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (DeviceRequest("cdi", ids=("corp.example/nic=0",)), ("corp.example/nic=0",)),
        (DeviceRequest(count=-1, capabilities=ANY_GPU), ("nvidia.com/gpu=all",)),
        (DeviceRequest("amd", count=-1, capabilities=ANY_GPU), ("amd.com/gpu=0",)),
        (DeviceRequest(count=2, capabilities=ANY_GPU), ("nvidia.com/gpu=0", "nvidia.com/gpu=1")),
        (DeviceRequest(ids=("1",), capabilities=ANY_GPU), ("nvidia.com/gpu=1",)),
    ],
)
def test_names(request_: DeviceRequest, names: tuple[str, ...]) -> None:
    """By full name, or GPUs: all, a number of them, or some by index."""
    assert cdi.names([request_], GPUS) == names


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (DeviceRequest("cdi", ids=("a.b/c=d", "a.b/c=e")), "unresolvable CDI devices a.b/c=d, a.b/c=e"),
        (DeviceRequest("cdi", count=1), "unexpected count in CDI device request"),
        (
            DeviceRequest("intel", count=1, capabilities=ANY_GPU),
            r'driver "intel" with capabilities: \[\[gpu\]\]',
        ),
        (DeviceRequest(count=1, capabilities=(("tpu",),)), r'driver "" with capabilities: \[\[tpu\]\]'),
        (DeviceRequest(count=9, capabilities=ANY_GPU), "unresolvable CDI devices nvidia.com/gpu=2"),
    ],
)
def test_what_there_is_not(request_: DeviceRequest, message: str) -> None:
    """In Docker's words."""
    with pytest.raises(InvalidArgument, match=message):
        cdi.names([request_], GPUS)


def test_common_changes_count_once(tmp_path: Path) -> None:
    """However many devices of one document are asked for."""
    write(tmp_path, "a.json", "corp.example/a", "0", "1", env=["COMMON=1"])
    known = cdi.devices([tmp_path])
    assert cdi.edits(known, known).env.count("COMMON=1") == 1


def test_apply() -> None:
    """What the device needs takes the place of what was there, and the rest stays."""
    request = SpecRequest(
        SpecProcess(("true",), ("A=1", "B=2")),
        rootfs="/r",
        cgroups_path="/c",
        devices=(SpecDevice("/dev/x", "c", 9, 9), SpecDevice("/dev/y", "c", 8, 8)),
        mounts=(SpecMount("/m", "bind", "/old"),),
    )
    changes = Edits(
        env=("B=3",),
        nodes=(DeviceNode("/dev/x", "/dev/null"),),
        mounts=(SpecMount("/m", "bind", "/new"),),
        groups=(7,),
    )
    changed = cdi.apply(request, changes)
    assert changed.process.env == ("A=1", "B=3")
    assert changed.process.groups == (7,)
    assert changed.devices == (SpecDevice("/dev/y", "c", 8, 8), SpecDevice("/dev/x", "c", 1, 3))
    assert changed.mounts == (SpecMount("/m", "bind", "/new"),)


@pytest.mark.parametrize("node", [DeviceNode("/dev/x", "/nope"), DeviceNode("/dev/x", "/etc/passwd")])
def test_a_node_that_the_host_has_not(node: DeviceNode) -> None:
    """The document promises a device that is gone, or is none."""
    request = SpecRequest(SpecProcess(("true",), ()), rootfs="/r", cgroups_path="/c")
    with pytest.raises(InvalidArgument, match="CDI device injection failed: "):
        cdi.apply(request, Edits(nodes=(node,)))
