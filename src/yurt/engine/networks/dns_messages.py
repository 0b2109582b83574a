"""DNS messages: what is answered from the name table, and what must be asked elsewhere. Pure: bytes in, bytes out."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from dnslib import (
    AAAA,
    PTR,
    QTYPE,
    RCODE,
    RR,
    A,
    DNSError,
    DNSHeader,
    DNSRecord,
)

TTL = 10  # seconds; containers come and go
PLAIN_UDP = 512  # bytes an answer may have when the client offers no EDNS
_REVERSE6 = ".ip6.arpa"
_REVERSE = ".in-addr.arpa"

Addresses = Callable[[str], tuple[str, ...]]
"""Name → addresses; empty when it is no container's."""

NameOf = Callable[[str], str | None]
"""Address → name; None when it is no container's."""


def no_addresses(_name: str) -> tuple[str, ...]:
    """No name has an address: a network without IPv6."""
    return ()


def answer(
    packet: bytes,
    addresses: Addresses,
    name_of: NameOf,
    *,
    tcp: bool = False,
    addresses6: Addresses = no_addresses,
) -> bytes | None:
    """Return the answer to *packet*, or None when its question is not about a container.

    A message that cannot be read is answered with FORMERR; a name that is known but has no record of the type
    asked for (AAAA above all) with no records, so that the client does not look elsewhere.
    """
    try:
        query = DNSRecord.parse(packet)
        question = query.q
        if query.header.qr or not query.questions:
            return failure(packet, RCODE.FORMERR)
        name = str(question.qname)
    except (DNSError, UnicodeError, ValueError, IndexError):
        return failure(packet, RCODE.FORMERR)
    reply = query.reply(ra=1, aa=0)
    if found := addresses(name):
        if question.qtype in {QTYPE.A, QTYPE.ANY}:
            for address in found:
                reply.add_answer(_record(question.qname, QTYPE.A, A(address)))
        if question.qtype in {QTYPE.AAAA, QTYPE.ANY}:
            for address in addresses6(name):
                reply.add_answer(_record(question.qname, QTYPE.AAAA, AAAA(address)))
    elif question.qtype == QTYPE.PTR and (known := name_of(_address_in(name) or "")) is not None:
        reply.add_answer(_record(question.qname, QTYPE.PTR, PTR(known)))
    else:
        return None
    packed = bytes(reply.pack())
    if not tcp and len(packed) > _room(query):
        packed = bytes(reply.truncate().pack())
    return packed


def failure(packet: bytes, code: int = RCODE.SERVFAIL) -> bytes | None:
    """Return an answer to *packet* that says it failed; None when not even its identifier can be read."""
    if len(packet) < 12:
        return None
    header = DNSHeader(id=int.from_bytes(packet[:2]), qr=1, ra=1, rd=packet[2] & 1, rcode=code)
    reply = DNSRecord(header)
    if code != RCODE.FORMERR:
        try:
            reply.questions = DNSRecord.parse(packet).questions
        except (DNSError, UnicodeError, ValueError, IndexError):
            reply.questions = []
        reply.set_header_qa()
    return bytes(reply.pack())


def _record(name: object, kind: int, data: object) -> object:
    return RR(name, kind, rdata=data, ttl=TTL)


def _room(query: DNSRecord) -> int:
    offered = [record.rclass for record in query.ar if record.rtype == QTYPE.OPT]  # EDNS keeps its size there
    return int(max([PLAIN_UDP, *offered]))


def _address_in(name: str) -> str | None:
    """Return the address in a reverse name: ``2.0.17.172.in-addr.arpa.`` is 172.17.0.2."""
    bare = name.rstrip(".").lower()
    if bare.endswith(_REVERSE6):
        return _address6_in(bare.removesuffix(_REVERSE6))
    if not bare.endswith(_REVERSE):
        return None
    try:
        return str(IPv4Address(".".join(reversed(bare.removesuffix(_REVERSE).split(".")))))
    except ValueError:
        return None


def _address6_in(digits: str) -> str | None:
    """Return the address whose 32 hexadecimal digits stand in *digits*, the last first."""
    parts = digits.split(".")
    if len(parts) != 32 or any(len(part) != 1 for part in parts):
        return None
    try:
        return str(IPv6Address(int("".join(reversed(parts)), 16)))
    except ValueError:
        return None
