"""What is refused before anything is made, and what is said."""

import pytest

from yurt.engine.containers import checks
from yurt.engine.containers.model import (
    ContainerConfig,
    CreateRequest,
    DeviceLimit,
    Healthcheck,
    HostConfig,
    Resources,
)
from yurt.engine.networks.model import PortBinding
from yurt.errors import InvalidArgument
from yurt.linux import host as this_host


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
        (HostConfig(resources=Resources(memory_swap=1 << 30)), "You should always set the Memory limit"),
        (HostConfig(resources=Resources(memory=7 << 20, memory_reservation=8 << 20)), "memory reservation"),
        (HostConfig(resources=Resources(memory_swappiness=101)), "range is 0-100"),
        (HostConfig(resources=Resources(nano_cpus=1, cpu_quota=2)), "cannot both be set"),
        (HostConfig(resources=Resources(cpu_period=10)), "CPU cfs period"),
        (HostConfig(resources=Resources(cpu_quota=10)), "CPU cfs quota"),
        (HostConfig(resources=Resources(cpuset_cpus="0,999")), "Requested CPUs are not available"),
        (HostConfig(resources=Resources(cpuset_cpus="a")), "Invalid value a for cpuset cpus"),
        (HostConfig(resources=Resources(cpuset_mems="999")), "Requested memory nodes are not available"),
        (HostConfig(resources=Resources(blkio_weight=5)), "from 10 to 1000"),
        (HostConfig(resources=Resources(device_rules=("zz",))), "invalid device cgroup rule format: 'zz'"),
        (HostConfig(resources=Resources(blkio_devices=(DeviceLimit("read_bps", "/nope", 1),))), "/nope"),
    ],
)
def test_refused(host: HostConfig, message: str) -> None:
    """What is wrong in itself is refused before anything is made."""
    with pytest.raises(InvalidArgument, match=message):
        checks.check(ContainerConfig("image"), host)


def test_relative_working_folder() -> None:
    """A working folder is absolute."""
    with pytest.raises(InvalidArgument, match="absolute path"):
        checks.check(ContainerConfig("image", working_dir="here"), HostConfig())


@pytest.mark.parametrize(
    ("config", "host", "message"),
    [
        ({}, HostConfig(ipc_mode="foo"), "invalid IPC mode: foo"),
        ({}, HostConfig(pid_mode="container:"), "invalid PID mode: container:"),
        ({}, HostConfig(uts_mode="container:x"), "invalid UTS mode: container:x"),
        ({}, HostConfig(runtime="foo"), "unknown or invalid runtime name: foo"),
        ({}, HostConfig(log_driver="foo"), 'plugin "foo" not found'),
        ({}, HostConfig(shm_size=-1), "SHM size can not be less than 0"),
        ({}, HostConfig(oom_score_adj=1001), "range for oom score adj"),
        ({}, HostConfig(extra_hosts=("db",)), 'bad format for add-host: "db"'),
        ({"env": ("A=1", "=x")}, HostConfig(), "invalid environment variable: =x"),
        ({"healthcheck": Healthcheck(("CMD", "true"), interval=5e-9)}, HostConfig(), "less than 1ms"),
        ({"stop_signal": "FOO"}, HostConfig(), "invalid signal: FOO"),
        ({"hostname": "a"}, HostConfig(uts_mode="host"), "hostname and the UTS mode"),
        ({"hostname": "a"}, HostConfig(network_mode="container:x"), "hostname and the network mode"),
        ({"exposed_ports": ("1/tcp",)}, HostConfig(network_mode="container:x"), "port exposing"),
        ({}, HostConfig(network_mode="container:x", publish_all=True), "port publishing"),
        ({}, HostConfig(network_mode="container:x", dns=("1.1.1.1",)), "dns and the network mode"),
        ({}, HostConfig(network_mode="container:x", extra_hosts=("a:1.1.1.1",)), "custom host-to-IP"),
        (
            {},
            HostConfig(network_mode="host", links=("a:b",)),
            "host type networking can't be used with links",
        ),
    ],
)
def test_new_containers_are_refused(config: dict[str, object], host: HostConfig, message: str) -> None:
    """What contradicts itself, or names what is not there, is refused in Docker's words."""
    request = CreateRequest(None, ContainerConfig("image", **config), host)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=message):
        checks.check_request(request, runtime="runc")


def test_plain_containers_pass() -> None:
    """Nothing asked for is nothing wrong."""
    request = CreateRequest(
        None, ContainerConfig("image"), HostConfig(runtime="crun", ipc_mode="container:x")
    )
    checks.check_request(request, runtime="crun")
    checks.check(request.config, request.host)


def test_warnings() -> None:
    """What is accepted without effect is said."""
    assert checks.warnings(HostConfig()) == ()
    (warning,) = checks.warnings(HostConfig(network_mode="host", ports=(PortBinding(80),)))
    assert "discarded when using host network mode" in warning


def test_block_weight_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that cannot weigh block I/O says so, and the weight is left out."""
    monkeypatch.setattr(this_host, "weighs_block_io", lambda: False)
    (warning,) = checks.warnings(HostConfig(resources=Resources(blkio_weight=300)))
    assert warning.endswith("Weight discarded.")
