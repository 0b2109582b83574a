"""Bringing changed files into the containers of a service, and what follows: restarts, and commands in them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable

from yurt.client.sync import Client
from yurt.compose.hooks import Tell, run_hook
from yurt.compose.model import Hook, WatchRule
from yurt.compose.observed import ObservedContainer
from yurt.compose.watching import Copy, Task, target_of


def do(client: Client, task: Task, containers: Iterable[ObservedContainer], *, tell: Tell) -> None:
    """Do *task* (but for a rebuild) with the running containers of its service."""
    body, gone = packed(task.copies)
    for container in containers:
        if not container.is_running:
            continue
        if body:
            put(client, container.id, body)
        if gone:
            run_hook(client, container.id, Hook(("rm", "-rf", "--", *gone), user="root"))
        if task.restart:
            client.request("POST", f"/containers/{container.id}/restart").read()
            continue
        for hook in task.hooks:
            run_hook(client, container.id, hook, tell=tell)


def put(client: Client, container: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-tar"}
    client.request(
        "PUT", f"/containers/{container}/archive", query={"path": "/"}, body=body, headers=headers
    ).read()


def packed(copies: Iterable[Copy]) -> tuple[bytes, tuple[str, ...]]:
    """Return a tar of what is there, to be unpacked at a container's root, and the targets of what is not."""
    buffer = io.BytesIO()
    gone: list[str] = []
    count = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for copy in copies:
            try:
                info = os.lstat(copy.source)
                entry = tarfile.TarInfo(copy.target.strip("/"))
                entry.mode, entry.mtime = stat.S_IMODE(info.st_mode), info.st_mtime
                if stat.S_ISDIR(info.st_mode):
                    entry.type = tarfile.DIRTYPE
                    tar.addfile(entry)
                elif stat.S_ISLNK(info.st_mode):
                    entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(copy.source)
                    tar.addfile(entry)
                elif stat.S_ISREG(info.st_mode):
                    with open(copy.source, "rb") as file:
                        content = file.read()
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
                else:
                    continue
                count += 1
            except (FileNotFoundError, NotADirectoryError):
                gone.append(copy.target)
    return (buffer.getvalue() if count else b""), tuple(gone)


def everything(rule: WatchRule) -> tuple[Copy, ...]:
    """Return all files below a rule's path, as for its first synchronisation."""
    if not os.path.isdir(rule.path):
        return (Copy(rule.path, rule.target),)
    return tuple(
        Copy(path, target_of(rule, path))
        for folder, _, names in os.walk(rule.path)
        for name in sorted(names)
        for path in [os.path.join(folder, name)]
    )
