"""kill -9 of yurtd, and of a shim, in the middle of whatever it is doing: the next engine finds everything whole."""

import contextlib
import io
import json
import os
import random
import select
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.archives import an_archive, an_image
from tests.integration.engine_host import IMAGE, EngineHost
from tests.integration.footprint import assert_settles, footprint_at_rest, soon
from tests.integration.witness import COUNTING, start_witness, witness_is_whole

from yurt.client.sync import Client
from yurt.errors import Conflict, Internal, NotFound, Unavailable, YurtError

pytestmark = [
    pytest.mark.root,
    # docker-py leaves the connection of an engine that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
ROUNDS = int(os.environ.get("YURT_KILLS", "15"))
READY = 5.0  # seconds in which the next engine answers, on a busy machine


@dataclass
class Ledger:
    """What the engine has acknowledged: things by kind and name, True there, False gone; in flight is in neither."""

    known: dict[tuple[str, str], bool] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def changing(self, kind: str, name: str, *, there: bool) -> Iterator[None]:
        self.known.pop((kind, name), None)
        yield
        self.known[kind, name] = there


class Storm:
    """Threads that each repeat one job with an engine until it dies."""

    def __init__(self, host: EngineHost, ledger: Ledger, round_: int) -> None:
        self._client = Client(host.host, timeout=20)
        self._host = host
        self._ledger = ledger
        self._round = round_
        self._threads: list[threading.Thread] = []
        self.over = threading.Event()

    def repeat(self, job: Callable[["Storm", str], None]) -> None:
        which = len(self._threads)

        def work() -> None:
            for number in range(10_000):
                if self.over.is_set():
                    return
                try:
                    job(self, f"{job.__name__.strip('_')}{which}-{self._round}-{number}")
                except (Unavailable, Internal) as gone:
                    if not self.over.is_set():
                        self._ledger.failures.append(f"{job.__name__}: {gone}")
                    return
                except Exception as error:
                    self._ledger.failures.append(f"{job.__name__}: {type(error).__name__}: {error}")
                    return

        thread = threading.Thread(target=work, name=job.__name__)
        thread.start()
        self._threads.append(thread)

    def kill(self) -> None:
        """kill -9 of the engine; returns when every job has noticed."""
        self.over.set()
        self._host.kill()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), thread
        self.close()

    def close(self) -> None:
        self._client.close()

    def changing(self, kind: str, name: str, *, there: bool) -> contextlib.AbstractContextManager[None]:
        return self._ledger.changing(kind, name, there=there)

    def ended(self, name: str, code: int) -> None:
        """From now on the container is known to have ended with *code*."""
        self._ledger.exits[name] = code

    def ask(self, method: str, path: str, **more: Any) -> Any:
        return self._client.json(method, path, **more)

    def stream(self, method: str, path: str, **more: Any) -> None:
        """Read a stream of JSON lines to its end; one that is cut short raises Unavailable."""
        last = b""
        for line in self._client.lines(method, path, **more):
            last = line
        if b'"error"' in last:
            raise YurtError(last.decode())

    def create(self, name: str, command: list[str], **more: Any) -> str:
        with self._ledger.changing("container", name, there=True):
            body = {"Image": IMAGE, "Cmd": command, **more}
            made = self.ask("POST", "/containers/create", query={"name": name}, json=body)
        return str(made["Id"])

    def remove(self, name: str) -> None:
        self._ledger.exits.pop(name, None)
        with self._ledger.changing("container", name, there=False):
            self.ask("DELETE", f"/containers/{name}", query={"force": True, "v": True})


def _life(storm: Storm, name: str) -> None:
    """create, start, wait, rm of a container with an anonymous volume and a published port."""
    storm.create(
        name,
        ["sh", "-c", "echo hello; exit 3"],
        Volumes={"/data": {}},
        ExposedPorts={"80/tcp": {}},
        HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    )
    storm.ask("POST", f"/containers/{name}/start")
    ended = storm.ask("POST", f"/containers/{name}/wait")
    if ended["StatusCode"] != 3:
        raise AssertionError(f"{name} ended with {ended}")
    storm.ended(name, 3)
    storm.remove(name)


def _stop(storm: Storm, name: str) -> None:
    """create, start, stop; the container stays."""
    storm.create(name, ["sleep", "1000"], HostConfig={"NetworkMode": "none"})
    storm.ask("POST", f"/containers/{name}/start")
    storm.ask("POST", f"/containers/{name}/stop", query={"t": 0})
    # 2 when the signal came before the runtime had become the program: the Go runtime's way to die as process 1.
    storm.ended(name, int(storm.ask("POST", f"/containers/{name}/wait")["StatusCode"]))


