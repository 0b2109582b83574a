"""The tar stream that carries secrets and configs into a container. Pure."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

from yurt.compose.model import File


def packed(files: Iterable[File]) -> bytes:
    """Return a tar of *files*, to be unpacked at the container's root; engines make the folders that are missing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.target.strip("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(file.content), file.mode, file.uid, file.gid
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
