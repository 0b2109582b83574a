"""`yurt compose watch`: keeps containers as the files are."""

from __future__ import annotations

import os
import threading

from yurt.cli.commands.compose import project as begin
from yurt.cli.commands.compose.up import bring_up, up_options
from yurt.cli.failure import Failure
from yurt.cli.flags import Options, command
from yurt.compose.inotify import Changes
from yurt.compose.observe import containers
from yurt.compose.syncing import do, everything, packed, put
from yurt.compose.watch import Watch
from yurt.compose.watching import Matcher, Task, watched
from yurt.errors import YurtError
from yurt.values import replace

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from yurt.cli.session import Session
    from yurt.compose.model import Project, Service
    from yurt.compose.observed import ObservedContainer


@command(
    "watch [OPTIONS] [SERVICE...]",
    "Watch files and bring their changes into the containers, by the rules of develop.watch",
    flags=begin.flags(
        """
    --no-up                     Do not build and start the services first
    --prune                     Remove the images that a rebuild has replaced (default: true)
    --quiet                     Say nothing of builds
    """
    ),
    example="yurt compose watch web",
)
def watch(session: Session, options: Options) -> int:
    project = begin.project(session, options, options.arguments)
    watcher = Watcher(session, options, project, tuple(options.arguments))
    if not options.flag("no-up"):
        watcher.make(tuple(options.arguments))
    try:
        watcher.run(threading.Event())
    except KeyboardInterrupt:
        return 130
    return 0


class Watcher:
    """Follows the files of a project's services; raises Failure if none has anything to watch."""

    def __init__(self, session: Session, options: Options, project: Project, names: tuple[str, ...]) -> None:
        self.session = session
        self.options = options
        self.project = project
        self.services = watched(project, names)
        if not self.services:
            raise Failure(
                "no service here has anything to watch",
                hint="say what to watch under `develop: {watch: […]}`",
            )
        self.matcher = Matcher(self.services, _ignore_files(self.services))

    def make(self, services: tuple[str, ...], *, no_deps: bool = False) -> None:
        """Build and bring up *services*."""
        options = self.options.adding("build", "true")
        if self.options.flag("quiet"):
            options = options.adding("quiet-build", "true")
        wanted = replace(up_options(self.session, options, services), no_deps=no_deps)
        with Watch(self.session.client, self.project.name) as watch:
            bring_up(self.session, options, self.project, wanted, watch)

    def run(self, over: threading.Event) -> None:
        """Watch until *over* is set; what fails is told, and the watching goes on."""
        paths = dict.fromkeys(rule.path for service in self.services for rule in service.watch)
        with Changes(paths, skips=self.matcher.skips) as changes:
            self._sync_all()
            self.session.note("Watch enabled")
            while not over.is_set():
                changed = changes.next(0.5)
                for task in self.matcher.tasks(changed) if changed else ():
                    try:
                        self._do(task)
                    except YurtError as error:
                        self.session.fail(error.message, error.hint)

    def _running(self, service: str) -> list[ObservedContainer]:
        found = containers(self.session.client, self.project.name)
        return [each for each in found if each.service == service and not each.oneoff and each.is_running]

    def _sync_all(self) -> None:
        for service in self.services:
            for rule in service.watch:
                if rule.initial_sync and rule.target:
                    copies = [
                        each for each in everything(rule) if self.matcher.meets(service, rule, each.source)
                    ]
                    body, _ = packed(copies)
                    for container in self._running(service.name) if body else ():
                        put(self.session.client, container.id, body)

    def _do(self, task: Task) -> None:
        if task.rebuild:
            self.session.note(f"Rebuilding service {task.service} after changes")
            before = {each.image_id for each in self._running(task.service)}
            self.make((task.service,), no_deps=True)
            if self.options.flag("prune", default=True):
                after = {each.image_id for each in self._running(task.service)}
                for image in before - after:
                    _prune(self.session, image)
            self.session.note(f"service {task.service} successfully built")
            return
        what = f"Syncing service {task.service} after {len(task.copies)} changes" if task.copies else ""
        self.session.note(what or f"Restarting service {task.service} after changes")
        do(self.session.client, task, self._running(task.service), tell=self.session.note)
        if task.restart and what:
            self.session.note(f"service {task.service} restarted")


def _prune(session: Session, image: str) -> None:
    """Remove an image that has no name any more; one that is used or named stays."""
    try:
        if not session.client.json("GET", f"/images/{image}/json").get("RepoTags"):
            session.client.request("DELETE", f"/images/{image}").read()
    except YurtError:
        return


def _ignore_files(services: tuple[Service, ...]) -> dict[str, str]:
    found = {}
    for service in services:
        if service.build is not None:
            path = os.path.join(service.build.context, ".dockerignore")
            try:
                with open(path, encoding="utf-8") as file:
                    found[service.build.context] = file.read()
            except (OSError, UnicodeDecodeError):
                continue
    return found
