"""What is read from a machine's files."""

from pathlib import Path

import pytest

from yurt.cli.host import Host, look


@pytest.fixture
def machine(tmp_path):
    """Return a function: files with their texts (a list: executables) → what is seen of such a machine."""

    def see(files: dict[str, str], executables: tuple[str, ...] = ()) -> Host:
        for name, text in {**files, **dict.fromkeys(executables, "")}.items():
            file = Path(f"{tmp_path}{name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if name in executables else 0o644)
        return look(str(tmp_path / "not/there/yet"), "/usr/bin:/bin", at=str(tmp_path))

    return see


def test_an_empty_machine_offers_nothing(machine):
    """What can't be read isn't there; nothing fails."""
    host = machine({})
    assert (host.programs, host.cgroups, host.nftables, host.certificates) == ({}, "", "", "")
    assert (host.overlay, host.seccomp, host.namespaces, host.forwarding) == (False, False, 0, None)
    assert host.free > 0, "of the folder above that exists"


def test_the_socket_has_a_group_where_the_host_has_it(machine):
    """The group is yurt, not one whose name begins so."""
    assert machine({"/etc/group": "root:x:0:\nyurt:x:990:alice\n"}).has_group
    assert not machine({"/etc/group": "root:x:0:\nyurts:x:990:\n"}).has_group


def test_programs_are_found_where_path_of_a_normal_user_does_not_look(machine):
    """Debian installs runc in /usr/sbin. A file that can't be run is none."""
    host = machine({"/usr/bin/crun": ""}, executables=("/usr/sbin/runc", "/usr/bin/tini"))
    assert host.programs == {"runc": "/usr/sbin/runc", "tini": "/usr/bin/tini"}


@pytest.mark.parametrize(
    ("files", "mode", "missing"),
    [
        ({"cgroup.controllers": "cpu io memory pids"}, "v2", ()),
        ({"cgroup.controllers": "cpu pids"}, "v2", ("memory",)),
        ({"cpu,cpuacct/tasks": "", "memory/tasks": "", "pids/tasks": ""}, "v1", ()),
        ({"unified/cgroup.controllers": "", "cpu/tasks": "", "memory/tasks": ""}, "hybrid", ("pids",)),
    ],
)
def test_cgroups_of_each_kind(machine, files, mode, missing):
    """And the controllers that limits need."""
    host = machine({f"/sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert (host.cgroups, host.missing_controllers) == (mode, missing)


@pytest.mark.parametrize(("left", "split"), [("", False), ("hugetlb misc\n", True)])
def test_controllers_in_both_trees(machine, left, split):
    """The v2 tree beside v1 has those that v1 does not mount."""
    host = machine({"/sys/fs/cgroup/unified/cgroup.controllers": left, "/sys/fs/cgroup/pids/tasks": ""})
    assert host.split_controllers is split


def test_the_kernel_s_own_words(machine):
    """As they stand in /proc."""
    host = machine(
        {
            "/proc/filesystems": "nodev\tsysfs\nnodev\toverlay\n",
            "/proc/self/status": "Name:\tx\nSeccomp:\t0\n",
            "/proc/sys/net/ipv4/ip_forward": "0\n",
            "/proc/sys/user/max_user_namespaces": "7\n",
            "/proc/sys/kernel/unprivileged_userns_clone": "0\n",
            "/usr/lib/aarch64-linux-gnu/libnftables.so.1": "",
            "/etc/ssl/certs/ca-certificates.crt": "",
        }
    )
    assert (host.overlay, host.seccomp, host.forwarding, host.namespaces) == (True, True, False, 7)
    assert not host.unprivileged_namespaces
    assert host.nftables == "/usr/lib/aarch64-linux-gnu/libnftables.so.1"
    assert host.certificates == "/etc/ssl/certs/ca-certificates.crt"
