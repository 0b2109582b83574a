"""What a command works with: the environment as it was, the engine's client, and where to write.

The environment is read here and nowhere else in the front half.
"""

from __future__ import annotations

import os
import sys

from yurt import places
from yurt.errors import YurtError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TextIO

    from yurt.client.sync import Client
    from yurt.client.tls import Trust


class TlsFlags:
    """What the command line says about TLS: ``--tls``, ``--tlsverify`` and the files."""

    def __init__(self) -> None:
        self.encrypt = False
        self.verify = False
        self.ca: str | None = None
        self.certificate: str | None = None
        self.key: str | None = None


class Session:
    """One call of `yurt`. The client is made, and the engine started if it must be, when first asked for.

    *owns_engine*: nobody chose an engine, so it is Yurt's own, and Yurt starts it.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        debug: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.environ = environ
        self.debug = debug or environ.get("YURT_DEBUG", "") not in ("", "0")
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.host = places.chosen_host(environ)
        self.owns_engine = not (environ.get("YURT_HOST") or environ.get("DOCKER_HOST"))
        self.tls = TlsFlags()
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"<Session with {self.host}>"

    def choose(self, host: str) -> None:
        """Talk to the engine at *host*, whatever the environment says."""
        self.host = host
        self.owns_engine = False
        self._client = None

    @property
    def client(self) -> Client:
        """The engine's client. Starts the engine if it is Yurt's own and does not answer."""
        if self._client is None:
            if self.owns_engine:
                path = self.host.removeprefix("unix://")
                if not answers(path):
                    from yurt.cli.engine_start import start

                    start(self.environ, path, tell=self.note)
            self._client = self.new_client()
        return self._client

    def new_client(self, *, timeout: float | None = None) -> Client:
        """Return a client of the engine as it is; nothing is started."""
        from yurt.client.sync import Client

        return Client(self.host, timeout=timeout, trust=self._trust())

    def _trust(self) -> Trust | None:
        """Return whom to trust when the flags or the environment ask for TLS, as Docker's command line reads them."""
        flags = self.tls
        verify = flags.verify or bool(self.environ.get("DOCKER_TLS_VERIFY"))
        if not (verify or flags.encrypt or self.environ.get("DOCKER_TLS")):
            return None
        from yurt.client.tls import Trust

        return Trust.of_environment(
            self.environ, verify=verify, ca=flags.ca, certificate=flags.certificate, key=flags.key
        )

    def print(self, text: str) -> None:
        """Write one line of the command's result."""
        self.out.write(text + "\n")

    def note(self, text: str) -> None:
        """Tell the person at the terminal something that is not the result."""
        self.out.flush()
        self.err.write(text + "\n")
        self.err.flush()

    def warn(self, text: str) -> None:
        """Tell of something that may surprise."""
        self.note(f"{self.paint('33', 'warning:', self.err)} {text}")

    def fail(self, message: str, hint: str | None = None) -> None:
        """Say what went wrong and the next step."""
        self.note(f"{self.paint('31;1', 'yurt:', self.err)} {message}")
        if hint:
            self.note(f"{self.paint('36', 'hint:', self.err)} {hint}")

    def for_each(self, names: Iterable[str], act: Callable[[str], object]) -> int:
        """Call *act* with each name, going on past failures, which are told; returns the exit code."""
        code = 0
        for name in names:
            try:
                act(name)
            except YurtError as error:
                self.fail(error.message, error.hint)
                code = 1
        return code

    def width(self) -> int | None:
        """Return how many columns the terminal has on which results are shown, None when it is no terminal."""
        if not self.out.isatty():
            return None
        from yurt.cli.terminal import size

        found = size(self.out.fileno())
        return found[1] if found else None

    def paint(self, code: str, text: str, stream: TextIO) -> str:
        """Return *text* in colour if *stream* is a terminal that wants it (``NO_COLOR``)."""
        if not stream.isatty() or self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb":
            return text
        return f"\x1b[{code}m{text}\x1b[0m"


def answers(path: str) -> bool:
    """Tell whether somebody listens on the unix socket at *path*."""
    from _socket import AF_UNIX, SOCK_STREAM
    from _socket import socket as Socket  # noqa: N812

    if not os.path.exists(path):
        return False
    probe = Socket(AF_UNIX, SOCK_STREAM)
    try:
        probe.connect(path)
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True  # somebody is there but we may not: the client says why
    else:
        return True
    finally:
        probe.close()
