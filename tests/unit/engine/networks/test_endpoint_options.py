"""Options of one container on one network."""

import pytest

from yurt.engine.networks.endpoint_options import INTERFACE, SYSCTLS, EndpointOptions, parse
from yurt.errors import InvalidArgument


def test_options() -> None:
    """A name for the interface, and kernel parameters of it; what is another driver's is passed over."""
    options = parse(
        {INTERFACE: "web0", SYSCTLS: "net.ipv4.conf.IFNAME.a=1,net.ipv6.conf.ifname.b=x=y", "other": "z"}
    )
    assert options == EndpointOptions("web0", (("ipv4/conf/IFNAME/a", "1"), ("ipv6/conf/IFNAME/b", "x=y")))
    assert options.settings("eth1") == (("ipv4/conf/eth1/a", "1"), ("ipv6/conf/eth1/b", "x=y"))
    assert parse({}) == EndpointOptions()


@pytest.mark.parametrize("name", ["averyveryverylongname", "a/b", "a b", "..", "lo"])
def test_what_is_no_interface(name: str) -> None:
    """The kernel would refuse it, or it is taken."""
    with pytest.raises(InvalidArgument, match="invalid interface name"):
        parse({INTERFACE: name})


@pytest.mark.parametrize(
    "text",
    [
        "net.ipv4.conf.IFNAME.a",
        "net.ipv4.conf.eth0.a=1",
        "kernel.x.y.IFNAME.a=1",
        "net.core.conf.IFNAME.a=1",
        "net.ipv4.../..IFNAME.a=1",
        "net.ipv4.a/b.IFNAME.a=1",
    ],
)
def test_what_is_no_parameter_of_an_interface(text: str) -> None:
    """Only the container's own interface can be set, by its placeholder."""
    with pytest.raises(InvalidArgument, match="unrecognised network interface sysctl"):
        parse({SYSCTLS: text})
