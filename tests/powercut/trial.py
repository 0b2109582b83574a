"""One power cut: the machine starts again on what is left of the disk, and what was acknowledged must be there."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.integration.archives import an_image
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.throwaway import until
from tests.powercut.contents import differences
from tests.powercut.history import History
from tests.powercut.work import Work, registry, stream

from yurt.client.sync import Client
from yurt.errors import NotFound

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def engine_on(disk: Path, folder: Path) -> EngineHost:
    """Return an engine whose root lies on the file system *disk*, all else in *folder*."""
    host = EngineHost(disk)
    host.log = folder / "yurtd.log"
    host.socket = folder / "yurt.sock"
    host.host = f"unix://{host.socket}"
    return host


def another_boot(host: EngineHost, folder: Path, number: int) -> None:
    """Have the engine see a machine that was restarted: another boot id, in a mount namespace of its own."""
    other = folder / "boot_id"
    other.write_text(f"00000000-0000-4000-8000-{number:012}\n")
    shown = f'mount --bind "{other}" {BOOT_ID} && exec "$@"'
    host.within = ["unshare", "--mount", "sh", "-c", shown, "sh"]


def record(disk: Path, folder: Path, history: History) -> str:
    """Have an engine do all the work; return the address that its registry had."""
    host = engine_on(disk, folder)
    with registry(folder) as address:
        host.start()
        try:
            work = Work(host, history, address)
            work.all()
            work.close()
        finally:
            host.dismantle()
            assert host.leftovers() == []
            shutil.rmtree(host.run, ignore_errors=True)
    return address


@contextlib.contextmanager
def restarted(disk: Path, folder: Path, number: int) -> Iterator[EngineHost]:
    """Start the engine after a power cut; at the end nothing of it runs."""
    host = engine_on(disk, folder)
    another_boot(host, folder, number)
    try:
        host.start()
        yield host
    finally:
        host.dismantle()
        assert host.leftovers() == []
        shutil.rmtree(host.run, ignore_errors=True)


def check(host: EngineHost, history: History, at: int) -> None:
    """Everything acknowledged by the place *at* is there, the rest wholly or not at all, and the engine works."""
    _blobs_are_whole(host.root)
    with Client(host.host, timeout=30) as client:
        for (kind, name), allowed in history.allowed(at).items():
            if allowed == {"running"}:
                until(partial(_is_running, client, name))
            state = _state(client, kind, name)
            assert state in allowed, f"{kind} {name} is {state}, expected {' or '.join(sorted(allowed))}"
        _volume_is_whole(client)
        _images_are_whole(client)
        _goes_on(client)


def _is_running(client: Client, name: str) -> bool:
    return _state(client, "container", name) == "running"


def _state(client: Client, kind: str, name: str) -> str:
    paths = {"image": "/images/{}/json", "container": "/containers/{}/json", "volume": "/volumes/{}", "network": "/networks/{}"}  # fmt: skip
    try:
        found = client.json("GET", paths[kind].format(name))
    except NotFound:
        return "absent"
    if kind != "container":
        return "there"
    status = str(found["State"]["Status"])
    return f"exited {found['State']['ExitCode']}" if status == "exited" else status


def _blobs_are_whole(root: Path) -> None:
    for blob in (root / "content" / "blobs" / "sha256").iterdir():
        found = hashlib.sha256(blob.read_bytes()).hexdigest()
        assert found == blob.name, f"blob {blob.name} has the content {found}"


def _images_are_whole(client: Client) -> None:
    for image in client.json("GET", "/images/json"):
        for tag in (image["RepoTags"] or [])[:1]:
            wrong = differences(client, tag)
            assert not wrong, f"{tag} shows {len(wrong)} files that its layers do not have: {wrong[:3]}"


def _volume_is_whole(client: Client) -> None:
    """A volume that a container has filled from its image has that content."""
    if _state(client, "container", "kept") == "absent" or _state(client, "volume", "filled") == "absent":
        return
    place = Path(client.json("GET", "/volumes/filled")["Mountpoint"])
    assert place.joinpath("passwd").read_text().startswith("root:x:0:0:"), "the filled volume is not whole"


def _goes_on(client: Client) -> None:
    """Load what may have been there before, and run something."""
    stream(client, "POST", "/images/load", body=an_image("one"))
    assert differences(client, "loaded:one") == []
    if _state(client, "image", IMAGE) == "absent":
        return
    body = {"Image": IMAGE, "Cmd": ["sh", "-c", "echo well"], "HostConfig": {"NetworkMode": "bridge"}}
    client.json("POST", "/containers/create", query={"name": "later"}, json=body)
    client.json("POST", "/containers/later/start")
    assert client.json("POST", "/containers/later/wait")["StatusCode"] == 0
    with client.request("GET", "/containers/later/logs", query={"stdout": True}) as answer:
        assert answer.read()[8:] == b"well\n"
