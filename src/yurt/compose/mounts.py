"""What a service sees of other file systems: ``volumes``, and the files of ``secrets`` and ``configs``."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from yurt.compose import fields, short
from yurt.compose.fields import Fields
from yurt.compose.model import File, Mount, Source
from yurt.compose.nodes import MappingNode, Node, problem
from yurt.errors import InvalidArgument

SECRET_PLACE = "/run/secrets/"  # noqa: S105 - a folder, no secret
PLACES = {"secrets": SECRET_PLACE, "configs": "/"}
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")
Path = Callable[[str], str]


def mounts(
    at: Fields, path_of: Path, directory: str, home: str, sources: Mapping[str, Mapping[str, Source]]
) -> tuple[tuple[Mount, ...], tuple[File, ...]]:
    """Return a service's mounts, and the files that are written into its containers."""
    found: dict[str, Mount] = {}
    for path, item in at.each("volumes"):
        if isinstance(item, MappingNode):
            mount = _long_mount(Fields(item, path), path_of)
        else:
            text = fields.text(item, path)
            try:
                mount = short.mount(text, directory, home)
            except InvalidArgument as error:
                raise problem(item, path, error.message, hint=error.hint) from error
        found[mount.target] = mount
    files: dict[str, File] = {}
    for group in PLACES:
        for path, item in at.each(group):
            given = _given(item, path, group, sources[group])
            if isinstance(given, Mount):
                found[given.target] = given
            else:
                files[given.target] = given
    return tuple(found.values()), tuple(files.values())


def _given(item: Node, path: str, group: str, known: Mapping[str, Source]) -> Mount | File:
    """Return a file of the host as a mount, and content (or a file with an owner or mode) as a file to be written."""
    target, uid, gid, mode = "", None, None, None
    if isinstance(item, MappingNode):
        entry = Fields(item, path)
        key, target = entry.text("source"), entry.text("target")
        uid, gid, mode = entry.integer("uid"), entry.integer("gid"), _mode(entry)
        entry.close()
    else:
        key = fields.text(item, path)
    source = known.get(key)
    if source is None:
        raise problem(
            item, path, f"no such {group[:-1]}: {key!r}", expected=f"one of the top-level `{group}:`"
        )
    target = target or key
    target = posixpath.normpath(target if target.startswith("/") else PLACES[group] + target)
    if source.content is None and uid is gid is mode is None:
        return Mount("bind", target, source.file, read_only=True, create_host_path=False)
    content = source.content
    if content is None:
        try:
            with open(source.file, "rb") as file:
                content = file.read()
        except OSError as error:
            raise problem(item, path, f"cannot read {source.file}: {error.strerror}") from error
    return File(target, content, uid or 0, gid or 0, 0o444 if mode is None else mode)


def _mode(entry: Fields) -> int | None:
    """Return a file mode: ``0440`` and ``"0440"`` are octal."""
    node = entry.take("mode")
    if node is None:
        return None
    written = fields.text(node, entry.of("mode"))
    digits = written.removeprefix("0o")
    if written.startswith("0") and digits and len(digits) < 8 and set(digits) <= set("01234567"):
        return int(digits, 8)
    return entry.integer("mode")


def _long_mount(entry: Fields, path_of: Path) -> Mount:
    form = entry.choice("type", ("volume", "bind", "tmpfs", "npipe", "cluster", "image"), "volume")
    target = entry.text("target")
    source = entry.text("source")
    if not target.startswith("/"):
        raise problem(
            entry.node, entry.of("target"), f"is {target!r}", expected="an absolute path in the container"
        )
    if form == "npipe":
        entry.refused("type", why="named pipes are Windows'")
    if form == "cluster":
        entry.refused("type", why="cluster volumes belong to swarm, and Yurt is for one machine")
    if form in ("bind", "image") and not source:
        wanted = "a path of the host" if form == "bind" else "an image"
        raise problem(entry.node, entry.of("source"), "is missing", expected=wanted)
    bind, volume, tmpfs, image = map(entry.section, ("bind", "volume", "tmpfs", "image"))
    entry.ignored("consistency")  # of file systems shared with a virtual machine
    subpath = volume.text("subpath") if volume else ""
    mount = Mount(
        form,
        posixpath.normpath(target),
        path_of(source) if form == "bind" else "" if form == "tmpfs" else source,
        entry.flag("read_only"),
        propagation=bind.text("propagation") if bind else "",
        selinux=bind.text("selinux") if bind else "",
        create_host_path=bind.flag("create_host_path", default=True) if bind else True,
        recursive=bind.choice("recursive", _RECURSIVE) if bind else "",
        nocopy=volume.flag("nocopy") if volume else False,
        subpath=image.text("subpath") if image else subpath,
        labels={name: value or "" for name, value in volume.pairs("labels").items()} if volume else {},
        size=tmpfs.size("size") if tmpfs else None,
        mode=_mode(tmpfs) if tmpfs else None,
    )
    for section in (bind, volume, tmpfs, image, entry):
        if section is not None:
            section.close()
    return mount
