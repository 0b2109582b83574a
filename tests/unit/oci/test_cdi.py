"""CDI documents."""

from typing import Any

import pytest

from yurt.oci.cdi import CdiSpec, DeviceNode, Edits, is_qualified, parse
from yurt.oci.runtime_spec import SpecHook, SpecMount


def a_document(**changes: Any) -> dict[str, Any]:
    return {"cdiVersion": "0.6.0", "kind": "corp.example/gpu", "devices": [{"name": "0"}], **changes}


def test_a_document_says_what_each_device_needs() -> None:
    """Everything that a device changes is read, and what holds for all of the document's devices apart from it."""
    edits = {
        "env": ["A=1"],
        "deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b", "permissions": "r", "fileMode": 0o600}],
        "mounts": [{"hostPath": "/h", "containerPath": "/c", "options": ["ro", "bind"]}],
        "hooks": [{"hookName": "createContainer", "path": "/bin/x", "args": ["x", "y"], "timeout": 5}],
        "additionalGids": [44],
    }
    document = a_document(devices=[{"name": "0", "containerEdits": edits}], containerEdits={"env": ["B=2"]})
    assert parse(document) == CdiSpec(
        "corp.example/gpu",
        {
            "0": Edits(
                ("A=1",),
                (DeviceNode("/dev/a", "/dev/b", mode=0o600, access="r"),),
                (SpecMount("/c", "bind", "/h", ("ro", "bind")),),
                (SpecHook("createContainer", "/bin/x", ("x", "y"), timeout=5),),
                (44,),
            )
        },
        Edits(env=("B=2",)),
    )


def test_a_node_may_be_named_like_the_hosts() -> None:
    """Without a host path, the node is at the same place there."""
    edits = {"deviceNodes": [{"path": "/dev/a"}]}
    spec = parse(a_document(devices=[{"name": "x", "containerEdits": edits}]))
    assert spec.devices["x"].nodes == (DeviceNode("/dev/a", "/dev/a"),)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"cdiVersion": "0.6.0"},
        a_document(kind="gpu"),
        a_document(cdiVersion=""),
        a_document(devices=[{}]),
        a_document(devices=[{"name": "a"}, {"name": "a"}]),
        a_document(devices=[{"name": "/"}]),
        a_document(devices=[{"name": "a", "containerEdits": {"deviceNodes": [{}]}}]),
        a_document(devices=[{"name": "a", "containerEdits": {"hooks": [{"path": "/x"}]}}]),
        a_document(devices=[{"name": "a", "containerEdits": {"additionalGids": ["x"]}}]),
    ],
)
def test_what_is_no_document(document: Any) -> None:
    """A file that lacks what every document has is refused as a whole."""
    with pytest.raises(ValueError, match=r"it lacks|its kind|the device name|invalid literal"):
        parse(document)


@pytest.mark.parametrize(
    ("text", "qualified"),
    [
        ("corp.example/gpu=0", True),
        ("nvidia.com/gpu=GPU-1:2", True),
        ("/dev/null", False),
        ("/dev/a=b", False),
        ("corp/gpu", False),
        ("corp/gpu=", False),
    ],
)
def test_a_full_name(text: str, qualified: bool) -> None:
    """Vendor, class and name."""
    assert is_qualified(text) is qualified
