"""Where the lines of a container's log may be sent: syslog, gelf, fluentd, journald. One class for each.

A receiver connects when it first sends, sends batches of messages, and raises OSError when it cannot; it then
forgets its connection, so that the same batch may be sent again. A message is (stream, time in ns, line without end).
"""

import base64
import contextlib
import gzip
import json
import os
import re
import socket
import struct
import time
import zlib
from typing import Any

from yurt.shim.log import STDERR

TIMEOUT = 5.0  # seconds for a connection, and for a batch to be taken
LOCAL_SYSLOG = ("/dev/log", "/var/run/syslog", "/var/run/log")
JOURNAL = "/run/systemd/journal/socket"
_GELF_CHUNK = 1420
_GELF_MAX_CHUNKS = 128
_INFORMATIONAL, _ERROR = 6, 3

Message = tuple[int, int, bytes]


class Receiver:
    """A place that takes messages. *plan* is what the engine resolved: address, tag, names, attributes, options."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.sock: socket.socket | None = None

    def send(self, messages: list[Message]) -> None:
        """Hand all *messages* over. OSError: it is not known which of them arrived."""
        if self.sock is None:
            self.sock = self.connected()
        try:
            self.write(self.sock, messages)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def connected(self) -> socket.socket:
        raise NotImplementedError

    def write(self, sock: socket.socket, messages: list[Message]) -> None:
        raise NotImplementedError


class Syslog(Receiver):
    """RFC 3164, RFC 5424, or the form of the local socket, which has no host name."""

    def connected(self) -> socket.socket:
        if self.plan["address"]:
            return _dialed(self.plan["address"])
        for path in LOCAL_SYSLOG:
            for kind in ("unixgram", "unix"):
                with contextlib.suppress(OSError):
                    return _dialed(f"{kind}://{path}")
        raise FileNotFoundError(f"no syslog answers at {', '.join(LOCAL_SYSLOG)}")

    def write(self, sock: socket.socket, messages: list[Message]) -> None:
        lines = [self.encode(message) for message in messages]
        if sock.type == socket.SOCK_STREAM:
            sock.sendall(b"".join(lines))
            return
        for line in lines:
            sock.send(line)

    def encode(self, message: Message) -> bytes:
        stream, time_ns, line = message
        plan = self.plan
        priority = plan["facility"] * 8 + (_ERROR if stream == STDERR else _INFORMATIONAL)
        tag, host, pid = plan["tag"], plan["hostname"], os.getpid()
        if plan["format"].startswith("rfc5424"):
            micro = f".{time_ns % 1_000_000_000 // 1000:06d}" if plan["format"] == "rfc5424micro" else ""
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 1_000_000_000)) + micro + "Z"
            head = f"<{priority}>1 {moment} {host} {tag} {pid} {tag} - "
        else:
            then = time.localtime(time_ns // 1_000_000_000)
            moment = f"{time.strftime('%b', then)} {then.tm_mday:2d} {time.strftime('%H:%M:%S', then)}"
            where = f"{host} " if plan["format"] == "rfc3164" else ""
            head = f"<{priority}>{moment} {where}{tag}[{pid}]: "
        return head.encode() + line + b"\n"


class Gelf(Receiver):
    """JSON documents: over UDP compressed and in chunks, over TCP each with a zero byte behind it."""

    def connected(self) -> socket.socket:
        return _dialed(self.plan["address"])

    def write(self, sock: socket.socket, messages: list[Message]) -> None:
        documents = [self.encode(message) for message in messages if message[2]]
        if sock.type == socket.SOCK_STREAM:
            sock.sendall(b"".join(document + b"\0" for document in documents))
            return
        for document in documents:
            for datagram in self._datagrams(self._compressed(document)):
                sock.send(datagram)

    def encode(self, message: Message) -> bytes:
        stream, time_ns, line = message
        plan = self.plan
        document = {
            "version": "1.1",
            "host": plan["hostname"],
            "short_message": line.decode(errors="replace"),
            "timestamp": round(time_ns / 1e9, 3),
            "level": _ERROR if stream == STDERR else _INFORMATIONAL,
            "_command": plan["command"],
            "_container_id": plan["container_id"],
            "_container_name": plan["container_name"],
            "_created": plan["created"],
            "_image_id": plan["image_id"],
            "_image_name": plan["image_name"],
            "_tag": plan["tag"],
            **{f"_{key}": value for key, value in plan["attributes"].items()},
        }
        return json.dumps(document, separators=(",", ":")).encode()

    def _compressed(self, document: bytes) -> bytes:
        level = self.plan["compression_level"]
        if self.plan["compression"] == "gzip":
            return gzip.compress(document, level, mtime=0)
        if self.plan["compression"] == "zlib":
            return zlib.compress(document, level)
        return document

    @staticmethod
    def _datagrams(document: bytes) -> list[bytes]:
        if len(document) <= _GELF_CHUNK:
            return [document]
        size = _GELF_CHUNK - 12
        pieces = [document[start : start + size] for start in range(0, len(document), size)]
        if len(pieces) > _GELF_MAX_CHUNKS:
            return []  # the format has no way to say so much
        identity = os.urandom(8)
        return [
            b"\x1e\x0f" + identity + bytes((number, len(pieces))) + piece
            for number, piece in enumerate(pieces)
        ]


class Fluentd(Receiver):
    """The forward protocol, a message at a time; with *ack* each batch is confirmed by the other side."""

    def connected(self) -> socket.socket:
        return _dialed(self.plan["address"])

    def write(self, sock: socket.socket, messages: list[Message]) -> None:
        awaited: list[bytes] = []
        encoded = []
        for message in messages:
            option: dict[str, Any] = {}
            if self.plan["ack"]:
                awaited.append(base64.b64encode(os.urandom(16)))
                option = {"chunk": awaited[-1].decode()}
            encoded.append(self.encode(message, option))
        sock.sendall(b"".join(encoded))
        answers = b""
        while any(identity not in answers for identity in awaited):
            answer = sock.recv(65536)
            if not answer:
                raise ConnectionResetError("fluentd closed the connection without confirming")
            answers += answer

    def encode(self, message: Message, option: dict[str, Any]) -> bytes:
        stream, time_ns, line = message
        plan = self.plan
        record = {
            "container_id": plan["container_id"],
            "container_name": f"/{plan['container_name']}",
            "source": "stderr" if stream == STDERR else "stdout",
            "log": line,
            **plan["attributes"],
        }
        seconds, rest = divmod(time_ns, 1_000_000_000)
        moment = b"\xd7\x00" + struct.pack(">II", seconds, rest) if plan["sub_second"] else packed(seconds)
        return b"\x94" + packed(plan["tag"]) + moment + packed(record) + packed(option)


def packed(value: Any) -> bytes:
    """Return *value* as MessagePack: text, numbers and maps; bytes are written as text, as Docker does."""
    if isinstance(value, int):
        return bytes((value,)) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        size = len(value)
        if size < 32:
            return bytes((0xA0 | size,)) + value
        if size < 1 << 8:
            return b"\xd9" + bytes((size,)) + value
        return (
            b"\xda" + struct.pack(">H", size) if size < 1 << 16 else b"\xdb" + struct.pack(">I", size)
        ) + value
    if isinstance(value, dict):
        size = len(value)
        head = bytes((0x80 | size,)) if size < 16 else b"\xde" + struct.pack(">H", size)
        return head + b"".join(packed(key) + packed(item) for key, item in value.items())
    raise TypeError(f"{type(value).__name__} is not sent to fluentd")


class Journald(Receiver):
    """The journal's native socket: one datagram of fields for each message."""

    def connected(self) -> socket.socket:
        return _dialed(f"unixgram://{self.plan['address']}")

    def write(self, sock: socket.socket, messages: list[Message]) -> None:
        for message in messages:
            entry = self.encode(message)
            try:
                sock.send(entry)
            except OSError as error:
                if error.errno not in (90, 105):  # EMSGSIZE, ENOBUFS: such an entry goes as a file
                    raise
                file = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
                try:
                    os.write(file, entry)
                    socket.send_fds(sock, [b""], [file])
                finally:
                    os.close(file)

    def encode(self, message: Message) -> bytes:
        stream, time_ns, line = message
        plan = self.plan
        seconds, rest = divmod(time_ns, 1_000_000_000)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"
        fields = {
            "MESSAGE": line,
            "PRIORITY": str(_ERROR if stream == STDERR else _INFORMATIONAL),
            "CONTAINER_ID": plan["container_id"][:12],
            "CONTAINER_ID_FULL": plan["container_id"],
            "CONTAINER_NAME": plan["container_name"],
            "CONTAINER_TAG": plan["tag"],
            "IMAGE_NAME": plan["image_name"],
            "SYSLOG_IDENTIFIER": plan["tag"],
            "SYSLOG_TIMESTAMP": moment,
            **{
                re.sub(r"[^A-Z0-9_]", "_", key.upper()).lstrip("_"): value
                for key, value in plan["attributes"].items()
            },
        }
        entry = bytearray()
        for key, value in fields.items():
            data = value if isinstance(value, bytes) else value.encode()
            if b"\n" in data:
                entry += key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
            else:
                entry += key.encode() + b"=" + data + b"\n"
        return bytes(entry)


RECEIVERS: dict[str, type[Receiver]] = {
    "syslog": Syslog,
    "gelf": Gelf,
    "fluentd": Fluentd,
    "journald": Journald,
}


def _dialed(address: str) -> socket.socket:
    """Return a socket connected to ``tcp://host:port``, ``udp://host:port``, ``unix://path`` or ``unixgram://path``."""
    scheme, _mark, where = address.partition("://")
    if scheme in ("unix", "unixgram"):
        kind = socket.SOCK_STREAM if scheme == "unix" else socket.SOCK_DGRAM
        return _tried(socket.AF_UNIX, kind, where)
    host, _colon, port = where.rpartition(":")
    kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
    failed: OSError = ConnectionError(f"no address of {host}")
    for family, kind_found, _protocol, _name, target in socket.getaddrinfo(
        host.strip("[]") or "127.0.0.1", int(port), type=kind
    ):
        try:
            return _tried(family, kind_found, target)
        except OSError as error:
            failed = error
    raise failed


def _tried(family: int, kind: int, target: Any) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.settimeout(TIMEOUT)
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock
