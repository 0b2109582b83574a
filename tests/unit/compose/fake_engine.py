"""An engine in memory that answers as the Engine API does, through the client's own interface.

Containers run until they are stopped, unless *programs* says what their service does: ``"exit 3"``,
``"healthy"`` or ``"unhealthy"`` soon after the start.
"""

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Self

from yurt.api import stream
from yurt.errors import Conflict, NotFound, NotModified

SERVICE = "com.docker.compose.service"


class FakeResponse:
    def __init__(self, value: Any = None, lines: Iterator[bytes] | None = None, body: bytes = b"") -> None:
        self.value = value
        self.headers = {"content-type": "application/vnd.docker.multiplexed-stream"}
        self._lines = lines
        self._body = body

    def json(self) -> Any:
        return self.value

    def read(self) -> bytes:
        return self._body

    def lines(self) -> Iterator[bytes]:
        return self._lines or iter(())

    def chunks(self) -> Iterator[bytes]:
        return iter([self._body])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class FakeEngine:
    """Takes the place of `yurt.client.sync.Client`."""

    def __init__(
        self, *, images: Mapping[str, str] | None = None, programs: Mapping[str, str] | None = None
    ) -> None:
        self.images = dict(images or {})
        self.programs = dict(programs or {})
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.output: dict[str, bytes] = {}  # service → what its containers have written
        self.checks: dict[str, str] = {}  # service → what its health check writes
        self.refuses_start: set[str] = set()
        self._lock = threading.RLock()
        self._listeners: list[queue.SimpleQueue[bytes]] = []

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        return self.request(method, path, **arguments).json()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Any = None,
        json: Any = None,
        body: Any = None,
        headers: Any = None,
    ) -> FakeResponse:
        query = query or {}
        with self._lock:
            if method != "GET":
                self.calls.append(f"{method} {path}")
            kind, _, rest = path[1:].partition("/")
            name, _, verb = rest.rpartition("/") if kind in ("containers", "images") else (rest, "", "")
            answer = getattr(self, f"_{method}_{kind}".lower())
            return answer(rest if method == "DELETE" else name or verb, verb, query, json)  # type: ignore[no-any-return]

    # ---------------------------------------------------------------- answers

    def _get_events(self, *_: object) -> FakeResponse:
        listener: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listeners.append(listener)
        return FakeResponse(lines=iter(listener.get, b""))

    def _get_networks(self, *_: object) -> FakeResponse:
        return FakeResponse(list(self.networks.values()))

    def _get_volumes(self, *_: object) -> FakeResponse:
        return FakeResponse({"Volumes": list(self.volumes.values())})

    def _get_images(self, name: str, *_: object) -> FakeResponse:
        if name not in self.images:
            raise NotFound(f"No such image: {name}")
        return FakeResponse({"Id": self.images[name]})

    def _get_containers(self, name: str, verb: str, *_: object) -> FakeResponse:
        if name == "json":
            return FakeResponse([self._listed(each) for each in self.containers.values()])
        found = self._find(name)
        if verb == "logs":
            text = self.output.get(found["Config"]["Labels"][SERVICE], b"")
            lines = b"".join(b"2026-11-24T07:00:00.000000000Z " + line + b"\n" for line in text.splitlines())
            return FakeResponse(body=stream.encode(1, lines))
        return FakeResponse(found)

    def _post_networks(self, _name: str, _verb: str, _query: Any, body: Any) -> FakeResponse:
        self.networks[body["Name"]] = body
        return FakeResponse({"Id": body["Name"]})

    def _post_volumes(self, _name: str, _verb: str, _query: Any, body: Any) -> FakeResponse:
        self.volumes[body["Name"]] = body
        return FakeResponse(body)

    def _delete_networks(self, name: str, *_: object) -> FakeResponse:
        del self.networks[name]
        return FakeResponse()

    def _delete_volumes(self, name: str, *_: object) -> FakeResponse:
        del self.volumes[name]
        return FakeResponse()

    def _delete_containers(self, name: str, *_: object) -> FakeResponse:
        found = self._find(name)
        del self.containers[found["Id"]]
        self._tell("destroy", found)
        return FakeResponse()

    def _post_containers(self, name: str, verb: str, query: Any, body: Any) -> FakeResponse:
        if verb == "create":
            if any(each["Name"] == f"/{query['name']}" for each in self.containers.values()):
                raise Conflict(f"the name {query['name']} is taken")
            identifier = f"{len(self.calls):064x}"
            state = {"Status": "created", "Running": False, "ExitCode": 0}
            self.containers[identifier] = {
                "Id": identifier,
                "Name": f"/{query['name']}",
                "State": state,
                "Config": body,
            }
            return FakeResponse({"Id": identifier, "Warnings": []})
        found = self._find(name)
        getattr(self, f"_{verb}")(found, query)
        return FakeResponse()

    # ---------------------------------------------------------------- containers

    def _start(self, found: dict[str, Any], _query: Any) -> None:
        service = found["Config"]["Labels"][SERVICE]
        if service in self.refuses_start:
            raise Conflict("port is already allocated")
        if found["State"]["Running"]:
            raise NotModified("it runs")
        program = self.programs.get(service, "")
        found["State"] = {"Status": "running", "Running": True, "ExitCode": 0}
        if "healthy" in program:
            found["State"]["Health"] = {"Status": "starting"}
        self._tell("start", found)
        if program:
            threading.Timer(0.02, self._go_on, (found, program)).start()

    def _go_on(self, found: dict[str, Any], program: str) -> None:
        with self._lock:
            if program.startswith("exit"):
                self._die(found, int(program[5:]))
            else:
                told = self.checks.get(found["Config"]["Labels"][SERVICE], "")
                found["State"]["Health"] = {"Status": program, "Log": [{"Output": told}]}
                self._tell(f"health_status: {program}", found)

    def _die(self, found: dict[str, Any], code: int) -> None:
        found["State"] = {"Status": "exited", "Running": False, "ExitCode": code}
        self._tell("die", found, exitCode=str(code))

    def _stop(self, found: dict[str, Any], _query: Any) -> None:
        if not found["State"]["Running"]:
            raise NotModified("it does not run")
        self._die(found, 137)

    def _kill(self, found: dict[str, Any], _query: Any) -> None:
        self._stop(found, None)

    def _restart(self, found: dict[str, Any], _query: Any) -> None:
        if found["State"]["Running"]:
            self._die(found, 137)
        self._start(found, None)

    def _rename(self, found: dict[str, Any], query: Any) -> None:
        found["Name"] = f"/{query['name']}"
        self._tell("rename", found)

    def _find(self, reference: str) -> dict[str, Any]:
        for each in self.containers.values():
            if reference in (each["Id"], each["Name"][1:]):
                return each
        raise NotFound(f"No such container: {reference}")

    def _listed(self, each: dict[str, Any]) -> dict[str, Any]:
        state = each["State"]
        health = f" ({state['Health']['Status']})" if "Health" in state else ""
        status = f"Up 1 second{health}" if state["Running"] else f"Exited ({state['ExitCode']}) 1 second ago"
        return {
            "Id": each["Id"],
            "Names": [each["Name"]],
            "Image": each["Config"]["Image"],
            "State": state["Status"],
            "Status": status,
            "Labels": each["Config"]["Labels"],
            "NetworkSettings": {"Networks": each["Config"]["NetworkingConfig"]["EndpointsConfig"]},
        }

    def _tell(self, action: str, found: dict[str, Any], **more: str) -> None:
        attributes = {**found["Config"]["Labels"], "name": found["Name"][1:], **more}
        actor = {"ID": found["Id"], "Attributes": attributes}
        line = json.dumps({"Type": "container", "Action": action, "Actor": actor}).encode()
        for listener in self._listeners:
            listener.put(line)
