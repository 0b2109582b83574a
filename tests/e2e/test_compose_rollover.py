"""`yurt compose up --rollover` and `rollback`: on yurtd no request fails; the reference engine says what it can't."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from urllib.request import urlopen

import pytest
from tests.e2e.cli_host import IMAGE
from tests.e2e.compose_host import Compose

WEB = """
services:
  web:
    image: IMAGE
    command: sh -c "mkdir -p /www; echo $${WHO} > /www/index.html; exec httpd -f -p 8000 -h /www"
    environment: {WHO: "one"}
    ports: ["127.0.0.1:PORT:8000"]
    stop_grace_period: 1s
    healthcheck: {test: wget -qO- http://127.0.0.1:8000/, interval: 1s, start_period: 10s, start_interval: 100ms}
  client:
    image: IMAGE
    command: sleep 300
    stop_grace_period: 0s
"""


class Asking:
    """Asks an address again and again, from several threads, until it is left; counts what it was told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.told: dict[str, int] = {}
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                with urlopen(self.address, timeout=20) as answer:
                    said = answer.read().decode().strip()
            except (OSError, HTTPException) as error:  # refused, or cut off in the middle of an answer
                with self._lock:
                    self.failures.append(str(error))
                self._over.wait(0.02)
                continue
            with self._lock:
                self.told[said] = self.told.get(said, 0) + 1


def on_yurt(compose: Compose) -> bool:
    return "Yurt" in compose.command("version", "--format", "{{.Server.Platform.Name}}").out


@pytest.fixture
def web(compose: Compose) -> Iterator[Compose]:
    text = WEB.replace("PORT", "48231" if on_yurt(compose) else "48232")
    compose.write(text)
    done = compose("up", "-d", "--wait")
    assert done.code == 0, done.err
    yield compose
    compose.command("rmi", "-f", f"{compose.name}-web:previous")


def change(compose: Compose, old: str, new: str) -> None:
    path = compose.folder / "compose.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_no_request_fails(web: Compose) -> None:
    """Under constant requests a service is replaced and rolled back; on yurtd none fails."""
    address = f"http://{web('port', 'web', '8000').out.strip()}/"
    before = web.ids()
    change(web, 'WHO: "one"', 'WHO: "two"')
    plan = web("up", "--rollover", "--dry-run").out
    asking = Asking(address)
    with asking.meanwhile():
        done = web("up", "-d", "--rollover")
        back = web("rollback")
        time.sleep(0.2)
    assert done.code == 0, done.err
    assert back.code == 0, back.err
    assert {"one", "two"} == set(asking.told)
    if on_yurt(web):
        assert "hand ports and names over to" in plan
        assert asking.failures == []
    else:
        assert "swap in container" in plan
        assert "can't move a published port" in done.err
    after = web.ids()
    assert set(after) == set(before)
    assert after["client-1"] == before["client-1"]
    assert after["web-1"] != before["web-1"]
    with urlopen(address, timeout=10) as answer:
        assert answer.read() == b"one\n"
    assert web("exec", "-T", "client", "wget", "-qO-", "http://web:8000/").out == "one\n"
    again = web("rollback")  # a rollback can be rolled back
    assert again.code == 0, again.err
    with urlopen(address, timeout=10) as answer:
        assert answer.read() == b"two\n"
    assert "nothing to do" in web("up", "-d").err


def test_what_fails_leaves_the_old_one(web: Compose) -> None:
    """A new container that never gets healthy, or ends, is told of and removed; the old one serves on."""
    address = f"http://{web('port', 'web', '8000').out.strip()}/"
    before = web.ids()
    asking = Asking(address)
    with asking.meanwhile():
        change(web, "exec httpd -f -p 8000", "echo oh no; exec httpd -f -p 8001")
        change(web, "start_period: 10s", "retries: 2")
        sick = web("up", "-d", "--rollover")
        change(web, "exec httpd -f -p 8001", "exit 7; true")
        dead = web("up", "-d", "--rollover")
    assert (sick.code, "unhealthy" in sick.err, "oh no" in sick.err) == (1, True, True), sick.err
    assert (dead.code, "exited (7)" in dead.err) == (1, True), dead.err
    assert asking.failures == []
    assert set(asking.told) == {"one"}
    assert web.ids() == before


def test_others_are_cleared(compose: Compose) -> None:
    """When one service fails, what another one was proving is removed, too: nothing half-done is left."""
    text = """
        services:
          bad: {image: IMAGE, command: sh -c "sleep 0.2; COMMAND", environment: {V: "1"}, stop_grace_period: 0s}
          good: {image: IMAGE, command: sleep 300, environment: {V: "1"}, stop_grace_period: 0s}
    """
    compose.write(text.replace("COMMAND", "sleep 300"))
    assert compose("up", "-d").code == 0
    before = compose.ids()
    compose.write(text.replace("COMMAND", "exit 4").replace('V: "1"', 'V: "2"'))
    done = compose("up", "-d", "--rollover")
    assert (done.code, "exited (4)" in done.err) == (1, True), done.err
    assert compose.ids() == before


def test_unpublished(compose: Compose) -> None:
    """A worker without ports ends its task before it goes; its replicas are replaced one after the other."""
    text = """
        services:
          worker:
            image: IMAGE
            command: sh -c "trap 'sleep 1; echo task done by $$V > /out/$$HOSTNAME; exit 0' TERM; while :; do sleep 0.1; done"
            environment: {V: "1"}
            volumes: ["./out:/out"]
            init: false
            deploy: {replicas: 2, update_config: {monitor: 300ms, delay: 0s}}
    """
    (compose.folder / "out").mkdir()
    compose.write(text)
    assert compose("up", "-d").code == 0
    before = compose.ids()
    compose.write(text.replace('V: "1"', 'V: "2"'))
    done = compose("up", "-d", "--rollover")
    assert done.code == 0, done.err
    assert sorted(path.read_text() for path in (compose.folder / "out").iterdir()) == ["task done by 1\n"] * 2
    after = compose.ids()
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("volumes: ['data:/data']", "both would write to the volume data"),
        ("network_mode: host", "it uses the host's network"),
        ("volumes: [/anonymous]", "both would write to its volume at /anonymous"),
    ],
)
def test_refused(compose: Compose, more: str, message: str) -> None:
    """What two containers can't share is refused before anything is done; stop-first recreates."""
    text = f"""
        services:
          db: {{image: IMAGE, command: sleep 300, stop_grace_period: 0s, environment: {{A: "1"}}, {more}}}
        volumes: {{data: }}
    """
    compose.write(text)
    assert compose("up", "-d").code == 0
    before = compose.ids()
    text = text.replace('A: "1"', 'A: "2"')
    compose.write(text)
    done = compose("up", "-d", "--rollover")
    assert (done.code, message in done.err) == (1, True), done.err
    assert compose.ids() == before
    compose.write(text.replace("command:", "deploy: {update_config: {order: stop-first}}, command:"))
    done = compose("up", "-d", "--rollover")
    assert done.code == 0, done.err
    assert compose.ids() != before


def test_left_by_an_interrupt(web: Compose) -> None:
    """What an interrupted rollover leaves is cleared away by the next `up`, and the service is as the file says."""
    before = web.ids()
    identifier = web.command("inspect", "--format", "{{.Id}}", f"{web.name}-web-1").out[:12]
    left = f"{identifier}_{web.name}-web-1"
    labels = [
        f"com.docker.compose.{key}" for key in (f"project={web.name}", "service=web", "container-number=1")
    ]
    flags = [word for label in labels for word in ("--label", label)]
    made = web.command("run", "-d", "--name", left, *flags, IMAGE, "sleep", "300")
    assert made.code == 0, made.err
    done = web("up", "-d")
    assert done.code == 0, done.err
    assert web.ids() == before


def test_nothing_to_roll_back(web: Compose) -> None:
    """Without a rollover before, there is nothing to go back to, and that is said."""
    done = web("rollback")
    assert (done.code, "up --rollover" in done.err) == (1, True)
