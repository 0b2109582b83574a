"""What a machine and an engine offer and lack, in sentences. Pure: facts in, findings out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from yurt.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from yurt.cli.host import Host

LITTLE = 1_000_000_000  # bytes in which no image of a usual size fits
SCARCE = 5_000_000_000


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    NOTE = "note"  # containers run, something does not
    MISSING = "missing"  # no container runs before it is there


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; *remedy* is the command, or the step, that adds what lacks."""

    name: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine, as far as it answered; *problem* says why it did not.

    *owned*: Yurt itself would start it. *present*: somebody listens there, even if not to us.
    """

    host: str
    owned: bool
    present: bool = False
    version: Mapping[str, Any] | None = None
    info: Mapping[str, Any] | None = None
    problem: str = ""


def diagnose(host: Host, engine: Engine) -> tuple[Finding, ...]:
    """Return the findings, the engine last. A host that only talks to an engine elsewhere lacks nothing."""
    elsewhere = not engine.host.startswith("unix://")
    return (*(() if elsewhere else _of_host(host)), *_of_engine(engine, is_root=host.is_root))


def is_well(findings: tuple[Finding, ...]) -> bool:
    """Tell whether nothing needed is missing."""
    return all(finding.state is not State.MISSING for finding in findings)


def _of_host(host: Host) -> Iterator[Finding]:
    yield _runtime(host)
    yield _packages(host)
    yield _cgroups(host)
    if host.overlay:
        yield Finding("overlay", State.OK, "the kernel stacks image layers")
    else:
        yield Finding("overlay", State.MISSING, "the kernel has no overlay file system", "modprobe overlay")
    if host.nftables:
        yield Finding("nftables", State.OK, host.nftables)
    else:
        yield Finding(
            "nftables", State.MISSING, "no libnftables: no networks", "apt-get install libnftables1"
        )
    yield _optional(host, "mmdebstrap", "mmdebstrap", "no base images without a registry")
    if host.keyring:
        yield Finding("archive keys", State.OK, host.keyring)
    else:
        yield Finding(
            "archive keys",
            State.NOTE,
            "Debian's packages can't be verified: no base images without a registry",
            "apt-get install debian-archive-keyring",
        )
    yield _optional(host, "tini", "tini", "no run --init")
    yield _optional(host, "git", "git", "no builds from repositories")
    if host.is_root:
        yield _forwarding(host)
        yield _namespaces(host)
    else:
        yield from _rootless(host)
    if host.seccomp:
        yield Finding("seccomp", State.OK, "the kernel filters system calls")
    else:
        yield Finding(
            "seccomp", State.MISSING, "the kernel was built without it", "boot a kernel with CONFIG_SECCOMP"
        )
    yield _space(host)
    if host.certificates:
        yield Finding("certificates", State.OK, host.certificates)
    else:
        yield Finding(
            "certificates",
            State.NOTE,
            "no bundle: registries can't be verified",
            "apt-get install ca-certificates",
        )
    if not host.is_root:
        return
    if host.has_group:
        yield Finding("socket", State.OK, "for root and the group yurt")
    else:
        yield Finding(
            "socket",
            State.NOTE,
            "for root only: there is no group yurt",
            "groupadd --system yurt; usermod -aG yurt USER; yurt system restart",
        )


def _runtime(host: Host) -> Finding:
    # crun refuses controllers in both trees.
    order = ("runc",) if host.split_controllers else ("crun", "runc")
    for name in order:
        if path := host.programs.get(name):
            return Finding("runtime", State.OK, path)
    why = "neither runc nor crun"
    if "crun" in host.programs:
        why = "crun refuses cgroup controllers in both v1 and v2, and there is no runc"
    return Finding("runtime", State.MISSING, why, "apt-get install runc")


def _packages(host: Host) -> Finding:
    if not host.packages:
        return Finding("packages", State.OK, "the engine's Python packages are installed")
    missing = ", ".join(host.packages)
    return Finding(
        "packages",
        State.MISSING,
        f"the engine's Python packages lack {missing}",
        "pip install 'yurt[engine]'",
    )


def _cgroups(host: Host) -> Finding:
    if not host.cgroups:
        return Finding(
            "cgroups",
            State.MISSING,
            "not mounted",
            "mount -t cgroup2 none /sys/fs/cgroup, which systemd does by itself",
        )
    if host.missing_controllers:
        names = ", ".join(host.missing_controllers)
        return Finding(
            "cgroups",
            State.NOTE,
            f"{host.cgroups}, without {names}: such limits are not kept",
            "add cgroup_enable=memory to the kernel's command line" if "memory" in names else "",
        )
    return Finding("cgroups", State.OK, host.cgroups)


def _optional(host: Host, program: str, package: str, without: str) -> Finding:
    if path := host.programs.get(program):
        return Finding(program, State.OK, path)
    return Finding(program, State.NOTE, f"not installed: {without}", f"apt-get install {package}")


def _forwarding(host: Host) -> Finding:
    if host.forwarding:
        return Finding("ip_forward", State.OK, "packets reach containers")
    text = "off: the engine turns it on" if host.forwarding is False else "can't be read here"
    return Finding("ip_forward", State.NOTE, text, "sysctl -w net.ipv4.ip_forward=1")


def _namespaces(host: Host) -> Finding:
    if not host.namespaces:
        return Finding(
            "user namespaces", State.NOTE, "none allowed", "sysctl -w user.max_user_namespaces=15000"
        )
    if not host.unprivileged_namespaces:
        return Finding(
            "user namespaces",
            State.NOTE,
            "for root only",
            "sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
        )
    return Finding("user namespaces", State.OK, f"up to {host.namespaces}")


def _rootless(host: Host) -> Iterator[Finding]:
    """What a normal user's engine needs: without namespaces nothing runs, without the rest less does."""
    namespaces = _namespaces(host)
    yield namespaces if namespaces.state is State.OK else replace(namespaces, state=State.MISSING)
    if not host.user_overlay:
        yield Finding(
            "overlay of users",
            State.MISSING,
            "this kernel mounts none in user namespaces",
            "boot Linux 5.11 or newer, or: sudo yurt ps",
        )
    if not host.has_subids:
        yield Finding(
            "subuids",
            State.NOTE,
            f"{host.user} has one uid: every user of every container is {host.user}",
            f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {host.user}; "
            "yurtd --dismantle, and start it again",
        )
    elif "newuidmap" not in host.programs or "newgidmap" not in host.programs:
        yield Finding(
            "subuids",
            State.NOTE,
            f"nothing gives {host.user} the further numbers: containers have one uid",
            "sudo apt-get install uidmap",
        )
    else:
        yield Finding("subuids", State.OK, f"{host.user} has further numbers for users of containers")
    yield _way_out(host)
    if host.lingers is False:
        yield Finding(
            "after logout",
            State.NOTE,
            f"the sockets of {host.user} go away with the last session, and containers out of reach",
            f"loginctl enable-linger {host.user}",
        )
    yield Finding(
        "limits",
        State.NOTE,
        "a rootless engine sets none, and pauses nothing: it has no cgroups",
        "sudo yurt ps",
    )


