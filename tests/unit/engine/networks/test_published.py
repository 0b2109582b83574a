"""A held port is the holder's alone."""

import socket

import pytest

from yurt.engine.networks.model import PortBinding
from yurt.engine.networks.published import HeldPorts
from yurt.errors import Conflict, InvalidArgument


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_held_port_is_refused_to_others(protocol: str) -> None:
    """Any free port is chosen for 0; then no one else has it until it is released."""
    held = HeldPorts.hold([PortBinding(80, protocol=protocol)])
    (binding,) = held.bindings
    assert binding.host_port > 0
    assert repr(held) == f"<HeldPorts 0.0.0.0:{binding.host_port}:80/{protocol}>"
    with pytest.raises(Conflict) as taken:
        HeldPorts.hold([binding])
    assert taken.value.message == f"Bind for 0.0.0.0:{binding.host_port} failed: port is already allocated"
    held.release()
    held.release()
    HeldPorts.hold([binding]).release()


def test_a_program_that_listens_is_in_the_way() -> None:
    """Also one that listens on a single address only."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Conflict):
            HeldPorts.hold([PortBinding(80, host_port=server.getsockname()[1])])


def test_all_or_none() -> None:
    """When one of several is refused, the others are let go."""
    first = HeldPorts.hold([PortBinding(80)])
    free = HeldPorts.hold([PortBinding(81)])
    free.release()
    with pytest.raises(Conflict):
        HeldPorts.hold([free.bindings[0], first.bindings[0]])
    HeldPorts.hold(free.bindings).release()
    first.release()


def test_a_port_that_was_handed_over_is_taken_back() -> None:
    """Nobody could have it in between; what the successor took anew is free again, what was left is held as before."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        fresh = PortBinding(80, host_port=probe.getsockname()[1])
    held = HeldPorts.hold([PortBinding(80), PortBinding(81)])
    moved, left = held.bindings
    new, rest = held.handed_over([moved, fresh])
    assert [one.host_port for one in new.bindings] == [moved.host_port, fresh.host_port]
    assert rest.bindings == (left,)
    held.take_back(new)
    HeldPorts.hold([fresh]).release()
    for one in (moved, left):
        with pytest.raises(Conflict):
            HeldPorts.hold([one])
    held.release()
    HeldPorts.hold([moved, left]).release()


@pytest.mark.parametrize(
    ("binding", "kind"),
    [
        (PortBinding(80, host_ip="192.0.2.77"), InvalidArgument),
        (PortBinding(80, host_ip="nonsense"), InvalidArgument),
        (PortBinding(0), InvalidArgument),
        (PortBinding(80, protocol="sctp"), InvalidArgument),
    ],
)
def test_what_cannot_be_published_is_refused(binding: PortBinding, kind: type[Exception]) -> None:
    """Foreign addresses, other families and protocols."""
    with pytest.raises(kind):
        HeldPorts.hold([binding])


def test_an_empty_address_means_all() -> None:
    """As in Docker's API."""
    held = HeldPorts.hold([PortBinding(80, host_ip="")])
    assert held.bindings[0].host_ip == "0.0.0.0"
    held.release()


def test_ipv6_is_held_apart() -> None:
    """A port on [::] leaves that of IPv4 to others, and is refused to others itself."""
    held = HeldPorts.hold([PortBinding(80, host_ip="::")])
    try:
        (binding,) = held.bindings
        with pytest.raises(Conflict, match=rf"Bind for \[::\]:{binding.host_port} failed"):
            HeldPorts.hold([binding])
        HeldPorts.hold([PortBinding(80, host_port=binding.host_port)]).release()
    finally:
        held.release()
