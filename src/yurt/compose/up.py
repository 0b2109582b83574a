"""Bringing a project up: observe → reconcile → plan → execute, first for images, then for containers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from yurt.client.sync import Client
from yurt.compose.execute import Executor, How, wait_for
from yurt.compose.model import Condition, Project, Service
from yurt.compose.observe import observe
from yurt.compose.observed import Observed
from yurt.compose.plan import Plan
from yurt.compose.progress import Progress
from yurt.compose.reconcile import UpOptions, container_name, plan_images, plan_up
from yurt.compose.threads import together
from yurt.compose.watch import Watch
from yurt.values import Value


class Prospect(Value):
    """What `up` would do: both plans, and what they were made from."""

    observed: Observed
    images: Plan
    containers: Plan

    def __str__(self) -> str:
        parts = [str(plan) for plan in (self.images, self.containers) if plan]
        return "\n\n".join(parts) or "nothing to do"


def prospect(client: Client, project: Project, options: UpOptions) -> Prospect:
    """Return what `up` would do now. What a build would change in containers is not known before it is done."""
    services = project.selection(options.services, dependencies=not options.no_deps)
    observed = observe(client, project.name, images=(service.image for service in services))
    return Prospect(observed, plan_images(project, observed, options), plan_up(project, observed, options))


def up(
    client: Client,
    project: Project,
    options: UpOptions,
    *,
    watch: Watch,
    progress: Callable[[], Progress],
    how: How,
    notice: Callable[[str], None],
) -> Plan:
    """Bring the project up, and return the plan that was done with its containers (empty: all was so already)."""
    found = prospect(client, project, options)
    observed, containers = found.observed, found.containers
    if found.images:
        _run(Executor(client, project, observed, progress=progress(), how=how), found.images)
        services = project.selection(options.services, dependencies=not options.no_deps)
        observed = observe(client, project.name, images=(service.image for service in services))
        containers = plan_up(project, observed, options)
    for text in containers.notices:
        notice(text)
    if containers:
        watch.begin()
        _run(Executor(client, project, observed, watch=watch, progress=progress(), how=how), containers)
    return containers


def _run(executor: Executor, plan: Plan) -> None:
    try:
        executor.run(plan)
    finally:
        executor.progress.close()


def container_names(project: Project, options: UpOptions, service: Service) -> list[str]:
    """Return the names of the containers that a service has once it is up."""
    count = options.scale.get(service.name, service.replicas)
    return [container_name(project, service, number) for number in range(1, count + 1)]


def wait_until_up(
    client: Client, watch: Watch, project: Project, options: UpOptions, *, timeout: float | None = None
) -> None:
    """Return once every container runs and, where it has a health check, is healthy.

    A service that others wait to be completed is up when it has completed. Raises Conflict for the first that
    fails, with its last lines, and Unavailable after *timeout* seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    services = project.selection(options.services, dependencies=not options.no_deps)
    awaited = {
        edge.service
        for service in services
        for edge in service.depends_on
        if edge.condition is Condition.COMPLETED
    }
    targets: list[tuple[str, str]] = []
    observed = observe(client, project.name)
    for service in services:
        names = [each.name for each in observed.of(service.name)] or container_names(
            project, options, service
        )
        targets += [(service.name, name) for name in names]

    def settle(service: str, name: str) -> None:
        seen = watch.inspect(name)
        if service in awaited and seen.state in ("exited", "running") and not seen.health:
            condition = Condition.COMPLETED
        else:
            condition = Condition.HEALTHY if seen.health else Condition.STARTED
        wait_for(client, watch, name, condition, service=service, deadline=deadline)

    together([partial(settle, service, name) for service, name in targets], limit=64)
