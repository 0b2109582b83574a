"""Sources that are addresses: files behind a URL and Git repositories, as ADD and build contexts name them. Pure.

Facts: https://docs.docker.com/reference/dockerfile/#add, https://docs.docker.com/build/concepts/context/#git-repositories.
"""

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_SCP = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:(?!//)[^\s]+")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file behind *url*. *checksum* is its digest (``sha256:…``); empty: any content will do."""

    url: str
    checksum: str = ""

    @property
    def name(self) -> str:
        """The last part of the URL's path; empty when it ends with a slash."""
        return posixpath.basename(unquote(urlsplit(self.url).path))


@dataclass(frozen=True, slots=True)
class GitSource:
    """A repository. *ref*: branch, tag or commit, empty: what it says itself. *checksum*: the commit it must be."""

    url: str
    ref: str = ""
    subdir: str = ""
    keep_git_dir: bool = False
    checksum: str = ""


def is_remote(source: str) -> bool:
    """Say whether *source* is an address, and no path of the context."""
    return (
        source.startswith(("http://", "https://", "git://", "ssh://")) or _SCP.fullmatch(source) is not None
    )


def parse_remote(source: str, *, checksum: str = "", keep_git_dir: bool = False) -> FileSource | GitSource:
    """Return what the address *source* means; raise ValueError saying what is wrong with it or with *checksum*."""
    address, _, fragment = source.partition("#")
    if _SCP.fullmatch(source) or not source.startswith("http") or urlsplit(address).path.endswith(".git"):
        ref, _, subdir = fragment.partition(":")
        if ref.startswith("-"):
            raise ValueError(f"{ref!r} is no name of a branch, tag or commit")
        if ".." in subdir.split("/"):
            raise ValueError(f"the folder {subdir!r} leads out of the repository")
        if checksum and not _COMMIT.fullmatch(checksum):
            raise ValueError(f"--checksum={checksum}: the checksum of a repository is a commit")
        return GitSource(address, ref, subdir.strip("/"), keep_git_dir, checksum)
    if not urlsplit(address).hostname:
        raise ValueError(f"{source!r} names no host")
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise ValueError(f"--checksum={checksum}: expected sha256: and 64 hexadecimal digits")
    if keep_git_dir:
        raise ValueError("--keep-git-dir is for Git repositories")
    return FileSource(address, checksum)


RemoteSource = FileSource | GitSource
