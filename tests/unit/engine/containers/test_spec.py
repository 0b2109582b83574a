"""From a container to its specification."""

from dataclasses import replace
from pathlib import Path

from yurt.engine.containers import spec
from yurt.engine.containers.model import Container, ContainerConfig, ExecRequest, HostConfig, Resources
from yurt.engine.containers.users import User
from yurt.errors import Conflict
from yurt.oci.runtime_spec import SpecDeviceRule, SpecRequest

ID = "abcdef123456" + "0" * 52


def a_container(host: HostConfig | None = None, **config: object) -> Container:
    return Container(
        id=ID,
        name="box",
        created_ns=1,
        image_id="sha256:0",
        config=ContainerConfig("image", **config),  # type: ignore[arg-type]
        host=host or HostConfig(),
        endpoints=(),
        path="sh",
        args=("-c", "true"),
    )


def built(container: Container, netns: Path | None = Path("/netns")) -> SpecRequest:
    def pid_of(ref: str) -> int:
        if ref != "other":
            raise Conflict("not running")
        return 77

    def shm_of(ref: str) -> Path:
        return Path("/run") / ref / "shm"

    around = spec.Surroundings(Path("/rootfs"), Path("/etc-files"), netns, User(0, 0, (0,)), pid_of, shm_of)
    return spec.build(container, around)


def test_plain() -> None:
    """A container has its own namespaces, the network that was made for it, and three files of its own in /etc."""
    request = built(a_container())
    assert request.process.args == ("sh", "-c", "true")
    assert {"mount", "uts", "ipc", "pid"} <= request.namespaces.keys()
    assert request.namespaces["network"] == "/netns"
    assert [mount.target for mount in request.mounts] == ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]
    assert request.hostname == "abcdef123456"
    assert request.cgroups_path == f"/yurt/{ID}"


def test_shared_namespaces() -> None:
    """The host's namespaces are left out, another container's are joined, its shared memory too."""
    shared = built(a_container(HostConfig(pid_mode="host", uts_mode="host", network_mode="host")), netns=None)
    assert not {"pid", "uts", "network"} & shared.namespaces.keys()
    joined = built(a_container(HostConfig(pid_mode="container:other", ipc_mode="container:other")))
    assert joined.namespaces["pid"] == "/proc/77/ns/pid"
    assert joined.namespaces["ipc"] == "/proc/77/ns/ipc"
    assert joined.shm_size is None
    assert joined.mounts[-1].source == "/run/other/shm"


def test_shareable_memory() -> None:
    """A container whose IPC namespace others may join has its /dev/shm where they find it."""
    shareable = built(a_container(HostConfig(ipc_mode="shareable")))
    assert shareable.shm_size is None
    assert shareable.mounts[-1].source == f"/run/{ID}/shm"


def test_cgroup_parent() -> None:
    """A container's group can be below another than the engine's; it never leads upwards."""
    assert built(a_container(HostConfig(cgroup_parent="shop"))).cgroups_path == f"/shop/{ID}"
    assert built(a_container(HostConfig(cgroup_parent="/../a/"))).cgroups_path == f"/a/{ID}"


def test_device_rules() -> None:
    """A rule lets devices be made without a node for them; a star is any number."""
    (rule,) = built(a_container(HostConfig(resources=Resources(device_rules=("c 10:* rw",))))).device_rules
    assert rule == SpecDeviceRule("c", 10, None, "rw")


def test_limits() -> None:
    """CPUs become a quota of the usual period."""
    request = built(a_container(HostConfig(resources=Resources(nano_cpus=1_500_000_000))))
    assert (request.resources.cpu_quota, request.resources.cpu_period) in {(150_000, 100_000), (None, None)}


def test_ulimits_are_held() -> None:
    """A limit is never above what the engine may set, and unlimited is the kernel's largest number."""
    ((name, soft, hard),) = spec.rlimits(Resources(ulimits=(("nofile", 10, 20),)))
    assert (name, soft, hard) == ("RLIMIT_NOFILE", 10, 20)
    ((_name, soft, hard),) = spec.rlimits(Resources(ulimits=(("nofile", -1, -1),)))
    assert soft == hard > 20


def test_security_options() -> None:
    """seccomp can be off, or be a profile of one's own; privileges can be fixed."""
    off = built(a_container(HostConfig(security_opt=("seccomp=unconfined", "no-new-privileges"))))
    assert off.seccomp == {}
    assert off.process.no_new_privileges
    own = built(
        a_container(HostConfig(security_opt=('seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}',)))
    )
    assert own.seccomp is not None
    assert own.seccomp["defaultAction"] == "SCMP_ACT_ALLOW"
    assert built(a_container()).seccomp is None


def test_exec() -> None:
    """An exec takes the container's environment and folder unless it says otherwise."""
    container = a_container(env=("A=1",), working_dir="/w")
    process = spec.exec_process(container, ExecRequest(("id",), env=("A=2",)), User(5, 6, (6,)))
    assert (process.cwd, process.uid, process.args) == ("/w", 5, ("id",))
    assert "A=2" in process.env
    assert "A=1" not in process.env
    wide = spec.exec_process(container, ExecRequest(("id",), privileged=True), User(0, 0, (0,)))
    assert len(wide.capabilities) > len(process.capabilities)


def test_hostname() -> None:
    """The name asked for, else the short id."""
    assert spec.hostname_of(a_container(hostname="me")) == "me"
    assert spec.hostname_of(replace(a_container(), host=HostConfig(network_mode="host"))) != "abcdef123456"
