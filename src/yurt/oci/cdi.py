"""CDI: what a host says has to be done to give a container one of its devices (CNCF Container Device Interface, SPEC.md).

Pure: `parse` reads one document; which files there are, and what is asked, is the engine's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yurt.oci.runtime_spec import SpecHook, SpecMount

_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?")
_QUALIFIED = re.compile(rf"(?P<kind>{_KIND.pattern})=(?P<name>{_NAME.pattern})")


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A node to make at *path*. What is None is as the host's node at *host_path* has it."""

    path: str
    host_path: str
    kind: str | None = None  # b or c
    major: int | None = None
    minor: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    access: str = "rwm"


@dataclass(frozen=True, slots=True)
class Edits:
    """Changes to a container (``containerEdits``)."""

    env: tuple[str, ...] = ()
    nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[SpecMount, ...] = ()
    hooks: tuple[SpecHook, ...] = ()
    groups: tuple[int, ...] = ()

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.env + other.env,
            self.nodes + other.nodes,
            self.mounts + other.mounts,
            self.hooks + other.hooks,
            self.groups + other.groups,
        )


@dataclass(frozen=True, slots=True)
class CdiSpec:
    """One document: devices of one *kind* (``vendor.com/class``) by name, and what each of them needs as well."""

    kind: str
    devices: Mapping[str, Edits] = field(default_factory=dict)
    common: Edits = Edits()


def is_qualified(text: str) -> bool:
    """Tell whether *text* is a device's full name: ``vendor.com/class=name``."""
    return _QUALIFIED.fullmatch(text) is not None


def parse(document: Any) -> CdiSpec:
    """Read a document; raise ValueError when it is not one, or lacks what every one must have."""
    try:
        kind = document["kind"]
        if not document["cdiVersion"] or not _KIND.fullmatch(kind):
            raise ValueError(f"its kind {kind!r} is not vendor.com/class, or it has no version")
        devices = {}
        for device in document.get("devices") or ():
            name = str(device["name"])
            if not _NAME.fullmatch(name) or name in devices:
                raise ValueError(f"the device name {name!r} is invalid or there twice")
            devices[name] = _edits(device.get("containerEdits") or {})
        return CdiSpec(kind, devices, _edits(document.get("containerEdits") or {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks or misplaces {error}") from error


def _edits(value: Mapping[str, Any]) -> Edits:
    return Edits(
        env=tuple(map(str, value.get("env") or ())),
        nodes=tuple(map(_node, value.get("deviceNodes") or ())),
        mounts=tuple(map(_mount, value.get("mounts") or ())),
        hooks=tuple(map(_hook, value.get("hooks") or ())),
        groups=tuple(int(group) for group in value.get("additionalGids") or ()),
    )


def _node(value: Mapping[str, Any]) -> DeviceNode:
    return DeviceNode(
        path=value["path"],
        host_path=value.get("hostPath") or value["path"],
        kind=value.get("type") or None,
        major=value.get("major"),
        minor=value.get("minor"),
        mode=value.get("fileMode"),
        uid=value.get("uid"),
        gid=value.get("gid"),
        access=value.get("permissions") or "rwm",
    )


def _mount(value: Mapping[str, Any]) -> SpecMount:
    return SpecMount(
        target=value["containerPath"],
        kind=value.get("type") or "bind",
        source=value["hostPath"],
        options=tuple(value.get("options") or ("rbind", "nosuid", "nodev")),
    )


def _hook(value: Mapping[str, Any]) -> SpecHook:
    return SpecHook(
        name=value["hookName"],
        path=value["path"],
        args=tuple(value.get("args") or ()),
        env=tuple(value.get("env") or ()),
        timeout=value.get("timeout"),
    )
