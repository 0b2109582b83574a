"""From the flags of `run` and `create` to the body of ``POST /containers/create``. Declared beside each other here."""

from __future__ import annotations

import os

from yurt.cli import values
from yurt.errors import InvalidArgument

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from yurt.cli.flags import Options

FLAGS = """
    -i, --interactive             Keep stdin open
    -t, --tty                     Give the container a terminal
    --rm                          Remove the container when it exits
    --name NAME                   Name the container
    -p, --publish PORT…           Publish a port: [ip:][host:]container[/udp]
    -P, --publish-all             Publish every exposed port on a free one
    -v, --volume MOUNT…           Mount a volume or a host folder: name-or-path:/target[:ro]
    --mount MOUNT…                The same, field by field: type=bind,source=/a,target=/b
    --tmpfs PATH…                 Mount a tmpfs: /path[:size=64m]
    --volumes-from CONTAINER…     Mount the volumes of another container
    --volume-driver NAME          Driver of the volumes that -v makes
    --storage-opt NAME=VALUE…     Option of the storage driver
    -e, --env NAME=VALUE…         Set a variable; NAME alone takes yours
    --env-file FILE…              Read variables from a file
    -w, --workdir PATH            Working directory inside
    -u, --user USER               User, or user:group
    --group-add GROUP…            Further groups
    --entrypoint PROGRAM          Run this instead of the image's entrypoint
    --network NETWORK…            Join a network (name, host, none, container:NAME)
    --net NETWORK…                The same as --network
    --network-alias NAME…         Another name on that network
    --ip ADDRESS                  IPv4 address on that network
    --ip6 ADDRESS                 IPv6 address on that network
    --link-local-ip ADDRESS…      A further address of the link on that network
    --link NAME[:ALIAS]…          A name for another container (on a network of your own every container has its name)
    --mac-address ADDRESS         MAC address on that network
    -h, --hostname NAME           Host name inside
    --domainname NAME             Domain name inside
    --add-host NAME:ADDRESS…      A line in /etc/hosts
    --dns ADDRESS…                Name server
    --dns-search DOMAIN…          Search domain
    --dns-option OPTION…          Option of the resolver
    --expose PORT…                Declare a port
    --restart POLICY              no, always, unless-stopped, on-failure[:TIMES]
    -m, --memory SIZE             Limit of memory
    --memory-swap SIZE            Limit of memory and swap together; -1: no limit
    --memory-reservation SIZE     Soft limit of memory
    --memory-swappiness NUMBER    How readily memory is swapped out: 0 to 100
    --cpus NUMBER                 Number of processors, may be a fraction
    -c, --cpu-shares NUMBER       Relative weight of processor time
    --cpu-period MICROSECONDS     Length of a scheduling period
    --cpu-quota MICROSECONDS      Processor time per period
    --cpu-rt-period MICROSECONDS  Length of a real-time period
    --cpu-rt-runtime MICROSECONDS  Real-time processor time per period
    --cpuset-cpus LIST            Which processors: 0-2,4
    --cpuset-mems LIST            Which memory nodes
    --pids-limit NUMBER           Limit of processes; -1: no limit
    --ulimit LIMIT…               nofile=1024:2048
    --oom-kill-disable            Do not kill when memory runs out
    --oom-score-adj NUMBER        Preference when memory runs out
    --blkio-weight NUMBER         Relative weight of block I/O
    --blkio-weight-device WEIGHT…  The same for one device: /dev/sda:200
    --device-read-bps LIMIT…      Bytes a second from a device: /dev/sda:10m
    --device-write-bps LIMIT…     Bytes a second to a device
    --device-read-iops LIMIT…     Reads a second from a device: /dev/sda:1000
    --device-write-iops LIMIT…    Writes a second to a device
    --shm-size SIZE               Size of /dev/shm
    --device DEVICE…              Give a host device, or one that CDI describes: vendor.com/class=name
    --gpus WHICH                  Give GPUs: all, a number, or device=0,1
    --device-cgroup-rule RULE…    Devices it may make and open: 'c 10:* rwm'
    --privileged                  All rights on the host
    --cap-add CAPABILITY…         Add a capability
    --cap-drop CAPABILITY…        Drop a capability
    --security-opt OPTION…        seccomp=…, no-new-privileges, …
    --read-only                   Mount the root file system read-only
    --init                        Run an init that reaps processes
    --sysctl NAME=VALUE…          Kernel parameter of the container
    --ipc MODE                    IPC namespace
    --pid MODE                    PID namespace
    --uts MODE                    UTS namespace
    --userns MODE                 User namespace
    --cgroupns MODE               Cgroup namespace
    --cgroup-parent PATH          Parent control group
    --runtime NAME                OCI runtime
    --isolation NAME              Isolation technology: default
    -l, --label NAME=VALUE…       Set a label
    --label-file FILE…            Read labels from a file
    --annotation NAME=VALUE…      Annotation for the runtime
    --health-cmd COMMAND          Command that tells whether it is healthy
    --health-interval TIME        Time between checks
    --health-timeout TIME         Time a check may take
    --health-retries NUMBER       Failures in a row until unhealthy
    --health-start-period TIME    Time to start in, during which failures do not count
    --health-start-interval TIME  Time between checks while starting
    --no-healthcheck              Ignore the image's health check
    --log-driver NAME             Where output goes
    --log-opt NAME=VALUE…         Option of the log driver
    --stop-signal SIGNAL          Signal that stops it
    --stop-timeout SECONDS        Seconds until it is killed
    -a, --attach STREAM…          Attach to stdin, stdout or stderr only
    --cidfile FILE                Write the container's id to a file
    --platform PLATFORM           os/architecture of the image
    --pull WHEN                   missing, always or never
    -q, --quiet                   No progress of a pull
"""

