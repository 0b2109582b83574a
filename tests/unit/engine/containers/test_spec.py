"""From a container to its specification."""

from dataclasses import replace
from pathlib import Path

import pytest

from yurt.engine.containers import spec
from yurt.engine.containers.model import Container, ContainerConfig, ExecRequest, HostConfig, Resources
from yurt.engine.containers.users import User
from yurt.errors import Conflict, InvalidArgument
from yurt.oci.runtime_spec import SpecRequest

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

    around = spec.Surroundings(Path("/rootfs"), Path("/etc-files"), netns, User(0, 0, (0,)), pid_of)
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
    assert joined.mounts[-1].source == "/proc/77/root/dev/shm"


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


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (HostConfig(resources=Resources(memory=1000)), "Minimum memory limit allowed is 6MB"),
        (HostConfig(resources=Resources(ulimits=(("nope", 1, 1),))), "invalid ulimit type: nope"),
        (HostConfig(resources=Resources(ulimits=(("nofile", 2, 1),))), "soft limit must be less"),
        (HostConfig(resources=Resources(nano_cpus=10**15)), "range of CPUs"),
        (HostConfig(cap_add=("FLY",)), "unknown capability"),
        (HostConfig(security_opt=("magic=1",)), "invalid --security-opt"),
        (HostConfig(security_opt=("seccomp={",)), "Decoding seccomp profile failed"),
        (HostConfig(network_mode="host", sysctls={"net.core.x": "1"}), "not allowed in host network"),
    ],
)
def test_refused(host: HostConfig, message: str) -> None:
    """What is wrong in itself is refused before anything is made."""
    with pytest.raises(InvalidArgument, match=message):
        spec.check(ContainerConfig("image"), host)


def test_relative_working_folder() -> None:
    """A working folder is absolute."""
    with pytest.raises(InvalidArgument, match="absolute path"):
        spec.check(ContainerConfig("image", working_dir="here"), HostConfig())


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


def test_warnings() -> None:
    """A log driver that is not offered is said."""
    assert spec.warnings(HostConfig()) == ()
    (warning,) = spec.warnings(HostConfig(log_driver="syslog"))
    assert "'syslog' is not supported" in warning


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
