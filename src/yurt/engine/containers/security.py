"""What ``--security-opt`` says: `parse` reads it, once for all who need a part of it. Messages are Docker's."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from yurt.errors import InvalidArgument
from yurt.isolation import Level
from yurt.linux.apparmor import DEFAULT, UNCONFINED
from yurt.oci import seccomp

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # as Go reads a truth value
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """*seccomp*: None for the default filter, empty for none. *apparmor*: empty for the default profile."""

    no_new_privileges: bool = False
    seccomp: dict[str, Any] | None = None
    apparmor: str = ""
    writable_cgroups: bool = False

    def apparmor_profile(self, *, privileged: bool) -> str:
        """Return the name of the profile that confines the processes, where the host has AppArmor."""
        return self.apparmor or (UNCONFINED if privileged else DEFAULT)


def parse(options: Iterable[str], caps: frozenset[str] = frozenset()) -> SecurityOptions:
    """Return what *options* say. *caps* are the container's capabilities: a system-call filter may depend on them."""
    no_new_privileges = writable_cgroups = False
    profile: dict[str, Any] | None = None
    apparmor = ""
    for option in options:
        if option == "no-new-privileges":
            no_new_privileges = True
            continue
        if option == "disable":  # of SELinux's labels, as old clients write it
            continue
        name, separator, value = option.partition("=") if "=" in option else option.partition(":")
        if not separator:
            raise InvalidArgument(f'invalid --security-opt 1: "{option}"')
        match name:
            case "no-new-privileges":
                no_new_privileges = _truth(value, option)
            case "writable-cgroups":
                writable_cgroups = _truth(value, option)
            case "seccomp":
                profile = _filter(value, caps)
            case "apparmor":
                apparmor = value
            case "label":
                pass  # of SELinux, which this engine leaves to the runtime's default
            case _:
                raise InvalidArgument(f'invalid --security-opt 2: "{option}"')
    return SecurityOptions(no_new_privileges, profile, apparmor, writable_cgroups)


def isolation(level: Level, options: Iterable[str], *, privileged: bool) -> str:
    """Return what holds a container with these *options* back, in words: the engine's *level* and the system-call filter."""
    filtered = not privileged and parse(options).seccomp != {}
    return f"{level.sentence}, {'with' if filtered else 'without'} seccomp"


def _truth(value: str, option: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise InvalidArgument(f'invalid --security-opt 2: "{option}"')
    return value in _TRUE


def _filter(value: str, caps: frozenset[str]) -> dict[str, Any] | None:
    if value == "unconfined":
        return {}
    if value in {"", "builtin"}:
        return None
    try:
        return seccomp.from_docker(json.loads(value), caps)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from error
