"""The model: what the engine must hold. Each subject is worked on by one worker at a time."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.soak.belief import Belief

GONE = "gone"
THERE = "there"
HISTORY = 30  # operations remembered for each subject


@dataclass(eq=False)
class Subject:
    """Something that the engine keeps. *status* is `THERE`, `GONE`, or a container's status."""

    name: str
    status: Belief[str]
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY), repr=False)
    struck_at: float = 0.0  # when something of it was last killed
    rests_until: float = 0.0  # it may still change by itself, and is left alone
    users: set["Container"] = field(
        default_factory=set, repr=False
    )  # containers made with it or connected to it

    @property
    def kind(self) -> str:
        return type(self).__name__.lower()

    def note(self, what: str) -> None:
        self.history.append(f"{time.strftime('%H:%M:%S')} {what}")

    @property
    def is_surely_used(self) -> bool:
        return any(GONE not in one.status.possible for one in self.users)

    def strike(self, what: str, *, rest: float) -> None:
        """Part of it is about to be killed; it is left alone for *rest* seconds."""
        self.note(what)
        self.struck_at = time.monotonic()
        self.rests_until = max(self.rests_until, self.struck_at + rest)


@dataclass(eq=False)
class Container(Subject):
    """*code* is meant when it has exited; *own* is the token in the file /own of its writable layer."""

    id: str = ""
    code: Belief[int] = field(default_factory=lambda: Belief(0))
    own: Belief[str] = field(default_factory=lambda: Belief(""))
    networks: Belief[frozenset[str]] = field(default_factory=lambda: Belief(frozenset()))
    memory: Belief[int] = field(default_factory=lambda: Belief(0))
    names: Belief[str] = field(default_factory=lambda: Belief(""))
    volume: "Volume | None" = None
    image: "Image | None" = None
    restart: str = "no"
    greeting: str = ""  # what it serves on its port 8080
    tty: bool = False
    rotates: bool = False  # old lines of its log are dropped
    published: bool = False
    healthy: bool = False  # it has a health check that succeeds
    lossy: bool = False  # it ran while the disk was full: lines may lack

    @property
    def ref(self) -> str:
        return self.id or self.name

    @property
    def comes_back(self) -> bool:
        return self.restart != "no"

    def at_engine_start(self) -> None:
        """A new engine starts what has the policy "always"."""
        if self.restart == "always" and "exited" in self.status.possible:
            self.status.may_also_be("running")


@dataclass(eq=False)
class Volume(Subject):
    """*token* is what the file `token` in it holds."""

    token: Belief[str] = field(default_factory=lambda: Belief(""))


@dataclass(eq=False)
class Network(Subject):
    pass


@dataclass(eq=False)
class Image(Subject):
    """*token* is what the file *path* in it holds."""

    token: str = ""
    path: str = "/token"
    id: str = ""


S = TypeVar("S", bound=Subject)


class World:
    """All subjects by kind."""

    def __init__(self) -> None:
        self.containers: list[Container] = []
        self.volumes: list[Volume] = []
        self.networks: list[Network] = []
        self.images: list[Image] = []

    def subjects(self) -> list[Subject]:
        return [*self.containers, *self.volumes, *self.networks, *self.images]

    def take(
        self, dice: random.Random, among: Iterable[S], suits: Callable[[S], bool] = lambda _one: True
    ) -> S | None:
        """Return a subject that nobody works on, that rests not, and *suits*; its lock is held. None if none does."""
        candidates = list(among)
        dice.shuffle(candidates)
        for one in candidates:
            if not one.lock.acquire(blocking=False):
                continue
            if one.rests_until <= time.monotonic() and suits(one):
                return one
            one.lock.release()
        return None