UNCONFINED_PATHS = "systempaths=unconfined"  # a security option that is the client's to translate


def container_body(options: Options, environ: Mapping[str, str], *, detached: bool = False) -> dict[str, Any]:
    """Return the JSON body; only what was asked for is in it. Raises InvalidArgument or UsageError."""
    image, *arguments = options.arguments
    streams = [name.lower() for name in options.all("attach")]
    interactive = options.flag("interactive")
    body: dict[str, Any] = {
        "Image": image,
        "AttachStdin": not detached and ("stdin" in streams if streams else interactive),
        "AttachStdout": not detached and ("stdout" in streams if streams else True),
        "AttachStderr": not detached and ("stderr" in streams if streams else True),
        "OpenStdin": interactive,
        "StdinOnce": interactive and not detached,
        "Tty": options.flag("tty"),
        "HostConfig": _host_config(options),
    }
    if arguments:
        body["Cmd"] = arguments
    if options.has("entrypoint"):
        body["Entrypoint"] = [options.text("entrypoint")]
    for flag, field in (
        ("hostname", "Hostname"),
        ("domainname", "Domainname"),
        ("user", "User"),
        ("workdir", "WorkingDir"),
        ("stop-signal", "StopSignal"),
    ):
        if options.text(flag):
            body[field] = options.text(flag)
    if options.has("stop-timeout"):
        body["StopTimeout"] = options.number("stop-timeout")
    if env := _environment(options, environ):
        body["Env"] = env
    if labels := _from_files(options.all("label-file"), {}) + options.all("label"):
        body["Labels"] = values.pairs(labels)
    if check := _healthcheck(options):
        body["Healthcheck"] = check
    _ports(options, body)
    _volumes(options, body)
    _networks(options, body)
    return body


def _from_files(paths: list[str], environ: Mapping[str, str]) -> list[str]:
    if not paths:
        return []
    from yurt.cli.env_files import from_files

    return from_files(paths, environ)


def _environment(options: Options, environ: Mapping[str, str]) -> list[str]:
    given = _from_files(options.all("env-file"), environ)
    for text in options.all("env"):
        name, mark, _ = text.partition("=")
        if not name:
            raise options.invalid("env", text, "a variable needs a name")
        if mark:
            given.append(text)
        elif name in environ:
            given.append(f"{name}={environ[name]}")
    return given


def _healthcheck(options: Options) -> dict[str, Any]:
    check: dict[str, Any] = {}
    if options.has("health-cmd"):
        check["Test"] = ["CMD-SHELL", options.text("health-cmd")]
    for flag, field in (
        ("health-interval", "Interval"),
        ("health-timeout", "Timeout"),
        ("health-start-period", "StartPeriod"),
        ("health-start-interval", "StartInterval"),
    ):
        if options.has(flag):
            check[field] = values.nanoseconds(options.text(flag))
    if options.has("health-retries"):
        check["Retries"] = options.number("health-retries")
    if options.flag("no-healthcheck"):
        if check:
            raise InvalidArgument("--no-healthcheck conflicts with the --health-… flags")
        check["Test"] = ["NONE"]
    return check


def _ports(options: Options, body: dict[str, Any]) -> None:
    bindings: dict[str, list[dict[str, str]]] = {}
    for text in options.all("publish"):
        for port, binding in values.published_port(text):
            bindings.setdefault(port, []).append(binding)
    exposed = [port for text in options.all("expose") for port in values.exposed_port(text)]
    if bindings:
        body["HostConfig"]["PortBindings"] = bindings
    if bindings or exposed:
        body["ExposedPorts"] = {port: {} for port in [*exposed, *bindings]}