def _way_out(host: Host) -> Finding:
    carrier = host.programs.get("pasta") or host.programs.get("slirp4netns")
    if not carrier:
        return Finding(
            "way out", State.NOTE, "neither pasta nor slirp4netns: containers reach nothing outside",
            "sudo apt-get install passt",
        )  # fmt: skip
    if host.tun is None:
        return Finding(
            "way out", State.NOTE, "no /dev/net/tun: containers reach nothing outside", "sudo modprobe tun"
        )
    if not host.tun:
        return Finding(
            "way out",
            State.NOTE,
            f"/dev/net/tun is not open to {host.user}: containers reach nothing outside",
            "sudo chmod 0666 /dev/net/tun",
        )
    return Finding("way out", State.OK, carrier)


def _space(host: Host) -> Finding:
    text = f"{output.size(host.free)} free for {host.root}"
    if host.free < LITTLE:
        return Finding("disk space", State.MISSING, text, "yurt system prune, or YURT_ROOT on a larger disk")
    if host.free < SCARCE:
        return Finding("disk space", State.NOTE, text, "yurt system prune")
    return Finding("disk space", State.OK, text)


def _of_engine(engine: Engine, *, is_root: bool) -> Iterator[Finding]:
    if engine.version is None:
        yield _silent(engine, is_root=is_root)
        return
    name = (engine.version.get("Platform") or {}).get("Name") or "an engine"
    version = engine.version.get("Version", "")
    told = name if version and version in name else f"{name} {version}".strip()
    api = engine.version.get("ApiVersion", "")
    yield Finding("engine", State.OK, f"{told}, API {api}, at {engine.host}")
    if engine.info is None:
        return
    yield _isolation(engine.info)
    for warning in engine.info.get("Warnings") or ():
        yield Finding("engine warns", State.NOTE, warning.removeprefix("WARNING: "))


def _silent(engine: Engine, *, is_root: bool) -> Finding:
    if not engine.owned:
        return Finding(
            "engine", State.MISSING, engine.problem, "unset YURT_HOST and DOCKER_HOST for Yurt's own engine"
        )
    if engine.present:
        remedy = (
            "its log says why"
            if is_root
            else "sudo yurt doctor, or join the group: sudo usermod -aG yurt $USER"
        )
        return Finding("engine", State.MISSING, engine.problem, remedy)
    return Finding("engine", State.NOTE, "no engine runs: the next command starts it", "yurt ps")


def _isolation(info: Mapping[str, Any]) -> Finding:
    """Tell the level in force from what the engine says of itself."""
    options = [dict(_pairs(option)) for option in info.get("SecurityOptions") or ()]
    names = {option.get("name", "") for option in options}
    filtered = any(
        option.get("name") == "seccomp" and option.get("profile") != "unconfined" for option in options
    )
    more = [name for name in ("apparmor", "selinux") if name in names]
    told = ", ".join([_level(options, names), *more])
    if filtered:
        return Finding("isolation", State.OK, f"{told}, with seccomp")
    return Finding("isolation", State.NOTE, f"{told}, without seccomp", "see `yurt info`, Security Options")


def _level(options: Sequence[Mapping[str, str]], names: set[str]) -> str:
    """Return the level that Yurt's engine tells by name; Docker's is gathered from what it says beside."""
    from yurt.isolation import Level

    told = next((option.get("level") for option in options if option.get("name") == "isolation"), None)
    if told in set(Level):
        return Level(told).sentence
    if "rootless" in names:
        return "rootless"
    return "root, in user namespaces" if "userns" in names else Level.ROOT.sentence


def _pairs(option: str) -> Iterator[tuple[str, str]]:
    for part in option.split(","):
        name, _, value = part.partition("=")
        yield name, value
