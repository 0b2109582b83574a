"""Send the cases of a scenario to an engine, one after the other, and return its normalized answers."""

import json
import time
from typing import Any

from tests.parity import cases, image
from tests.parity.asking import Answer, Request, ask
from tests.parity.cases import Scenario, Step
from tests.parity.normal import normal

PATIENCE = 10.0  # seconds until a container must be as a case wants it
PREDEFINED = frozenset({"bridge", "host", "none"})


class Player:
    """An engine on the socket *path*, which must be a throw-away one: each scenario ends by removing everything."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._image = image.archive()
        self._root: str = self._get("/info")["DockerRootDir"]
        self.clean()

    def play(self, scenario: Scenario) -> dict[str, Any]:
        """Return the kept form of each case's answer, by the case's name."""
        known = {"begun": f"{time.time():.9f}"}
        names = {id(step): name for name, step in scenario.cases()}
        answers: dict[str, Any] = {}
        try:
            for step in scenario.steps:
                if step.wait:
                    self._wait(cases.filled(step.wait, known), step.until)
                    continue
                known["now"] = f"{time.time():.9f}"
                answer = self._ask(step, known)
                for name, key in step.save.items():
                    value = answer.body.get(key) if isinstance(answer.body, dict) else ""
                    if not value:
                        raise AssertionError(
                            f"{scenario.id}: {step.method} {step.path}: no {key} in {answer}"
                        )
                    known[name] = value
                if step.quiet and answer.status >= 400:
                    raise AssertionError(f"{scenario.id}: {step.method} {step.path}: {answer}")
                if id(step) in names:
                    answers[names[id(step)]] = normal(answer, self._root, shape=step.shape, keep=step.keep)
        finally:
            self.clean()
        return answers

    def _ask(self, step: Step, known: dict[str, str]) -> Answer:
        body, headers = cases.payload(step, known, self._image)
        return ask(
            self._path,
            Request(
                method=step.method,
                path=cases.target(step, known),
                body=body,
                headers=headers | dict(step.headers),
                stdin=step.stdin.encode() if step.stdin is not None else None,
                lines=step.lines,
            ),
        )

    def _wait(self, name: str, until: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self._get(f"/containers/{name}/json")
            state = found.get("State", {"Status": found.get("message")})
            if until in (state["Status"], (state.get("Health") or {}).get("Status")):
                return
            if time.monotonic() > deadline or "State" not in found:
                raise AssertionError(f"{name} is not {until} but {json.dumps(state)}")
            time.sleep(0.02)

    def _get(self, path: str) -> Any:
        return ask(self._path, Request("GET", path)).body

    def _delete(self, path: str) -> None:
        ask(self._path, Request("DELETE", path))

    def clean(self) -> None:
        """Afterwards the engine holds the two images and nothing else."""
        for container in self._get("/containers/json?all=1"):
            self._delete(f"/containers/{container['Id']}?force=1&v=1")
        for network in self._get("/networks"):
            if network["Name"] not in PREDEFINED:
                self._delete(f"/networks/{network['Id']}")
        for volume in self._get("/volumes")["Volumes"] or ():
            self._delete(f"/volumes/{volume['Name']}?force=1")
        found = self._get("/images/json")
        names = {tag for entry in found for tag in entry["RepoTags"]}
        if names != {image.NAME, image.PLAIN} or len(found) != 2:
            for entry in found:
                self._delete(f"/images/{entry['Id']}?force=1")
            loading = Request(
                "POST", "/images/load?quiet=1", self._image, {"Content-Type": "application/x-tar"}
            )
            answer = ask(self._path, loading)
            assert answer.status == 200, answer
