"""The machine is restarted under an engine: what the kernel held is gone, and nothing that a file says of it is believed."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.engine_host import IMAGE, EngineHost, parent_of
from tests.integration.footprint import Footprint, footprint, footprint_at_rest, soon
from tests.integration.throwaway import until
from tests.powercut.trial import another_boot

from yurt.client.sync import Client
from yurt.engine.networks.firewall import tag_of
from yurt.linux.mount import mounted_below, unmount

pytestmark = [
    pytest.mark.root,
    # docker-py leaves the connection of an engine that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
SLEEPING = ["sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done"]


def end_everything(host: EngineHost) -> None:
    """Kill the engine, then the shims before they can write anything down, then what they looked after."""
    with Client(host.host, timeout=20) as client:
        running = [one["Id"] for one in client.json("GET", "/containers/json")]
        pids = [client.json("GET", f"/containers/{one}/json")["State"]["Pid"] for one in running]
    host.kill()
    shims = [parent_of(pid) for pid in pids]
    ended = [os.pidfd_open(pid) for pid in (*shims, *pids)]
    for descriptor in ended:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (*shims, *pids)))


def _status(client: Client, name: str) -> tuple[str, int]:
    state = client.json("GET", f"/containers/{name}/json")["State"]
    return state["Status"], state["ExitCode"]


def _counts(found: Footprint) -> dict[str, int]:
    """How much of it there is: interfaces have other names after each start. Mounts are in namespaces of the engines."""
    kinds = {"interfaces": found.interfaces, "rules": found.rules, "processes": found.processes, "cgroups": found.cgroups}  # fmt: skip
    return {kind: len(lines) for kind, lines in kinds.items()}


def lose_what_the_kernel_held(host: EngineHost) -> None:
    """Take away what no restart leaves: the content of /run, mounts, interfaces, packet rules and control groups."""
    for point in mounted_below(host.run):
        unmount(point, lazy=True)
    shutil.rmtree(host.run)
    held = footprint(host)
    for name in held.interfaces:
        subprocess.run(
            ["ip", "link", "delete", name], check=False, capture_output=True
        )  # a pair goes at once
    for family in ("ip", "ip6"):
        subprocess.run(
            ["nft", "delete", "table", family, f"yurt_{tag_of(host.root)}"], check=False, capture_output=True
        )
    for folder in held.cgroups:
        for place, _folders, _files in os.walk(folder, topdown=False):
            os.rmdir(place)
    assert not any(_counts(footprint(host)).values())


def _answers(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer,
    ):
        return bool(answer.read() == b"well\n")
    return False


@pytest.mark.parametrize("emptied", [True, False])
def test_containers_come_back_by_their_policies(
    new_engine: Callable[[], EngineHost], tmp_path: Path, *, emptied: bool
) -> None:
    """As by Docker: always, unless-stopped and on-failure run again, one without a policy has ended with 255 and
    says why, one stopped by hand stays so, a throw-away one is gone. They have their ports, networks, names and
    volumes; also where /run and the rest outlived the restart, as it can in a container that is a machine."""
    host = new_engine()
    policies = {"always": "always", "unless": "unless-stopped", "failure": "on-failure", "plain": "no", "stopped": "unless-stopped"}  # fmt: skip
    with Client(host.host, timeout=20) as client:
        client.json("POST", "/networks/create", json={"Name": "lan"})
        web = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", "echo well > /data/index.html; exec httpd -f -p 80 -h /data"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {
                "RestartPolicy": {"Name": "always"},
                "NetworkMode": "lan",
                "Binds": ["data:/data"],
                "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            },
        }
        client.json("POST", "/containers/create", query={"name": "web"}, json=web)
        client.json("POST", "/containers/web/start")
        for name, policy in policies.items():
            how = {"RestartPolicy": {"Name": policy}, "NetworkMode": "lan"}
            client.json("POST", "/containers/create", query={"name": name}, json={"Image": IMAGE, "Cmd": SLEEPING, "HostConfig": how})  # fmt: skip
            client.json("POST", f"/containers/{name}/start")
        brief = {"Image": IMAGE, "Cmd": SLEEPING, "HostConfig": {"AutoRemove": True}}
        client.json("POST", "/containers/create", query={"name": "brief"}, json=brief)
        client.json("POST", "/containers/brief/start")
        with client.request("GET", "/containers/stopped/logs", query={"stdout": True, "follow": True}) as log:
            next(iter(log.lines()))  # its trap is set
        client.json("POST", "/containers/stopped/stop")
    end_everything(host)
    if emptied:
        lose_what_the_kernel_held(host)
    another_boot(host, tmp_path, 1)
    host.start()
    with Client(host.host, timeout=20) as client:
        names = {one["Names"][0] for one in client.json("GET", "/containers/json", query={"all": True})}
        assert "/brief" not in names
        for name in ("always", "unless", "failure", "web"):
            until(lambda name=name: _status(client, name) == ("running", 0))  # type: ignore[misc]
        assert _status(client, "stopped") == ("exited", 4)
        assert _status(client, "plain") == ("exited", 255)
        assert "restarted" in client.json("GET", "/containers/plain/json")["State"]["Error"]
        client.json("POST", "/containers/plain/start")
        assert _status(client, "plain") == ("running", 0)
        shown = client.json("GET", "/containers/web/json")["NetworkSettings"]["Ports"]["80/tcp"]
        until(lambda: _answers(int(shown[0]["HostPort"])))
    asked = host.client().containers.get("always").exec_run(["wget", "-q", "-O", "-", "http://web/"])
    assert (asked.exit_code, asked.output) == (0, b"well\n")
    assert "4 containers by their restart policies" in host.log.read_text()


def test_the_same_boot_is_no_restart(new_engine: Callable[[], EngineHost], tmp_path: Path) -> None:
    """An engine that comes up again in the boot that it has seen finds its containers running."""
    host = new_engine()
    another_boot(host, tmp_path, 1)
    host.stop()
    host.start()  # in another boot
    with Client(host.host, timeout=20) as client:
        body = {"Image": IMAGE, "Cmd": SLEEPING}
        client.json("POST", "/containers/create", query={"name": "on"}, json=body)
        client.json("POST", "/containers/on/start")
        pid = client.json("GET", "/containers/on/json")["State"]["Pid"]
    host.kill()
    host.start()  # in that boot again
    with Client(host.host, timeout=20) as client:
        state = client.json("GET", "/containers/on/json")["State"]
        assert (state["Status"], state["Pid"]) == ("running", pid)


def test_an_engine_killed_while_it_starts_after_a_restart(
    new_engine: Callable[[], EngineHost], tmp_path: Path
) -> None:
    """Whatever it had come to, the next one finds it: a container that came back is there once, one without a policy
    has ended with the machine, and nothing is left over."""
    host = new_engine()
    with Client(host.host, timeout=20) as client:
        for name, policy in (("back", "always"), ("plain", "no")):
            body = {"Image": IMAGE, "Cmd": SLEEPING, "HostConfig": {"RestartPolicy": {"Name": policy}}}
            client.json("POST", "/containers/create", query={"name": name}, json=body)
            client.json("POST", f"/containers/{name}/start")
    whole = _counts(footprint_at_rest(host))
    for number in range(1, 7):
        end_everything(host)
        another_boot(host, tmp_path, number)
        for _attempt in range(2):
            host.launch()
            time.sleep(random.uniform(0.1, 1.2))  # any instant between its first and its last step, or after
            host.kill()
        host.start()
        with Client(host.host, timeout=20) as client:
            until(lambda: _status(client, "back") == ("running", 0))
            assert _status(client, "plain") == ("exited", 255)
            client.json("POST", "/containers/plain/start")
        assert soon(lambda: _counts(footprint(host)) == whole), host.tail()
