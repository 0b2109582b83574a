"""The work that goes on until the power is cut: at least one of each operation that has to last."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.archives import an_archive, an_image
from tests.integration.engine_host import IMAGE, EngineHost, busybox_image
from tests.powercut.history import History

from yurt.client.sync import Client
from yurt.errors import YurtError

PATIENCE = 20.0  # seconds in which the registry must answer
EXIT = "echo first; echo second; exit 3"
DATA = "a" * 50_000
PULLED = "shop:pulled"


def stream(client: Client, method: str, path: str, **more: Any) -> None:
    """Read a stream of JSON lines to its end; an error in it is raised."""
    for line in client.lines(method, path, **more):
        if b'"error"' in line:
            raise YurtError(json.loads(line)["error"])


class Work:
    """Operations on *host*, noted in *history*."""

    def __init__(self, host: EngineHost, history: History, registry: str) -> None:
        self._client = Client(host.host, timeout=30)
        self._history = history
        self._registry = registry

    def close(self) -> None:
        self._client.close()

    def all(self) -> None:
        """Do everything once."""
        self.bring_images()
        self.run()
        self.make_images()
        self.push_and_pull()
        self.take_away()

    def bring_images(self) -> None:
        """import and load."""
        with self._history.changing("image", IMAGE, "there"):
            query = {"fromSrc": "-", "repo": "busybox", "tag": "test"}
            stream(self._client, "POST", "/images/create", query=query, body=busybox_image())
        with self._history.changing("image", "loaded:one", "there"):
            stream(self._client, "POST", "/images/load", body=an_image("one"))

    def run(self) -> None:
        """A container that ends and is kept, one that comes back, one that is thrown away; volumes and a network."""
        with self._history.changing("volume", "data", "there"):
            self._post("/volumes/create", json={"Name": "data"})
        with self._history.changing("network", "lan", "there"):
            self._post("/networks/create", json={"Name": "lan"})
        self._history.happening("volume", "filled", "there")
        self._create("kept", EXIT, Binds=["filled:/etc", "data:/data"])
        # How it ended may be seen before that is certain.
        with self._history.changing("container", "kept", "exited 255", "exited 3"):
            self._post("/containers/kept/start")
        self._post("/containers/kept/wait")
        self._history.happening("container", "kept", "exited 3")
        self._create("back", "sleep 1000", RestartPolicy={"Name": "always"})
        with self._history.changing("container", "back", "running"):
            self._post("/containers/back/start")
        self._post("/containers/create", json={"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"AutoRemove": True}}, query={"name": "brief"})  # fmt: skip
        self._post("/containers/brief/start")
        with self._history.changing("container", "kept", "absent"):
            self._client.json("DELETE", "/containers/kept", query={"v": True})

    def make_images(self) -> None:
        """commit, build and tag."""
        self._create(
            "author", f"mkdir /book; printf {DATA} > /book/one; printf two > /book/two; rm /etc/group"
        )
        with self._history.changing("container", "author", "exited 255", "exited 0"):
            self._post("/containers/author/start")
        self._post("/containers/author/wait")
        self._history.happening("container", "author", "exited 0")
        with self._history.changing("image", "book:committed", "there"):
            self._post("/commit", query={"container": "author", "repo": "book", "tag": "committed"}, json={})
        dockerfile = (
            f"FROM {IMAGE}\nCOPY data /data\nRUN head -c 100000 /dev/urandom > /noise; rm /etc/group\n"
        )
        context = an_archive({"Dockerfile": dockerfile.encode(), "data": DATA.encode()})
        with self._history.changing("image", "book:built", "there"):
            stream(self._client, "POST", "/build", query={"t": "book:built"}, body=context)
        with self._history.changing("image", "book:tagged", "there"):
            self._post("/images/loaded:one/tag", query={"repo": "book", "tag": "tagged"})

    def push_and_pull(self) -> None:
        """An image that is only in the registry any more comes back."""
        name = f"{self._registry}/shop"
        with self._history.changing("image", "loaded:two", "there"):
            stream(self._client, "POST", "/images/load", body=an_image("two", layers=3))
        with self._history.changing("image", f"{name}:pulled", "there"):
            self._post("/images/loaded:two/tag", query={"repo": name, "tag": "pulled"})
        credentials = {"X-Registry-Auth": "e30="}
        stream(self._client, "POST", f"/images/{name}/push", query={"tag": "pulled"}, headers=credentials)
        for tag in ("loaded:two", f"{name}:pulled"):
            with self._history.changing("image", tag, "absent"):
                self._client.json("DELETE", f"/images/{tag}")
        with self._history.changing("image", f"{name}:pulled", "there"):
            stream(self._client, "POST", "/images/create", query={"fromImage": name, "tag": "pulled"})

    def take_away(self) -> None:
        """What is removed stays removed."""
        with self._history.changing("image", "book:tagged", "absent"):
            self._client.json("DELETE", "/images/book:tagged")
        with self._history.changing("image", "loaded:one", "absent"):
            self._client.json("DELETE", "/images/loaded:one")
        with self._history.changing("volume", "data", "absent"):
            self._client.json("DELETE", "/volumes/data")
        with self._history.changing("network", "lan", "absent"):
            self._client.json("DELETE", "/networks/lan")

    def _create(self, name: str, script: str, **host: Any) -> None:
        body = {"Image": IMAGE, "Cmd": ["sh", "-c", script], "HostConfig": {"NetworkMode": "none", **host}}
        with self._history.changing("container", name, "created"):
            self._post("/containers/create", query={"name": name}, json=body)

    def _post(self, path: str, **more: Any) -> Any:
        return self._client.json("POST", path, **more)


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Yield the address of an empty registry."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: {address}}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", config], stdout=log, stderr=log, process_group=0
        )
    try:
        _wait_listening(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_listening(address: str) -> None:
    host, _colon, port = address.partition(":")
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
            return
        assert time.monotonic() < deadline, f"nothing listens at {address}"
        time.sleep(0.02)
