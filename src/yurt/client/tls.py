"""TLS to an engine: a local socket that carries in the clear what a thread encrypts and decrypts behind it.

The rest of the client polls its socket, and closes one direction of it at the end of stdin: with the near end of a
socket pair it may go on doing so (see `yurt.api.tls`). Imported only when an engine is spoken to in TLS.
"""

from __future__ import annotations

import os
import select
import socket as sockets
import ssl
import threading
from dataclasses import dataclass

from yurt.api.tls import PIECE, TlsSession
from yurt.client.connection import Connection
from yurt.errors import InvalidArgument, Unavailable, translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust and who to be, as files in PEM. None: the system's authorities, no certificate of our own."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    is_verifying: bool = True  # False: whoever answers is taken for the engine

    @classmethod
    def of_environment(
        cls,
        environ: Mapping[str, str],
        *,
        verify: bool,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
    ) -> Trust:
        """Return what Docker's command line would use: files not named are looked for in ``DOCKER_CERT_PATH``.

        Without that variable the folder is ``~/.docker``; files that are not there are done without.
        """
        home = environ.get("DOCKER_CONFIG") or f"{environ.get('HOME', '')}/.docker"
        folder = environ.get("DOCKER_CERT_PATH") or home

        def found(name: str) -> str | None:
            path = os.path.join(folder, name)
            return path if os.path.exists(path) else None

        return cls(
            ca=ca or found("ca.pem"),
            certificate=certificate or found("cert.pem"),
            key=key or found("key.pem"),
            is_verifying=verify,
        )

    def context(self) -> ssl.SSLContext:
        """Raises InvalidArgument for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.is_verifying:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with translated({OSError: InvalidArgument}, f"cannot use the certificate authority {self.ca}"):
            if self.ca:
                context.load_verify_locations(self.ca)
            elif self.is_verifying:
                context.load_default_certs()
        with translated(
            {OSError: InvalidArgument},
            f"cannot use the certificate {self.certificate} with the key {self.key}",
        ):
            if self.certificate and self.key:
                context.load_cert_chain(self.certificate, self.key)
        return context


def secured(socket: sockets.socket, trust: Trust, *, name: str, timeout: float | None) -> Connection:
    """Return a connection over *socket*, spoken to in TLS, to the engine whose certificate must be for *name*.

    Raises Unavailable, saying why, when the two do not trust each other; *socket* is closed in any case.
    """
    carrier = Carrier(socket, TlsSession(trust.context(), server_name=name))
    try:
        carrier.shake_hands()
    except (OSError, ssl.SSLError) as refused:
        socket.close()
        raise Unavailable(
            f"cannot speak TLS to the engine at {name}: {reason(refused)}",
            hint="DOCKER_CERT_PATH (or --tlscacert, --tlscert, --tlskey) must have the files made for this engine",
        ) from refused
    near, carrier.near = sockets.socketpair()
    near.settimeout(timeout)
    connection = SecuredConnection(near, carrier)
    threading.Thread(target=carrier.carry, name="tls", daemon=True).start()
    return connection


class SecuredConnection(Connection):
    """The near end of a `Carrier`."""

    def __init__(self, socket: sockets.socket, carrier: Carrier) -> None:
        super().__init__(socket)
        self._carrier = carrier

    @property
    def complaint(self) -> str:
        return self._carrier.complaint


class Carrier:
    """Carries bytes between *far*, in TLS, and *near*, in the clear, in a thread of its own."""

    near: sockets.socket

    def __init__(self, far: sockets.socket, session: TlsSession) -> None:
        self._far = far
        self._session = session
        self.complaint = ""  # why the far side ended it, if it did

    def shake_hands(self) -> None:
        """Afterwards *far* is the engine, and has been shown our certificate; it may still refuse that."""
        while True:
            try:
                is_complete = self._session.shake_hands()
            finally:
                self._far.sendall(self._session.outgoing())
            if is_complete:
                return
            if not (data := self._far.recv(PIECE)):
                raise ConnectionResetError("it closed the connection")
            self._session.feed(data)

    def carry(self) -> None:
        """Return when the far side has ended and all of it is handed on, or the near side is closed."""
        with self._far, self.near:
            try:
                self._carry()
            except (OSError, ssl.SSLError) as broken:
                self.complaint = reason(broken)

    def _carry(self) -> None:
        self._far.setblocking(False)
        self.near.setblocking(False)
        outward, inward = b"", self._session.read()  # what may have come behind the handshake
        near_reads = True
        while inward or not self._session.is_ended:
            # A direction is read only when everything read before has been taken.
            from_far = (0 if inward else select.POLLIN) | (select.POLLOUT if outward else 0)
            poll = select.poll()
            if from_far:  # else its end would be told again and again
                poll.register(self._far, from_far)
            from_near = select.POLLIN if near_reads and not outward else 0
            poll.register(self.near, from_near | (select.POLLOUT if inward else 0))
            for fd, event in poll.poll():
                if fd == self._far.fileno():
                    if not inward and event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                        if not (data := self._far.recv(PIECE)):
                            return
                        self._session.feed(data)
                        inward = self._session.read()
                        outward += self._session.outgoing()
                    if outward and event & select.POLLOUT:
                        outward = outward[self._far.send(outward) :]
                elif event & select.POLLHUP and not near_reads:  # closed for good: nobody waits for an answer
                    self._far.setblocking(True)
                    self._far.sendall(outward)
                    return
                else:
                    if inward and event & select.POLLOUT:
                        inward = inward[self.near.send(inward) :]
                    if from_near and event & select.POLLIN:
                        if data := self.near.recv(PIECE):
                            self._session.write(data)
                        else:
                            near_reads = False
                            self._session.end()
                        outward += self._session.outgoing()


def reason(error: OSError) -> str:
    """Return an error of TLS or of the network as words for a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or str(error)
