"""`up` in the foreground: the logs of all services on the terminal, Ctrl-C stops them."""

from __future__ import annotations

import os
import signal
import sys
import threading

from yurt.cli.commands.compose import project as begin
from yurt.cli.commands.compose.up import bring_up, tell_nothing
from yurt.compose.execute import Executor, How
from yurt.compose.lifecycle import plan_stop
from yurt.compose.logs import Follower, LogOptions, Note, Printer, Source, palette
from yurt.compose.model import Condition
from yurt.compose.observe import observe

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yurt.cli.flags import Options
    from yurt.cli.session import Session
    from yurt.compose.model import Project
    from yurt.compose.observed import ObservedContainer
    from yurt.compose.reconcile import UpOptions
    from yurt.compose.watch import Event, Watch

INTERRUPTED = 130


def foreground(session: Session, options: Options, project: Project, wanted: UpOptions, watch: Watch) -> int:
    """Bring up, show the logs until all have stopped or the person interrupts; returns the exit code."""
    return _Foreground(session, options, project, wanted, watch).run()


class _Foreground:
    def __init__(
        self, session: Session, options: Options, project: Project, wanted: UpOptions, watch: Watch
    ) -> None:
        self.session = session
        self.options = options
        self.project = project
        self.wanted = wanted
        self.watch = watch
        self.follower = Follower(session.client, LogOptions(timestamps=options.flag("timestamps")))
        self.from_service = options.text("exit-code-from")
        if self.from_service:
            project.service(self.from_service)
        self.aborts = options.flag("abort-on-container-exit") or bool(self.from_service)
        self.aborts_on_failure = options.flag("abort-on-container-failure")
        self.code = 0
        self.ended: dict[str, int] = {}  # service → the exit code of its first container that stopped
        self.running: set[str] = set()
        self.up = False
        self.early: dict[str, Event] = {}  # container → how it stopped, before all were up
        self.events = threading.Lock()
        self.over = threading.Event()
        self.interrupts = 0
        self.stops: list[threading.Thread] = []

    def run(self) -> int:
        self.watch.begin()
        shown = self._shown()
        width = max((len(self._label(f"{self.project.name}-{name}-1")) for name in shown), default=8)
        colour = (
            sys.stdout.isatty()
            and not self.options.flag("no-color")
            and not self.session.environ.get("NO_COLOR")
        )
        printer = Printer(
            width,
            palette(self.project.services),
            prefix=not self.options.flag("no-log-prefix"),
            colour=colour,
            timestamps=self.options.flag("timestamps"),
        )
        self.follower.watch(
            self.watch, lambda name: self._source(name, shown), since=f"{self.watch.since:.9f}"
        )
        self.watch.on_event(self._on_event)
        plan = bring_up(self.session, self.options, self.project, self.wanted, self.watch)
        if not plan:
            tell_nothing(self.session, self.project, self.wanted)
        observed = observe(self.session.client, self.project.name)
        mine = [
            each
            for each in observed.containers
            if each.service in {s.name for s in self.project.services.values()} and not each.oneoff
        ]
        for each in mine:
            if each.is_running and each.service in shown and not plan:
                self.follower.add(
                    Source(each.id, self._label(each.name), each.service),
                    since=str(int(self.watch.since)),
                )
        self._count(mine)
        if self.options.flag("watch"):
            from yurt.cli.commands.compose.watch import Watcher

            watcher = Watcher(self.session, self.options, self.project, self.wanted.services)
            threading.Thread(target=watcher.run, args=(self.over,), name="watch", daemon=True).start()
        if not self.running:
            self._finish_soon()
        before = signal.signal(signal.SIGINT, self._interrupt)
        signal.signal(signal.SIGTERM, self._interrupt)
        try:
            for item in self.follower.lines():
                if isinstance(item, Note):
                    self.session.note(item.text)
                    continue
                sys.stdout.buffer.write(printer.render(item))
                sys.stdout.buffer.flush()
            while self.stops:  # the last line may be read before the last container is told to have stopped
                self.stops.pop().join()
        finally:
            signal.signal(signal.SIGINT, before)
        if self.interrupts:
            return INTERRUPTED
        return self.ended.get(self.from_service, 0) if self.from_service else self.code

    def _count(self, containers: Sequence[ObservedContainer]) -> None:
        """Know which of *containers* run, from what was seen of them and from the events until now."""
        jobs = {
            edge.service
            for service in self.project.services.values()
            for edge in service.depends_on
            if edge.condition is Condition.COMPLETED  # that these stop is part of coming up
        }
        with self.events:
            self.running |= {each.id for each in containers if each.is_running and each.id not in self.early}
            self.up = True
        for each in containers:
            if each.id in self.early and each.service not in jobs:
                self._on_event("die", each.id, self.early[each.id])

    def _shown(self) -> set[str]:
        """Return the services whose logs are shown: those named, or all but those that do not want it."""
        if only := self.options.all("attach"):
            return set(only) - set(self.options.all("no-attach"))
        named = () if self.options.flag("attach-dependencies") else self.wanted.services
        selected = self.project.selection(self.wanted.services, dependencies=not self.wanted.no_deps)
        names = set(named) or {service.name for service in selected}
        names = {name for name in names if self.project.service(name).attach}
        return names - set(self.options.all("no-attach"))

    def _label(self, name: str) -> str:
        return name.removeprefix(f"{self.project.name}-")

    def _source(self, name: str, shown: set[str]) -> Source | None:
        label = self._label(name)
        service = label.rpartition("-")[0]
        for candidate in self.project.services.values():
            if candidate.container_name == name or candidate.name == service:
                return Source(name, label, candidate.name) if candidate.name in shown else None
        return None

    def _on_event(self, action: str, identifier: str, event: Event) -> None:
        marks: Mapping[str, str] = (event.get("Actor") or {}).get("Attributes") or {}
        service = marks.get("com.docker.compose.service", "")
        with self.events:
            if not self.up:
                if action == "start":
                    self.early.pop(identifier, None)
                elif action == "die":
                    self.early[identifier] = event
                return
            if action == "start":
                self.running.add(identifier)
        if action != "die":
            return
        code = int(marks.get("exitCode") or 0)
        self.follower.say(identifier, f"{self._label(marks.get('name', service))} exited with code {code}")
        self.ended.setdefault(service, code)
        self.running.discard(identifier)
        if (self.aborts or (self.aborts_on_failure and code)) and not self.interrupts:
            self.code = self.code or code
            self.interrupts = 0
            self._begin_to_stop()
        elif not self.running:
            self._finish_soon()

    def _finish_soon(self) -> None:
        """End once the logs are read to their ends and nothing has been started again."""

        def work() -> None:
            for _ in range(40):  # a restart policy may start it again at once
                if self.running:
                    return
                if self.follower.is_idle:
                    break
                threading.Event().wait(0.05)
            if not self.running:
                self.follower.end()

        threading.Thread(target=work, daemon=True).start()

    def _interrupt(self, _number: int, _frame: object) -> None:
        self.interrupts += 1
        if self.interrupts == 1:
            self.session.note("\nGracefully stopping… (Ctrl-C again kills)")
            self._begin_to_stop()
        elif self.interrupts == 2:
            self._begin_to_stop(kill=True)
        else:
            os._exit(INTERRUPTED)

    def _begin_to_stop(self, *, kill: bool = False) -> None:
        thread = threading.Thread(target=self._stop, kwargs={"kill": kill}, name="stop", daemon=True)
        thread.start()
        self.stops.append(thread)

    def _stop(self, *, kill: bool = False) -> None:
        client = self.session.client
        observed = observe(client, self.project.name)
        plan = plan_stop(observed, [s.name for s in self.project.services.values()], kill=kill)
        how = How(stop_timeout=begin.seconds(self.options, "timeout"))
        executor = Executor(
            client,
            self.project,
            observed,
            progress=begin.progress(self.session, self.options, in_place=False),  # logs come meanwhile
            how=how,
        )
        try:
            executor.run(plan)
        finally:
            executor.progress.close()
            self.follower.end()
