"""What is mounted into a container: from requests, image volumes and other containers to mount points."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from yurt.engine.containers.model import Container, MountPoint, MountRequest
from yurt.engine.containers.ports import Images, Volumes
from yurt.errors import Conflict, InvalidArgument, NotFound
from yurt.linux import syscall
from yurt.linux.mount import BindMount, mount_around, unmount
from yurt.linux.overlay import OverlayMount
from yurt.oci.runtime_spec import SpecMount

_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
_TMPFS_FLAGS = frozenset(
    [
        "defaults",
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
    ]
)
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})
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
                source=mount.name if mount.kind in {"volume", "image"} else mount.source,
                read_only=mount.read_only,
                propagation=mount.propagation or "rprivate",
                no_copy=True,
                subpath=mount.subpath,
                alone=mount.alone,
                writable_below=mount.writable_below,
                read_only_below=mount.read_only_below,
            ),
        )
    for target in image_volumes:
        place = normal(f"/{target}")  # Docker takes a relative one from the root, too
        found.setdefault(place, MountRequest(kind="volume", target=place))
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
    requests: Iterable[MountRequest], volumes: Volumes, images: Images, holder: str, undo: AsyncExitStack
) -> tuple[MountPoint, ...]:
    """Make the volumes and folders that *requests* need, and find the images; *undo* lets go of what *holder* holds."""
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
        elif request.kind == "image":
            image = images.get(request.source)
            images.hold(image.id, holder)
            undo.callback(images.release, image.id, holder)
            points.append(
                MountPoint(
                    "image",
                    "",
                    target,
                    read_only=True,
                    name=request.source,
                    image_id=str(image.id),
                    subpath=request.subpath,
                    propagation="rprivate",
                )
            )
        else:
            raise InvalidArgument(
                f"mount type unknown: {request.kind!r}", hint="use bind, volume, image or tmpfs"
            )
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
    return MountPoint(
        "bind",
        str(source),
        target,
        request.read_only,
        propagation=request.propagation,
        alone=request.alone,
        writable_below=request.writable_below,
        read_only_below=request.read_only_below,
    )


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

    async def let_go() -> None:
        volumes.release(volume.name, holder)
        with contextlib.suppress(NotFound, Conflict):  # removed, or in use by another container by now
            if volumes.get(volume.name).provisional:
                await volumes.remove(volume.name)

    undo.push_async_callback(let_go)
    volumes.hold(volume.name, holder)
    await volumes.ready(volume.name)
    if request.subpath:
        os.close(_opened_below(volume.mountpoint, request.subpath))  # it is there, and inside
    return MountPoint(
        "volume",
        str(volume.mountpoint),
        target,
        request.read_only,
        name=volume.name,
        driver=volume.driver,
        subpath=request.subpath,
    )


def _opened_below(folder: Path, subpath: str) -> int:
    """Return a descriptor of what *subpath* is in the volume at *folder*; its links may not lead out."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return syscall.open_beneath(descriptor, subpath, os.O_PATH)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise InvalidArgument(
                f"path concatenation escapes the base directory, base: {folder}, subpath: {subpath}",
                hint="name a folder inside the volume",
            ) from error
        raise InvalidArgument(
            f"cannot access path {folder / subpath}: {os.strerror(error.errno or 0)}"
        ) from error
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held(
    points: Iterable[MountPoint], folder: Path, view: Callable[[str], OverlayMount]
) -> Iterator[tuple[MountPoint, ...]]:
    """Yield *points*, those that are a part of a volume or an image as mounts below *folder*, until they are mounted.

    Who writes to the volume could put a link in the place of such a folder at any moment. So the way to it is walked
    once, inside the volume, and what was found is what the runtime mounts. *view* tells how an image is mounted.
    """
    with contextlib.ExitStack() as undo:
        found = []
        for number, point in enumerate(points):
            if point.kind == "image":
                whole = folder / f"image-{number}"
                whole.mkdir(parents=True)
                view(point.image_id).mount(whole)
                undo.callback(unmount, whole, lazy=True)
                point = replace(point, source=str(whole))  # noqa: PLW2901 - the same, where it is now
            if point.subpath:
                point = replace(point, source=str(_hold(point, folder / str(number), undo)))  # noqa: PLW2901
            found.append(point)
        yield tuple(found)


def _hold(point: MountPoint, place: Path, undo: contextlib.ExitStack) -> Path:
    descriptor = _opened_below(Path(point.source), point.subpath)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(exist_ok=True)
            place.touch()
        BindMount(Path(f"/proc/self/fd/{descriptor}"), place).execute()
    finally:
        os.close(descriptor)
    undo.callback(unmount, place, lazy=True)
    return place


def _tmpfs(request: MountRequest) -> tuple[str, ...]:
    options = list(_TMPFS_DEFAULTS)
    for option in filter(None, request.tmpfs_options.split(",")):
        name, equals, _value = option.partition("=")
        if option not in _TMPFS_FLAGS and not (equals and name in _TMPFS_VALUES):
            raise InvalidArgument(f'invalid tmpfs option "{option}"')
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


def to_spec(
    points: Iterable[MountPoint], *, has_mounts_below: Callable[[str], bool]
) -> tuple[SpecMount, ...]:
    """Return the entries of a runtime specification for *points*.

    *has_mounts_below* tells whether a path has mounts of its own below it that can be made read-only together with it.
    """
    return tuple(_spec_mount(point, has_mounts_below) for point in points)


def _spec_mount(point: MountPoint, has_mounts_below: Callable[[str], bool]) -> SpecMount:
    if point.kind == "tmpfs":
        return SpecMount(point.target, "tmpfs", "tmpfs", tuple(filter(None, point.options.split(","))))
    how = "bind" if point.alone else "rbind"
    if not point.read_only:
        access = "rw"
    elif point.alone or point.writable_below:
        access = "ro"
    else:
        access = "rro" if point.read_only_below or has_mounts_below(point.source) else "ro"
    return SpecMount(point.target, "bind", point.source, (how, access, point.propagation or "rprivate"))


def check_propagation(points: Iterable[MountPoint]) -> None:
    """Refuse mounts that are to travel from or to a place on the host that does not let them."""
    for point in points:
        word = point.propagation.removeprefix("r")
        if point.kind != "bind" or word not in {"shared", "slave"}:
            continue
        around = mount_around(Path(point.source))
        if not around.shared and not (word == "slave" and around.slave):
            wanted = "shared" if word == "shared" else "shared or slave"
            raise InvalidArgument(
                f"path {point.source} is mounted on {around.point} but it is not a {wanted} mount",
                hint=f"mount --make-shared {around.point}",
            )


def inherited(references: Iterable[str], find: Callable[[str], Container]) -> tuple[MountPoint, ...]:
    """Return the mounts of the containers that ``--volumes-from`` names: ``container[:ro|rw]``."""
    points: list[MountPoint] = []
    for reference in references:
        ref, _colon, mode = reference.partition(":")
        if mode not in {"", "ro", "rw", "z", "Z"}:
            raise InvalidArgument(f"invalid mode: {mode}")
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
        and not point.subpath
        and not os.listdir(point.source)
    )
