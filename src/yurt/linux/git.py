"""One commit of a Git repository as files. The program does the talking; nothing of the host's own set-up counts.

Facts: git-fetch(1), git-submodule(1), git(1) "GIT_ALLOW_PROTOCOL".
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from yurt.errors import InvalidArgument, NotFound, Unavailable
from yurt.linux.process import run

_SAFE = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "advice.detachedHead=false",
)
_TAIL = 400  # characters of what git says that an error repeats


async def check_out(
    url: str,
    folder: Path,
    *,
    ref: str = "",
    keep_git_dir: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Fill the empty *folder* with the files at *ref* (branch, tag, commit; empty: the default) and return the commit.

    Submodules come along; history does not. *environment* adds to what git sees: proxies, certificates, an SSH
    agent. Raises NotFound for a ref that is not there, Unavailable when the repository cannot be reached.
    """
    surroundings = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),  # no configuration and no credentials of the host's
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https:git:ssh",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=accept-new -oUserKnownHostsFile=/dev/null",
        **(environment or {}),
    }

    async def git(*arguments: str) -> str:
        ended = await run(["git", *_SAFE, *arguments], check=False, env=surroundings, cwd=folder)
        if ended.returncode != 0:
            said = ended.stderr.decode(errors="replace").strip()[-_TAIL:]
            if "couldn't find remote ref" in said or "not our ref" in said:
                raise NotFound(f"{url} has no branch, tag or commit {ref or 'HEAD'}")
            raise Unavailable(
                f"cannot fetch {url}: {said}", hint="check the address, the network and your rights"
            )
        return ended.stdout.decode(errors="replace").strip()

    await git("init", "-q")
    await git("fetch", "-q", "--depth=1", "--", url, ref or "HEAD")
    commit = await git("rev-parse", "FETCH_HEAD^{commit}")
    await git("checkout", "-q", commit)
    if (folder / ".gitmodules").is_file():
        await git("submodule", "-q", "update", "--init", "--recursive", "--depth=1")
    if not keep_git_dir:
        for found in sorted(folder.rglob(".git")):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)
    return commit


def subfolder(folder: Path, path: str) -> Path:
    """Return *path* inside the checked-out *folder*; InvalidArgument when it is no folder, or leads out of it."""
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()) or not place.is_dir():
        raise InvalidArgument(f"the repository has no folder {path!r}")
    return place
