"""What a start says of what it has found and put right."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.engine_host import IMAGE, EngineHost, parent_of
from tests.integration.throwaway import SLEEP, until

from yurt.client.sync import Client
from yurt.linux.mount import TmpfsMount

pytestmark = [
    pytest.mark.root,
    # docker-py leaves the connection of an engine that was killed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def told(host: EngineHost) -> list[str]:
    """Return the sentences of the last start."""
    lines = host.log.read_text().rpartition(" cgroup ")[2].splitlines()
    return [
        found[1] for line in lines if (found := re.search(r"engine\.repaired .*what=['\"](.*)['\"]", line))
    ]


def test_nothing_to_repair_is_nothing_to_tell(new_engine: Callable[[], EngineHost]) -> None:
    """After an engine that ended in order, with containers that have ended."""
    host = new_engine()
    with Client(host.host, timeout=20) as client:
        client.json(
            "POST", "/containers/create", query={"name": "done"}, json={"Image": IMAGE, "Cmd": ["true"]}
        )
        client.json("POST", "/containers/done/start")
        client.json("POST", "/containers/done/wait")
    host.stop()
    host.start()
    assert told(host) == []


def test_each_kind_of_repair_has_its_line(new_engine: Callable[[], EngineHost]) -> None:
    """Containers that ran on, that had ended, that come back; and what was left of one that nobody knows."""
    host = new_engine()
    with Client(host.host, timeout=20) as client:
        for name, policy in {"on": "no", "too": "no", "lost": "no", "back": "always"}.items():
            body = {"Image": IMAGE, "Cmd": SLEEP, "HostConfig": {"RestartPolicy": {"Name": policy}}}
            client.json("POST", "/containers/create", query={"name": name}, json=body)
            client.json("POST", f"/containers/{name}/start")
        body = {"Image": IMAGE, "Cmd": SLEEP, "HostConfig": {"AutoRemove": True}}
        client.json("POST", "/containers/create", query={"name": "brief"}, json=body)
        client.json("POST", "/containers/brief/start")
        pids = {name: client.json("GET", f"/containers/{name}/json")["State"]["Pid"] for name in ("lost", "back", "brief")}  # fmt: skip
    shims = {name: parent_of(pid) for name, pid in pids.items()}
    host.kill()
    for pid in (shims["lost"], pids["back"], pids["brief"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{shim}").exists() for shim in shims.values()))
    stray = host.run / "containers" / ("0123" * 16) / "rootfs"
    stray.mkdir(parents=True)
    TmpfsMount(stray, size=4096).execute()
    host.start()
    assert told(host) == [
        "adopted 2 containers that ran on",
        "3 containers had ended: 3 with 137",
        "finished the removal of 1 container",
        "removed 1 mount and 1 folder that no container has",
        "removed 3 network namespaces and 3 interfaces that no running container has",
        "starting 1 container by its restart policy",
    ]
