"""``RUN --mount=…``: the text behind the flag to a value."""

import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any

_KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
_SIZE = re.compile(r"([0-9]+)([kmgt]?)b?")
_KEYS = {
    "type": "kind",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "source": "source",
    "src": "source",
    "from": "origin",
    "id": "id",
    "sharing": "sharing",
    "env": "env",
}


@dataclass(frozen=True, slots=True)
class RunMount:
    """One mount of a RUN. *origin* is a stage or image (bind, cache); *id* names a cache or secret."""

    kind: str = "bind"
    target: str = ""
    source: str = ""
    origin: str = ""
    id: str = ""
    sharing: str = "shared"
    env: str = ""
    read_only: bool | None = None
    required: bool = False
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int | None = None

    @property
    def secret_name(self) -> str:
        """The secret that a mount of that type shows."""
        return self.id or posixpath.basename(self.source or self.target)


def parse_mount(text: str) -> RunMount:
    """Return the mount that *text* (``type=cache,target=/x``) asks for; raise ValueError saying what is wrong."""
    mount = RunMount()
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        key = key.lower()
        if key in _KEYS:
            if not equals or not value:
                raise ValueError(f"{key} has no value")
            changes: dict[str, Any] = {_KEYS[key]: value}
            mount = replace(mount, **changes)
        elif key in {"readonly", "ro"}:
            mount = replace(mount, read_only=_truth(key, value, given=bool(equals)))
        elif key in {"readwrite", "rw"}:
            mount = replace(mount, read_only=not _truth(key, value, given=bool(equals)))
        elif key == "required":
            mount = replace(mount, required=_truth(key, value, given=bool(equals)))
        elif key == "mode":
            if not re.fullmatch(r"0?[0-7]{1,4}", value):
                raise ValueError(f"mode {value!r} is not octal")
            mount = replace(mount, mode=int(value, 8))
        elif key in {"uid", "gid"}:
            if not re.fullmatch(r"[0-9]{1,9}", value):
                raise ValueError(f"{key} {value!r} is not a number")
            mount = replace(mount, uid=int(value)) if key == "uid" else replace(mount, gid=int(value))
        elif key == "size":
            if not (match := _SIZE.fullmatch(value.lower())):
                raise ValueError(f"size {value!r} is not a number of bytes")
            mount = replace(mount, size=int(match[1]) << (" kmgt".index(match[2] or " ") * 10))
        else:
            raise ValueError(f"unknown option {key!r}")
        if key == "sharing" and "type=cache" not in text:
            raise ValueError("sharing is for type=cache")
    return _checked(mount)


def _checked(mount: RunMount) -> RunMount:
    if mount.kind not in _KINDS:
        raise ValueError(f"unknown type {mount.kind!r}: known are {', '.join(_KINDS)}")
    if mount.kind in {"bind", "cache", "tmpfs"} and not mount.target:
        raise ValueError(f"type={mount.kind} needs target=/path")
    if mount.kind == "secret" and not (mount.id or mount.source or mount.target):
        raise ValueError("type=secret needs id=name")
    if mount.sharing not in {"shared", "private", "locked"}:
        raise ValueError(f"sharing {mount.sharing!r} is not shared, private or locked")
    return mount


def _truth(key: str, value: str, *, given: bool) -> bool:
    if not given or value.lower() in {"true", "1"}:
        return True
    if value.lower() in {"false", "0"}:
        return False
    raise ValueError(f"{key}={value}: expected true or false")
