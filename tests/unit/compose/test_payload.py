"""yurt.compose.payload and hash: what the engine is sent, and when it is the same."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.compose.projects import a_project

from yurt.compose.hash import service_hash
from yurt.compose.payload import host_config, network, specification


def specified(text: str, folder: Path) -> Any:
    project = a_project(
        f"services: {{web: {text}, db: {{image: d}}}}\nvolumes: {{v: }}\nnetworks: {{a: , b: }}", folder
    )
    return specification(project, project.service("web"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("{image: a, command: [x, y]}", "Cmd", ["x", "y"]),
        ("{image: a, entrypoint: []}", "Entrypoint", []),
        ("{image: a, healthcheck: {disable: true}}", "Healthcheck", {"Test": ["NONE"]}),
        ("{image: a, healthcheck: {test: x, interval: 1s}}", "Healthcheck", {"Test": ["CMD-SHELL", "x"], "Interval": 10**9}),
        ("{image: a, ports: ['80'], expose: [81]}", "ExposedPorts", {"80/tcp": {}, "81/tcp": {}}),
        ("{image: a, volumes: [/anonymous]}", "Volumes", {"/anonymous": {}}),
        ("{image: a, stop_grace_period: 1500ms}", "StopTimeout", 2),
        ("{image: a, networks: {b: {aliases: [x]}, a: {ipv4_address: 10.0.0.2}}}", "NetworkingConfig",
         {"EndpointsConfig": {"shop_a": {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}},
                              "shop_b": {"Aliases": ["web", "x"]}}}),
    ],
)  # fmt: skip
def test_body(text: str, key: str, value: Any, tmp_path: Path) -> None:
    """Fields of the file become fields of the create request."""
    assert specified(text, tmp_path)[key] == value


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("{image: a, ports: ['127.0.0.1:8000:80/udp']}", "PortBindings", {"80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}),
        ("{image: a, restart: 'on-failure:3'}", "RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("{image: a, volumes: ['v:/v', '/h:/h:ro,z']}", "Binds", ["shop_v:/v:rw", "/h:/h:ro,z"]),
        ("{image: a, volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1k}}]}", "Mounts",
         [{"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1024}}]),
        ("{image: a, tmpfs: ['/run:size=1m', /tmp]}", "Tmpfs", {"/run": "size=1m", "/tmp": ""}),
        ("{image: a, cpus: 1.5, mem_limit: 1k, pids_limit: -1}", "NanoCpus", 1_500_000_000),
        ("{image: a, init: false}", "Init", False),
        ("{image: a, ulimits: {nofile: {soft: 1, hard: 2}}}", "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        ("{image: a, extra_hosts: ['x=::1', 'y:1.1.1.1']}", "ExtraHosts", ["x:::1", "y:1.1.1.1"]),
        ("{image: a, devices: ['/dev/null']}", "Devices",
         [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm"}]),
        ("{image: a, network_mode: host}", "NetworkMode", "host"),
        ("{image: a, networks: [b, a]}", "NetworkMode", "shop_a"),
        ("{image: a, deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}}", "RestartPolicy",
         {"Name": "on-failure", "MaximumRetryCount": 2}),
    ],
)  # fmt: skip
def test_host_config(text: str, key: str, value: Any, tmp_path: Path) -> None:
    """Fields of the file become fields of the host configuration."""
    assert specified(text, tmp_path)["HostConfig"][key] == value


def test_small(tmp_path: Path) -> None:
    """What the file does not say is not sent."""
    project = a_project("services: {web: {image: a}}", tmp_path)
    assert host_config(project, project.service("web")) == {"NetworkMode": "shop_default"}
    body = network(project, project.networks["default"], "hash")
    assert (body["Name"], body["Driver"], "IPAM" in body) == ("shop_default", "bridge", False)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("{image: a, user: u, environment: [A=1]}", True),
        (
            "{image: a, environment: {A: 1}, user: u, build: ., profiles: [], scale: 3, pull_policy: always}",
            True,
        ),
        ("{image: a, environment: {A: 1}, user: u, depends_on: [db]}", True),
        ("{image: a, environment: {A: 2}, user: u}", False),
        ("{image: b, environment: {A: 1}, user: u}", False),
        ("{image: a, environment: {A: 1}, user: u, labels: [x]}", False),
        ("{image: a, environment: {A: 1}, user: u, networks: [a]}", False),
    ],
)
def test_hash(other: str, is_same: bool, tmp_path: Path) -> None:
    """The hash changes with what the engine is sent, and with nothing else."""
    hashes = []
    for text in ("{image: a, environment: {A: 1}, user: u}", other):
        whole = f"services: {{web: {text}, db: {{image: d}}}}\nnetworks: {{a: }}"
        project = a_project(whole, tmp_path)
        hashes.append(service_hash(project, project.service("web")))
    assert (hashes[0] == hashes[1]) is is_same
    assert len(hashes[0]) == 64
