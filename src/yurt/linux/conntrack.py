"""The kernel's memory of connections, as far as it stands in the way of a published UDP port.

A flow of datagrams is remembered with the rewriting that it had at first. While the client goes on sending, that
memory does not fade, and the packets go where a container was, past any new rule. So the flows of a port are
forgotten when it is published anew. Formats: linux/netfilter/nfnetlink_conntrack.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Collection, Iterator

from yurt.linux.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    attribute,
    attributes,
)

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET = 1
IPCTNL_MSG_CT_DELETE = 2
CTA_TUPLE_ORIG = 1
CTA_TUPLE_PROTO = 2
CTA_PROTO_NUM = 1
CTA_PROTO_DST_PORT = 3
NLA_F_NESTED = 0x8000

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource
_RECEIVE = 256 * 1024


def forget_udp_flows(ports: Collection[int]) -> int:
    """Forget every IPv4 flow of datagrams sent to one of *ports*; return how many there were.

    Zero where the kernel keeps no such memory. Reads the whole table, so it belongs in a thread.
    """
    if not ports:
        return 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asking:
        flows = [original for original in _flows(asking) if _udp_port(original) in ports]
        for original in flows:
            body = attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, original)
            _send(asking, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, body)
            for kind, payload in _messages(asking.recv(_RECEIVE)):
                number = -struct.unpack_from("=i", payload)[0] if kind == NLMSG_ERROR else 0
                if number not in {0, errno.ENOENT}:  # ended by itself meanwhile
                    raise OSError(number, os.strerror(number), "conntrack -D -p udp")
    return len(flows)


def _flows(asking: socket.socket) -> Iterator[bytes]:
    """Yield the original direction of each flow."""
    _send(asking, IPCTNL_MSG_CT_GET, NLM_F_DUMP, b"")
    while True:
        for kind, payload in _messages(asking.recv(_RECEIVE)):
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                number = -struct.unpack_from("=i", payload)[0]
                if number in {errno.EINVAL, errno.EOPNOTSUPP}:  # no connection tracking in this kernel
                    return
                raise OSError(number, os.strerror(number), "conntrack -L")
            values = dict(attributes(payload[_FAMILY.size :]))
            if CTA_TUPLE_ORIG in values:
                yield values[CTA_TUPLE_ORIG]


def _udp_port(original: bytes) -> int | None:
    """Return the port that a flow was sent to, None when it is not UDP's."""
    protocol = dict(attributes(dict(attributes(original)).get(CTA_TUPLE_PROTO, b"")))
    if protocol.get(CTA_PROTO_NUM) != bytes([socket.IPPROTO_UDP]) or CTA_PROTO_DST_PORT not in protocol:
        return None
    return int.from_bytes(protocol[CTA_PROTO_DST_PORT])


def _send(asking: socket.socket, message: int, flags: int, body: bytes) -> None:
    kind = NFNL_SUBSYS_CTNETLINK << 8 | message
    family = _FAMILY.pack(socket.AF_INET, 0, 0)
    length = _HEADER.size + len(family) + len(body)
    asking.send(_HEADER.pack(length, kind, flags | NLM_F_REQUEST, 1, 0) + family + body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, offset)
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3
