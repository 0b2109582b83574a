"""Mounts: ``-v`` texts, ``--mount`` objects and ``--tmpfs`` maps, to MountRequest and back."""

import posixpath
from collections.abc import Iterator

from yurt.api.types import containers as wire
from yurt.engine.containers.model import HostConfig, MountPoint, MountRequest
from yurt.errors import InvalidArgument

KINDS = frozenset({"bind", "volume", "image", "tmpfs"})
DEFAULT_DRIVER = "local"
DEFAULT_PROPAGATION = "rprivate"
MODES = {  # the words behind a bind, by what they choose
    "access": frozenset({"ro", "rw"}),
    "propagation": frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"}),
    "copying": frozenset({"nocopy"}),
    "label": frozenset({"z", "Z"}),  # of SELinux; without effect where that is not
    "consistency": frozenset({"cached", "delegated", "consistent"}),  # of Docker Desktop
}


def parse_bind(text: str) -> MountRequest:
    """Read ``[source:]target[:options]``. A source that starts with a slash is a host path, else a volume's name."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(
            f"invalid volume specification: '{text}'", hint="write source:target or source:target:ro"
        )
    mode = parts.pop() if len(parts) == 3 else ""
    source, target = (parts[0], parts[1]) if len(parts) == 2 else ("", parts[0])
    chosen = _mode(mode)
    is_bind = source.startswith("/")
    request = MountRequest(
        kind="bind" if is_bind else "volume",
        source=source,
        target=target,
        read_only=chosen.get("access") == "ro",
        propagation=chosen.get("propagation", DEFAULT_PROPAGATION),
        no_copy="copying" in chosen,
        create_source=is_bind,
    )
    try:
        _check_target(request.kind, target)
        if is_bind and request.no_copy:
            raise _invalid("bind", "field VolumeOptions must not be specified")
        if not is_bind and "propagation" in chosen:
            raise _invalid("volume", "field BindOptions must not be specified")
    except InvalidArgument as error:
        raise InvalidArgument(f"invalid volume specification: '{text}': {error.message}") from error
    return request


def _mode(text: str) -> dict[str, str]:
    """Read the options of a bind: at most one word of each sort."""
    chosen: dict[str, str] = {}
    for word in text.split(",") if text else ():
        sort = next((name for name, words in MODES.items() if word in words), None)
        if sort is None or sort in chosen:
            raise InvalidArgument(f"invalid mode: {text}")
        chosen[sort] = word
    return chosen


def _invalid(kind: str, what: str) -> InvalidArgument:
    return InvalidArgument(f'invalid mount config for type "{kind}": {what}')


def _check_target(kind: str, target: str) -> None:
    if not target:
        raise _invalid(kind, "field Target must not be empty")
    if not target.startswith("/"):
        raise _invalid(kind, f"invalid mount path: '{target}' mount path must be absolute")
    if posixpath.normpath(f"/{target.lstrip('/')}") == "/":
        raise _invalid(kind, "invalid specification: destination can't be '/'")


def parse_mount(mount: wire.Mount) -> MountRequest:
    """Translate one entry of ``HostConfig.Mounts``."""
    kind, target, source = mount.type or "", mount.target or "", mount.source or ""
    bind, volume, tmpfs = mount.bind_options, mount.volume_options, mount.tmpfs_options
    image = mount.image_options
    if kind not in KINDS:
        raise _invalid(kind, "mount type unknown")
    _check_target(kind, target)
    for other, name, given in (
        ("bind", "BindOptions", bind),
        ("volume", "VolumeOptions", volume),
        ("image", "ImageOptions", image),
        ("tmpfs", "TmpfsOptions", tmpfs),
    ):
        if given is not None and kind != other:
            raise _invalid(kind, f"field {name} must not be specified")
    if kind == "bind":
        _check_bind(source, bind or wire.BindOptions(), read_only=bool(mount.read_only))
    elif kind == "volume":
        subpath = (volume.subpath if volume else None) or ""
        if not source and (subpath or mount.read_only):
            option = "Subpath" if subpath else "ReadOnly mode"
            raise _invalid("volume", f"must not set {option} when using anonymous volumes")
        _check_subpath(kind, subpath)
    elif kind == "image":
        if not source:
            raise _invalid("image", "field Source must not be empty")
        _check_subpath(kind, (image.subpath if image else None) or "")
    elif source:
        raise _invalid("tmpfs", "field Source must not be specified")
    driver = volume.driver_config if volume else None
    return MountRequest(
        kind=kind,
        source=source,
        target=target,
        read_only=bool(mount.read_only),
        propagation=(bind.propagation if bind else None) or DEFAULT_PROPAGATION,
        create_source=bool(bind and bind.create_mountpoint),
        alone=bool(bind and bind.non_recursive),
        writable_below=bool(bind and bind.read_only_non_recursive),
        read_only_below=bool(bind and bind.read_only_force_recursive),
        no_copy=bool(volume and volume.no_copy),
        labels=(volume.labels if volume else None) or {},
        subpath=(volume.subpath if volume else image.subpath if image else None) or "",
        driver=(driver.name if driver else None) or DEFAULT_DRIVER,
        options=(driver.options if driver else None) or {},
        tmpfs_size=tmpfs.size_bytes if tmpfs else None,
        tmpfs_mode=tmpfs.mode if tmpfs else None,
        tmpfs_options=",".join("=".join(pair) for pair in (tmpfs.options if tmpfs else None) or ()),
        as_object=kind == "tmpfs",
    )


def _check_subpath(kind: str, subpath: str) -> None:
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise _invalid(kind, "subpath must be a relative path within the volume")


def _check_bind(source: str, options: wire.BindOptions, *, read_only: bool) -> None:
    if not source:
        raise _invalid("bind", "field Source must not be empty")
    if not source.startswith("/"):
        raise _invalid("bind", f"invalid mount path: '{source}' mount path must be absolute")
    propagation = options.propagation or DEFAULT_PROPAGATION
    if propagation not in MODES["propagation"]:
        raise _invalid("bind", f"invalid propagation mode: {propagation}")
    forced = bool(options.read_only_force_recursive)
    if not read_only and (forced or options.read_only_non_recursive):
        name = "ReadOnlyForceRecursive" if forced else "ReadOnlyNonRecursive"
        raise _invalid("bind", f"BindOptions.{name} was set without Mount.ReadOnly")
    if forced and propagation != DEFAULT_PROPAGATION:
        raise _invalid("bind", "BindOptions.ReadOnlyForceRecursive needs the propagation rprivate")


def requests(host: wire.HostConfig) -> Iterator[MountRequest]:
    """Yield all that *host* wants mounted; two for one target is an error."""
    driver = host.volume_driver or DEFAULT_DRIVER
    seen: set[str] = set()
    asked = [parse_bind(text) for text in host.binds or ()]
    asked += [parse_mount(mount) for mount in host.mounts or ()]
    asked += [
        MountRequest(kind="tmpfs", target=target, tmpfs_options=options)
        for target, options in (host.tmpfs or {}).items()
    ]
    for request in asked:
        if request.target in seen:
            raise InvalidArgument(f"Duplicate mount point: {request.target}")
        seen.add(request.target)
        if request.kind == "volume" and driver != DEFAULT_DRIVER and request.driver == DEFAULT_DRIVER:
            raise InvalidArgument(
                f"volume driver {driver!r} is not available", hint="only the local driver is"
            )
        yield request


def _target_of_bind(text: str) -> str:
    parts = text.split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _is_tmpfs_text(request: MountRequest) -> bool:
    """Tell ``--tmpfs`` from ``--mount type=tmpfs``; of old containers, by the second's size and mode."""
    is_object = request.as_object or request.tmpfs_size is not None or request.tmpfs_mode is not None
    return request.kind == "tmpfs" and not is_object


