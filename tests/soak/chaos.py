"""The chaos: kills the engine, shims, runtimes, containers and the zygote, and fills the disk, at random moments."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.soak.weather import Kind
from tests.soak.worker import Course
from tests.soak.world import Container

PAUSE = (0.5, 4.0)  # seconds between two blows
FULL = (1.0, 3.0)  # seconds for which the disk is full
LURKING = 1.0  # seconds in which a runtime is waited for
KILLED = 137
REST = 4.0  # seconds in which the engine notices a killed shim or container


class Chaos:
    """A thread that breaks one thing after the other."""

    def __init__(self, course: Course, seed: str) -> None:
        self._course = course
        self._dice = random.Random(f"{seed}/chaos")
        self._thread = threading.Thread(target=self._work, name="chaos")
        self._blows: dict[Callable[[], None], int] = {
            self.kill_engine: 4,
            self.terminate_engine: 1,
            self.restart_engine: 1,
            self.kill_shim: 4,
            self.kill_container: 4,
            self.kill_runtime: 3,
            self.kill_zygote: 2,
            self.fill_disk: 2,
        }

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _work(self) -> None:
        over = self._course.over
        while not over.wait(self._dice.uniform(*PAUSE)):
            self._course.gate.enter()
            blow = self._dice.choices(list(self._blows), list(self._blows.values()))[0]
            try:
                if not over.is_set():
                    blow()
                    self._course.counts[blow.__name__] += 1
            except Exception as error:
                self._course.violations.append((blow.__name__, None, error))
                over.set()
            finally:
                self._course.gate.leave()

    def kill_engine(self) -> None:
        with self._without_engine():
            self._course.stage.kill()
            time.sleep(self._dice.choice([0, 0, 0.5]))
            self._course.stage.start()

    def terminate_engine(self) -> None:
        with self._without_engine():
            self._course.stage.terminate()
            self._course.stage.start()

    def restart_engine(self) -> None:
        with self._without_engine():
            self._course.stage.restart()

    @contextlib.contextmanager
    def _without_engine(self) -> Iterator[None]:
        with self._course.weather.spell(Kind.ENGINE):
            for one in list(self._course.world.containers):
                if one.restart == "always":
                    one.strike("the engine ends", rest=REST)
            yield
            for one in list(self._course.world.containers):
                if one.restart == "always":
                    one.strike("the next engine is there", rest=REST)
                    one.at_engine_start()

    def kill_shim(self) -> None:
        """Of a container, or of an exec in it."""
        if one := self._victim():
            folder = str(self._course.stage.host.run / "containers" / one.id)
            shims = [pid for pid, place in _folders() if place.startswith(folder)]
            if shims:
                self._strike(one, self._dice.choice(shims), "a shim of it is killed")

    def kill_container(self) -> None:
        if one := self._victim():
            folder = str(self._course.stage.host.run / "containers" / one.id)
            shims = {pid for pid, place in _folders() if place == folder}
            processes = [pid for pid, parent in _parents() if parent in shims]
            if processes:
                self._strike(one, self._dice.choice(processes), "its process is killed")

    def _victim(self) -> Container | None:
        candidates = [
            one for one in self._course.world.containers if one.id and "running" in one.status.possible
        ]
        return self._dice.choice(candidates) if candidates else None

    def _strike(self, one: Container, pid: int, what: str) -> None:
        one.strike(what, rest=REST)
        one.status.may_also_be("exited")
        one.code.may_also_be(KILLED)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def kill_runtime(self) -> None:
        """One that starts a container or an exec, caught in its short life."""
        mark = f"{self._course.stage.host.run}/".encode()
        with self._course.weather.spell(Kind.RUNTIME):
            deadline = time.monotonic() + LURKING
            while time.monotonic() < deadline:
                for pid, words in _commands():
                    if (
                        words
                        and words[0].endswith((b"runc", b"crun"))
                        and any(mark in word for word in words)
                    ):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                        time.sleep(REST)
                        return
                time.sleep(0.005)

    def kill_zygote(self) -> None:
        with self._course.weather.spell(Kind.RUNTIME):
            for pid, words in _commands():
                if (
                    any(word.endswith(b"zygote.py") for word in words)
                    and _parent(pid) == self._course.stage.pid
                ):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)

    def fill_disk(self) -> None:
        with self._course.weather.spell(Kind.DISK):
            for one in self._course.world.containers:
                one.lossy = True
            self._course.stage.small.fill()
            time.sleep(self._dice.uniform(*FULL))
            self._course.stage.small.free()
            for one in self._course.world.containers:
                one.lossy = True


def _folders() -> Iterator[tuple[int, str]]:
    for pid in _pids():
        with contextlib.suppress(OSError):
            yield pid, os.readlink(f"/proc/{pid}/cwd")


def _commands() -> Iterator[tuple[int, list[bytes]]]:
    for pid in _pids():
        with contextlib.suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _parents() -> Iterator[tuple[int, int]]:
    for pid in _pids():
        if parent := _parent(pid):
            yield pid, parent


def _parent(pid: int) -> int:
    """Return the parent of a process, 0 when it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
