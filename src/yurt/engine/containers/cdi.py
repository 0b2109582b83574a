"""Devices that the host describes by CDI: which there are, and what giving them to a container changes.

The documents are read anew for each container that asks for such a device: drivers come and go, and it is rare.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from yurt.engine.containers.merge import merged_env
from yurt.engine.containers.model import DeviceRequest
from yurt.errors import InvalidArgument
from yurt.oci.cdi import CdiSpec, DeviceNode, Edits, parse
from yurt.oci.runtime_spec import SpecDevice, SpecMount, SpecRequest

log = structlog.get_logger()

FOLDERS = (
    Path("/etc/cdi"),
    Path("/var/run/cdi"),
)  # as in Docker; of two devices of one name, the later's counts
GPU_VENDORS = ("nvidia.com", "amd.com")  # asked first for a GPU that may be anyone's


def devices(folders: Iterable[Path] = FOLDERS) -> dict[str, tuple[CdiSpec, Edits]]:
    """Return the devices of this host by full name. A document that cannot be read is told of in the log.

    Two documents of one folder that name the same device contradict each other: neither counts.
    """
    found: dict[str, tuple[CdiSpec, Edits]] = {}
    for folder in folders:
        here: dict[str, tuple[CdiSpec, Edits] | None] = {}
        for spec in _specs(folder):
            for name, edits in spec.devices.items():
                full = f"{spec.kind}={name}"
                here[full] = None if full in here else (spec, edits)
        for full, one in here.items():
            found.pop(full, None)
            if one is not None:
                found[full] = one
    return dict(sorted(found.items()))


def _specs(folder: Path) -> Iterator[CdiSpec]:
    for path in sorted(folder.glob("*")):
        if path.suffix not in {".json", ".yaml"}:
            continue
        try:
            yield parse(_document(path))
        except (OSError, ValueError) as error:
            log.warning("cdi.unreadable", path=str(path), error=str(error))


def _document(path: Path) -> Any:
    if path.suffix == ".json":
        return json.loads(path.read_bytes())
    import yaml

    try:
        return yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def names(requests: Iterable[DeviceRequest], known: Iterable[str]) -> tuple[str, ...]:
    """Return the full names of the devices that are asked for.

    Full names are asked with the driver ``cdi``. Any other request is for GPUs, by number, index or id: those of the
    first vendor that has some. Raises InvalidArgument, in Docker's words, for what there is not.
    """
    available = tuple(known)
    found: list[str] = []
    for request in requests:
        if request.driver == "cdi":
            if request.count:
                raise InvalidArgument("unexpected count in CDI device request")
            found += request.ids
        else:
            found += _gpus(request, available)
    if missing := [name for name in found if name not in available]:
        raise InvalidArgument(
            f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}",
            hint=f"this host has {', '.join(available) or 'none: see /etc/cdi'}",
        )
    return tuple(dict.fromkeys(found))


def _gpus(request: DeviceRequest, known: tuple[str, ...]) -> list[str]:
    kinds = {name.partition("=")[0] for name in known if name.partition("=")[0].endswith("/gpu")}
    preferred = [f"{vendor}/gpu" for vendor in GPU_VENDORS]
    if request.driver:
        kinds = {kind for kind in kinds if kind.startswith(f"{request.driver}.")}
    wants_gpu = any("gpu" in some for some in request.capabilities)
    if not wants_gpu or not kinds:
        capabilities = " ".join(f"[{' '.join(some)}]" for some in request.capabilities)
        raise InvalidArgument(
            f'could not select device driver "{request.driver}" with capabilities: [{capabilities}]',
            hint="describe the GPUs in /etc/cdi (nvidia-ctk cdi generate), or pass the device files with --device",
        )
    kind = min(kinds, key=lambda kind: (preferred.index(kind) if kind in preferred else len(preferred), kind))
    if request.ids:
        return [f"{kind}={name}" for name in request.ids]
    if request.count >= 0:
        return [f"{kind}={index}" for index in range(request.count)]
    own = [name for name in known if name.startswith(f"{kind}=")]
    everything = f"{kind}=all"
    return [everything] if everything in own else own


def edits(wanted: Iterable[str], known: Mapping[str, tuple[CdiSpec, Edits]]) -> Edits:
    """Return all that the devices change; what a document says of all its devices counts once."""
    total = Edits()
    seen: list[CdiSpec] = []
    for name in wanted:
        spec, own = known[name]
        if spec not in seen:
            seen.append(spec)
            total += spec.common
        total += own
    return total


def apply(request: SpecRequest, changes: Edits) -> SpecRequest:
    """Return *request* with *changes*: later nodes and mounts take the place of earlier ones at the same path."""
    process = replace(
        request.process,
        env=merged_env(request.process.env, changes.env),
        groups=tuple(dict.fromkeys((*request.process.groups, *changes.groups))),
    )
    made = {node.path: _device(node) for node in changes.nodes}
    mounts: dict[str, SpecMount] = {mount.target: mount for mount in (*request.mounts, *changes.mounts)}
    return replace(
        request,
        process=process,
        devices=(*(device for device in request.devices if device.path not in made), *made.values()),
        mounts=tuple(mounts.values()),
        hooks=(*request.hooks, *changes.hooks),
    )


def _device(node: DeviceNode) -> SpecDevice:
    kind, major, minor = node.kind, node.major, node.minor
    if kind is None or major is None or minor is None:
        try:
            status = os.stat(node.host_path)
        except OSError as error:
            raise InvalidArgument(
                f"CDI device injection failed: cannot look at {node.host_path}: {error.strerror}"
            ) from error
        found = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
        if not found or (kind or found) != found:
            raise InvalidArgument(
                f"CDI device injection failed: {node.host_path} is not the device node that is described"
            )
        kind, major, minor = found, os.major(status.st_rdev), os.minor(status.st_rdev)
    return SpecDevice(
        path=node.path,
        kind=kind,
        major=major,
        minor=minor,
        mode=0o666 if node.mode is None else node.mode,
        uid=node.uid or 0,
        gid=node.gid or 0,
        access=node.access,
    )