def to_tmpfs(host: HostConfig) -> dict[str, str] | None:
    """Return the ``Tmpfs`` map of inspect."""
    return {mount.target: mount.tmpfs_options for mount in host.mounts if _is_tmpfs_text(mount)} or None


def to_mounts(host: HostConfig) -> list[wire.Mount] | None:
    """Return ``HostConfig.Mounts`` of inspect: what was asked as an object."""
    from_binds = {_target_of_bind(text) for text in host.binds}
    return [
        _to_mount(mount)
        for mount in host.mounts
        if mount.target not in from_binds and not _is_tmpfs_text(mount)
    ] or None


def _to_mount(mount: MountRequest) -> wire.Mount:
    answer = wire.Mount(
        type=mount.kind,
        source=mount.source or None,
        target=mount.target,
        read_only=mount.read_only or None,
    )
    if mount.kind == "bind":
        options = wire.BindOptions(
            propagation=mount.propagation if mount.propagation != DEFAULT_PROPAGATION else None,
            create_mountpoint=mount.create_source or None,
            non_recursive=mount.alone or None,
            read_only_non_recursive=mount.writable_below or None,
            read_only_force_recursive=mount.read_only_below or None,
        )
        answer.bind_options = options if options != wire.BindOptions() else None
    elif mount.kind == "volume" and (mount.no_copy or mount.labels or mount.options or mount.subpath):
        answer.volume_options = wire.VolumeOptions(
            no_copy=mount.no_copy or None,
            labels=dict(mount.labels) or None,
            subpath=mount.subpath or None,
            driver_config=wire.DriverConfig(name=mount.driver, options=dict(mount.options))
            if mount.options
            else None,
        )
    elif mount.kind == "image" and mount.subpath:
        answer.image_options = wire.ImageOptions(subpath=mount.subpath)
    elif mount.kind == "tmpfs" and not (mount.tmpfs_size is None and mount.tmpfs_mode is None):
        answer.tmpfs_options = wire.TmpfsOptions(size_bytes=mount.tmpfs_size, mode=mount.tmpfs_mode)
    return answer


def _mode_of_bind(text: str) -> str:
    """A volume that was named in a bind without a mode has the mode ``z``, as in Docker."""
    source, _target, mode, *_ = [*text.split(":"), "", ""]
    return mode or ("" if source.startswith("/") else "z")


def to_mount_points(mounts: tuple[MountPoint, ...], binds: tuple[str, ...]) -> list[wire.MountPoint]:
    """Return ``Mounts`` of inspect and of the list: what is mounted."""
    modes = {_target_of_bind(text): _mode_of_bind(text) for text in binds}
    return [
        wire.MountPoint(
            type=mount.kind,
            name=mount.name,
            source=mount.source,
            destination=mount.target,
            driver=mount.driver,
            mode=modes.get(mount.target, ""),
            read_write=not mount.read_only,
            propagation=mount.propagation,
        )
        for mount in mounts
    ]
