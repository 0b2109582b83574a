"""Flags and commands of Docker's command line that Yurt has not, each with the reason and what to do instead.

Imported only when somebody uses one. Whatever Docker has is either declared by a command or stands here.
"""

from __future__ import annotations

from yurt.cli.failure import UsageError

_WINDOWS = (
    "it bounds containers of Windows, and these are Linux's",
    "--cpus, --memory and --device-*-bps bound ours",
)
_CHECKPOINT = ("checkpoints of running containers are not kept", "start it afresh, without the flag")
_ONE_PLATFORM = ("an image has one platform here", "leave the flag out")
_CLUSTER = (
    "cluster volumes belong to swarm, and Yurt is for one machine",
    "give the driver's options with --opt",
)
_BUILD_LIMIT = ("only the memory of a build's steps can be bounded", "--memory is there")
_TRUST = (
    "images are not signed by way of Docker Content Trust, so there is nothing to switch off",
    "leave it out",
)
_SWARM_NETWORK = ("it is of use in a swarm only, and Yurt is for one machine", "leave the flag out")

# command, as one calls it at the top level → flag → (why, what instead)
_RUN = {
    **dict.fromkeys(("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"), _WINDOWS),
    "kernel-memory": ("Linux has had no such limit since 5.16", "--memory bounds the kernel's memory, too"),
    "use-api-socket": (
        "a container that has the engine's socket rules the host",
        "mount the socket yourself: -v",
    ),
    "disable-content-trust": _TRUST,
}
FLAGS: dict[str, dict[str, tuple[str, str]]] = {
    "run": _RUN,
    "create": _RUN,
    "start": dict.fromkeys(("checkpoint", "checkpoint-dir"), _CHECKPOINT),
    "rm": {"link": ("a link lasts as long as its container", "remove the container that has it")},
    "images": {"tree": (_ONE_PLATFORM[0], "`yurt images` shows everything")},
    **{command: {"platform": _ONE_PLATFORM} for command in ("rmi", "history", "image inspect")},
    "pull": {"disable-content-trust": _TRUST},
    "push": {"disable-content-trust": _TRUST},
    "build": {
        **dict.fromkeys(
            ("cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems"), _BUILD_LIMIT
        ),
        **dict.fromkeys(("memory-swap", "cgroup-parent"), _BUILD_LIMIT),
        "disable-content-trust": _TRUST,
        "isolation": ("Linux has one kind of isolation", "leave the flag out"),
        "security-opt": ("the steps of a build run as fenced as any container", "leave the flag out"),
        "squash": ("layers are shared, and squashed ones could not be", "use stages: COPY --from"),
    },
    "compose build": {
        "print": ("a bake file is Buildx's, which is not used", "`yurt compose config` shows what is built"),
        **dict.fromkeys(("provenance", "sbom"), ("no attestations are made", "leave the flag out")),
    },
    "volume create": dict.fromkeys(
        (
            *("availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "type"),
            *("topology-preferred", "topology-required"),
        ),
        _CLUSTER,
    ),
    "volume ls": {"cluster": (_CLUSTER[0], "leave the flag out")},
    "network create": dict.fromkeys(("ingress", "scope", "config-from", "config-only"), _SWARM_NETWORK),
}
FLAGS["rm"]["l"] = FLAGS["rm"]["link"]
FLAGS["build"]["c"] = FLAGS["build"]["cpu-shares"]
COMMANDS = {
    "volume update": ("only cluster volumes can be changed, and they belong to swarm", "make another volume"),
}
_SAME = {"image ls": "images", "image list": "images", "image rm": "rmi", "image inspect": "image inspect"}


def flag_refused(path: str, name: str, shown: str) -> UsageError | None:
    """Return the error for *name* (no dashes) of the command at *path* if it is one of Docker's that is refused."""
    reason = FLAGS.get(_command(path), {}).get(name)
    return reason and UsageError(f"{shown} of `{path}` is refused: {reason[0]}", hint=reason[1], code=125)


def command_refused(path: str) -> UsageError | None:
    """Return the error for the command at *path* if it is one of Docker's that is refused."""
    reason = COMMANDS.get(_command(path))
    return reason and UsageError(f"`{path}` is refused: {reason[0]}", hint=reason[1])


def _command(path: str) -> str:
    """Return the command at *path* ("yurt container rm") as it is called at the top level ("rm")."""
    words = path.removeprefix("yurt ")
    return _SAME.get(words) or words.removeprefix("container ").removeprefix("image ")
