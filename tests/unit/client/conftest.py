"""An engine that plays back what it was told to, on a real unix socket."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest


class ScriptedEngine:
    """Each connection is served by the next script; a script gets the socket. `received` holds what came."""

    def __init__(self, path: str) -> None:
        self.host = f"unix://{path}"
        self.received: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._threads: list[threading.Thread] = []

    def serve(self, *scripts: Callable[[socket.socket], None]) -> None:
        def work() -> None:
            for script in scripts:
                connection, _ = self._listener.accept()
                with connection:
                    script(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def request(self, connection: socket.socket) -> bytes:
        """Read one request with its body and return it."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [
            line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        while lengths and len(body) < int(lengths[0]):
            body += connection.recv(65536)
        while b"chunked" in head and not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        self.received.append(head + b"\r\n\r\n" + body)
        return self.received[-1]

    def answers(self, *answers: bytes) -> Callable[[socket.socket], None]:
        """Return a script that gives these answers, one per request, and then closes."""

        def script(connection: socket.socket) -> None:
            for answer in answers:
                if self.request(connection):
                    connection.sendall(answer)

        return script

    def close(self) -> None:
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def engine(tmp_path) -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine(str(tmp_path / "engine.sock"))
    yield scripted
    scripted.close()
