"""yurt.compose.replacing, previous and rollback: the plans of rollovers, and what is kept for going back."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.compose.projects import a_project, as_observed

from yurt.compose import labels, previous
from yurt.compose.observed import Observed
from yurt.compose.plan import Plan
from yurt.compose.reconcile import UpOptions, plan_up
from yurt.compose.rollback import kept, plan_rollback
from yurt.errors import Conflict, NotFound
from yurt.values import replace

TEXT = (
    "services: {web: {image: a, ports: ['80:80'], deploy: {replicas: REPLICAS}, environment: {V: VERSION}}}"
)


def planned(folder: Path, *, replicas: int = 1, moves_ports: bool = True, text: str = TEXT) -> Plan:
    """Return the plan of a rollover of what was brought up in version 1."""
    text = text.replace("REPLICAS", str(replicas))
    observed = as_observed(a_project(text.replace("VERSION", "1"), folder))
    options = UpOptions(rollover=True, moves_ports=moves_ports)
    return plan_up(a_project(text.replace("VERSION", "2"), folder), observed, options)


def test_moving(tmp_path: Path) -> None:
    """Where ports can be moved the old container serves until the new one has proved itself."""
    assert str(planned(tmp_path)).splitlines() == [
        "1. create container web100000000_shop-web-1: configuration changed",
        "2. start container web100000000_shop-web-1: must prove itself (after 1)",
        "3. prove container web100000000_shop-web-1: before it takes over from shop-web-1 (after 2)",
        "4. hand ports and names over to web100000000_shop-web-1: from shop-web-1 (after 3)",
        "5. drain container shop-web-1: its last requests (after 4)",
        "6. stop container shop-web-1: succeeded by 1 (after 5)",
        "7. remove container shop-web-1: succeeded (after 6)",
        "8. rename container shop-web-1: takes the place of web100000000 (after 7)",
    ]


def test_not_moving(tmp_path: Path) -> None:
    """Where they can't be moved a trial proves itself first, and it is told that the port is closed for a moment."""
    plan = planned(tmp_path, moves_ports=False)
    assert [line.partition(": ")[0] for line in str(plan).splitlines()] == [
        "1. create container web100000000_shop-web-1.trial",
        "2. start container web100000000_shop-web-1.trial",
        "3. prove container web100000000_shop-web-1.trial",
        "4. create container web100000000_shop-web-1",
        "5. swap in container web100000000_shop-web-1",
        "6. remove container shop-web-1",
        "7. rename container shop-web-1",
        "8. remove container web100000000_shop-web-1.trial",
    ]
    assert "can't move a published port" in plan.notices[0]


def test_one_after_the_other(tmp_path: Path) -> None:
    """The second replica begins when the first is replaced."""
    lines = str(planned(tmp_path, replicas=2)).splitlines()
    assert lines[8] == "9. create container web200000000_shop-web-2: configuration changed (after 8)"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("network_mode: host", "it uses the host's network"),
        ("networks: {default: {ipv4_address: 10.0.0.5}}", "it has a fixed address"),
        ("mac_address: '02:00:00:00:00:01'", "it has a fixed address"),
        ("volumes: ['data:/d']", "both would write to the volume data"),
        ("network_mode: 'service:other'", "it lives in the network of other"),
    ],
)
def test_obstacles(tmp_path: Path, more: str, why: str) -> None:
    """What two can't share is refused; read-only volumes, and what is said to be safe, are not."""
    text = f"services: {{web: {{image: a, environment: {{V: VERSION}}, {more}}}, other: {{image: o}}}}\nvolumes: {{data: }}"
    with pytest.raises(Conflict, match=why) as caught:
        planned(tmp_path, text=text)
    assert "stop-first" in str(caught.value.hint)
    recreated = text.replace("environment", "deploy: {update_config: {order: stop-first}}, environment")
    assert "prove" not in str(planned(tmp_path, text=recreated))
    if "data" in more:
        safe = text.replace("environment", "deploy: {update_config: {order: start-first}}, environment")
        assert "prove" in str(planned(tmp_path, text=safe))
        assert "prove" in str(planned(tmp_path, text=text.replace("data:/d", "data:/d:ro")))


