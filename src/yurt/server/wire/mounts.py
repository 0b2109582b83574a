"""Mounts: ``-v`` texts, ``--mount`` objects and ``--tmpfs`` maps, to MountRequest and back."""

from collections.abc import Iterator

from yurt.api.types import containers as wire
from yurt.engine.containers.model import HostConfig, MountPoint, MountRequest
from yurt.errors import InvalidArgument

PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
LABELS_OF_SELINUX = frozenset({"z", "Z"})  # accepted and without effect where SELinux is not
DEFAULT_DRIVER = "local"


def parse_bind(text: str) -> MountRequest:
    """Read ``[source:]target[:options]``. A source that starts with a slash is a host path, else a volume's name."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(
            f"invalid volume specification: {text!r}", hint="write source:target or source:target:ro"
        )
    options = parts.pop().split(",") if len(parts) == 3 else []
    source, target = (parts[0], parts[1]) if len(parts) == 2 else ("", parts[0])
    if not target.startswith("/"):
        raise InvalidArgument(f"invalid volume specification: {text!r}: mount path must be absolute")
    is_bind = source.startswith("/")
    propagation, read_only, no_copy = "rprivate", False, False
    for option in options:
        if option in PROPAGATIONS:
            propagation = option
        elif option == "ro":
            read_only = True
        elif option == "nocopy":
            no_copy = True
        elif option not in LABELS_OF_SELINUX and option not in {"rw", "cached", "delegated", "consistent"}:
            raise InvalidArgument(f"invalid mode {option!r} in volume specification {text!r}")
    return MountRequest(
        kind="bind" if is_bind else "volume",
        source=source,
        target=target,
        read_only=read_only,
        propagation=propagation,
        no_copy=no_copy,
        create_source=is_bind,
    )


def parse_mount(mount: wire.Mount) -> MountRequest:
    """Translate one entry of ``HostConfig.Mounts``."""
    kind, target, source = mount.type or "", mount.target or "", mount.source or ""
    if kind not in {"bind", "volume", "tmpfs"}:
        raise InvalidArgument(f"invalid mount type {kind!r} for {target}", hint="use bind, volume or tmpfs")
    if not target.startswith("/"):
        raise InvalidArgument(f"invalid mount target {target!r}: mount path must be absolute")
    if kind == "bind" and not source:
        raise InvalidArgument('invalid mount config for type "bind": field Source must not be empty')
    if kind == "tmpfs" and source:
        raise InvalidArgument('invalid mount config for type "tmpfs": field Source must not be specified')
    if kind == "bind" and not source.startswith("/"):
        raise InvalidArgument(f"invalid mount config for type 'bind': {source!r} is not an absolute path")
    bind, volume, tmpfs = mount.bind_options, mount.volume_options, mount.tmpfs_options
    driver = volume.driver_config if volume else None
    return MountRequest(
        kind=kind,
        source="" if kind == "tmpfs" else source,
        target=target,
        read_only=bool(mount.read_only),
        propagation=(bind.propagation if bind else None) or "rprivate",
        create_source=bool(bind and bind.create_mountpoint),
        no_copy=bool(volume and volume.no_copy),
        labels=(volume.labels if volume else None) or {},
        subpath=(volume.subpath if volume else None) or "",
        driver=(driver.name if driver else None) or DEFAULT_DRIVER,
        options=(driver.options if driver else None) or {},
        tmpfs_size=tmpfs.size_bytes if tmpfs else None,
        tmpfs_mode=tmpfs.mode if tmpfs else None,
        tmpfs_options=",".join("=".join(pair) for pair in (tmpfs.options if tmpfs else None) or ()),
    )


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
    """Tell ``--tmpfs`` from ``--mount type=tmpfs``: only the second can have a size or mode of its own."""
    return request.kind == "tmpfs" and request.tmpfs_size is None and request.tmpfs_mode is None


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
    if mount.kind == "bind" and (mount.propagation != "rprivate" or mount.create_source):
        answer.bind_options = wire.BindOptions(
            propagation=mount.propagation if mount.propagation != "rprivate" else None,
            create_mountpoint=mount.create_source or None,
        )
    elif mount.kind == "volume" and (mount.no_copy or mount.labels or mount.options or mount.subpath):
        answer.volume_options = wire.VolumeOptions(
            no_copy=mount.no_copy or None,
            labels=dict(mount.labels) or None,
            subpath=mount.subpath or None,
            driver_config=wire.DriverConfig(name=mount.driver, options=dict(mount.options))
            if mount.options
            else None,
        )
    elif mount.kind == "tmpfs":
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
