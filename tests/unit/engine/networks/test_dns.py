"""Names of containers are answered; everything else is for someone else."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from yurt.engine.networks import dns_messages
from yurt.engine.networks.model import Endpoint
from yurt.engine.networks.names import NameTable


def an_endpoint(name: str, address: str, *, network: str = "shop", aliases: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint(
        id=name, network_id=f"id-{network}", network_name=network, ipv4=address, dns_names=(name, *aliases)
    )


def a_table(*endpoints: Endpoint) -> NameTable:
    table = NameTable()
    for endpoint in endpoints:
        table.add(endpoint)
    return table


def answer(
    table: NameTable, name: str, kind: str = "A", *, networks: tuple[str, ...] = ("id-shop",)
) -> DNSRecord | None:
    reply = dns_messages.answer(
        DNSRecord.question(name, kind).pack(),
        lambda asked: table.addresses(networks, asked),
        lambda address: table.name_of(networks, address),
        addresses6=lambda asked: table.addresses6(networks, asked),
    )
    return None if reply is None else DNSRecord.parse(reply)


def records(reply: DNSRecord | None) -> list[str]:
    assert reply is not None
    return [str(record.rdata) for record in reply.rr]


@pytest.mark.parametrize("name", ["db", "DB", "db.", "postgres", "db.shop", "postgres.Shop."])
def test_a_containers_names_are_answered(name: str) -> None:
    """Name and aliases, with or without the network's name, in any case."""
    table = a_table(an_endpoint("db", "172.20.0.2", aliases=("postgres",)))
    reply = answer(table, name)
    assert records(reply) == ["172.20.0.2"]
    assert reply is not None
    assert (reply.header.qr, reply.header.ra, reply.header.rcode) == (1, 1, RCODE.NOERROR)


@pytest.mark.parametrize("kind", ["AAAA", "MX", "TXT", "HTTPS"])
def test_a_known_name_has_no_other_records(kind: str) -> None:
    """The answer is empty, not an error: the client must not look elsewhere."""
    reply = answer(a_table(an_endpoint("db", "172.20.0.2")), "db", kind)
    assert records(reply) == []
    assert reply is not None
    assert reply.header.rcode == RCODE.NOERROR


@pytest.mark.parametrize(
    ("name", "kind"),
    [("example.org", "A"), ("web", "A"), ("9.9.9.9.in-addr.arpa", "PTR"), ("x.in-addr.arpa", "PTR")],
)
def test_other_questions_are_not_answered(name: str, kind: str) -> None:
    """They are forwarded."""
    assert answer(a_table(an_endpoint("db", "172.20.0.2")), name, kind) is None


def test_an_address_is_answered_with_its_name() -> None:
    """The reverse of a container's address is its name and network."""
    assert records(answer(a_table(an_endpoint("db", "172.20.0.2")), "2.0.20.172.in-addr.arpa", "PTR")) == [
        "db.shop."
    ]


def test_names_end_at_their_network() -> None:
    """A container sees only the names of networks that it is on."""
    table = a_table(an_endpoint("db", "172.20.0.2"), an_endpoint("db", "172.21.0.9", network="other"))
    assert records(answer(table, "db")) == ["172.20.0.2"]
    assert records(answer(table, "db", networks=("id-other",))) == ["172.21.0.9"]
    assert answer(table, "db", networks=()) is None


def test_replicas_take_turns() -> None:
    """All of a shared name's addresses are given, and each of them comes first now and then."""
    table = a_table(*(an_endpoint(f"w{n}", f"172.20.0.{n}", aliases=("web",)) for n in (2, 3, 4)))
    answers = [records(answer(table, "web")) for _ in range(100)]
    assert {tuple(sorted(each)) for each in answers} == {("172.20.0.2", "172.20.0.3", "172.20.0.4")}
    assert {each[0] for each in answers} == {"172.20.0.2", "172.20.0.3", "172.20.0.4"}


def test_a_removed_container_has_no_names() -> None:
    """Its names and address are unknown; those it shared stay with the others."""
    one, two = (an_endpoint(f"w{n}", f"172.20.0.{n}", aliases=("web",)) for n in (2, 3))
    table = a_table(one, two)
    table.remove(one)
    table.remove(one)
    assert records(answer(table, "web")) == ["172.20.0.3"]
    assert answer(table, "w2") is None
    assert answer(table, "2.0.20.172.in-addr.arpa", "PTR") is None


def test_an_answer_too_long_for_udp_is_cut() -> None:
    """Without EDNS an answer of more than 512 bytes is truncated, so that the client asks by TCP."""
    addresses = tuple(f"172.20.0.{n}" for n in range(1, 60))
    query = DNSRecord.question("web")

    def ask(packet: bytes, *, tcp: bool = False) -> DNSRecord:
        reply = dns_messages.answer(packet, lambda _name: addresses, lambda _address: None, tcp=tcp)
        return DNSRecord.parse(reply)

    assert ask(query.pack()).header.tc == 1
    assert len(ask(query.pack(), tcp=True).rr) == 59
    query.add_ar(EDNS0(udp_len=4096))
    assert len(ask(query.pack()).rr) == 59


@given(st.binary(max_size=80))
def test_any_bytes_get_an_answer_or_none(packet: bytes) -> None:
    """Garbage never raises; what is answered keeps the identifier."""
    reply = dns_messages.answer(packet, lambda _name: (), lambda _address: None)
    if reply is not None:
        assert reply[:2] == packet[:2]


def test_a_failure_repeats_the_question() -> None:
    """SERVFAIL has the client's identifier and question."""
    query = DNSRecord.question("example.org")
    failed = dns_messages.failure(query.pack())
    assert failed is not None
    reply = DNSRecord.parse(failed)
    assert (reply.header.id, reply.header.rcode, str(reply.q.qname)) == (
        query.header.id,
        RCODE.SERVFAIL,
        "example.org.",
    )
    assert reply.q.qtype == QTYPE.A
    assert dns_messages.failure(b"short") is None


def test_ipv6_has_records_of_its_own() -> None:
    """AAAA is answered where a container has IPv6, is empty where it has not, and the reverse name leads back."""
    both = replace(an_endpoint("web", "10.0.0.2"), ipv6="fd00:5::2")
    table = a_table(both, an_endpoint("old", "10.0.0.3"))
    assert records(answer(table, "web", "AAAA")) == ["fd00:5::2"]
    assert records(answer(table, "web")) == ["10.0.0.2"]
    assert records(answer(table, "old", "AAAA")) == []
    reverse = IPv6Address("fd00:5::2").reverse_pointer
    assert records(answer(table, reverse, "PTR")) == ["web.shop."]
    assert answer(table, "1.2.ip6.arpa", "PTR") is None
    table.remove(both)
    assert answer(table, "web", "AAAA") is None
    assert answer(table, reverse, "PTR") is None
