"""Steps: what a planned instruction asks to be done, and the key under which its result is kept. Pure values."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from yurt.dockerfile.instructions import Instruction
from yurt.dockerfile.lexer import Heredoc
from yurt.dockerfile.mode import FileMode
from yurt.dockerfile.mounts import RunMount
from yurt.engine.build.files import Selection
from yurt.oci.config import ImageConfig

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class RunWork:
    """Run *argv* in the file system so far.

    *environment* is what it sees beside the image's own; *unkeyed* likewise, but does not count in the cache key
    (proxies). *scripts* are files to be shown under /dev while it runs: name → content.
    """

    argv: tuple[str, ...]
    environment: tuple[str, ...] = ()
    unkeyed: tuple[str, ...] = ()
    mounts: tuple[RunMount, ...] = ()
    network: str = ""
    privileged: bool = False
    scripts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CopyWork:
    """Copy into *path*. From the context (*selections* are known), a stage (its index) or an image (its id)."""

    path: str
    is_folder: bool
    sources: tuple[str, ...]  # as written: what is asked of a stage or an image
    selections: tuple[Selection, ...] = ()
    stage: int | None = None
    image: str = ""
    inline: tuple[Heredoc, ...] = ()  # variables expanded
    owner: str = ""
    mode: FileMode | None = None
    exclude: tuple[str, ...] = ()
    unpack: bool = False
    parents: bool = False  # keep the sources' paths
    fetched: tuple[Selection, ...] = ()  # from elsewhere: like *selections*, but never unpacked


@dataclass(frozen=True, slots=True)
class FolderWork:
    """Make the folder *path*, owned by *owner* (as USER has it)."""

    path: str
    owner: str = ""


Work = RunWork | CopyWork | FolderWork


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a stage, planned. *config* is the image's after it; *work* None: only that changes.

    With work, *key* is that of the files after it; without, it only tells steps apart.
    """

    number: int  # counted over the whole build, from 1
    instruction: Instruction
    text: str
    key: str
    config: ImageConfig
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage, planned. *base* is the index of a stage, an image's id, or SCRATCH; *key* stands for its files."""

    index: int
    name: str
    base: int | str
    steps: tuple[Step, ...]  # the first is FROM
    config: ImageConfig
    key: str
    needs: frozenset[int]  # stages that its steps read from


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """All stages that the target needs, in order; the last is the target."""

    stages: tuple[StagePlan, ...]
    count: int  # of steps
    key: str  # of the image that comes out
    unused_args: tuple[str, ...] = ()

    @property
    def target(self) -> StagePlan:
        return self.stages[-1]


def chained(parent: str, what: str, content: Any) -> str:
    """Return the cache key of a step: its parent's key, what it does, and all that makes the result differ."""
    digest = hashlib.sha256(msgspec.json.encode([parent, what, content]))
    return digest.hexdigest()


def portable(config: ImageConfig) -> Any:
    """Return all of a configuration that the image says about running it, in a form that always encodes the same."""
    document = config.to_document()
    return [sorted(document["config"].items(), key=lambda item: str(item[0])), document.get("author", "")]


def work_key(parent: str, work: Work, config: ImageConfig, origin: str = "") -> str:
    """Return the cache key of *work* on top of the files *parent*, under *config*.

    *origin* is the key of what it reads beside them: the stage that it copies from, what its mounts show.
    """
    match work:
        case RunWork():
            return chained(
                parent,
                "run",
                [
                    work.argv,
                    sorted(work.environment),
                    [msgspec.to_builtins(mount) for mount in work.mounts],
                    work.network,
                    work.privileged,
                    work.scripts,
                    config.env,
                    config.user,
                    config.working_dir,
                    origin,
                ],
            )
        case CopyWork():
            return chained(
                parent,
                "copy",
                [
                    work.path,
                    work.is_folder,
                    work.sources if work.stage is not None or work.image else (),
                    [selection.fingerprint() for selection in work.selections],
                    origin or work.image,
                    [[doc.name, doc.content] for doc in work.inline],
                    work.owner,
                    work.mode and work.mode.text,
                    work.exclude,
                    work.unpack,
                    work.parents,
                    [selection.fingerprint() for selection in work.fetched],
                ],
            )
        case FolderWork():
            return chained(parent, "folder", [work.path, work.owner])
