"""One end of a TLS connection as bytes: ciphertext in, plaintext out, and back. No I/O here.

Neither `ssl.SSLSocket` nor asyncio's TLS can close one direction and go on with the other, which is what the end of
a container's stdin is: Docker's clients send TLS's close_notify and read on (RFC 8446, section 6.1). Both halves of
Yurt therefore carry these bytes themselves, between the network and a local socket pair on which half-close exists.
"""

from __future__ import annotations

import contextlib
import ssl

PIECE = 1 << 18


class TlsSession:
    """Hand on what `outgoing` returns after every call, or the other side waits for it for ever.

    Whatever the other side does wrong raises `ssl.SSLError`; what it is to be told of that is in `outgoing`, too.
    """

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool = False, server_name: str | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self._has_ended = False  # we write no more
        self.is_ended = False  # the other side writes no more

    def __repr__(self) -> str:
        return f"<TlsSession {self._tls.version()}{' ended' if self.is_ended else ''}>"

    def feed(self, data: bytes) -> None:
        """Take in what came from the network."""
        self._incoming.write(data)

    def outgoing(self) -> bytes:
        """Return what has to go to the network now."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Go on with the handshake as far as what came allows; return whether it is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self) -> bytes:
        """Return all plaintext that came; empty when there is none now, or none any more (`is_ended`)."""
        pieces = []
        try:
            while piece := self._tls.read(PIECE):
                pieces.append(piece)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return b"".join(pieces)

    def write(self, data: bytes) -> None:
        """Encrypt *data*; also after the other side has ended."""
        self._tls.write(data)

    def end(self) -> None:
        """Tell the other side that nothing more is written; what it still writes can be read. Idempotent.

        What was fed must have been read before: OpenSSL takes unread data at an end for a mistake.
        """
        if not self._has_ended:
            self._has_ended = True
            # `unwrap` would also have the other side's end; that it has not come is no error here.
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
