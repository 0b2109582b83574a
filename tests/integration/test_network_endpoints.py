"""What a container may ask of each of its networks, as a program inside sees it."""

import contextlib
import socket
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.types import EndpointConfig
from tests.integration.engine_host import IMAGE
from tests.integration.throwaway import SLEEP

pytestmark = pytest.mark.root

VERSION = "1.51"


def a_container(client: docker.DockerClient, **settings: dict[str, Any]) -> Any:
    """Run a container on these networks, the first of them its mode."""
    first, *_others = settings
    answer = client.api.create_container_from_config(
        {
            "Image": IMAGE,
            "Cmd": SLEEP,
            "HostConfig": {"NetworkMode": first},
            "NetworkingConfig": {"EndpointsConfig": settings},
        }
    )
    client.api.start(answer["Id"])
    return client.containers.get(answer["Id"])


def says(container: Any, command: str) -> str:
    output: bytes = container.exec_run(["sh", "-c", command]).output
    return output.decode().strip()


def two_free_ports() -> int:
    """Return the lower of two neighbouring ports of 127.0.0.1 that nobody listens on."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            low: int = one.getsockname()[1]
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", low + 1))
                return low


def default_route(container: Any) -> str:
    return says(container, "ip route | grep default").split()[2]


@pytest.fixture
def gateways(client: docker.DockerClient) -> dict[str, str]:
    """Two networks, one of them with IPv6, and their gateways."""
    found = {}
    for name in ("endpoints-a", "endpoints-b"):
        network = client.networks.create(name, enable_ipv6=name.endswith("a"))
        network.reload()
        found[name] = network.attrs["IPAM"]["Config"][0]["Gateway"]
    return found


def test_the_highest_priority_gives_the_way_out(
    client: docker.DockerClient, gateways: dict[str, str]
) -> None:
    """Without priorities it is the network of the mode."""
    first, second = gateways
    plain = a_container(client, **{first: {}, second: {}})
    assert default_route(plain) == gateways[first]
    ranked = a_container(client, **{first: {"GwPriority": -1}, second: {"GwPriority": 5}})
    assert default_route(ranked) == gateways[second]
    ranked.reload()
    shown = ranked.attrs["NetworkSettings"]["Networks"]
    assert {name: shown[name]["GwPriority"] for name in shown} == {first: -1, second: 5}


def test_a_network_that_comes_later_may_take_over(
    client: docker.DockerClient, gateways: dict[str, str]
) -> None:
    """Connected with a higher priority it is the way out at once; without it, the old one is again."""
    first, second = gateways
    container = a_container(client, **{first: {}})
    settings: Any = EndpointConfig(VERSION)
    settings["GwPriority"] = 1
    body = {"Container": container.id, "EndpointConfig": settings}
    url = client.api._url("/networks/{0}/connect", second)
    client.api._raise_for_status(client.api._post_json(url, data=body))
    assert default_route(container) == gateways[second]
    client.networks.get(second).disconnect(container)
    assert default_route(container) == gateways[first]


def test_addresses_of_the_link(client: docker.DockerClient, gateways: dict[str, str]) -> None:
    """Further addresses of both families, with a link's usual prefix."""
    first, _second = gateways
    config = {"LinkLocalIPs": ["169.254.8.8", "fe80::88"]}
    container = a_container(client, **{first: {"IPAMConfig": config}})
    shown = says(container, "ip -o addr show eth0")
    assert "inet 169.254.8.8/16" in shown
    assert "inet6 fe80::88/64" in shown
    container.reload()
    assert container.attrs["NetworkSettings"]["Networks"][first]["IPAMConfig"] == config


def test_an_interface_of_ones_own(client: docker.DockerClient, gateways: dict[str, str]) -> None:
    """Its name and its kernel parameters; the next network's interface has the next usual name."""
    first, second = gateways
    options = {
        "com.docker.network.endpoint.ifname": "web0",
        "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
    }
    container = a_container(client, **{first: {"DriverOpts": options}, second: {}})
    assert says(container, "cat /proc/sys/net/ipv4/conf/web0/log_martians") == "1"
    assert says(container, "ls /sys/class/net").split() == ["eth0", "lo", "web0"]


def test_a_wrong_option_leaves_nothing(client: docker.DockerClient, gateways: dict[str, str]) -> None:
    """Refused with the reason; the same container starts when asked right."""
    first, _second = gateways
    for options, sentence in (
        ({"com.docker.network.endpoint.ifname": "a/b"}, "invalid interface name"),
        (
            {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.nope=1"},
            "cannot set net/ipv4/conf/eth0/nope",
        ),
    ):
        with pytest.raises(APIError, match=sentence):
            a_container(client, **{first: {"DriverOpts": options}})
    assert default_route(a_container(client, **{first: {}})) == gateways[first]


def test_a_free_port_of_a_range(client: docker.DockerClient) -> None:
    """Each takes the next that is free, and the last who asks is refused."""
    low = two_free_ports()
    ports = {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": f"{low}-{low + 1}"}]}}
    taken = []
    for _container in range(2):
        answer = client.api.create_container_from_config({"Image": IMAGE, "Cmd": SLEEP, "HostConfig": ports})
        client.api.start(answer["Id"])
        shown = client.api.inspect_container(answer["Id"])
        assert shown["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == f"{low}-{low + 1}"
        taken.append(int(shown["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]))
    assert taken == [low, low + 1]
    answer = client.api.create_container_from_config({"Image": IMAGE, "Cmd": SLEEP, "HostConfig": ports})
    with pytest.raises(APIError, match="port is already allocated"):
        client.api.start(answer["Id"])