def _volumes(options: Options, body: dict[str, Any]) -> None:
    binds = []
    for text in options.all("volume"):
        source, mark, rest = text.partition(":")
        if not mark:
            body.setdefault("Volumes", {})[text] = {}  # anonymous
            continue
        if source.startswith((".", "~")):
            source = os.path.abspath(os.path.expanduser(source))
        binds.append(f"{source}:{rest}")
    if binds:
        body["HostConfig"]["Binds"] = binds
    if options.has("mount"):
        body["HostConfig"]["Mounts"] = [values.mount(text) for text in options.all("mount")]
    if options.has("tmpfs"):
        body["HostConfig"]["Tmpfs"] = {
            path: rest for path, _, rest in (text.partition(":") for text in options.all("tmpfs"))
        }


def _networks(options: Options, body: dict[str, Any]) -> None:
    """Fill NetworkMode (the first network) and the endpoints' settings."""
    endpoints: dict[str, dict[str, Any]] = {}
    for text in [*options.all("network"), *options.all("net")]:
        endpoint: dict[str, Any] = {}
        name = text
        if "=" in text:
            name = ""
            for field in text.split(","):
                key, _, value = field.partition("=")
                match key:
                    case "name":
                        name = value
                    case "alias":
                        endpoint.setdefault("Aliases", []).append(value)
                    case "ip":
                        endpoint.setdefault("IPAMConfig", {})["IPv4Address"] = value
                    case "ip6":
                        endpoint.setdefault("IPAMConfig", {})["IPv6Address"] = value
                    case "mac-address":
                        endpoint["MacAddress"] = value
                    case "link-local-ip":
                        endpoint.setdefault("IPAMConfig", {}).setdefault("LinkLocalIPs", []).append(value)
                    case "gw-priority" if value.removeprefix("-").isdecimal():
                        endpoint["GwPriority"] = int(value)
                    case "driver-opt":
                        option, _equals, chosen = value.partition("=")
                        endpoint.setdefault("DriverOpts", {})[option] = chosen
                    case _:
                        raise options.invalid("network", text, f"unknown field {key!r}")
        endpoints[name] = endpoint
    first = next(iter(endpoints), "default")
    extra: dict[str, Any] = {}
    if options.has("network-alias"):
        extra["Aliases"] = options.all("network-alias")
    for flag, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if options.has(flag):
            extra.setdefault("IPAMConfig", {})[field] = options.text(flag)
    if options.has("link-local-ip"):
        extra.setdefault("IPAMConfig", {})["LinkLocalIPs"] = options.all("link-local-ip")
    if options.has("mac-address"):
        extra["MacAddress"] = options.text("mac-address")
    if extra:
        endpoints.setdefault(first, {}).update(extra)
    if endpoints:
        body["HostConfig"]["NetworkMode"] = first
    if extra or len(endpoints) > 1 or any(endpoints.values()):
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}


def _device_limit(options: Options, flag: str, text: str) -> dict[str, Any]:
    """Read ``/dev/sda:10m``, or ``/dev/sda:200`` for a weight."""
    path, _colon, amount = text.rpartition(":")
    if not path:
        raise options.invalid(flag, text, "expected /dev/name:limit")
    if flag != "blkio-weight-device":
        return {"Path": path, "Rate": values.size(amount)}
    if not amount.isdecimal():
        raise options.invalid(flag, text, "expected /dev/name:weight, a weight from 10 to 1000")
    return {"Path": path, "Weight": int(amount)}


def _devices(options: Options, host: dict[str, Any]) -> None:
    """Fill Devices, and DeviceRequests for what is asked for by name instead of by its file."""
    texts, described = options.all("device"), []
    if texts:
        from yurt.oci.cdi import is_qualified

        described = [text for text in texts if is_qualified(text)]
    requests: list[dict[str, Any]] = []
    if options.has("gpus"):
        requests.append(values.gpus(options.text("gpus")))
    if described:
        requests.append({"Driver": "cdi", "DeviceIDs": described})
    if requests:
        host["DeviceRequests"] = requests
    if files := [text for text in texts if text not in described]:
        host["Devices"] = [values.device(text) for text in files]


def _security_option(text: str) -> str:
    """A system call filter is named by its file, and sent as the file's content: the engine may be elsewhere."""
    name, _equals, path = text.partition("=")
    if name != "seccomp" or path in {"unconfined", "builtin"} or path.startswith("{"):
        return text
    try:
        with open(path, encoding="utf-8") as file:
            return f"seccomp={file.read()}"
    except OSError as failed:
        raise InvalidArgument(f"opening seccomp profile ({path}) failed: {failed.strerror}") from failed


