"""A container's file system seen from the host: mount and unmount it, look into it, copy out of it.

Whatever is opened in it is opened as if its root were the root directory, so its symbolic links lead nowhere else.
Everything here blocks; the service decides what is quick enough for the event loop.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from yurt.engine.containers import users
from yurt.engine.containers.model import MountPoint
from yurt.errors import Internal, InvalidArgument, Unavailable, translated
from yurt.isolation import Level
from yurt.linux import isolation, syscall
from yurt.linux.disk import sync_file_system, sync_folder
from yurt.linux.mount import BindMount, TmpfsMount, make_read_only, mounted_below, unmount
from yurt.linux.overlay import OverlayMount

_NARROW_LOADERS = ("/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1", "/lib/ld-linux-armhf.so.3", "/lib32")
_MOST_LINKS = 40  # followed on one path, as in the kernel
_LARGEST_PASSWD = 16 * 1024 * 1024


def mount(overlay: OverlayMount, target: Path) -> None:
    """Mount at *target*, made if missing; whatever was mounted there before is gone."""
    target.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(target):
        unmount_all(target)
    if overlay.volatile and overlay.work is not None:
        # The mark of an earlier volatile mount: the kernel refuses the folder, because after a crash of the host
        # its content would be a guess. Restoring removes throw-away containers after one, so it was no crash.
        shutil.rmtree(overlay.work / "work" / "incompat", ignore_errors=True)
    with translated({OSError: Unavailable}, f"cannot mount the container's file system at {target}"):
        overlay.mount(target)


def was_volatile(overlay: OverlayMount) -> bool:
    """Tell whether this was mounted volatile, and so holds nothing that may be used after a restart of the machine."""
    return overlay.work is not None and (overlay.work / "work" / "incompat" / "volatile").exists()


def mark(root: Path) -> None:
    """Afterwards /.dockerenv is there: by it programs know that they run in a container."""
    with translated({OSError: Unavailable}, f"cannot write to the container's file system at {root}"):
        flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileExistsError):
            os.close(os.open(root / ".dockerenv", flags | os.O_EXCL, 0o755))


def mount_points(root: Path, points: Iterable[MountPoint]) -> None:
    """Mount in the file system at *root* what a container has mounted there, each at its place inside.

    Places that are missing are made, as a start would make them. What lives in memory only is left out, and what is
    mounted below a source on the host: unmounting a copy of that could unmount it there.
    """
    with _opened_root(root) as root_fd:
        for point in sorted(points, key=lambda point: point.target.count("/")):
            if point.kind == "tmpfs":
                continue
            place = _real_path(root_fd, point.target)
            target = _made(root_fd, place, folder=os.path.isdir(point.source))
            try:
                BindMount(Path(point.source), Path(f"/proc/self/fd/{target}"), recursive=False).execute()
            finally:
                os.close(target)
            if point.read_only:
                mounted = syscall.open_in_root(root_fd, place, os.O_PATH)
                try:
                    make_read_only(Path(f"/proc/self/fd/{mounted}"))
                finally:
                    os.close(mounted)


def _made(root: int, path: str, *, folder: bool) -> int:
    """Return a descriptor of *path* in the container, which is made if missing."""
    above, _slash, name = path.rstrip("/").rpartition("/")
    try:
        return syscall.open_in_root(root, path, os.O_PATH)
    except FileNotFoundError:
        parent = _made(root, above or "/", folder=True)
    try:
        if folder:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
    finally:
        os.close(parent)
    return syscall.open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)


def mount_shared_memory(target: Path, size: int) -> None:
    """Mount an empty /dev/shm at *target* on the host, for containers that share it."""
    target.mkdir(exist_ok=True)
    flags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
    TmpfsMount(target, size=size, mode=0o1777, flags=flags).execute()


def unmount_all(target: Path) -> None:
    """Afterwards nothing is mounted at *target* or below."""
    for point in mounted_below(target):
        unmount(point, lazy=True)


def remove_bundle(bundle: Path) -> None:
    """Afterwards the folder is gone, with all that is mounted in it."""
    # The list of all mounts is long beside many containers: it is asked only when the bundle is not as usual.
    for name in ("rootfs", "shm"):
        unmount(bundle / name, lazy=True)
    if not _remove_flat(bundle):
        unmount_all(bundle)
        shutil.rmtree(bundle, ignore_errors=True)


def _remove_flat(folder: Path) -> bool:
    """Remove a folder that holds but files and empty folders; False when something else, or a mount, is in the way."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                # The kernel removes no mount point, so nothing beyond one is touched.
                if entry.is_dir(follow_symlinks=False):
                    os.rmdir(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(folder)
    except FileNotFoundError:
        return not folder.exists()
    except OSError:
        return False
    return True


def read_file(root: Path, path: str) -> str:
    """Return a text file of the container; "" when it has none."""
    try:
        with _opened_root(root) as root_fd, os.fdopen(syscall.open_in_root(root_fd, path), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            return file.read(_LARGEST_PASSWD).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def check_working_dir(root: Path, path: str) -> None:
    """Refuse a working folder whose way leads through the links of /proc to what a process has open or is in.

    A runtime that leaks a descriptor of the host's would start the process outside of the container (CVE-2024-21626).
    """
    with _opened_root(root) as root_fd:
        real = _real_path(root_fd, path)
    place, _slash, _rest = real.removeprefix("/proc/").partition("/")
    if real.startswith("/proc/") and (place.isdecimal() or place in {"self", "thread-self"}):
        raise InvalidArgument(
            f"cannot use {path} as the working directory: links of /proc may lead out of the container",
            hint="name a folder of the container",
        )


def _real_path(root: int, path: str) -> str:
    """Return where *path* leads in the container, by the texts of its links; what is missing stays as it is."""
    done: list[str] = []
    ahead = [*reversed(path.split("/"))]
    links = 0
    while ahead:
        part = ahead.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        target = _link_text(root, "/".join([*done, part]))
        if target is None or links == _MOST_LINKS:
            done.append(part)
            continue
        links += 1
        if target.startswith("/"):
            done = []
        ahead += reversed(target.split("/"))
    return "/" + "/".join(done)


def _link_text(root: int, path: str) -> str | None:
    """Return what the symbolic link *path* says; None when it is none, or not there."""
    try:
        descriptor = syscall.open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def resolve_user(root: Path, user: str, *, add: Sequence[str] = ()) -> users.User:
    """Return who *user* is in the container mounted at *root*."""
    found = users.resolve(user, read_file(root, "/etc/passwd"), read_file(root, "/etc/group"), add=add)
    if isolation.level() is Level.ONE_UID:  # the kernel lets nobody join a group there
        found = replace(found, groups=(found.gid,))
    isolation.check_named(found.uid, *found.groups)
    return found


def has_narrow_programs(root: Path, program: str, search: Sequence[str]) -> bool:
    """Tell whether the container can run 32-bit programs: it has a loader for them, or *program* is one itself.

    *search* are the folders in which a bare *program* is looked for.
    """
    with _opened_root(root) as root_fd:
        if any(_exists(root_fd, path) for path in _NARROW_LOADERS):
            return True
        candidates = [program] if "/" in program else [f"{folder}/{program}" for folder in search]
        for candidate in candidates:
            with (
                contextlib.suppress(OSError),
                os.fdopen(syscall.open_in_root(root_fd, candidate), "rb") as file,
            ):
                head = file.read(5)
                return head[:4] == b"\x7fELF" and head[4:] == b"\x01"  # EI_CLASS: ELFCLASS32
    return False


def _exists(root_fd: int, path: str) -> bool:
    try:
        os.close(syscall.open_in_root(root_fd, path, os.O_PATH))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _opened_root(root: Path) -> Iterator[int]:
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def copy_up(root: Path, path: str, volume: Path) -> None:
    """Fill the empty folder *volume* with what the container has at *path*: content, owners, modes, attributes.

    Nothing there, or no folder: *volume* stays as it is.
    """
    with _opened_root(root) as root_fd:
        try:
            source = syscall.open_in_root(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            with translated(
                {OSError: Internal, shutil.Error: Internal}, f"cannot fill the volume for {path}"
            ):
                # The descriptor's name: the way to the folder is walked once, inside the container's root.
                _copy_folder(Path(f"/proc/self/fd/{source}"), volume, {})
        finally:
            os.close(source)


def make_last(volume: Path) -> None:
    """Afterwards no power cut can take away what `copy_up` brought to *volume*."""
    with translated({OSError: Unavailable}, f"cannot bring the volume {volume} to the disk"):
        if any(volume.iterdir()):
            sync_file_system(volume)
        else:
            sync_folder(volume)  # its owner and its mode; quick


def _copy_folder(source: Path, target: Path, linked: dict[tuple[int, int], Path]) -> None:
    """Copy the entries of a folder, and its own owner and mode. *linked* finds files with several names again."""
    with os.scandir(source) as entries:
        for entry in entries:
            _copy_entry(Path(entry.path), target / entry.name, linked)
    _copy_attributes(source, target, os.stat(source))


def _copy_entry(source: Path, target: Path, linked: dict[tuple[int, int], Path]) -> None:
    status = os.lstat(source)
    mode = status.st_mode
    if status.st_nlink > 1 and not stat.S_ISDIR(mode):
        key = (status.st_dev, status.st_ino)
        if key in linked:
            os.link(linked[key], target, follow_symlinks=False)
            return
        linked[key] = target
    if stat.S_ISDIR(mode):
        target.mkdir()
        _copy_folder(source, target, linked)
        return
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
        os.lchown(target, status.st_uid, status.st_gid)
        return
    if stat.S_ISREG(mode):
        shutil.copyfile(source, target, follow_symlinks=False)
    elif stat.S_ISFIFO(mode) or (isolation.makes_devices() and not stat.S_ISSOCK(mode)):
        os.mknod(target, mode, status.st_rdev)
    else:
        return  # a socket without its process is nothing
    _copy_attributes(source, target, status)


def _copy_attributes(source: Path, target: Path, status: os.stat_result) -> None:
    os.chown(target, status.st_uid, status.st_gid)
    for name in os.listxattr(source):
        if not name.startswith(("trusted.overlay.", "user.overlay.")):
            with contextlib.suppress(OSError):  # a label that only the kernel may set
                os.setxattr(target, name, os.getxattr(source, name))
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
