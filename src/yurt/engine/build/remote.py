"""Sources of ADD, and build contexts, that lie elsewhere: fetched into a folder of the build's, kept for the next."""

import os
import stat
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from shutil import rmtree

import msgspec

from yurt.distribution.download import Downloaded, download
from yurt.distribution.transport import Surroundings
from yurt.dockerfile.remote import FileSource, GitSource, RemoteSource
from yurt.engine.build.files import FILE, FOLDER, LINK, ContextTree, FileEntry
from yurt.engine.build.surroundings import proxy_variables
from yurt.engine.images.threads import in_thread
from yurt.errors import InvalidArgument
from yurt.ids import new_id
from yurt.linux.git import check_out, subfolder
from yurt.settings import EngineSettings
from yurt.storage.content import disk_error

MODE = 0o600  # of a file that ADD fetched
LIMIT = 2 << 30  # bytes of fetched files that are kept


@dataclass(frozen=True, slots=True)
class Fetched:
    """*tree* is what came; for a file, its one entry. *commit* is set for repositories."""

    tree: ContextTree
    commit: str = ""


class RemoteSources:
    """Fetches; files once fetched stay in *kept*, and are asked for again only in case they changed."""

    def __init__(self, kept: Path, settings: EngineSettings) -> None:
        self._kept = kept
        self._proxies = settings.proxies
        self._surroundings = Surroundings(ca_bundle=settings.ca_bundle, proxies=settings.proxies)

    async def fetch(self, source: RemoteSource, folder: Path) -> Fetched:
        """Return what *source* names, its files in *folder*, which is empty.

        Raises NotFound, Unavailable, or InvalidArgument when the content is not what the checksum says.
        """
        if isinstance(source, GitSource):
            return await self._repository(source, folder)
        return await self._file(source, folder)

    async def clear(self) -> None:
        """Afterwards nothing is kept."""
        await in_thread(rmtree, self._kept, ignore_errors=True)

    async def _repository(self, source: GitSource, folder: Path) -> Fetched:
        variables = proxy_variables(self._proxies)
        if self._surroundings.ca_bundle is not None:
            variables["GIT_SSL_CAINFO"] = str(self._surroundings.ca_bundle)
        commit = await check_out(
            source.url, folder, ref=source.ref, keep_git_dir=source.keep_git_dir, environment=variables
        )
        if not commit.startswith(source.checksum):
            raise InvalidArgument(f"{source.url} is at commit {commit}, not at {source.checksum}")
        root = subfolder(folder, source.subdir)
        return Fetched(await in_thread(scan, root, commit=commit), commit)

    async def _file(self, source: FileSource, folder: Path) -> Fetched:
        if not source.name:
            raise InvalidArgument(f"{source.url} names no file: its path ends with a slash")
        content = self._kept / sha256(source.url.encode()).hexdigest()
        known = await in_thread(_known, content)
        place = folder / source.name
        if known is not None and known.digest == source.checksum:
            await in_thread(os.link, content, place)
        else:
            known = await self._changed(source.url, content, place, known)
        if source.checksum and known.digest != source.checksum:
            raise InvalidArgument(
                f"the content of {source.url} is not what --checksum says: it is {known.digest}",
                hint="somebody changed it; look at it before you change the checksum",
            )
        entry = FileEntry(
            source.name, FILE, MODE, mtime_ns=known.mtime_ns, size=known.size, digest=known.digest
        )
        return Fetched(ContextTree(str(folder), {source.name: entry}))

    async def _changed(self, url: str, content: Path, place: Path, known: Downloaded | None) -> Downloaded:
        """Put what is behind *url* at *place*, and keep it; what is kept already is taken when it did not change."""
        try:
            fresh = await download(url, place, self._surroundings, known=known)
            if fresh is None:
                assert known is not None
                await in_thread(os.link, content, place)
                return known
            await in_thread(self._keep, content, place, fresh)
        except OSError as error:
            raise disk_error(error, str(place)) from error
        return fresh

    def _keep(self, content: Path, place: Path, about: Downloaded) -> None:
        self._kept.mkdir(parents=True, exist_ok=True)
        # The content first: words about a content that is not there are taken for no words.
        new = content.with_name(f"{content.name}.{new_id()[:12]}")
        os.link(place, new)
        new.replace(content)
        new.write_bytes(msgspec.json.encode(about))
        new.replace(content.with_suffix(".json"))
        self._make_room()

    def _make_room(self) -> None:
        """Let go of the files that were fetched first, until what is kept fits."""
        contents = (each for each in self._kept.iterdir() if not each.suffix)
        files = sorted(contents, key=lambda each: each.stat().st_mtime)
        total = sum(each.stat().st_size for each in files)
        for oldest in files:
            if total <= LIMIT:
                return
            total -= oldest.stat().st_size
            oldest.unlink()
            oldest.with_suffix(".json").unlink(missing_ok=True)


def _known(content: Path) -> Downloaded | None:
    """Return what is kept as *content*; None when nothing is, or not all of it."""
    try:
        about = msgspec.json.decode(content.with_suffix(".json").read_bytes(), type=Downloaded)
        with content.open("rb") as file:
            whole = f"sha256:{file_digest(file, 'sha256').hexdigest()}" == about.digest
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return about if whole else None


def scan(root: Path, *, commit: str = "") -> ContextTree:
    """Return the files below *root* as a context. What Git keeps for itself counts as its *commit*: bytes vary."""
    entries: dict[str, FileEntry] = {}
    for place, folders, files in os.walk(root):
        prefix = os.path.relpath(place, root)
        for name in sorted((*folders, *files)):
            path = name if prefix == "." else f"{prefix}/{name}"
            status = os.lstat(f"{place}/{name}")
            entry = FileEntry(path, FILE, stat.S_IMODE(status.st_mode), mtime_ns=status.st_mtime_ns)
            if stat.S_ISDIR(status.st_mode):
                entry.kind = FOLDER
            elif stat.S_ISLNK(status.st_mode):
                entry.kind, entry.link = LINK, os.readlink(f"{place}/{name}")
            else:
                entry.size = status.st_size
                if commit and ".git" in path.split("/"):
                    entry.digest = commit
                else:
                    with open(f"{place}/{name}", "rb") as file:
                        entry.digest = file_digest(file, "sha256").hexdigest()
            entries[path] = entry
    return ContextTree(str(root), entries)