def _brief(storm: Storm, name: str) -> None:
    """run --rm, with a volume of its own."""
    body = {"Image": IMAGE, "Cmd": ["true"], "Volumes": {"/data": {}}, "HostConfig": {"AutoRemove": True}}
    with storm.changing("container", name, there=False):
        storm.ask("POST", "/containers/create", query={"name": name}, json=body)
        storm.ask("POST", f"/containers/{name}/start")
        with contextlib.suppress(NotFound):
            storm.ask("POST", f"/containers/{name}/wait", query={"condition": "removed"})


def _network(storm: Storm, name: str) -> None:
    with storm.changing("network", name, there=True):
        storm.ask("POST", "/networks/create", json={"Name": name})
    with storm.changing("network", name, there=False):
        storm.ask("DELETE", f"/networks/{name}")


def _volume(storm: Storm, name: str) -> None:
    with storm.changing("volume", name, there=True):
        storm.ask("POST", "/volumes/create", json={"Name": name})
    with storm.changing("volume", name, there=False):
        storm.ask("DELETE", f"/volumes/{name}")


def _named(listed: Any, name: str) -> list[Any]:
    return [one for one in listed if one["Name"] == name]


def check(host: EngineHost, ledger: Ledger) -> None:
    """What was acknowledged is so; whatever is listed is whole."""
    with Client(host.host, timeout=20) as client:
        containers = {
            one["Names"][0][1:]: one for one in client.json("GET", "/containers/json", query={"all": True})
        }
        networks = {one["Name"] for one in client.json("GET", "/networks")}
        volumes = {one["Name"] for one in client.json("GET", "/volumes")["Volumes"] or ()}
        there = {"container": containers, "network": networks, "volume": volumes}
        for (kind, name), expected in ledger.known.items():
            if expected:
                assert name in there[kind], f"{kind} {name} was acknowledged and is gone"
            else:
                assert name not in there[kind] or soon(partial(_is_gone, client, kind, name)), (
                    f"{kind} {name} was removed and is there"
                )
        for name in containers:
            with contextlib.suppress(NotFound):  # --rm at work
                _check_container(client, name, ledger)


def _is_gone(client: Client, kind: str, name: str) -> bool:
    try:
        client.json("GET", f"/{kind}s/{name}" + ("/json" if kind == "container" else ""))
    except NotFound:
        return True
    return False


def _check_container(client: Client, name: str, ledger: Ledger) -> None:
    state = client.json("GET", f"/containers/{name}/json")["State"]
    assert state["Status"] in {"created", "running", "exited"}, (name, state)
    if state["Running"]:
        os.kill(state["Pid"], 0)
    if name in ledger.exits:
        assert (state["Status"], state["ExitCode"]) == ("exited", ledger.exits[name]), (name, state)
    if state["Status"] == "exited":
        assert state["ExitCode"] in {0, 2, 3, 137, 143}, (name, state)
        if state["ExitCode"] == 3:
            with client.request("GET", f"/containers/{name}/logs", query={"stdout": True}) as answer:
                assert answer.read()[8:] == b"hello\n", name


def clear(host: EngineHost, *keep: str) -> None:
    """Remove every container but *keep*, every network and every volume, as a user would."""
    with Client(host.host, timeout=20) as client:
        for one in client.json("GET", "/containers/json", query={"all": True}):
            if one["Names"][0][1:] not in keep:
                with contextlib.suppress(NotFound, Conflict):  # --rm at work
                    client.json("DELETE", f"/containers/{one['Id']}", query={"force": True, "v": True})
        client.json("POST", "/networks/prune")
        for one in client.json("GET", "/volumes")["Volumes"] or ():
            if len(one["Name"]) != 64:  # an anonymous one that is left belongs to nobody: a leak
                client.json("DELETE", f"/volumes/{one['Name']}")


