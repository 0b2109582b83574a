"""A worker: does one random operation after another on the engine, and keeps the model true to it."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.soak.belief import Belief, Violation
from tests.soak.rules import FAILURES, Wrong, excused
from tests.soak.stage import Gate, Stage
from tests.soak.weather import Weather
from tests.soak.world import Subject, World

S = TypeVar("S", bound=Subject)
AFTERMATH = 6.0  # seconds in which what was under way when the engine died comes to its end
BREATH = 0.1  # seconds to wait after a failure, so that nobody runs in circles while there is no engine
Change = tuple[Belief[Any], *tuple[Any, ...]]


@dataclass
class Course:
    """What all workers and the chaos share."""

    stage: Stage
    world: World = field(default_factory=World)
    weather: Weather = field(default_factory=Weather)
    gate: Gate = field(default_factory=Gate)
    over: threading.Event = field(default_factory=threading.Event)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, Subject | None, BaseException]] = field(default_factory=list)


class Worker:
    """Its choices follow from the seed; how they fall in time with those of the others does not."""

    def __init__(self, course: Course, number: int, seed: str) -> None:
        self.course = course
        self.world = course.world
        self.stage = course.stage
        self.dice = random.Random(f"{seed}/{number}")
        self.number = number
        self._made = 0
        self._begun = 0.0
        self._thread = threading.Thread(target=self._work, name=f"worker-{number}")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _work(self) -> None:
        from tests.soak.operations import OPERATIONS

        jobs = list(OPERATIONS)
        weights = [OPERATIONS[job] for job in jobs]
        while not self.course.over.is_set():
            self.course.gate.enter()
            job = self.dice.choices(jobs, weights)[0]
            self._begun = time.monotonic()
            try:
                if not self.course.over.is_set():
                    job(self)
            except Exception as error:
                if isinstance(error, FAILURES) and excused(
                    error, self.course.weather.since(self._begun), struck=False
                ):
                    self.course.counts["excused"] += 1
                else:
                    self.course.violations.append((job.__name__, None, error))
                    self.course.over.set()
            finally:
                self.course.gate.leave()

    # ---------------------------------------------------------------- what operations use

    def a_name(self, kind: str) -> str:
        self._made += 1
        return f"soak-{kind}-{self.number}-{self._made}"

    def a_token(self) -> str:
        return f"{self.dice.getrandbits(64):016x}"

    def ask(self, method: str, path: str, **more: Any) -> Any:
        return self.stage.client.json(method, path, **more)

    @contextmanager
    def taken(self, subject: S | None) -> Iterator[S | None]:
        """Hold the lock of *subject*, which `World.take` has taken, until the block ends."""
        try:
            yield subject
        finally:
            if subject is not None:
                subject.lock.release()

    @contextmanager
    def doing(
        self, what: str, subject: Subject, *changes: Change, through: Subject | None = None
    ) -> Iterator[None]:
        """An operation: when it succeeds, each belief of *changes* settles on the values given with it.

        When it fails and the weather excuses that, they may be so: the belief is widened. Raises nothing then.
        *through*: another subject that takes part.
        """
        begun = time.monotonic()

        def struck() -> bool:
            return any(one is not None and one.struck_at >= begun for one in (subject, through))

        subject.note(what)
        for belief, *values in changes:
            belief.may_also_be(*values)
        try:
            yield
        except FAILURES as error:
            subject.note(f"  failed: {type(error).__name__}: {error}"[:300])
            weather = self.course.weather.since(begun)
            if not excused(error, weather, struck=struck()):
                subject.note(f"  not excused by {sorted(weather)}")
                self.course.violations.append((what, subject, error))
                self.course.over.set()
                return
            self.course.counts["excused"] += 1
            time.sleep(BREATH)
            subject.rests_until = max(subject.rests_until, time.monotonic() + AFTERMATH)
            return
        except Violation as error:
            self.course.violations.append((what, subject, error))
            self.course.over.set()
            return
        self.course.counts[what.split(maxsplit=1)[0]] += 1
        if not struck():
            for belief, *values in changes:
                belief.settle(*values)


def must(holds: object, otherwise: str) -> None:
    """Raise Wrong unless *holds*."""
    if not holds:
        raise Wrong(otherwise)


def must_refuse(ask: Callable[[], object], *reasons: type[Exception], otherwise: str) -> None:
    """Raise Wrong unless *ask* is refused for one of *reasons*."""
    try:
        ask()
    except reasons:
        return
    raise Wrong(otherwise)


Operation = Callable[[Worker], None]
