"""The relay of root's engine: leads what comes to published ports by IPv6 where no packet rule can.

Run as ``python -m yurt.linux.relay.process FD``, where FD listens for engines. It outlives them, and ends when none is
connected and no port is left.

Each packet of an engine is a request, a JSON object with ``op``; to those with ``"asks": true`` an answer is sent:

    {"op": "add", "owner": …, "leads": [[…], …]}              with a bound socket for each of the leads
    {"op": "take", "owner": …, "leads": [[…], …], "of": …}    {"leads": [[…], …]} or {"errno": …, "lead": […]}
    {"op": "drop", "owner": …}                                {}
    {"op": "keep", "owners": […]}                             {}
    {"op": "look"}                                            {}: all that was asked before is done
"""

import asyncio
import json
import os
import resource
import signal
import socket
import sys
from typing import Any

from yurt.linux.relay.ports import Here, Lead, Relay

LARGEST = 1 << 18  # bytes of a packet
MOST_SOCKETS = 200  # in one packet; the kernel passes 253 (SCM_MAX_FD)


def main() -> None:
    """Serve until nobody needs it."""
    os.chdir("/")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1]))))


async def _serve(listener: socket.socket) -> None:
    listener.setblocking(False)
    engines = Engines(listener, Relay(Here()))
    await engines.over.wait()
    listener.close()  # who came at this very moment sees it, and starts another


class Engines:
    """Those who are connected; one, but for the moment in which one follows another. *over* is set when none needs the relay."""

    def __init__(self, listener: socket.socket, relay: Relay) -> None:
        self._relay = relay
        self._loop = asyncio.get_running_loop()
        self._connected: set[socket.socket] = set()
        self.over = asyncio.Event()
        self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            engine, _address = listener.accept()
        except OSError:
            return
        engine.setblocking(False)
        self._connected.add(engine)
        self._loop.add_reader(engine, self._hear, engine)

    def _hear(self, engine: socket.socket) -> None:
        try:
            packet, descriptors, _flags, _address = socket.recv_fds(engine, LARGEST, MOST_SOCKETS)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if not packet:
            self._leave(engine)
            return
        try:
            request = json.loads(packet)
            answer = self._answer(request, sockets)
            if request["asks"]:
                engine.send(json.dumps(answer).encode())
            elif answer.get("errno"):
                print(f"relay: cannot have a port: {answer}", flush=True)
        except (OSError, ValueError, LookupError, TypeError) as error:
            print(f"relay: {error}", flush=True)
            self._leave(engine)

    def _leave(self, engine: socket.socket) -> None:
        self._loop.remove_reader(engine)
        engine.close()
        self._connected.discard(engine)
        if not self._connected and self._relay.is_idle:
            self.over.set()

    def _answer(self, request: dict[str, Any], sockets: list[socket.socket]) -> dict[str, Any]:
        match request["op"]:
            case "add":
                for lead, held in zip(request["leads"], sockets, strict=True):
                    self._relay.add(request["owner"], Lead(*lead), held)
            case "look":
                pass
            case _:
                return self._relay.answer(request)
        return {}


if __name__ == "__main__":
    main()