def outlive(host: EngineHost, jobs: list[Callable[[Storm, str], None]], at: list[float]) -> None:
    """Kill the engine *at* so many seconds into the jobs, and look at what the next one makes of it."""
    pid = start_witness(host)
    before = footprint_at_rest(host)
    for round_, moment in enumerate(at):
        ledger = Ledger()
        storm = Storm(host, ledger, round_)
        for job in jobs:
            storm.repeat(job)
        time.sleep(moment)  # what happens at this instant is up to the machine
        storm.kill()
        assert not ledger.failures, ledger.failures
        host.start()
        check(host, ledger)
        witness_is_whole(host, pid)
        clear(host, "witness")
        assert_settles(host, before)


def moments(rounds: int, *, upto: float) -> list[float]:
    """Return instants spread over the time, the early ones denser; the same in each run."""
    dice = random.Random(5)
    return [upto * ((step + dice.random()) / rounds) ** 1.5 for step in range(rounds)]


def test_containers_networks_and_volumes_survive_any_kill(new_engine: Callable[[], EngineHost]) -> None:
    """create, start, wait, stop, rm, run --rm, network and volume create and rm: nothing acknowledged is lost,
    nothing half-made is left, and a container that ran goes on counting."""
    host = new_engine()
    outlive(host, [_life, _life, _stop, _brief, _brief, _network, _volume], moments(ROUNDS, upto=1.2))


def _load(storm: Storm, name: str) -> None:
    with storm.changing("image", f"loaded:{name}", there=True):
        storm.stream("POST", "/images/load", body=an_image(name))
    with storm.changing("image", f"loaded:{name}", there=False):
        storm.ask("DELETE", f"/images/loaded:{name}")


def _import(storm: Storm, name: str) -> None:
    data = an_archive({f"{name}-{part}": os.urandom(30_000) for part in range(10)})
    with storm.changing("image", f"imported:{name}", there=True):
        storm.stream(
            "POST", "/images/create", query={"fromSrc": "-", "repo": "imported", "tag": name}, body=data
        )


def _build(storm: Storm, name: str) -> None:
    dockerfile = f"FROM {IMAGE}\nCOPY data /data\nRUN head -c 100000 /dev/urandom > /noise\nENV WHO={name}\n"
    context = an_archive({"Dockerfile": dockerfile.encode(), "data": os.urandom(100_000)})
    with storm.changing("image", f"built:{name}", there=True):
        storm.stream("POST", "/build", query={"t": f"built:{name}"}, body=context)


def clear_images(host: EngineHost) -> None:
    """Remove all images but the first one, and the build cache."""
    with Client(host.host, timeout=20) as client:
        for image in client.json("GET", "/images/json"):
            for tag in image["RepoTags"] or ():
                if tag != IMAGE:
                    client.json("DELETE", f"/images/{tag}")
        client.json("POST", "/build/prune", query={"all": True})
        client.json("POST", "/images/prune", query={"filters": json.dumps({"dangling": {"true": True}})})


def images_are_whole(host: EngineHost, ledger: Ledger) -> None:
    """Every image listed runs or at least can be saved to the last byte."""
    with Client(host.host, timeout=20) as client:
        tags = {tag for image in client.json("GET", "/images/json") for tag in image["RepoTags"] or ()}
        for (_kind, name), expected in ledger.known.items():
            assert (name in tags) == expected, (name, expected, tags)
        for tag in tags:
            with client.request("GET", f"/images/{tag}/get") as answer:
                saved = io.BytesIO(answer.read())
            with tarfile.open(fileobj=saved) as archive:
                names = archive.getnames()
                manifest = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
            assert set(manifest[0]["Layers"]) <= set(names)
        for tag in [tag for tag in tags if tag.startswith("built:")][:1]:
            body = {
                "Image": tag,
                "Cmd": ["wc", "-c", "/noise", "/data"],
                "HostConfig": {"NetworkMode": "none"},
            }
            made = client.json("POST", "/containers/create", json=body)["Id"]
            client.json("POST", f"/containers/{made}/start")
            assert client.json("POST", f"/containers/{made}/wait")["StatusCode"] == 0
            client.json("DELETE", f"/containers/{made}")


def test_images_survive_any_kill(new_engine: Callable[[], EngineHost]) -> None:
    """load, import, build and rmi: an image that is listed is whole, one that was acknowledged is listed,
    and of half-made ones no file is left."""
    host = new_engine()
    first = Storm(host, Ledger(), -1)
    _build(first, "first")
    first.close()
    clear_images(host)
    before = footprint_at_rest(host)
    for round_, moment in enumerate(moments(ROUNDS, upto=1.0)):
        ledger = Ledger()
        storm = Storm(host, ledger, round_)
        for job in (_load, _import, _build, _build):
            storm.repeat(job)
        time.sleep(moment)  # what happens at this instant is up to the machine
        storm.kill()
        assert not ledger.failures, ledger.failures
        host.start()
        images_are_whole(host, ledger)
        clear_images(host)
        assert_settles(host, before)