def limits(options: Options) -> dict[str, Any]:
    """Return the limits that are given at the start, and can be changed later: those of `update`."""
    found: dict[str, Any] = {}
    for flag, field in (
        ("memory", "Memory"),
        ("memory-swap", "MemorySwap"),
        ("memory-reservation", "MemoryReservation"),
    ):
        if options.has(flag):
            found[field] = values.size(options.text(flag))
    for flag, field in (
        ("cpu-shares", "CpuShares"),
        ("cpu-period", "CpuPeriod"),
        ("cpu-quota", "CpuQuota"),
        ("cpu-rt-period", "CpuRealtimePeriod"),
        ("cpu-rt-runtime", "CpuRealtimeRuntime"),
        ("blkio-weight", "BlkioWeight"),
        ("pids-limit", "PidsLimit"),
    ):
        if options.has(flag):
            found[field] = options.number(flag)
    for flag, field in (("cpuset-cpus", "CpusetCpus"), ("cpuset-mems", "CpusetMems")):
        if options.has(flag):
            found[field] = options.text(flag)
    if options.has("cpus"):
        try:
            found["NanoCpus"] = round(float(options.text("cpus")) * 1_000_000_000)
        except ValueError:
            raise options.invalid("cpus", options.text("cpus"), "expected a number") from None
    return found


def _host_config(options: Options) -> dict[str, Any]:
    host: dict[str, Any] = {}
    for flag, field in (
        ("rm", "AutoRemove"),
        ("publish-all", "PublishAllPorts"),
        ("privileged", "Privileged"),
        ("read-only", "ReadonlyRootfs"),
        ("init", "Init"),
        ("oom-kill-disable", "OomKillDisable"),
    ):
        if options.flag(flag):
            host[field] = True
    for flag, field in (
        ("cap-add", "CapAdd"),
        ("cap-drop", "CapDrop"),
        ("device-cgroup-rule", "DeviceCgroupRules"),
        ("link", "Links"),
        ("group-add", "GroupAdd"),
        ("dns", "Dns"),
        ("dns-search", "DnsSearch"),
        ("dns-option", "DnsOptions"),
        ("add-host", "ExtraHosts"),
        ("volumes-from", "VolumesFrom"),
    ):
        if options.has(flag):
            host[field] = options.all(flag)
    host |= limits(options)
    if options.has("shm-size"):
        host["ShmSize"] = values.size(options.text("shm-size"))
    for flag, field in (("oom-score-adj", "OomScoreAdj"), ("memory-swappiness", "MemorySwappiness")):
        if options.has(flag):
            host[field] = options.number(flag)
    for flag, field in (
        ("ipc", "IpcMode"),
        ("pid", "PidMode"),
        ("uts", "UTSMode"),
        ("userns", "UsernsMode"),
        ("cgroupns", "CgroupnsMode"),
        ("cgroup-parent", "CgroupParent"),
        ("runtime", "Runtime"),
        ("isolation", "Isolation"),
        ("volume-driver", "VolumeDriver"),
    ):
        if options.has(flag):
            host[field] = options.text(flag)
    if options.has("ulimit"):
        host["Ulimits"] = [values.ulimit(text) for text in options.all("ulimit")]
    for flag, field in (
        ("blkio-weight-device", "BlkioWeightDevice"),
        ("device-read-bps", "BlkioDeviceReadBps"),
        ("device-write-bps", "BlkioDeviceWriteBps"),
        ("device-read-iops", "BlkioDeviceReadIOps"),
        ("device-write-iops", "BlkioDeviceWriteIOps"),
    ):
        if options.has(flag):
            host[field] = [_device_limit(options, flag, text) for text in options.all(flag)]
    if options.has("security-opt"):
        asked = options.all("security-opt")
        if UNCONFINED_PATHS in asked:
            host["MaskedPaths"] = host["ReadonlyPaths"] = []
        host["SecurityOpt"] = [_security_option(text) for text in asked if text != UNCONFINED_PATHS]
    _devices(options, host)
    if options.has("storage-opt"):
        host["StorageOpt"] = values.pairs(options.all("storage-opt"))
    if options.has("sysctl"):
        host["Sysctls"] = values.pairs(options.all("sysctl"))
    if options.has("annotation"):
        host["Annotations"] = values.pairs(options.all("annotation"))
    if options.has("restart"):
        host["RestartPolicy"] = values.restart_policy(options.text("restart"))
        if options.flag("rm") and host["RestartPolicy"]["Name"] != "no":
            raise InvalidArgument("--restart and --rm contradict each other", hint="leave one of them out")
    if options.has("log-driver") or options.has("log-opt"):
        host["LogConfig"] = {
            "Type": options.text("log-driver"),
            "Config": values.pairs(options.all("log-opt")),
        }
    if options.has("cidfile"):
        host["ContainerIDFile"] = options.text("cidfile")
    return host