def test_leftovers(tmp_path: Path) -> None:
    """What an interrupted rollover left is removed, or takes its place if it serves already."""
    project = a_project(TEXT.replace("REPLICAS", "1").replace("VERSION", "1"), tmp_path)
    observed = as_observed(project)
    own = replace(observed.containers[0], id="a" * 64)
    left = replace(own, id="f" * 64, name=f"{own.id[:12]}_{own.name}")

    def plan(*containers: Any) -> list[str]:
        seen = Observed(containers, observed.networks, observed.volumes, observed.images)
        return [line.partition(": ")[0] for line in str(plan_up(project, seen, UpOptions())).splitlines()]

    assert plan(own, left) == [f"1. stop container {left.name}", f"2. remove container {left.name}"]
    serving = replace(left, ports=({"PublicPort": 80, "PrivatePort": 80},))
    assert plan(own, serving) == [
        "1. stop container shop-web-1",
        "2. remove container shop-web-1",
        "3. rename container shop-web-1",
    ]
    assert plan(left) == ["1. rename container shop-web-1"]
    trial = replace(left, name=f"{left.name}.trial")
    assert plan(own, trial) == [f"1. stop container {trial.name}", f"2. remove container {trial.name}"]


INSPECTED = {
    "Id": "c" * 64,
    "Name": "/shop-web-1",
    "Image": "sha256:old",
    "Config": {
        "Hostname": "c" * 12,
        "Env": ["A=1"],
        "Cmd": ["x"],
        "Labels": {"a": "b", labels.PREVIOUS: "older", labels.REPLACE: "r"},
        "Tty": False,
    },
    "HostConfig": {
        "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
        "Memory": 0,
        "Privileged": False,
        "Init": False,
    },
    "NetworkSettings": {
        "Networks": {
            "n": {"Aliases": ["web", "c" * 12, "shop-web-1"], "IPAMConfig": None, "IPAddress": "10.0.0.2"}
        }
    },
}


def test_kept() -> None:
    """A container is made again from what inspect says; what the engine has given is not kept, nor what was before."""
    body = previous.body_of(INSPECTED)
    assert body["Image"] == "sha256:old"
    assert body["Labels"] == {"a": "b"}
    assert "Hostname" not in body
    assert body["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostPort": "80"}]}
    assert body["NetworkingConfig"]["EndpointsConfig"] == {"n": {"Aliases": ["web"]}}
    assert previous.unpacked(previous.packed(body)) == body


@pytest.mark.parametrize(
    "text", ["", "!", "AAAA", previous.packed({"no": "image"}), previous.packed({"Image": "x" * (5 << 20)})]
)
def test_damaged(text: str) -> None:
    """A label that holds nothing of ours is an error, not a traceback; nor is one that unfolds to too much."""
    with pytest.raises(Conflict, match="is damaged"):
        previous.unpacked(text)


def test_rollback(tmp_path: Path) -> None:
    """What keeps something is rolled back the same way; what keeps nothing is an error when it is named."""
    project = a_project(TEXT.replace("REPLICAS", "1").replace("VERSION", "2"), tmp_path)
    observed = as_observed(project)
    with pytest.raises(NotFound, match="no container keeps anything"):
        kept(observed, ())
    with pytest.raises(NotFound, match="shop-web-1 keeps nothing"):
        kept(observed, ["web"])
    marks = {labels.PREVIOUS: previous.packed(previous.body_of(INSPECTED))}
    container = replace(observed.containers[0], labels=marks)
    seen = Observed((container,))
    plan = plan_rollback(seen, kept(seen, ()), moves_ports=True)
    assert str(plan).splitlines()[0] == "1. create container web100000000_shop-web-1: rolled back"
    stopped = Observed((replace(container, state="exited"),))
    with pytest.raises(Conflict, match="it is exited"):
        plan_rollback(stopped, kept(stopped, ()), moves_ports=True)
