"""The relay of root's engine, as the engine sees it: started with the first port, found again by the next engine."""

import asyncio
import contextlib
import json
import logging
import os
import select
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from yurt.errors import Internal
from yurt.linux.relay.ports import ANYBODY, Lead, Taken
from yurt.linux.relay.process import LARGEST, MOST_SOCKETS

log = logging.getLogger(__name__)

SOCKET = "relay.sock"
LOG = "relay.log"
PATIENCE = 10.0  # seconds for an answer, and for an end
BREATH = 0.1  # seconds until a process that has hung up has ended
_LISTENER = 3  # its number in the relay's process


class RelayClient:
    """The relay that belongs to the run folder *run*. For one event loop, on which it notices that a relay was lost.

    What it was told is remembered here, so that another one can follow it.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._leads: dict[str, list[Lead]] = {}  # by owner
        self._sock: socket.socket | None = None
        self._started: list[
            int
        ] = []  # process numbers of those that were started here and have not been reaped

    def __repr__(self) -> str:
        return f"<RelayClient {sum(map(len, self._leads.values()))} ports>"

    def add(self, owner: str, taken: Sequence[tuple[Lead, socket.socket]]) -> None:
        """Afterwards *owner* has these ports, too. The sockets, bound and listening, are the relay's; they are closed here.

        Nobody waits for the relay: who connects before it looks waits in the socket's own queue.
        """
        if not taken:
            return
        leads = [lead for lead, _ in taken]
        sockets = [held for _, held in taken]
        try:
            for start in range(0, len(taken), MOST_SOCKETS):
                part = slice(start, start + MOST_SOCKETS)
                self._send(self._found_or_started(), sockets[part], op="add", owner=owner, leads=leads[part])
        finally:
            for held in sockets:
                held.close()
        self._leads.setdefault(owner, []).extend(leads)

    def take(self, owner: str, leads: Iterable[Lead], *, of: str = "") -> None:
        """Afterwards *owner* has just *leads*, all or none; those of the owner *of*, or of ANYBODY, are moved.

        Raises Taken when one of them is somebody else's.
        """
        wanted = list(leads)
        if wanted or owner in self._leads:
            answer = self._ask(self._found_or_started(), op="take", owner=owner, leads=wanted, of=of)
            if "errno" in answer:
                raise Taken(Lead(*answer["lead"]), OSError(answer["errno"], os.strerror(answer["errno"])))
        keys = {lead.key for lead in wanted}
        for other in self._leads if of == ANYBODY else {of} & set(self._leads):
            self._leads[other] = [lead for lead in self._leads[other] if lead.key not in keys]
        self._leads[owner] = wanted

    def drop(self, owner: str) -> None:
        """Afterwards, or very soon, the owner has no port; `settle` waits for it. Idempotent."""
        if self._leads.pop(owner, None) and self._sock is not None:
            self._send(self._sock, op="drop", owner=owner)

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards, or very soon, nobody but *owners* has ports."""
        kept = set(owners)
        self._leads = {owner: leads for owner, leads in self._leads.items() if owner in kept}
        if sock := self._sock or self._found():
            self._send(sock, op="keep", owners=list(kept))

    def settle(self) -> None:
        """Return when all that was told is done."""
        if self._sock is not None:
            self._ask(self._sock, op="look")

    def close(self) -> None:
        """Hang up: the relay goes on if it has ports, else it ends. Idempotent."""
        self._hang_up()
        self._reap(0.0 if any(self._leads.values()) else PATIENCE)
        self._leads = {}

    # ---- speaking

    def _ask(self, sock: socket.socket, **request: Any) -> dict[str, Any]:
        self._send(sock, asks=True, **request)
        try:
            packet = sock.recv(LARGEST)
        except OSError as error:
            raise Internal(
                f"the relay of published ports does not answer: {error.strerror or error}"
            ) from error
        if not packet:
            raise Internal("the relay of published ports hung up", hint=f"see {self._run / LOG}")
        answer: dict[str, Any] = json.loads(packet)
        return answer

    def _send(
        self, sock: socket.socket, passed: Sequence[socket.socket] = (), *, asks: bool = False, **request: Any
    ) -> None:
        """Send a request; one that has no answer is lost with the relay, whose successor is told anew."""
        if "leads" in request:
            request["leads"] = [astuple(lead) for lead in request["leads"]]
        packet = json.dumps({**request, "asks": asks}).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(sock, [packet], [held.fileno() for held in passed])

    # ---- the process

    def _found_or_started(self) -> socket.socket:
        return self._sock or self._found() or self._start()

    @contextlib.contextmanager
    def _address(self) -> Iterator[str]:
        # Named by an open folder: a socket's address holds 107 bytes.
        folder = os.open(self._run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{SOCKET}"
        finally:
            os.close(folder)

    def _found(self) -> socket.socket | None:
        """Connect to the relay that there is."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(PATIENCE)
        try:
            with self._address() as address:
                sock.connect(address)
        except OSError:  # there is none, or only what one left
            sock.close()
            return None
        return self._connected(sock)

    def _start(self) -> socket.socket:
        """Start a relay; what is sent to it waits until it is there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            try:
                with self._address() as address:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(address)
                    listener.bind(address)
                listener.listen()
                sock = self._found()
                self._started.append(self._spawned(listener.fileno()))
            except OSError as error:
                self._hang_up()
                raise Internal(f"cannot start the relay of published ports: {error}") from error
        assert sock is not None
        return sock

    def _spawned(self, listener: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._run / LOG), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, listener, _LISTENER),
        ]
        argv = [sys.executable, "-m", "yurt.linux.relay.process", str(_LISTENER)]
        return os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsid=True)

    def _connected(self, sock: socket.socket) -> socket.socket:
        self._sock = sock
        asyncio.get_running_loop().add_reader(sock, self._heard)
        return sock

    def _heard(self) -> None:
        """It has hung up, as nothing is said that was not asked for: have another one take the ports, at once."""
        self._hang_up()
        self._reap(BREATH)
        if not any(self._leads.values()):
            return
        log.warning("the relay of published ports was lost; starting another")
        try:
            sock = self._found_or_started()
        except Internal as error:
            log.error("%s", error)  # noqa: TRY400 - the next port that is published tries again
            return
        for owner, leads in self._leads.items():
            self._send(sock, op="take", owner=owner, leads=leads, of="")

    def _hang_up(self) -> None:
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None

    def _reap(self, patience: float) -> None:
        """Wait at most *patience* seconds for the end of each that was started here."""
        for pid in tuple(self._started):
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                self._started.remove(pid)
                continue
            try:
                if select.select([descriptor], [], [], patience)[0]:
                    os.waitpid(pid, 0)
                    self._started.remove(pid)
            finally:
                os.close(descriptor)
