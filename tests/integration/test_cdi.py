"""Devices that the host describes, given to real containers: a made-up description of harmless ones."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError
from docker.types import DeviceRequest
from tests.integration.engine_host import IMAGE
from tests.integration.throwaway import said

pytestmark = pytest.mark.root


@pytest.fixture
def kind(tmp_path: Path) -> Iterator[str]:
    """A description of GPUs of a vendor of our own, for as long as the test runs; the kind of its devices."""
    kind = f"yurt{uuid.uuid4().hex[:8]}.example/gpu"
    (tmp_path / "shared").write_text("from the host")
    path = Path("/var/run/cdi") / f"{kind.replace('/', '-')}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"""
cdiVersion: "0.6.0"
kind: {kind}
containerEdits:
  env: [VENDOR=ours]
devices:
  - name: "0"
    containerEdits:
      env: [GPU=0]
      deviceNodes: [{{path: /dev/ours0, hostPath: /dev/null}}]
      mounts: [{{hostPath: {tmp_path}/shared, containerPath: /opt/shared, options: [ro, rbind]}}]
      hooks: [{{hookName: createRuntime, path: /bin/touch, args: [touch, "{tmp_path}/hooked"]}}]
  - name: read-only
    containerEdits:
      deviceNodes: [{{path: /dev/ours1, type: c, major: 10, minor: 229, permissions: r}}]
""")
    yield kind
    path.unlink()


def test_a_device_by_its_full_name(client: docker.DockerClient, kind: str, tmp_path: Path) -> None:
    """Nodes, variables, mounts and hooks of the device are the container's, and only of that one."""
    command = "echo $VENDOR $GPU; echo > /dev/ours0 && cat /opt/shared; test ! -e /dev/ours1"
    requests = [DeviceRequest(driver="cdi", device_ids=[f"{kind}=0"])]
    assert said(client, command, device_requests=requests).split("\n") == ["ours 0", "from the host"]
    assert (tmp_path / "hooked").exists()


def test_a_device_that_may_only_be_read(client: docker.DockerClient, kind: str) -> None:
    """The letters of its permissions are those of the device's control group."""
    requests = [DeviceRequest(driver="cdi", device_ids=[f"{kind}=read-only"])]
    assert "not permitted" not in said(client, "(head -c 0 /dev/ours1) 2>&1; true", device_requests=requests)
    assert "not permitted" in said(client, "(echo > /dev/ours1) 2>&1; true", device_requests=requests)


def test_gpus_are_those_that_are_described(client: docker.DockerClient, kind: str) -> None:
    """--gpus takes them by number, index, or all; with a driver, those of that vendor alone."""
    driver = kind.partition(".")[0]
    for request, nodes in (
        (DeviceRequest(driver=driver, count=1, capabilities=[["gpu"]]), "/dev/ours0"),
        (DeviceRequest(driver=driver, device_ids=["0"], capabilities=[["gpu"]]), "/dev/ours0"),
        (DeviceRequest(driver=driver, count=-1, capabilities=[["gpu"]]), "/dev/ours0 /dev/ours1"),
    ):
        assert said(client, "echo /dev/ours*", device_requests=[request]) == nodes


def test_what_is_not_described_is_refused_at_the_start(client: docker.DockerClient, kind: str) -> None:
    """In Docker's words: the container can be made, not started."""
    for request, sentence in (
        (
            DeviceRequest(driver="cdi", device_ids=[f"{kind}=9"]),
            f"CDI device injection failed: unresolvable CDI devices {kind}=9",
        ),
        (
            DeviceRequest(driver="nobody", count=-1, capabilities=[["gpu"]]),
            'could not select device driver "nobody" with capabilities: [[gpu]]',
        ),
    ):
        container = client.containers.create(IMAGE, ["true"], device_requests=[request])
        with pytest.raises(APIError) as refused:
            container.start()
        assert refused.value.explanation == sentence
        container.reload()
        assert container.attrs["State"]["Error"] == sentence


def test_the_devices_are_told_of(client: docker.DockerClient, kind: str) -> None:
    """`docker info` lists what can be asked for, and inspect what was."""
    found = client.info()["DiscoveredDevices"]
    assert {"Source": "cdi", "ID": f"{kind}=0"} in found
    asked = DeviceRequest(driver="cdi", device_ids=[f"{kind}=0"])
    container = client.containers.create(IMAGE, ["true"], device_requests=[asked])
    (shown,) = container.attrs["HostConfig"]["DeviceRequests"]
    assert (shown["Driver"], shown["DeviceIDs"]) == ("cdi", [f"{kind}=0"])
