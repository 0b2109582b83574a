"""docker-py's networks, volumes and what it asks of the engine itself: the same holds on Docker and on yurtd."""

import time
from datetime import UTC, datetime

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool
from tests.e2e.cli_host import IMAGE
from tests.e2e.sdk_host import MARK, Sdk, until

# docker-py leaves hijacked sockets to the garbage collector.
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def test_networks(sdk: Sdk) -> None:
    """create with addresses, get, list, connect with an alias and an address, disconnect, remove."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="10.213.4.0/24", gateway="10.213.4.1")])
    network = sdk.client.networks.create(
        "sdk-net", driver="bridge", ipam=ipam, labels={MARK: ""}, internal=True, attachable=True,
        options={"com.docker.network.bridge.enable_icc": "true"}, check_duplicate=True, enable_ipv6=False,
    )  # fmt: skip
    network.reload()
    assert network.attrs["IPAM"]["Config"] == [{"Subnet": "10.213.4.0/24", "Gateway": "10.213.4.1"}]
    assert (network.attrs["Internal"], network.attrs["Attachable"], network.attrs["Driver"]) == (
        True,
        True,
        "bridge",
    )
    assert network.containers == []
    container = sdk.start("sleep", "60", network="sdk-net", name="sdk-net-1")
    second = sdk.start("sleep", "60", name="sdk-net-2")
    network.connect(second, aliases=["other"], ipv4_address="10.213.4.77")
    network.reload()
    assert {each.name for each in network.containers} == {"sdk-net-1", "sdk-net-2"}
    assert b"10.213.4.77" in container.exec_run(["sh", "-c", "sleep 0.2; nslookup other"]).output
    second.reload()
    assert second.attrs["NetworkSettings"]["Networks"]["sdk-net"]["IPAddress"] == "10.213.4.77"
    with pytest.raises(APIError) as busy:
        network.remove()
    assert busy.value.status_code == 403
    network.disconnect(second)
    network.disconnect(container, force=True)
    network.reload()
    assert network.containers == []
    assert [each.id for each in sdk.client.networks.list(names=["sdk-net"])] == [network.id]
    assert sdk.client.networks.list(ids=[network.id], greedy=True)[0].attrs["Containers"] == {}
    assert [each.name for each in sdk.client.networks.list(filters={"label": MARK, "driver": "bridge"})] == [
        "sdk-net"
    ]
    assert sdk.client.networks.get("sdk-net", verbose=True, scope="local") == network
    with pytest.raises(APIError) as taken:
        sdk.client.networks.create("sdk-net")
    assert taken.value.status_code == 409
    network.remove()
    with pytest.raises(NotFound):
        sdk.client.networks.get(network.id)
    sdk.client.networks.create("sdk-net-prune", labels={MARK: "", "sdk.prune": "1"})
    assert sdk.client.networks.prune({"label": "sdk.prune"}) == {"NetworksDeleted": ["sdk-net-prune"]}


def test_run_with_endpoint_configuration(sdk: Sdk) -> None:
    """`networking_config` of containers.create: aliases and an address on the first network."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="10.213.5.0/24")])
    sdk.client.networks.create("sdk-net-own", ipam=ipam, labels={MARK: ""})
    wished = sdk.client.api.create_endpoint_config(aliases=["own"], ipv4_address="10.213.5.9")
    said = sdk.client.containers.run(
        IMAGE, ["sh", "-c", "hostname -i; nslookup own"], network="sdk-net-own",
        networking_config={"sdk-net-own": wished}, remove=True,
    )  # fmt: skip
    assert said.decode().count("10.213.5.9") >= 2


