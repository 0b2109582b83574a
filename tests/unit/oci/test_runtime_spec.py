"""The runtime specification of a container."""

from dataclasses import replace

from yurt.oci.runtime_spec import (
    SpecDevice,
    SpecMount,
    SpecProcess,
    SpecRequest,
    SpecResources,
    limits_document,
    runtime_spec,
)

PROCESS = SpecProcess(("sh",), ("A=1",), capabilities=("CAP_KILL",))
REQUEST = SpecRequest(
    PROCESS, "/rootfs", "/yurt/x", hostname="box", namespaces={"pid": "", "uts": "", "network": "/n"}
)


def test_namespaces() -> None:
    """A namespace with a path is joined, one without is new, one left out is the host's."""
    spec = runtime_spec(REQUEST)
    assert spec["linux"]["namespaces"] == [
        {"type": "pid"},
        {"type": "uts"},
        {"type": "network", "path": "/n"},
    ]
    assert spec["hostname"] == "box"
    assert "hostname" not in runtime_spec(replace(REQUEST, namespaces={"pid": ""}))


def test_capabilities_of_users() -> None:
    """Root has its capabilities; another user has them only as a bound, and nobody inherits any."""
    root = PROCESS.to_document()["capabilities"]
    assert root == {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}
    user = replace(PROCESS, uid=1000).to_document()["capabilities"]
    assert user == {"bounding": ["CAP_KILL"], "effective": [], "permitted": []}


def test_mounts_in_order() -> None:
    """A mount of one's own replaces the standard one at its place, and outer mounts come before inner ones."""
    request = replace(
        REQUEST,
        mounts=(
            SpecMount("/a/b/c", "bind", "/2"),
            SpecMount("/a", "bind", "/1"),
            SpecMount("/dev/shm", "bind", "/dev/shm"),
        ),
    )
    mounts = runtime_spec(request)["mounts"]
    targets = [mount["destination"] for mount in mounts]
    assert targets.index("/a") < targets.index("/a/b/c")
    assert [mount["type"] for mount in mounts if mount["destination"] == "/dev/shm"] == ["bind"]


def test_privileged() -> None:
    """A privileged container has no filter, no hidden paths, all devices, and a writable /sys."""
    linux = runtime_spec(replace(REQUEST, privileged=True, all_devices=True))["linux"]
    assert not {"seccomp", "maskedPaths", "readonlyPaths"} & linux.keys()
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_devices() -> None:
    """A device is made and allowed; all others are denied first."""
    linux = runtime_spec(replace(REQUEST, devices=(SpecDevice("/dev/fuse", "c", 10, 229),)))["linux"]
    assert linux["devices"][0]["path"] == "/dev/fuse"
    assert [rule["allow"] for rule in linux["resources"]["devices"]] == [False, True]


def test_seccomp_choices() -> None:
    """No profile given: the default; an empty one: none."""
    assert runtime_spec(REQUEST)["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "seccomp" not in runtime_spec(replace(REQUEST, seccomp={}))["linux"]


def test_limits() -> None:
    """Only limits that are set are written."""
    assert limits_document(SpecResources()) == {}
    assert limits_document(SpecResources(memory=1, pids=2, cpu_quota=3, cpu_period=4)) == {
        "memory": {"limit": 1},
        "cpu": {"quota": 3, "period": 4},
        "pids": {"limit": 2},
    }


def test_no_limit_of_processes() -> None:
    """It is said where there may be one, and left out of a new container's specification."""
    unlimited = SpecResources(pids=-1)
    assert limits_document(unlimited) == {"pids": {"limit": -1}}
    assert "pids" not in runtime_spec(replace(REQUEST, resources=unlimited))["linux"]["resources"]
