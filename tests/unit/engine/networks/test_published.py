"""A held port is the holder's alone."""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

import pytest

from yurt.engine.networks.model import PortBinding
from yurt.engine.networks.ports import Addresses
from yurt.engine.networks.published import HeldPorts, OwnPorts
from yurt.errors import Conflict, InvalidArgument
from yurt.linux.relay.ports import ANYBODY, Lead, Taken

INSIDE = Addresses("172.20.0.2", "fd00::2")


class FakeRelay:
    """Holds sockets in this process, and drops them when it is asked to settle."""

    def __init__(self) -> None:
        self.ports: dict[str, list[tuple[Lead, socket.socket]]] = {}
        self.dropped: list[socket.socket] = []

    def add(self, owner: str, taken: Sequence[tuple[Lead, socket.socket]]) -> None:
        self.ports.setdefault(owner, []).extend(taken)

    def take(self, owner: str, leads: Iterable[Lead], *, of: str = "") -> None:
        all_of_them = {
            lead.key: (other, sock)
            for other, ports in self.ports.items()
            if other == owner or of in (other, ANYBODY)
            for lead, sock in ports
        }
        wanted = list(leads)
        for lead in wanted:
            if lead.key not in all_of_them:
                raise Taken(lead, OSError(98, "Address already in use"))
        keys = {lead.key for lead in wanted}
        self.ports = {
            other: [(lead, sock) for lead, sock in ports if lead.key not in keys]
            for other, ports in self.ports.items()
        }
        self.ports[owner] = [(lead, all_of_them[lead.key][1]) for lead in wanted]

    def drop(self, owner: str) -> None:
        self.dropped += [sock for _lead, sock in self.ports.pop(owner, [])]

    def keep(self, owners: Iterable[str]) -> None:
        for owner in set(self.ports) - set(owners):
            self.drop(owner)

    def settle(self) -> None:
        for sock in self.dropped:
            sock.close()
        self.dropped = []

    def close(self) -> None:
        self.keep(())
        self.settle()

    def leads(self, owner: str) -> list[Lead]:
        return [lead for lead, _sock in self.ports.get(owner, [])]


Hold = Callable[[Sequence[PortBinding]], HeldPorts]


@pytest.fixture
def relay() -> Iterator[FakeRelay]:
    made = FakeRelay()
    yield made
    made.close()


@pytest.fixture
def hold(relay: FakeRelay) -> Hold:
    """Take ports for a container: each time for another."""
    numbers = count()
    return lambda bindings: OwnPorts(relay).hold(f"c{next(numbers)}", bindings, INSIDE)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_held_port_is_refused_to_others(protocol: str, hold: Hold) -> None:
    """Any free port is chosen for 0; then no one else has it until it is released."""
    held = hold([PortBinding(80, protocol=protocol, host_ip="0.0.0.0")])
    (binding,) = held.bindings
    assert binding.host_port > 0
    assert repr(held) == f"<HeldPorts 0.0.0.0:{binding.host_port}:80/{protocol}>"
    with pytest.raises(Conflict) as taken:
        hold([binding])
    assert taken.value.message == f"Bind for 0.0.0.0:{binding.host_port} failed: port is already allocated"
    held.release()
    held.release()
    hold([binding]).release()


