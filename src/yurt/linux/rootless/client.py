"""The keeper as an engine sees it. Requests block for a fraction of a millisecond."""

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from yurt.errors import Unavailable
from yurt.linux.relay.ports import Lead, Taken
from yurt.linux.rootless.keeper import SOCKET

PATIENCE = 10.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Look:
    """How things stand. *outgoing*: what carries packets to the world; *problem*: why nothing does; *lacking*: why there is one uid."""

    namespaces: dict[str, str]
    outgoing: str
    problem: str
    lacking: str


class KeeperClient:
    """Speaks to the keeper whose run folder is *run*. Raises Unavailable when there is none."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<KeeperClient {self._run}>"

    def look(self) -> Look:
        return Look(**self._ask(op="look"))

    def take(self, owner: str, leads: Iterable[Lead], *, of: str = "") -> list[Lead]:
        """Afterwards *owner* has just these ports, all or none; return them as they are. One that is not free raises Taken.

        Those of the owner *of*, or of ANYBODY, are moved.
        """
        answer = self._ask(op="take", owner=owner, leads=[astuple(lead) for lead in leads], of=of)
        if "errno" in answer:
            raise Taken(Lead(*answer["lead"]), OSError(answer["errno"], os.strerror(answer["errno"])))
        return [Lead(*lead) for lead in answer["leads"]]

    def drop(self, owner: str) -> None:
        """Afterwards the owner has no port. Idempotent."""
        self._ask(op="drop", owner=owner)

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards nobody but *owners* has ports."""
        self._ask(op="keep", owners=list(owners))

    def end(self) -> None:
        """End the keeper: ports, the way out and, when this process leaves them, the namespaces."""
        self._ask(op="end")

    def _ask(self, **request: Any) -> dict[str, Any]:
        try:
            with self._connected() as sock, sock.makefile("rb") as answers:
                sock.sendall(json.dumps(request).encode() + b"\n")
                line = answers.readline()
        except OSError as error:
            raise Unavailable(
                f"the keeper of this engine's namespaces does not answer: {error.strerror or error}",
                hint="start the engine again: containers go on, and their ports are led anew",
            ) from error
        if not line:
            raise Unavailable(
                "the keeper of this engine's namespaces hung up", hint=f"see {self._run}/keeper.log"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        # Named by an open folder: a socket's address holds 107 bytes.
        folder = os.open(self._run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(PATIENCE)
                sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")
                yield sock
        finally:
            os.close(folder)
