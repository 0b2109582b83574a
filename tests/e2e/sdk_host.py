"""docker-py on whichever engine the test runs on, and what its tests share."""

import contextlib
import gc
import io
import tarfile
import time
from collections.abc import Callable

import docker
from tests.e2e.cli_host import IMAGE

MARK = "sdk.test"  # the label of what these tests make; other work on the reference engine goes untouched


class Sdk:
    """A docker-py client, and containers that are gone after the test."""

    def __init__(self, host: str) -> None:
        self.client = docker.DockerClient(base_url=host, timeout=60)

    def __repr__(self) -> str:
        return f"<Sdk on {self.client.api.base_url}>"

    def start(self, *command: str, **options: object) -> "docker.models.containers.Container":
        """Run *command* in the background of a container of busybox."""
        # A first process that handles no signal is ended by SIGKILL only, after a wait.
        wanted = {"detach": True, "labels": {MARK: ""}, "stop_signal": "SIGKILL", **options}
        return self.client.containers.run(IMAGE, list(command), **wanted)

    def shell(self, script: str, **options: object) -> "docker.models.containers.Container":
        """Run *script* in the background of a container of busybox."""
        return self.start("sh", "-c", script, **options)

    def close(self) -> None:
        """Remove what was made under MARK, and close the connections, also those that docker-py forgets."""
        marked = {"filters": {"label": MARK}}
        for container in self.client.containers.list(all=True, **marked):
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
        for network in self.client.networks.list(**marked):
            network.remove()
        for volume in self.client.volumes.list(**marked):
            volume.remove(force=True)
        for image in self.client.images.list(**marked):
            with contextlib.suppress(docker.errors.APIError):
                self.client.images.remove(image.id, force=True)
        self.client.close()
        gc.collect()


def until(holds: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait for *holds*; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def tar_of(**files: str) -> bytes:
    """Return an archive of files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o640
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