def test_volumes(sdk: Sdk) -> None:
    """create, get, list, use, a volume in use, remove and prune."""
    volume = sdk.client.volumes.create(
        "sdk-volume", driver="local", labels={MARK: "", "a": "b"}, driver_opts={}
    )
    assert {key: volume.attrs[key] for key in ("Name", "Driver", "Scope")} == {
        "Name": "sdk-volume", "Driver": "local", "Scope": "local",
    }  # fmt: skip
    assert sdk.client.volumes.create("sdk-volume").id == volume.id
    container = sdk.client.containers.run(
        IMAGE, ["sh", "-c", "echo kept > /data/file"], volumes=["sdk-volume:/data"], detach=True, labels={MARK: ""}
    )  # fmt: skip
    container.wait()
    with pytest.raises(APIError) as used:
        volume.remove()
    assert used.value.status_code == 409
    container.remove()
    mounted = {"sdk-volume": {"bind": "/data", "mode": "ro"}}
    assert sdk.client.containers.run(IMAGE, "cat /data/file", volumes=mounted, remove=True) == b"kept\n"
    (found,) = sdk.client.volumes.list(filters={"label": "a=b", "name": "sdk-volume", "dangling": True})
    assert found == volume
    assert sdk.client.volumes.get("sdk-volume").attrs["Labels"] == {MARK: "", "a": "b"}
    volume.remove(force=True)
    with pytest.raises(NotFound):
        sdk.client.volumes.get("sdk-volume")
    sdk.client.volumes.create("sdk-volume-prune", labels={MARK: "", "sdk.prune": "1"})
    told = sdk.client.volumes.prune({"label": "sdk.prune", "all": True})
    assert told == {"VolumesDeleted": ["sdk-volume-prune"], "SpaceReclaimed": 0}


def test_events(sdk: Sdk) -> None:
    """Followed from now on, from the past, filtered; decoded or not; closed by the client."""
    begun = int(time.time())
    events = sdk.client.events(decode=True, filters={"label": MARK, "type": "container"})
    container = sdk.start("sh", "-c", "exit 2", name="sdk-events")
    container.wait()
    container.remove()
    seen = []
    for event in events:
        seen.append(event)
        if event["Action"] == "destroy":
            break
    events.close()
    assert [event["Action"] for event in seen] == ["create", "start", "die", "destroy"]
    assert seen[2]["Actor"]["Attributes"]["exitCode"] == "2"
    assert {event["id"] for event in seen} == {container.id}
    ended = int(time.time()) + 1
    until(lambda: time.time() > ended)
    wanted = {"container": "sdk-events", "event": ["die", "start"]}
    past = list(sdk.client.events(since=begun, until=ended, decode=True, filters=wanted))
    assert [event["Action"] for event in past] == ["start", "die"]
    moment = datetime.fromtimestamp(ended, UTC).replace(tzinfo=None)
    assert list(sdk.client.events(since=begun, until=moment, decode=True, filters=wanted)) == past


def test_the_engine_itself(sdk: Sdk) -> None:
    """ping, version, info, df; a client of an old and of a negotiated version."""
    assert sdk.client.ping() is True
    version = sdk.client.version()
    assert {"Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion", "Components"} <= set(
        version
    )
    info = sdk.client.info()
    assert info["OSType"] == "linux"
    assert isinstance(info["Containers"], int)
    assert {"Images", "Driver", "NCPU", "MemTotal", "ServerVersion", "SecurityOptions"} <= set(info)
    usage = sdk.client.df()
    assert {"LayersSize", "Images", "Containers", "Volumes"} <= set(usage)
    host = sdk.client.api.base_url, sdk.client.api._custom_adapter.socket_path
    for wanted in ("1.24", "1.41", "auto"):
        client = docker.DockerClient(base_url=f"unix://{host[1]}", version=wanted)
        assert client.api.version()["ApiVersion"] == version["ApiVersion"]
        assert isinstance(client.containers.list(all=True, sparse=True), list)
        client.close()


def test_a_wrong_login(sdk: Sdk) -> None:
    """A registry that is not there is an error, not a success."""
    with pytest.raises(APIError) as failed:
        sdk.client.login("someone", "secret", registry="127.0.0.1:9")
    assert failed.value.status_code >= 400


def test_what_is_a_swarm_s_is_refused(sdk: Sdk) -> None:
    """As Docker does without one: 503."""
    for ask in (
        sdk.client.services.list,
        sdk.client.nodes.list,
        sdk.client.secrets.list,
        sdk.client.configs.list,
    ):
        with pytest.raises(APIError) as refused:
            ask()
        assert refused.value.status_code == 503
    assert sdk.client.plugins.list() == []
