import pytest

from yurt.cli.container_request import FLAGS, container_body
from yurt.cli.failure import Failure, UsageError
from yurt.errors import InvalidArgument

CDI = {"Driver": "cdi", "DeviceIDs": ["corp.example/gpu=0"]}


def a_gpu(**changes):
    return {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}, **changes}


def device(path):
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


@pytest.fixture
def body(typed):
    def build(line, environ=None, **how):
        return container_body(typed(FLAGS, line, program=1), environ or {}, **how)

    return build


def test_only_what_was_asked_is_sent(body):
    """Defaults are the engine's and the image's business."""
    assert body("bb") == {
        "Image": "bb",
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "StdinOnce": False,
        "Tty": False,
        "HostConfig": {},
    }


def test_detached_attaches_nothing(body):
    """-d with -i keeps stdin open for a later attach."""
    sent = body("-i bb", detached=True)
    assert (sent["AttachStdin"], sent["AttachStdout"], sent["OpenStdin"], sent["StdinOnce"]) == (
        False,
        False,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("bb echo -n x", "Cmd", ["echo", "-n", "x"]),
        ("--entrypoint sh bb", "Entrypoint", ["sh"]),
        ("--entrypoint= bb", "Entrypoint", [""]),
        ("-h web bb", "Hostname", "web"),
        ("-u 1:2 bb", "User", "1:2"),
        ("-w /app bb", "WorkingDir", "/app"),
        ("--stop-signal INT bb", "StopSignal", "INT"),
        ("--stop-timeout 3 bb", "StopTimeout", 3),
        ("-e A=1 -e B -e C bb", "Env", ["A=1", "B=from here"]),
        ("-l a=b -l c bb", "Labels", {"a": "b", "c": ""}),
        (
            "--health-cmd true --health-interval 2s --health-retries 3 bb",
            "Healthcheck",
            {"Test": ["CMD-SHELL", "true"], "Interval": 2 * 10**9, "Retries": 3},
        ),
        ("--no-healthcheck bb", "Healthcheck", {"Test": ["NONE"]}),
        ("-v /data bb", "Volumes", {"/data": {}}),
        ("-p 8080:80 --expose 90 bb", "ExposedPorts", {"90/tcp": {}, "80/tcp": {}}),
        (
            "--network shop --network-alias db bb",
            "NetworkingConfig",
            {"EndpointsConfig": {"shop": {"Aliases": ["db"]}}},
        ),
        (
            "--network name=shop,alias=a,ip=10.0.0.9 bb",
            "NetworkingConfig",
            {"EndpointsConfig": {"shop": {"Aliases": ["a"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}},
        ),
        ("--network a --net b bb", "NetworkingConfig", {"EndpointsConfig": {"a": {}, "b": {}}}),
    ],
)
def test_what_the_container_is(body, line, field, value):
    """Flags become the portable half of the request."""
    assert body(line, {"B": "from here"})[field] == value


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--rm bb", "AutoRemove", True),
        ("-P bb", "PublishAllPorts", True),
        (
            "-p 8080:80 -p 8081:80 bb",
            "PortBindings",
            {"80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8081"}]},
        ),
        ("-v /a:/b:ro -v name:/c bb", "Binds", ["/a:/b:ro", "name:/c"]),
        ("--tmpfs /t:size=1m --tmpfs /u bb", "Tmpfs", {"/t": "size=1m", "/u": ""}),
        ("--network host bb", "NetworkMode", "host"),
        ("-m 512m bb", "Memory", 512 << 20),
        ("--cpus 1.5 bb", "NanoCpus", 1_500_000_000),
        ("--pids-limit -1 bb", "PidsLimit", -1),
        ("--cap-add NET_ADMIN --cap-add=SYS_TIME bb", "CapAdd", ["NET_ADMIN", "SYS_TIME"]),
        ("--restart on-failure:3 bb", "RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("--ulimit nofile=1:2 bb", "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        (
            "--log-driver local --log-opt max-size=1m bb",
            "LogConfig",
            {"Type": "local", "Config": {"max-size": "1m"}},
        ),
        ("--sysctl net.core.somaxconn=9 bb", "Sysctls", {"net.core.somaxconn": "9"}),
        ("--add-host a:1.2.3.4 bb", "ExtraHosts", ["a:1.2.3.4"]),
        ("--init --read-only --privileged bb", "Init", True),
        ("--ipc host bb", "IpcMode", "host"),
        ("--link db:store bb", "Links", ["db:store"]),
        ("--memory-swappiness 20 bb", "MemorySwappiness", 20),
        ("--device-read-bps /dev/sda:1k bb", "BlkioDeviceReadBps", [{"Path": "/dev/sda", "Rate": 1024}]),
        ("--device-write-iops /dev/sda:5 bb", "BlkioDeviceWriteIOps", [{"Path": "/dev/sda", "Rate": 5}]),
        ("--security-opt seccomp=unconfined bb", "SecurityOpt", ["seccomp=unconfined"]),
    ],
)
def test_how_this_host_runs_it(body, line, field, value):
    """Flags become the host's half of the request."""
    assert body(line)["HostConfig"][field] == value


