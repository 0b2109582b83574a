import pytest

from yurt.cli import values
from yurt.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("64b", 64),
        ("1k", 1024),
        ("512m", 512 << 20),
        ("1.5g", 3 << 29),
        ("64MiB", 64 << 20),
        ("2GB", 2 << 30),
        ("-1", -1),
    ],
)
def test_sizes(text, count):
    """Units by 1024, in any case, with or without B."""
    assert values.size(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("30s", 30 * 10**9), ("1m30s", 90 * 10**9), ("500ms", 5 * 10**8), ("1.5h", 5400 * 10**9)],
)
def test_durations(text, count):
    """Numbers with units, added up, in nanoseconds."""
    assert values.nanoseconds(text) == count


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("80", [("80/tcp", "", "")]),
        ("8080:80", [("80/tcp", "", "8080")]),
        ("127.0.0.1:8080:80", [("80/tcp", "127.0.0.1", "8080")]),
        ("127.0.0.1::80", [("80/tcp", "127.0.0.1", "")]),
        ("[::1]:8080:80", [("80/tcp", "::1", "8080")]),
        ("53:53/udp", [("53/udp", "", "53")]),
        ("8000-8001:80-81", [("80/tcp", "", "8000"), ("81/tcp", "", "8001")]),
        ("8000-8010:80", [("80/tcp", "", "8000-8010")]),
    ],
)
def test_published_ports(text, bindings):
    """Address, host port, container port, protocol, and ranges."""
    assert [
        (port, each["HostIp"], each["HostPort"]) for port, each in values.published_port(text)
    ] == bindings


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("source=data,target=/data", {"Type": "volume", "Source": "data", "Target": "/data"}),
        ("type=bind,src=/a,dst=/b,ro", {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}),
        (
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1770}},
        ),
        (
            "target=/d,volume-nocopy,volume-opt=o=x",
            {
                "Type": "volume",
                "Target": "/d",
                "VolumeOptions": {"NoCopy": True, "DriverConfig": {"Options": {"o": "x"}}},
            },
        ),
    ],
)
def test_mounts(text, mount):
    """Each kind with its options."""
    assert values.mount(text) == mount


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw")),
    ],
)
def test_devices(text, device):
    """Host path, container path, permissions."""
    assert tuple(values.device(text).values()) == device


def test_ulimits_and_restart_policies():
    """One limit serves for both; only on-failure counts."""
    assert values.ulimit("nofile=10") == {"Name": "nofile", "Soft": 10, "Hard": 10}
    assert values.ulimit("nofile=10:20") == {"Name": "nofile", "Soft": 10, "Hard": 20}
    assert values.restart_policy("on-failure:3") == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert values.restart_policy("always") == {"Name": "always", "MaximumRetryCount": 0}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.size, "x"), (values.size, "1q"), (values.size, ""), (values.nanoseconds, "10"), (values.nanoseconds, "s"), (values.nanoseconds, ""), (values.nanoseconds, "1..2s"),
        (values.published_port, "x:y"), (values.published_port, "70000"), (values.published_port, "1:2:3:4:5x"), (values.published_port, "80/icmp"), (values.published_port, "1-3:1-2"), (values.published_port, "0"),
        (values.mount, "type=bind"), (values.mount, "nope=1,target=/x"), (values.mount, "type=bind,target=/x,tmpfs-size=1m"), (values.mount, "target=/x,ro=maybe"),
        (values.ulimit, "nofile"), (values.device, "a:b:c:d"), (values.device, ""), (values.restart_policy, "sometimes"), (values.restart_policy, "always:3"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(read, text):
    """Every reader refuses with its kind of error, never with Python's."""
    with pytest.raises(InvalidArgument):
        read(text)
