"""What is mounted into a container: from requests, image volumes and other containers to mount points."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from yurt.engine.containers.model import Container, MountPoint, MountRequest
from yurt.engine.containers.ports import Volumes
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.oci.runtime_spec import SpecMount

_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
_OPPOSITES = {"exec": "noexec", "suid": "nosuid", "dev": "nodev", "rw": "ro"}


def planned(
    requests: Iterable[MountRequest],
    *,
    inherited: Iterable[MountPoint],
    image_volumes: Iterable[str],
) -> tuple[MountRequest, ...]:
    """Return one request for each target: those asked for, then --volumes-from, then what the image declares. Pure."""
    found: dict[str, MountRequest] = {}
    for request in requests:
        target = normal(request.target)
        if target in found:
            raise InvalidArgument(f"Duplicate mount point: {target}")
        found[target] = request
    for mount in inherited:
        found.setdefault(
            mount.target,
            MountRequest(
                kind=mount.kind,
                target=mount.target,
                source=mount.name if mount.kind == "volume" else mount.source,
                read_only=mount.read_only,
                propagation=mount.propagation or "rprivate",
                no_copy=True,
            ),
        )
    for target in image_volumes:
        found.setdefault(normal(target), MountRequest(kind="volume", target=normal(target)))
    return tuple(found.values())


def normal(target: str) -> str:
    """Return an absolute, clean path; raise InvalidArgument when *target* is relative or the root."""
    if not target.startswith("/"):
        raise InvalidArgument(f"invalid mount path: '{target}' mount path must be absolute")
    clean = os.path.normpath("/" + target.lstrip("/"))
    if clean == "/":
        raise InvalidArgument("invalid specification: destination can't be '/'")
    return clean


async def acquire(
    requests: Iterable[MountRequest], volumes: Volumes, holder: str, undo: AsyncExitStack
) -> tuple[MountPoint, ...]:
    """Make the volumes and folders that *requests* need, held for *holder*; *undo* lets go of them."""
    points = []
    for request in requests:
        target = normal(request.target)
        if request.kind == "bind":
            points.append(_bind(request, target))
        elif request.kind == "tmpfs":
            points.append(
                MountPoint("tmpfs", "", target, request.read_only, options=",".join(_tmpfs(request)))
            )
        elif request.kind == "volume":
            points.append(await _volume(request, target, volumes, holder, undo))
        else:
            raise InvalidArgument(f"mount type unknown: {request.kind!r}", hint="use bind, volume or tmpfs")
    return tuple(points)


def _bind(request: MountRequest, target: str) -> MountPoint:
    source = Path(os.path.normpath(request.source))
    if not source.is_absolute():
        raise InvalidArgument(f'invalid mount config for type "bind": {source} is not an absolute path')
    if not os.path.lexists(source):
        if not request.create_source:
            raise InvalidArgument(
                f'invalid mount config for type "bind": bind source path does not exist: {source}'
            )
        source.mkdir(parents=True, exist_ok=True)
    return MountPoint("bind", str(source), target, request.read_only, propagation=request.propagation)


async def _volume(
    request: MountRequest, target: str, volumes: Volumes, holder: str, undo: AsyncExitStack
) -> MountPoint:
    volume = await volumes.create(
        request.source or None,
        driver=request.driver,
        labels=request.labels,
        options=request.options,
        provisional=True,
    )
    volumes.hold(volume.name, holder)

    async def let_go() -> None:
        volumes.release(volume.name, holder)
        with contextlib.suppress(NotFound, Conflict):  # removed, or in use by another container by now
            if volumes.get(volume.name).provisional:
                await volumes.remove(volume.name)

    undo.push_async_callback(let_go)
    source = volume.mountpoint
    if request.subpath:
        source = _below(source, request.subpath)
    return MountPoint(
        "volume", str(source), target, request.read_only, name=volume.name, driver=volume.driver
    )


def _below(folder: Path, subpath: str) -> Path:
    """Return the folder *subpath* of a volume; its links may not lead out."""
    found = (folder / subpath).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise InvalidArgument(f"invalid subpath {subpath!r}: it leads out of the volume")
    if not found.exists():
        raise InvalidArgument(f"cannot access path {found}: no such file or directory")
    return found


def _tmpfs(request: MountRequest) -> tuple[str, ...]:
    options = list(_TMPFS_DEFAULTS)
    for option in filter(None, request.tmpfs_options.split(",")):
        if option in _OPPOSITES:
            if _OPPOSITES[option] in options:
                options.remove(_OPPOSITES[option])
        elif option not in options:
            options.append(option)
    if request.tmpfs_size:
        options.append(f"size={request.tmpfs_size}")
    if request.tmpfs_mode is not None:
        options.append(f"mode={request.tmpfs_mode:o}")
    if request.read_only and "ro" not in options:
        options.append("ro")
    return tuple(options)


def to_spec(points: Iterable[MountPoint]) -> tuple[SpecMount, ...]:
    """Return the entries of a runtime specification for *points*. Pure."""
    mounts = []
    for point in points:
        if point.kind == "tmpfs":
            options = tuple(filter(None, point.options.split(",")))
            mounts.append(SpecMount(point.target, "tmpfs", "tmpfs", options))
        else:
            access = "ro" if point.read_only else "rw"
            mounts.append(
                SpecMount(
                    point.target, "bind", point.source, ("rbind", access, point.propagation or "rprivate")
                )
            )
    return tuple(mounts)


def inherited(references: Iterable[str], find: Callable[[str], Container]) -> tuple[MountPoint, ...]:
    """Return the mounts of the containers that ``--volumes-from`` names: ``container[:ro|rw]``."""
    points: list[MountPoint] = []
    for reference in references:
        ref, _colon, mode = reference.partition(":")
        if mode not in {"", "ro", "rw", "z", "Z"}:
            raise InvalidArgument(f"invalid mode for volumes-from: {mode}")
        points += [
            replace(point, read_only=True) if mode == "ro" else point
            for point in find(ref).mounts
            if point.kind != "tmpfs"
        ]
    return tuple(points)


def to_fill(points: Iterable[MountPoint], requests: Mapping[str, MountRequest]) -> tuple[MountPoint, ...]:
    """Return the volumes that take the image's content: writable requests allow it, and nothing is in them yet."""
    return tuple(
        point
        for point in points
        if point.kind == "volume"
        and not requests[point.target].no_copy
        and not requests[point.target].subpath
        and not os.listdir(point.source)
    )