def test_a_relative_folder_is_made_absolute(body, tmp_path, monkeypatch):
    """./site is a folder here, site a volume."""
    monkeypatch.chdir(tmp_path)
    assert body("-v ./site:/x -v site:/y bb")["HostConfig"]["Binds"] == [f"{tmp_path}/site:/x", "site:/y"]


def test_files_of_variables_come_before_single_ones(body, tmp_path):
    """Comments and empty lines are passed over; a name alone is taken from here; later wins."""
    file = tmp_path / "env"
    file.write_text("# comment\n\nA=1 # not a comment\n  B\nMISSING\n")
    assert body(f"--env-file {file} -e A=2 bb", {"B": "b"})["Env"] == ["A=1 # not a comment", "B=b", "A=2"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("--rm --restart always bb", InvalidArgument),
        ("--no-healthcheck --health-cmd x bb", InvalidArgument),
        ("--cpus x bb", UsageError),
        ("--pids-limit x bb", UsageError),
        ("-e =x bb", UsageError),
        ("--network name=a,colour=red bb", UsageError),
        ("--env-file /nonexistent bb", Failure),
    ],
)
def test_contradictions_are_refused(body, line, kind):
    """Nothing is sent when the flags make no sense together."""
    with pytest.raises(kind):
        body(line)


def test_a_filter_is_sent_as_its_content(body, tmp_path):
    """The engine need not see the client's files."""
    profile = tmp_path / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    sent = body(f"--security-opt seccomp={profile} bb")["HostConfig"]["SecurityOpt"]
    assert sent == ['seccomp={"defaultAction": "SCMP_ACT_ALLOW"}']
    with pytest.raises(InvalidArgument, match="opening seccomp profile"):
        body("--security-opt seccomp=/nope bb")


def test_addresses_of_both_families(body):
    """--ip and --ip6 are settings of the first network."""
    sent = body("--network n --ip 10.0.0.5 --ip6 fd00::5 bb")
    assert sent["NetworkingConfig"]["EndpointsConfig"]["n"] == {
        "IPAMConfig": {"IPv4Address": "10.0.0.5", "IPv6Address": "fd00::5"}
    }


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--device /dev/a bb", "Devices", [device("/dev/a")]),
        ("--device corp.example/gpu=0 bb", "DeviceRequests", [CDI]),
        ("--gpus all bb", "DeviceRequests", [a_gpu(Count=-1)]),
        ("--gpus 2 bb", "DeviceRequests", [a_gpu(Count=2)]),
        ('--gpus "device=0,1" bb', "DeviceRequests", [a_gpu(DeviceIDs=["0", "1"])]),
        (
            "--gpus driver=nvidia,count=1,capabilities=compute bb",
            "DeviceRequests",
            [a_gpu(Driver="nvidia", Count=1, Capabilities=[["compute", "gpu"]])],
        ),
        ("--gpus 1 --device corp.example/gpu=0 bb", "DeviceRequests", [a_gpu(Count=1), CDI]),
        ("--blkio-weight-device /dev/a:200 bb", "BlkioWeightDevice", [{"Path": "/dev/a", "Weight": 200}]),
        ("--cpu-rt-period 1000 bb", "CpuRealtimePeriod", 1000),
        ("--cpu-rt-runtime 900 bb", "CpuRealtimeRuntime", 900),
        ("--storage-opt size=1G bb", "StorageOpt", {"size": "1G"}),
        ("--volume-driver local bb", "VolumeDriver", "local"),
        ("--isolation default bb", "Isolation", "default"),
        ("--security-opt systempaths=unconfined bb", "MaskedPaths", []),
        (
            "--security-opt systempaths=unconfined --security-opt label=disable bb",
            "SecurityOpt",
            ["label=disable"],
        ),
    ],
)
def test_what_the_host_gives(body, line, field, value):
    """Devices by file or by description, and what only some kernels and drivers have."""
    assert body(line)["HostConfig"][field] == value


def test_a_networks_own_options(body):
    """Addresses of the link, the way out and the driver's options, field by field or by flag."""
    line = "--network name=n,link-local-ip=169.254.1.1,gw-priority=-3,driver-opt=a=b bb"
    assert body(line)["NetworkingConfig"]["EndpointsConfig"]["n"] == {
        "IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]},
        "GwPriority": -3,
        "DriverOpts": {"a": "b"},
    }
    sent = body("--network n --link-local-ip 169.254.1.1 bb")["NetworkingConfig"]["EndpointsConfig"]["n"]
    assert sent["IPAMConfig"] == {"LinkLocalIPs": ["169.254.1.1"]}


@pytest.mark.parametrize("line", ["--gpus x bb", "--gpus color=red bb", "--blkio-weight-device /dev/a:x bb"])
def test_what_is_no_device(body, line):
    """Refused before the engine is asked."""
    with pytest.raises((InvalidArgument, Failure)):
        body(line)
