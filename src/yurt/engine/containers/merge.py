"""What runs when an image and a request each say something: the request wins, field by field, as in Docker. Pure."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from yurt.engine.containers.model import ContainerConfig, Healthcheck
from yurt.errors import InvalidArgument
from yurt.oci.config import ImageConfig

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SECOND = 1_000_000_000


def merged(config: ContainerConfig, image: ImageConfig) -> ContainerConfig:
    """Return *config* with what it leaves open taken from *image*.

    An entrypoint in the request drops the image's command too; an entrypoint of one empty string drops both and
    leaves none.
    """
    entrypoint, cmd = config.entrypoint, config.cmd
    if not entrypoint:
        entrypoint = image.entrypoint
        cmd = cmd or image.cmd
    if entrypoint == ("",):
        entrypoint = ()
    return replace(
        config,
        entrypoint=entrypoint,
        cmd=cmd,
        user=config.user or image.user,
        env=merged_env(image.env, config.env),
        working_dir=config.working_dir or image.working_dir,
        labels={**image.labels, **config.labels},
        exposed_ports=tuple(dict.fromkeys((*image.exposed_ports, *config.exposed_ports))),
        volumes=tuple(dict.fromkeys((*image.volumes, *config.volumes))),
        stop_signal=config.stop_signal or image.stop_signal,
        shell=config.shell or image.shell,
        healthcheck=_merged_healthcheck(config.healthcheck, image.healthcheck),
    )


def command(config: ContainerConfig) -> tuple[str, tuple[str, ...]]:
    """Return the executable and its arguments; raise InvalidArgument when nothing says what to run."""
    words = (*config.entrypoint, *config.cmd)
    if not words or not words[0]:
        raise InvalidArgument("no command specified", hint="name a command, or use an image that has one")
    return words[0], words[1:]


def merged_env(*layers: Iterable[str]) -> tuple[str, ...]:
    """Return ``NAME=value`` entries, later layers winning; a bare ``NAME`` takes the variable away.

    >>> merged_env(["A=1", "B=2"], ["B", "C=3", "A=9"])
    ('A=9', 'C=3')
    """
    found: dict[str, str] = {}
    for layer in layers:
        for entry in layer:
            name, equals, _value = entry.partition("=")
            if equals:
                found[name] = entry
            else:
                found.pop(name, None)
    return tuple(found.values())


def process_env(config: ContainerConfig, *, hostname: str, tty: bool) -> tuple[str, ...]:
    """Return the environment of a container's process: Docker's few variables, then the configured ones."""
    standard = [DEFAULT_PATH, f"HOSTNAME={hostname}"]
    if tty:
        standard.append("TERM=xterm")
    return merged_env(standard, config.env)


def health_command(check: Healthcheck, shell: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that asks a container's health; empty when none is to be asked."""
    kind, *words = check.test or ("NONE",)
    if kind == "CMD":
        return tuple(words)
    if kind == "CMD-SHELL":
        return (*(shell or ("/bin/sh", "-c")), *words)
    if kind in {"NONE", ""}:
        return ()
    raise InvalidArgument(
        f"unknown type {kind!r} in a health check: {shlex.join(check.test)}",
        hint="the test begins with NONE, CMD or CMD-SHELL",
    )


def _merged_healthcheck(asked: Healthcheck | None, image: Mapping[str, Any] | None) -> Healthcheck | None:
    """Return the check to run. A request without a test changes only the intervals of the image's check."""
    if image is None:
        return asked if asked is None or asked.test else None
    theirs = _from_document(image)
    if asked is None:
        return theirs
    return asked if asked.test else replace(asked, test=theirs.test)


def _from_document(document: Mapping[str, Any]) -> Healthcheck:
    """Return the check in Docker's form of an image's configuration: nanoseconds, 0 for the default."""
    default = Healthcheck(test=())

    def seconds(key: str, otherwise: float) -> float:
        return (document.get(key) or 0) / _SECOND or otherwise

    return Healthcheck(
        test=tuple(document.get("Test") or ()),
        interval=seconds("Interval", default.interval),
        timeout=seconds("Timeout", default.timeout),
        retries=document.get("Retries") or default.retries,
        start_period=seconds("StartPeriod", default.start_period),
        start_interval=seconds("StartInterval", default.start_interval),
    )
