"""A registry beside the engine that is interrupted, at an address of this process."""

import os
import socket
import subprocess
from pathlib import Path

from tests.integration.footprint import soon

_PORT = 5217


def registry_address() -> str:
    """Return where this process has its registry: nobody else looks for one there."""
    number = os.getpid()
    return f"127.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}:{_PORT}"


class Registry:
    """Debian's docker-registry, from `open` until `close`; its blobs are below *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        folder, config = self._folder, self._folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {registry_address()}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        )
        with (folder / "registry.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", config], stdout=log, stderr=log, process_group=0
            )
        assert soon(_listens), (folder / "registry.log").read_text()

    def close(self) -> None:
        """End it. Idempotent."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def _listens() -> bool:
    host, _colon, port = registry_address().partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