def test_a_program_that_listens_is_in_the_way(hold: Hold) -> None:
    """Also one that listens on a single address only."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(Conflict):
            hold([PortBinding(80, host_port=server.getsockname()[1])])


def test_all_or_none(hold: Hold) -> None:
    """When one of several is refused, the others are let go."""
    first = hold([PortBinding(80, host_ip="127.0.0.1")])
    free = hold([PortBinding(81)])
    free.release()
    with pytest.raises(Conflict):
        hold([free.bindings[0], first.bindings[0]])
    hold(free.bindings).release()
    first.release()


def test_a_port_that_was_handed_over_is_taken_back(hold: Hold, relay: FakeRelay) -> None:
    """And what the successor took anew is free: nothing has happened."""
    ports = OwnPorts(relay)
    old = ports.hold("old", [PortBinding(80), PortBinding(443)], INSIDE)
    before = relay.leads("old")
    moved = PortBinding(8080, host_port=old.bindings[0].host_port)
    new, _left = ports.hand_over(old, "new", [moved, PortBinding(81)], Addresses("172.20.0.3"), INSIDE)
    fresh = new.bindings[-1]
    ports.take_back(old, new, INSIDE)
    assert (relay.leads("old"), relay.leads("new")) == (before, [])
    for one in old.bindings:
        with pytest.raises(Conflict):
            hold([one])
    hold([PortBinding(81, host_port=fresh.host_port)]).release()
    old.release()


@pytest.mark.parametrize(
    ("binding", "kind"),
    [
        (PortBinding(80, host_ip="192.0.2.77"), InvalidArgument),
        (PortBinding(80, host_ip="nonsense"), InvalidArgument),
        (PortBinding(0), InvalidArgument),
        (PortBinding(80, protocol="sctp"), InvalidArgument),
    ],
)
def test_what_cannot_be_published_is_refused(binding: PortBinding, kind: type[Exception], hold: Hold) -> None:
    """Foreign addresses and other protocols."""
    with pytest.raises(kind):
        hold([binding])


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_an_empty_address_means_all(protocol: str, hold: Hold, relay: FakeRelay) -> None:
    """As in Docker's API: of IPv4 and of IPv6, by the same number; the latter is the relay's, leading to IPv4."""
    held = hold([PortBinding(80, protocol)])
    four, six = held.bindings
    assert (four.host_ip, six.host_ip) == ("0.0.0.0", "::")
    assert four.host_port == six.host_port
    assert relay.leads("c0") == [Lead(protocol, "::", six.host_port, 0, "172.20.0.2", 80)]
    with pytest.raises(Conflict, match=rf"Bind for \[::\]:{six.host_port} failed"):
        hold([six])
    held.release()
    hold([six]).release()  # though the relay drops it a moment later


def test_who_has_it_in_one_family_is_in_the_way_of_both(hold: Hold) -> None:
    """And nothing is kept of the other."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        with pytest.raises(Conflict):
            hold([PortBinding(80, host_port=port)])
        hold([PortBinding(80, host_ip="0.0.0.0", host_port=port)]).release()


def test_an_engine_takes_again_what_is_not_the_relays(hold: Hold, relay: FakeRelay) -> None:
    """It knows of both, and says whose they are: an engine may have ended in the middle of a takeover."""
    before = hold([PortBinding(80)])
    before.let_go()
    again = OwnPorts(relay).hold_again("new", before.bindings, INSIDE)
    assert again.bindings == before.bindings
    assert (relay.leads("c0"), len(relay.leads("new"))) == ([], 1)
    for one in before.bindings:
        with pytest.raises(Conflict):
            hold([one])
    again.release()
    hold(before.bindings).release()


def test_a_successor_has_the_sockets_of_both_families(hold: Hold, relay: FakeRelay) -> None:
    """No port is free in between; what only the old one had stays its own."""
    old = OwnPorts(relay).hold("old", [PortBinding(80), PortBinding(443)], INSIDE)
    web, web6, tls, tls6 = old.bindings
    wanted = [PortBinding(8080, host_port=web.host_port)]
    new, left = OwnPorts(relay).hand_over(old, "new", wanted, Addresses("172.20.0.3"), INSIDE)
    assert [one.at for one in new.bindings] == [web.at, web6.at]
    assert left.bindings == (tls, tls6)
    assert relay.leads("new") == [Lead("tcp", "::", web.host_port, 0, "172.20.0.3", 8080)]
    assert [lead.port for lead in relay.leads("old")] == [tls.host_port]
    for one in (web, web6, tls, tls6):
        with pytest.raises(Conflict):
            hold([one])
    left.release()
    new.release()


def test_ipv6_is_held_apart(hold: Hold) -> None:
    """A port on [::] leaves that of IPv4 to others, and is refused to others itself."""
    held = hold([PortBinding(80, host_ip="::")])
    try:
        (binding,) = held.bindings
        with pytest.raises(Conflict, match=rf"Bind for \[::\]:{binding.host_port} failed"):
            hold([binding])
        hold([PortBinding(80, host_ip="0.0.0.0", host_port=binding.host_port)]).release()
    finally:
        held.release()
