"""One request to an engine's socket and the whole answer, decoded by its content type."""

import base64
import contextlib
import http.client
import io
import json
import socket
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 20.0  # seconds for one answer
SHOWN = (
    *("Content-Type", "Api-Version", "Docker-Experimental", "Ostype", "Connection", "Upgrade"),
    *("Swarm", "Builder-Version", "Cache-Control", "Pragma", "Location", "X-Docker-Container-Path-Stat"),
)
"""Headers that clients read. The rest (Date, Server, Content-Length) tells of the server, not of the answer."""
STREAMS = ("stdin", "stdout", "stderr", "system")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, Any]
    body: Any = None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None  # for a hijacked connection; afterwards our side is closed
    lines: int = 0  # of an endless stream: so many lines are read, then we hang up


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def ask(path: str, request: Request) -> Answer:
    """Send *request* to the engine on the socket *path* and return what it said."""
    connection = _Connection(path)
    connection.connect()
    line = connection.sock
    try:
        connection.request(request.method, request.path, body=request.body, headers=dict(request.headers))
        response = connection.getresponse()
        if request.stdin is not None:
            line.sendall(request.stdin)
            line.shutdown(socket.SHUT_WR)
        raw = _read(response, request)
        response.close()
    finally:
        line.close()
        connection.close()
    headers = {name: response.headers[name] for name in SHOWN if name in response.headers}
    if text := headers.get("X-Docker-Container-Path-Stat"):
        headers["X-Docker-Container-Path-Stat"] = json.loads(base64.b64decode(text))
    return Answer(response.status, headers, _decoded(raw, response.headers.get("Content-Type", "")))


def _read(response: http.client.HTTPResponse, request: Request) -> bytes:
    if request.lines:
        return b"".join(response.readline() for _ in range(request.lines))
    if response.status == 101:
        return response.fp.read()  # what follows is no HTTP
    with contextlib.suppress(http.client.IncompleteRead):
        return response.read()
    return b"<cut off>"


def _decoded(raw: bytes, content_type: str) -> Any:
    kind = content_type.partition(";")[0]
    if not raw:
        return None
    if kind in ("application/json", "application/x-ndjson", "application/json-seq"):
        return _json(raw.decode())
    if kind == "application/vnd.docker.multiplexed-stream":
        return _frames(raw)
    if kind == "application/x-tar":
        return _entries(raw)
    if _looks_framed(raw):  # before API 1.42 frames came as application/vnd.docker.raw-stream
        return _frames(raw)
    return raw.decode(errors="replace")


def _json(text: str) -> Any:
    """Return the document, or a list of them when several follow each other."""
    decoder, documents, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return text
        documents.append(document)
        while at < len(text) and text[at] in " \r\n\x1e":
            at += 1
    return documents[0] if len(documents) == 1 else documents


def _looks_framed(raw: bytes) -> bool:
    return len(raw) >= 8 and raw[0] < 4 and raw[1:4] == b"\0\0\0"


def _frames(raw: bytes) -> dict[str, str] | str:
    """Return the text of each stream; how it was cut into frames is chance."""
    if not _looks_framed(raw):
        return raw.decode(errors="replace")  # not what its content type says
    found: dict[str, bytes] = {}
    while raw:
        name, size = STREAMS[raw[0]], int.from_bytes(raw[4:8], "big")
        found[name] = found.get(name, b"") + raw[8 : 8 + size]
        raw = raw[8 + size :]
        if raw and not _looks_framed(raw):
            return f"broken frames: {raw!r}"
    return {name: data.decode(errors="replace") for name, data in found.items()}


def _entries(raw: bytes) -> list[dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return [
            {
                "name": entry.name,
                "type": entry.type.decode(),
                "mode": f"{entry.mode:o}",
                "owner": f"{entry.uid}:{entry.gid}",
                "size": entry.size,
                "link": entry.linkname,
            }
            for entry in archive
        ]
