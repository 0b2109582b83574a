"""File sets: what a COPY takes, as values, whether they come from a build context or from another image.

A FileEntry's path is relative to the set's root. `Selection` is one source of a COPY and all below it.
"""

import bisect
import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from yurt.dockerfile.glob import Matcher, compiled, has_wildcards
from yurt.engine.build.rootfs import MAX_LINKS, resolve
from yurt.errors import InvalidArgument, NotFound

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"


@dataclass(slots=True)
class FileEntry:
    """One file. Not frozen: a context has thousands, and freezing triples the cost of making one.

    *digest* is of its content where that is known (contexts), empty elsewhere.
    """

    path: str
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    link: str = ""
    size: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """One source. *name* is its last component as it was asked for; a link is followed and keeps its name.

    When it is no folder *entries* hold it alone. For a folder *entries* are what is in it, parents before children; *folder* is then the folder itself.
    Paths of entries are relative to the source; *base* is where they lie on the host.
    """

    name: str
    base: str
    folder: FileEntry | None
    entries: tuple[FileEntry, ...]

    def fingerprint(self) -> str:
        """Return a digest of names, kinds, modes, links and contents: what makes a copy differ. Not times, not owners."""
        digest = hashlib.sha256(f"{self.name if self.folder is None else ''}\0".encode())
        for each in self.entries:
            digest.update(
                f"{each.path}\0{each.kind}\0{each.mode:o}\0{each.link}\0{each.digest}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
        return digest.hexdigest()


class ContextTree:
    """The files of a build context: unpacked at *root*, described by *entries*."""

    def __init__(self, root: str, entries: Mapping[str, FileEntry]) -> None:
        self._root = root
        self._entries = dict(entries)
        self._sorted = sorted(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def root(self) -> str:
        return self._root

    def entries(self) -> Iterable[FileEntry]:
        return self._entries.values()

    def place(self, entry: FileEntry) -> str:
        """Return where *entry* lies on the host."""
        return f"{self._root}/{entry.path}"

    def without(self, ignores: Callable[[str], bool]) -> "ContextTree":
        """Return the tree without the paths that *ignores* names; folders above what is left stay."""
        kept = {path: entry for path, entry in self._entries.items() if not ignores(path)}
        for path in list(kept):
            folder = posixpath.dirname(path)
            while folder and folder not in kept and folder in self._entries:
                kept[folder] = self._entries[folder]
                folder = posixpath.dirname(folder)
        return ContextTree(self._root, kept)

    def below(self, folder: str) -> "ContextTree":
        """Return the tree that *folder* is, empty when there is none."""
        start = f"{folder}/"
        found = (entry for path, entry in self._entries.items() if path.startswith(start))
        entries = (replace(entry, path=entry.path.removeprefix(start)) for entry in found)
        return ContextTree(f"{self._root}/{folder}", {entry.path: entry for entry in entries})

    def read(self, path: str, *, limit: int) -> bytes | None:
        """Return the content of a file; None when there is none of that name. More than *limit* bytes are refused."""
        entry = self._find(path)
        if entry is None or entry.kind != FILE:
            return None
        if entry.size > limit:
            raise InvalidArgument(f"{path} has {entry.size} bytes; at most {limit} are read")
        with open(f"{self._root}/{entry.path}", "rb") as file:
            return file.read()

    def select(self, pattern: str, *, ignores: Callable[[str], bool] | None = None) -> list[Selection]:
        """Return the sources that *pattern* names; raise NotFound when there is none.

        *ignores* is asked of what lies in a folder among them, by the path from there.
        """
        wanted = _inside(pattern)
        if has_wildcards(wanted):
            expression = _compile(wanted)
            paths = [path for path in self._sorted if expression.fullmatch(path)]
        else:
            paths = [wanted]
        matches = [(path, found) for path in paths if (found := self._find(path)) is not None]
        if not matches:
            raise NotFound(f"{pattern!r} matches no file in the build context")
        return [self._selection(posixpath.basename(path), entry, ignores) for path, entry in matches]

    def select_with_parents(
        self, pattern: str, *, ignores: Callable[[str], bool] | None = None
    ) -> list[Selection]:
        """Return what *pattern* names under its whole path, or what of it stands behind a ``/./``: COPY --parents."""
        start, wanted = _pivot(pattern)
        base = self._find(start)
        if base is None or base.kind != FOLDER:
            raise NotFound(f"{start!r} is no folder in the build context")
        prefix = f"{base.path}/" if base.path else ""

        def below(path: str) -> Iterable[FileEntry]:
            folder = f"{prefix}{path}/" if path else prefix
            return (_moved(self._entries[each], each[len(prefix) :]) for each in self._below(folder))

        def entry(path: str) -> FileEntry | None:
            found = self._entries.get(prefix + path)
            return _moved(found, path) if found is not None else None

        found = _with_parents(wanted, entry, below, ignores=_behind(prefix, ignores))
        if not found:
            raise NotFound(f"{pattern!r} matches no file in the build context")
        return [Selection("", f"{self._root}/{base.path}".rstrip("/"), FileEntry("", FOLDER, 0o755), found)]

    def _below(self, prefix: str) -> Iterable[str]:
        """Return the paths that start with *prefix*, parents before children."""
        for path in self._sorted[bisect.bisect_left(self._sorted, prefix) :]:
            if not path.startswith(prefix):
                return
            yield path

    def _selection(self, name: str, entry: FileEntry, ignores: Callable[[str], bool] | None) -> Selection:
        if entry.kind != FOLDER:
            folder, _, last = f"{self._root}/{entry.path}".rpartition("/")
            return Selection(name, folder, None, (_moved(entry, last),))
        prefix = f"{entry.path}/" if entry.path else ""
        inside = [
            _moved(self._entries[path], path[len(prefix) :])
            for path in self._below(prefix)
            if path and not (ignores is not None and ignores(path[len(prefix) :]))
        ]
        return Selection(name, f"{self._root}/{entry.path}".rstrip("/"), entry, tuple(inside))

    def _find(self, path: str) -> FileEntry | None:
        """Return what *path* leads to, links followed inside the context."""
        todo = [part for part in reversed(path.split("/")) if part not in {"", "."}]
        here = ""
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                here = posixpath.dirname(here)
                continue
            here = f"{here}/{part}" if here else part
            entry = self._entries.get(here)
            if entry is None:
                return None
            if entry.kind == LINK:
                links += 1
                if links > MAX_LINKS:
                    return None
                here = "" if entry.link.startswith("/") else posixpath.dirname(here)
                todo += [piece for piece in reversed(entry.link.split("/")) if piece not in {"", "."}]
        if not here:
            return FileEntry("", FOLDER, 0o755)
        return self._entries.get(here)


class RootTree:
    """The files of a mounted file system: another stage, or an image."""

    def __init__(self, root: str) -> None:
        self._root = root

    def select(self, pattern: str, *, ignores: Callable[[str], bool] | None = None) -> list[Selection]:
        """Return the sources that *pattern* names; raise NotFound when there is none.

        *ignores* is asked of what lies in a folder among them, by the path from there.
        """
        wanted = _inside(pattern)
        if has_wildcards(wanted):
            paths = sorted(self._glob(wanted))
        else:
            paths = [f"{self._root}/{wanted}" if wanted else self._root]
        places = [(path, resolve(self._root, path[len(self._root) :])) for path in paths]
        found = [(path, place) for path, place in places if os.path.lexists(place)]
        if not found:
            raise NotFound(f"{pattern!r} matches no file there")
        return [self._selection(posixpath.basename(path), place, ignores) for path, place in found]

    def select_with_parents(
        self, pattern: str, *, ignores: Callable[[str], bool] | None = None
    ) -> list[Selection]:
        """Return what *pattern* names under its whole path, or what of it stands behind a ``/./``: COPY --parents."""
        start, wanted = _pivot(pattern)
        base = resolve(self._root, start)
        if not os.path.isdir(base):
            raise NotFound(f"{start!r} is no folder there")
        prefix = f"{base[len(self._root) :].lstrip('/')}/".lstrip("/")

        def below(path: str) -> Iterable[FileEntry]:
            place = f"{base}/{path}" if path else base
            if os.path.isdir(place) and not os.path.islink(place):
                scanned: list[FileEntry] = []
                self._scan(place, f"{path}/" if path else "", None, scanned)
                return scanned
            return ()

        def entry(path: str) -> FileEntry | None:
            place = f"{base}/{path}"
            return _entry(place, path) if os.path.lexists(place) else None

        found = _with_parents(wanted, entry, below, ignores=_behind(prefix, ignores))
        if not found:
            raise NotFound(f"{pattern!r} matches no file there")
        return [Selection("", base, FileEntry("", FOLDER, 0o755), found)]

    def _glob(self, pattern: str) -> Iterable[str]:
        """Return what matches, links not followed in the last component."""
        places = [self._root]
        for part in pattern.split("/"):
            expression = _compile(part)
            found: list[str] = []
            for place in places:
                folder = resolve(self._root, place[len(self._root) :])
                if not os.path.isdir(folder):
                    continue
                if not has_wildcards(part):
                    found += [f"{folder}/{part}"] if os.path.lexists(f"{folder}/{part}") else []
                    continue
                found += [f"{folder}/{name}" for name in os.listdir(folder) if expression.fullmatch(name)]
            places = found
        return places

    def _selection(self, name: str, place: str, ignores: Callable[[str], bool] | None) -> Selection:
        entry = _entry(place, posixpath.basename(place[len(self._root) :]))
        if entry.kind != FOLDER:
            return Selection(name, place.rpartition("/")[0], None, (entry,))
        found: list[FileEntry] = []
        self._scan(place, "", ignores, found)
        return Selection(name, place, entry, tuple(found))

    def _scan(
        self,
        place: str,
        prefix: str,
        ignores: Callable[[str], bool] | None,
        found: list[FileEntry],
    ) -> None:
        with os.scandir(place) as items:
            names = sorted(item.name for item in items)
        for name in names:
            path = f"{prefix}{name}"
            if ignores is not None and ignores(path):
                continue
            entry = _entry(f"{place}/{name}", path)
            found.append(entry)
            if entry.kind == FOLDER:
                self._scan(f"{place}/{name}", f"{path}/", ignores, found)


def _entry(place: str, path: str) -> FileEntry:
    status = os.lstat(place)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        kind = FILE
    elif stat.S_ISDIR(mode):
        kind = FOLDER
    elif stat.S_ISLNK(mode):
        kind = LINK
    else:
        kind = OTHER
    return FileEntry(
        path,
        kind,
        stat.S_IMODE(mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        os.readlink(place) if kind == LINK else "",
        status.st_size,
    )


def _moved(entry: FileEntry, path: str) -> FileEntry:
    return FileEntry(
        path,
        entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime_ns,
        entry.link,
        entry.size,
        entry.digest,
    )


def _inside(pattern: str) -> str:
    """Return *pattern* relative to the root; climbing out of it with .. ends at the root."""
    return posixpath.normpath(f"/{pattern}").lstrip("/")


def _pivot(pattern: str) -> tuple[str, str]:
    """Return the folder where the paths that COPY --parents keeps begin, and the pattern below it."""
    start, found, wanted = f"/{pattern.lstrip('/').removeprefix('./')}".partition("/./")
    if not found:
        start, wanted = "", pattern
    elif has_wildcards(start):
        raise InvalidArgument(f"the pattern {pattern!r} has a wildcard before /./")
    return _inside(start), _inside(wanted)


def _behind(prefix: str, ignores: Callable[[str], bool] | None) -> Callable[[str], bool]:
    return (lambda path: ignores(prefix + path)) if ignores is not None else (lambda _path: False)


def _with_parents(
    wanted: str,
    entry: Callable[[str], FileEntry | None],
    below: Callable[[str], Iterable[FileEntry]],
    *,
    ignores: Callable[[str], bool],
) -> tuple[FileEntry, ...]:
    """Return the files that *wanted* matches, all below them and the folders above them; parents before children.

    *entry* gives the file at a path, *below* what is below a path; the empty path is the folder where they begin.
    """
    if has_wildcards(wanted):
        expression = _compile(wanted, deep=True)
        matches = {each.path: each for each in below("") if expression.fullmatch(each.path)}
    else:
        one = entry(wanted) if wanted else FileEntry("", FOLDER, 0o755)
        matches = {wanted: one} if one is not None else {}
    found: dict[str, FileEntry] = {}
    for path, match in matches.items():
        if path and ignores(path):
            continue
        parts = path.split("/")
        for folder in ("/".join(parts[:depth]) for depth in range(1, len(parts))):
            above = found.get(folder) or entry(folder)
            if above is None or above.kind != FOLDER:  # what it leads to may lie anywhere
                raise InvalidArgument(f"{path!r} goes through {folder!r}, which is no folder")
            found[folder] = above
        if path:
            found[path] = match
        found |= {each.path: each for each in below(path) if not ignores(each.path)}
    return tuple(found[path] for path in sorted(found, key=lambda path: path.split("/")))


def _compile(pattern: str, *, deep: bool = False) -> Matcher:
    try:
        return compiled(pattern, deep=deep)
    except ValueError as bad:
        raise InvalidArgument(f"the pattern {pattern!r}: {bad}") from bad