def _shims_of(host: EngineHost, container: str) -> list[int]:
    """Return the shims that work for a container, its own and those of its execs: they stand in its folder."""
    folder = str(host.run / "containers" / container)
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdecimal() and os.readlink(f"/proc/{name}/cwd").startswith(folder):
                found.append(int(name))
    return found


def test_a_killed_shim_ends_its_container_alone(new_engine: Callable[[], EngineHost]) -> None:
    """It is reported as ended, with the reason; its processes, network and mounts go, others run on, and it starts
    again. The same when nobody watched: the next engine finds out."""
    host = new_engine()
    pid = start_witness(host)
    with Client(host.host, timeout=20) as client:
        made = str(client.json("POST", "/containers/create", query={"name": "lost"}, json={"Image": IMAGE, "Cmd": COUNTING})["Id"])  # fmt: skip
        before = footprint_at_rest(host)
        for unseen in (False, True):
            client.json("POST", "/containers/lost/start")
            process = client.json("GET", "/containers/lost/json")["State"]["Pid"]
            watched = os.pidfd_open(process)
            shims = _shims_of(host, made)
            assert len(shims) == 1
            if unseen:
                host.kill()
            os.kill(shims[0], signal.SIGKILL)
            if unseen:
                host.start()
            ended = client.json("POST", "/containers/lost/wait")
            assert ended["StatusCode"] == 137
            state = client.json("GET", "/containers/lost/json")["State"]
            assert (state["Status"], state["ExitCode"]) == ("exited", 137)
            assert "shim of the container was lost" in state["Error"]
            assert select.select([watched], [], [], 10)[0]
            os.close(watched)
            assert_settles(host, before, ignoring=("files",))  # of the container, which is still there
        witness_is_whole(host, pid)


def test_a_killed_shim_of_an_exec_ends_that_exec_alone(new_engine: Callable[[], EngineHost]) -> None:
    """The container goes on, and the exec is not said to run for ever."""
    host = new_engine()
    pid = start_witness(host)
    with Client(host.host, timeout=20) as client:
        witness = str(client.json("GET", "/containers/witness/json")["Id"])
        before = footprint_at_rest(host)
        own = _shims_of(host, witness)
        body = {"Cmd": ["sleep", "1000"]}
        made = client.json("POST", "/containers/witness/exec", json=body)["Id"]
        client.json("POST", f"/exec/{made}/start", json={"Detach": True})
        watched = os.pidfd_open(client.json("GET", f"/exec/{made}/json")["Pid"])
        (shim,) = set(_shims_of(host, witness)) - set(own)
        os.kill(shim, signal.SIGKILL)
        assert soon(lambda: not client.json("GET", f"/exec/{made}/json")["Running"])
        assert client.json("GET", f"/exec/{made}/json")["ExitCode"] != 0
        assert select.select([watched], [], [], 10)[0]
        os.close(watched)
        assert_settles(
            host, before, ignoring=("files",)
        )  # the empty folder of execs stays with the container
        assert soon(lambda: os.listdir(host.run / "containers" / witness / "execs") == [])
        body = {"Cmd": ["true"]}
        again = client.json("POST", "/containers/witness/exec", json=body)["Id"]
        client.request("POST", f"/exec/{again}/start", json={"Detach": False}).close()
        assert soon(lambda: client.json("GET", f"/exec/{again}/json")["ExitCode"] == 0)
    witness_is_whole(host, pid)


def test_a_killed_shims_parent_is_replaced(new_engine: Callable[[], EngineHost]) -> None:
    """The zygote's death costs nothing: containers go on, the next start forks from a new one."""
    host = new_engine()
    pid = start_witness(host)
    zygotes = [
        int(name) for name in os.listdir("/proc") if name.isdecimal() and _is_zygote_of(int(name), host.pid)
    ]
    assert len(zygotes) == 1
    os.kill(zygotes[0], signal.SIGKILL)
    storm = Storm(host, Ledger(), 0)
    for number in range(3):
        _life(storm, f"after-{number}")
    storm.close()
    witness_is_whole(host, pid)


def _is_zygote_of(pid: int, parent: int) -> bool:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == parent
    return False
