"""One trial: an operation, interrupted at one call; then everything that must hold."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults import operations
from tests.faults.instants import Action, Instants, Role
from tests.faults.operations import Operation
from tests.faults.registry import Registry
from tests.integration.engine_host import EngineHost
from tests.integration.footprint import Footprint, assert_settles, footprint_at_rest, soon
from tests.integration.witness import start_witness, witness_is_whole

from yurt.client.sync import Client
from yurt.errors import YurtError

FULL = "no space left on device"
SLOW = 3  # times the processor's time of a first start is more than any repair may take


@dataclass(frozen=True)
class Fault:
    """What is done to whom.

    Parameters
    ----------
      roles: at whose calls it is done.
      of_container: it is done to the first process of the operation's container, if that runs, not to the caller.
    """

    action: Action
    roles: Role
    of_container: bool = False


FAULTS = {
    "kill-engine": Fault(Action.KILL, Role.ENGINE),
    "kill-shim": Fault(Action.KILL, Role.SHIM),
    "kill-runtime": Fault(Action.KILL, Role.RUNTIME),
    "kill-init": Fault(Action.KILL, Role.ENGINE | Role.SHIM, of_container=True),
    "disk-full": Fault(Action.FAIL, Role.ENGINE | Role.SHIM),
}


@dataclass(frozen=True)
class Outcome:
    """What a trial showed. *call*: the one at which it happened, "" when the operation has no so many."""

    call: str
    acknowledged: bool
    done: bool
    seconds: float  # of the processor, that the next engine took until it answered; 0 when the engine went on


class Bench:
    """A watched engine with a container that counts; trials leave it as they found it."""

    def __init__(self, folder: Path) -> None:
        self.instants = Instants(folder)
        self.host = EngineHost(folder)
        self.instants.watch(self.host)
        self._registry = Registry(folder)
        self._witness = 0
        self._before: Footprint | None = None
        self._first = 0.0  # seconds of the processor that a start takes which finds nothing

    def open(self) -> None:
        """Start the engine and what goes on in it."""
        self._registry.open()
        self.host.start()
        self._first = self.host.cpu_seconds
        self.host.load_busybox()
        self._witness = start_witness(self.host)
        self.instants.spared = operations.parent(self._witness)
        with self._client() as client:
            operations.build(client)  # its folders are there from now on
            operations.clear(client, keep="witness")
        self._before = footprint_at_rest(self.host)

    def close(self) -> None:
        self.host.dismantle()
        left = self.host.leftovers()
        self.host.destroy()
        self.instants.close()
        self._registry.close()
        assert left == [], left

    def count(self, operation: Operation, fault: Fault) -> int:
        """Return at how many calls of *operation* the fault can happen; it is done once, undisturbed."""
        with self._client() as client:
            operation.prepare(client)
            counting = Action.COUNT if fault.action is Action.KILL else Action.COUNT_FAILING
            with self.instants.during(counting, fault.roles):
                operation.act(client)
                self._wait_quiet()
            assert operation.done(client)
            operations.clear(client, keep="witness")
        self._assert_as_before()
        return self.instants.count

    def trial(self, operation: Operation, fault: Fault, at: int) -> Outcome:
        """Interrupt *operation* at its call *at*, and assert all that must hold afterwards."""
        with self._client() as client:
            operation.prepare(client)
            victim = operations.process(client) if fault.of_container else 0
            if fault.of_container and not victim:
                operations.clear(client, keep="witness")
                return Outcome("", acknowledged=False, done=False, seconds=0)
            with self.instants.during(fault.action, fault.roles, at, victim=victim):
                refusal = _refusal(operation, client)
                self._wait_quiet()
        call = self.instants.label(at) if self.instants.fired else ""
        seconds = 0.0
        if fault is FAULTS["kill-engine"] and call:
            self.host.reap()
            seconds = self._next_engine()
        elif refusal is not None:
            _is_clear(refusal, full=fault.action is not Action.KILL)
        with self._client() as client:
            witness_is_whole(self.host, self._witness)
            if victim and call:
                assert soon(lambda: _has_ended(client, victim)), operations.state(client)
                done = False
            else:
                done = operation.done(client)
                # The runtime's last stage becomes the container's first process: then it is that which was killed.
                is_killed = fault is FAULTS["kill-runtime"] and operations.was_killed(client)
                assert done or refusal is not None or is_killed, "it was acknowledged, and is not so"
                if not done:
                    operation.act(client)
                    assert operation.done(client), "it cannot be repeated"
                if operation.code is not None and fault is not FAULTS["kill-shim"]:
                    self._assert_told(operation, client)
        if call and fault.action is Action.FAIL:
            # What the disk did not take, and was acknowledged all the same, is so for the next engine, too.
            self.host.kill()
            seconds = self._next_engine()
            with self._client() as client:
                assert operation.done(client), "the next engine does not know of it"
                if operation.code is not None:
                    self._assert_told(operation, client)
        with self._client() as client:
            operations.clear(client, keep="witness")
        self._assert_as_before()
        return Outcome(call, refusal is None, done, seconds)

    def _next_engine(self) -> float:
        self.host.start()
        seconds = self.host.cpu_seconds
        assert seconds <= SLOW * self._first, (
            f"it took {seconds} s of the processor, the first {self._first} s"
        )
        return seconds

    def _assert_as_before(self) -> None:
        """Nothing leaked, nothing is missing."""
        assert self._before is not None
        assert_settles(self.host, self._before)

    def _assert_told(self, operation: Operation, client: Client) -> None:
        """The exit is known, and so is every line, whole."""
        found = operations.state(client)
        assert found["ExitCode"] == operation.code, found
        said = operations.words(client)
        assert said == (["hello", "bye"] if operation.code == 7 else ["hello"]), said

    def _wait_quiet(self) -> None:
        """What goes on behind the answer is interrupted too."""
        quiet = -1
        while quiet != self.instants.count:
            quiet = self.instants.count
            time.sleep(0.05)

    def _client(self) -> Client:
        return Client(self.host.host, timeout=30)


def _has_ended(client: Client, pid: int) -> bool:
    """Whether the container knows that this process of it was killed; a frozen one dies when it thaws (cgroup v1)."""
    found = operations.state(client)
    return found.get("Status") == "paused" or found.get("Pid") != pid


def _refusal(operation: Operation, client: Client) -> YurtError | None:
    try:
        operation.act(client)
    except YurtError as error:
        return error
    return None


def _is_clear(refusal: YurtError, *, full: bool) -> None:
    """An error that a person understands."""
    assert "Traceback" not in refusal.message, refusal.message
    assert "internal error" not in refusal.message, refusal.message
    assert not full or FULL in refusal.message.lower(), refusal.message
