"""Networks and volumes through docker-py."""

from collections.abc import Callable

import docker
import pytest
from docker.errors import APIError, NotFound
from tests.integration.engine_host import EngineHost

pytestmark = [
    pytest.mark.root,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
IMAGE = "busybox:test"


def test_the_builtin_networks_are_there(client: docker.DockerClient) -> None:
    """bridge, host and none, which cannot be removed."""
    names = {network.name for network in client.networks.list()}
    assert {"bridge", "host", "none"} <= names
    with pytest.raises(APIError, match="pre-defined network") as forbidden:
        client.networks.get("bridge").remove()
    assert forbidden.value.status_code == 403


def test_containers_find_each_other_by_name(client: docker.DockerClient) -> None:
    """By name and alias, on a network of their own."""
    network = client.networks.create("front", labels={"a": "b"})
    client.containers.run(IMAGE, ["sleep", "100"], name="server", network="front", detach=True)
    endpoint = client.api.create_endpoint_config(aliases=["www"])
    client.containers.run(
        IMAGE,
        ["sleep", "100"],
        name="other",
        network="front",
        networking_config={"front": endpoint},
        detach=True,
    )
    for name in ("server", "www"):
        output = client.containers.run(IMAGE, ["ping", "-c1", "-W2", name], network="front", remove=True)
        assert b"1 packets received" in output
    network.reload()
    assert {member.name for member in network.containers} == {"server", "other"}
    assert client.networks.list(filters={"label": "a=b"}) == [network]


def test_a_renamed_container_is_found_by_its_new_name(new_engine: Callable[[], EngineHost]) -> None:
    """At once, no more by the old one, and the next engine knows it too."""
    host = new_engine()
    client = host.client()
    client.networks.create("front")
    server = client.containers.run(IMAGE, ["sleep", "100"], name="before", network="front", detach=True)
    asker = client.containers.run(IMAGE, ["sleep", "100"], network="front", detach=True)

    def found() -> list[str]:
        return [name for name in ("before", "after") if asker.exec_run(["nslookup", name]).exit_code == 0]

    assert found() == ["before"]
    server.rename("after")
    assert found() == ["after"]
    host.kill()
    host.start()
    assert found() == ["after"]


def test_a_container_joins_and_leaves(client: docker.DockerClient) -> None:
    """While it runs; its addresses follow."""
    front, back = client.networks.create("front"), client.networks.create("back", internal=True)
    container = client.containers.run(IMAGE, ["sleep", "100"], network="front", detach=True)
    back.connect(container, aliases=["db"])
    container.reload()
    joined = container.attrs["NetworkSettings"]["Networks"]
    assert set(joined) == {"front", "back"}
    assert "db" in joined["back"]["DNSNames"]
    back.disconnect(container)
    container.reload()
    assert set(container.attrs["NetworkSettings"]["Networks"]) == {"front"}
    with pytest.raises(APIError, match="has active endpoints") as used:
        front.remove()
    assert used.value.status_code == 403


def test_a_subnet_is_chosen_or_given(client: docker.DockerClient) -> None:
    """What was asked is what inspect shows."""
    pool = docker.types.IPAMPool(subnet="10.213.7.0/24", gateway="10.213.7.1")
    network = client.networks.create("mine", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    network.reload()
    assert network.attrs["IPAM"]["Config"] == [{"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.1"}]
    with pytest.raises(APIError) as taken:
        client.networks.create("mine")
    assert taken.value.status_code == 409
    network.remove()
    with pytest.raises(NotFound, match="network mine not found"):
        client.networks.get("mine")


def test_a_port_that_is_taken_is_refused(client: docker.DockerClient) -> None:
    """One clear sentence, and the container is as before."""
    first = client.containers.run(IMAGE, ["sleep", "100"], ports={"80/tcp": None}, detach=True)
    first.reload()
    port = int(first.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])
    second = client.containers.create(IMAGE, ["sleep", "100"], ports={"80/tcp": port})
    with pytest.raises(APIError, match="port is already allocated"):
        second.start()
    second.reload()
    assert second.status == "created"


def test_volumes_outlive_containers(client: docker.DockerClient) -> None:
    """What one wrote another reads; a volume in use cannot be removed."""
    volume = client.volumes.create("data", labels={"a": "b"})
    client.containers.run(IMAGE, ["sh", "-c", "echo kept >/d/f"], volumes=["data:/d"], remove=True)
    reader = client.containers.run(IMAGE, ["cat", "/d/f"], volumes=["data:/d:ro"], detach=True)
    reader.wait()
    assert reader.logs() == b"kept\n"
    with pytest.raises(APIError, match="volume is in use") as used:
        volume.remove()
    assert used.value.status_code == 409
    assert client.volumes.list(filters={"label": "a=b"}) == [volume]
    assert client.volumes.list(filters={"dangling": "true"}) == []
    reader.remove()
    volume.remove()
    with pytest.raises(NotFound):
        client.volumes.get("data")


def test_anonymous_volumes_go_with_their_container(client: docker.DockerClient) -> None:
    """With `-v` on removal; a named one stays."""
    container = client.containers.create(IMAGE, "true", volumes=["/anon"])
    assert len(client.volumes.list()) == 1
    container.remove(v=True)
    assert client.volumes.list() == []


def test_a_container_is_on_the_networks_that_it_has_joined_and_not_left(client: docker.DockerClient) -> None:
    """Running or not, and over restarts: the network that it was made with is one of them, and not for ever."""
    client.networks.create("front")
    client.networks.create("back")
    container = client.containers.create(IMAGE, ["sleep", "100"], name="moves", network_mode="bridge")

    def networks() -> list[str]:
        container.reload()
        return sorted(container.attrs["NetworkSettings"]["Networks"])

    assert networks() == ["bridge"]
    client.networks.get("front").connect(container)
    assert networks() == ["bridge", "front"]
    container.start()
    assert networks() == ["bridge", "front"]
    client.networks.get("back").connect(container)
    client.networks.get("bridge").disconnect(container)
    assert networks() == ["back", "front"]
    container.restart(timeout=0)
    assert networks() == ["back", "front"]
    container.stop(timeout=0)
    client.networks.get("front").disconnect(container)
    client.networks.get("back").disconnect(container)
    container.start()
    assert networks() == []
    client.networks.get("back").connect(container)
    assert networks() == ["back"]


def test_info_version_and_usage(client: docker.DockerClient) -> None:
    """The engine says who it is and what it holds."""
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.51"
    info = client.info()
    assert (info["OSType"], info["Swarm"]["LocalNodeState"]) == ("linux", "inactive")
    client.volumes.create("measured")
    usage = client.df()
    assert usage["LayersSize"] > 1_000_000
    assert [volume["Name"] for volume in usage["Volumes"]] == ["measured"]


def test_there_is_no_swarm(client: docker.DockerClient) -> None:
    """As a Docker that is in none answers."""
    with pytest.raises(APIError, match="not a swarm manager") as refused:
        client.services.list()
    assert refused.value.status_code == 503
