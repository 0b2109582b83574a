"""A full disk: one clear error, everything as before, and work goes on when there is room again."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Needs
from tests.integration.archives import an_archive
from tests.integration.engine_host import BUSYBOX, IMAGE
from tests.integration.footprint import assert_settles, footprint_at_rest, soon
from tests.integration.small_disk import MIB, SmallDisk

from yurt.client.sync import Client
from yurt.errors import Unavailable, YurtError
from yurt.storage.metadata import Documents

pytestmark = pytest.mark.root
FULL = "no space left on device"
SLEEPING = {"Image": IMAGE, "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}}


@pytest.fixture(scope="module")
def small(needs: Needs) -> Iterator[SmallDisk]:
    needs.root()
    needs.program("runc")
    needs.file(str(BUSYBOX))
    with tempfile.TemporaryDirectory(prefix="yurt-test-", ignore_cleanup_errors=True) as folder:
        made = SmallDisk(Path(folder))
        try:
            made.host.start()
            made.host.load_busybox()
            yield made
            made.free()
            made.host.dismantle()
            assert made.host.leftovers() == []
        finally:
            made.destroy()


@pytest.fixture
def client(small: SmallDisk) -> Iterator[Client]:
    with Client(small.host.host, timeout=30) as client:
        yield client
        small.free()
        for one in client.json("GET", "/containers/json", query={"all": True}):
            client.json("DELETE", f"/containers/{one['Id']}", query={"force": True, "v": True})
        for one in client.json("GET", "/volumes")["Volumes"] or ():
            client.json("DELETE", f"/volumes/{one['Name']}")
        for image in client.json("GET", "/images/json"):
            if IMAGE not in (image["RepoTags"] or ()):
                client.json("DELETE", f"/images/{image['Id']}", query={"force": True})
        client.json("POST", "/build/prune", query={"all": True})


def failure(client: Client, method: str, path: str, *, output: list[bytes] | None = None, **more: Any) -> str:
    """Return the error of a request that fails at once or in its stream, which goes to *output* too."""
    lines = [] if output is None else output
    try:
        lines += client.lines(method, path, **more)
    except YurtError as error:
        return error.message
    errors = [json.loads(line)["error"] for line in lines if b'"error"' in line]
    assert len(errors) == 1, lines
    return str(errors[0])


def create(client: Client, name: str = "", **more: Any) -> str:
    made = client.json(
        "POST", "/containers/create", query={"name": name} if name else {}, json=SLEEPING | more
    )
    return str(made["Id"])


def _import(client: Client) -> str:
    body = an_archive({"big": os.urandom(8 * MIB)})
    return failure(client, "POST", "/images/create", query={"fromSrc": "-", "repo": "big"}, body=body)


def _load(client: Client) -> str:
    layer = an_archive({"big": os.urandom(8 * MIB)})
    manifest = [{"Config": "c.json", "RepoTags": ["big:1"], "Layers": ["l.tar"]}]
    body = an_archive({"l.tar": layer, "manifest.json": json.dumps(manifest).encode(), "c.json": b"{}"})
    return failure(client, "POST", "/images/load", body=body)


def _build(client: Client) -> str:
    dockerfile = f"FROM {IMAGE}\nENV A=1\nRUN dd if=/dev/zero of=/big bs=1M count=20\n"
    body = an_archive({"Dockerfile": dockerfile.encode()})
    output: list[bytes] = []
    error = failure(client, "POST", "/build", query={"t": "big"}, body=body, output=output)
    return error + b"".join(output).decode()  # a program says it in its own words


def _build_context(client: Client) -> str:
    body = an_archive({"big": os.urandom(8 * MIB), "Dockerfile": f"FROM {IMAGE}\nCOPY big /\n".encode()})
    return failure(client, "POST", "/build", query={"t": "big"}, body=body)


@pytest.mark.parametrize("job", [_import, _load, _build, _build_context])
@pytest.mark.parametrize("leaving", [0, 4 * MIB])
def test_making_an_image_fails_with_one_error_and_leaves_nothing(
    small: SmallDisk, client: Client, job: Callable[[Client], str], leaving: int
) -> None:
    """import, load and build, with no room at all and with too little: the reason is named, no file is left."""
    client.json("POST", "/build/prune", query={"all": True})
    before = footprint_at_rest(small.host)
    images = client.json("GET", "/images/json")
    small.fill(leaving=leaving)
    message = job(client)
    assert FULL in message.lower(), message
    assert "Traceback" not in message
    assert "internal error" not in message
    small.free()
    client.json("POST", "/build/prune", query={"all": True})
    assert client.json("GET", "/images/json") == images
    assert_settles(small.host, before)


def test_a_volume_that_cannot_be_filled_is_not_made(small: SmallDisk, client: Client) -> None:
    """Copy-up needs more than there is: no container, no volume, nothing half copied."""
    body = an_archive({"data/big": os.urandom(4 * MIB), "data/small": b"x"})
    list(
        client.lines("POST", "/images/create", query={"fromSrc": "-", "repo": "full", "tag": "1"}, body=body)
    )
    before = footprint_at_rest(small.host)
    wish = {"Image": "full:1", "Cmd": ["x"], "HostConfig": {"Binds": ["kept:/data"]}}
    small.fill(leaving=1 * MIB)
    message = failure(client, "POST", "/containers/create", json=wish)
    assert FULL in message.lower(), message
    assert "/data" in message
    small.free()
    assert client.json("GET", "/volumes")["Volumes"] in (None, [])
    assert_settles(small.host, before)
    client.json("POST", "/containers/create", json=wish)
    place = Path(client.json("GET", "/volumes/kept")["Mountpoint"])
    assert (place / "big").stat().st_size == 4 * MIB


def test_create_and_start_fail_with_one_error(small: SmallDisk, client: Client) -> None:
    """Neither leaves anything; what was made before starts once there is room."""
    made = create(client, "made")
    before = footprint_at_rest(small.host)
    small.fill()
    for path, more in (
        ("/containers/create", {"json": SLEEPING}),
        ("/containers/made/start", {}),
        ("/volumes/create", {"json": {"Name": "none"}}),
        ("/networks/create", {"json": {"Name": "front"}}),
    ):
        message = failure(client, "POST", path, **more)
        assert FULL in message.lower(), (path, message)
        assert "internal error" not in message
    small.free()
    assert [one["Id"] for one in client.json("GET", "/containers/json", query={"all": True})] == [made]
    assert client.json("GET", "/containers/made/json")["State"]["Status"] == "created"
    assert_settles(small.host, before)
    client.json("POST", "/containers/made/start")
    assert client.json("GET", "/containers/made/json")["State"]["Running"]


@pytest.mark.parametrize("runs", [False, True])
def test_a_copy_into_a_container_fails_with_one_error(small: SmallDisk, client: Client, runs: bool) -> None:
    """Running or not."""
    create(client, "made")
    if runs:
        client.json("POST", "/containers/made/start")
    small.fill()
    body = an_archive({"big": os.urandom(MIB)})
    message = failure(client, "PUT", "/containers/made/archive", query={"path": "/"}, body=body)
    assert FULL in message.lower(), message
    assert "internal error" not in message


def test_what_runs_goes_on_and_can_be_stopped_and_removed(small: SmallDisk, client: Client) -> None:
    """With no byte left a container whose log cannot grow goes on, its exit code is told, and it can be removed."""
    writing = ["sh", "-c", "while [ ! -e /tmp/end ]; do head -c 5000 /dev/zero; sleep 0.01; done; exit 6"]
    for name in ("writes", "stops", "removed"):
        create(client, name, Cmd=writing, HostConfig={"NetworkMode": "none", "Tmpfs": {"/tmp": ""}})
        client.json("POST", f"/containers/{name}/start")
    small.fill()
    _end(client, "writes")
    assert client.json("POST", "/containers/writes/wait")["StatusCode"] == 6
    client.json("POST", "/containers/stops/stop", query={"t": 0})
    stopped = client.json("GET", "/containers/stops/json")["State"]
    assert (stopped["Status"], stopped["ExitCode"]) == ("exited", 137)
    client.json("DELETE", "/containers/removed", query={"force": True})
    small.host.kill()
    small.host.start()
    state = client.json("GET", "/containers/writes/json")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 6)
    client.json("DELETE", "/containers/writes")
    small.free()
    assert [one["Names"] for one in client.json("GET", "/containers/json", query={"all": True})] == [
        ["/stops"]
    ]


def _end(client: Client, name: str) -> None:
    """Make the file that the container waits for, in its tmpfs, which has room."""
    pid = client.json("GET", f"/containers/{name}/json")["State"]["Pid"]
    Path(f"/proc/{pid}/root/tmp/end").touch()


def test_an_exit_on_a_full_disk_is_known_to_the_next_engine(small: SmallDisk, client: Client) -> None:
    """Ended with neither room nor engine, the exit code is still found: its place was taken at the start."""
    waiting = ["sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.01; done; exit 9"]
    create(client, "ends", Cmd=waiting, HostConfig={"NetworkMode": "none", "Tmpfs": {"/tmp": ""}})
    client.json("POST", "/containers/ends/start")
    pid = client.json("GET", "/containers/ends/json")["State"]["Pid"]
    small.fill()
    watched = os.pidfd_open(pid)
    small.host.kill()
    Path(f"/proc/{pid}/root/tmp/end").touch()
    _await_end(watched)
    small.host.start()
    state = client.json("GET", "/containers/ends/json")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 9)


def test_a_stop_on_a_full_disk_is_known_to_the_next_engine(small: SmallDisk, client: Client) -> None:
    """Its restart policy does not start again what a person has stopped, whether it ran or was to be restarted."""
    host = {"NetworkMode": "none", "RestartPolicy": {"Name": "unless-stopped"}}
    create(client, "runs", HostConfig=host)
    create(client, "loops", HostConfig=host, Cmd=["false"])
    for name in ("runs", "loops"):
        client.json("POST", f"/containers/{name}/start")
    assert soon(
        lambda: client.json("GET", "/containers/loops/json")["RestartCount"] > 3
    )  # its pauses are long
    small.fill()
    client.json("POST", "/containers/runs/stop", query={"t": 0})
    client.json("POST", "/containers/loops/stop")
    small.fill()
    small.host.kill()
    small.host.start()
    for name in ("runs", "loops"):
        state = client.json("GET", f"/containers/{name}/json")["State"]
        assert state["Status"] == "exited", (name, state)


def test_notes_and_deletions_go_into_a_full_disk_and_nothing_else(small: SmallDisk) -> None:
    """Hundreds of notes, though others take each byte that gets free; they are there after a kill -9."""
    folder = small.disk / "notes"
    documents = Documents(folder / "test.db")
    documents.put("a", "1", b"before")
    small.fill()
    for change in (lambda: documents.put("a", "2", b"x"), lambda: documents.transaction().__enter__()):
        with pytest.raises(Unavailable, match=FULL):
            change()
    for number in range(300):
        documents.note("a", "1", f"{number} {'x' * 3000}".encode())
    small.fill()
    documents.delete("a", "2")
    small.free()
    again = Documents(folder / "test.db")  # as after a kill: the first was not closed
    assert [body.split()[0] for _id, body in again.all("a")] == [b"299"]
    for one in (again, documents):
        one.close()
    shutil.rmtree(folder)


def _await_end(descriptor: int) -> None:
    import select

    assert select.select([descriptor], [], [], 10)[0]
    os.close(descriptor)


def test_an_engine_starts_on_a_full_disk(small: SmallDisk, client: Client) -> None:
    """Also then it answers, so that something can be removed."""
    create(client, "made")
    small.fill()
    small.host.kill()
    small.host.start()
    client.json("DELETE", "/containers/made")
    assert client.json("GET", "/containers/json", query={"all": True}) == []
