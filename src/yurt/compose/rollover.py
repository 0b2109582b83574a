"""Replacing running containers without downtime: what must be proved, and how one takes over from another.

See docs/adr/0018. On an engine that can't move ports and names (Docker) a published port is closed for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from yurt.client.sync import Client
from yurt.compose import labels, previous
from yurt.compose.execute import failed, wait_for
from yurt.compose.images import split_reference
from yurt.compose.model import Condition
from yurt.compose.observed import ObservedContainer
from yurt.compose.watch import Watch
from yurt.errors import NotFound, NotModified, Unavailable, YurtError

STEADY = 3.0  # seconds that a container without a health check must have run
DRAIN = 2.0  # seconds that requests to the old container are given before it is stopped


def can_succeed(client: Client) -> bool:
    """Return whether the engine can move published ports and names between running containers."""
    platform = (client.json("GET", "/version").get("Platform") or {}).get("Name") or ""
    return str(platform).startswith("Yurt")


def remember(client: Client, old: ObservedContainer, project: str) -> dict[str, str]:
    """Return the label that lets a rollback make *old* again; its image gets a tag that keeps it from being pruned."""
    found = client.json("GET", f"/containers/{old.id}/json")
    repository = f"{project}-{old.service}".lower()
    with suppress(NotFound):  # it has been removed by force: a rollback will say so
        client.request(
            "POST", f"/images/{found['Image']}/tag", query={"repo": repository, "tag": "previous"}
        ).read()
    return {labels.PREVIOUS: previous.packed(previous.body_of(found))}


def prove(client: Client, watch: Watch, name: str, service: str, steady: float) -> None:
    """Return once the container is healthy; without a health check, once it has run for *steady* seconds.

    Raises Conflict with its last lines when it fails; then it is removed.
    """
    try:
        seen = watch.inspect(name)
        if seen.health:
            wait_for(client, watch, name, Condition.HEALTHY, service=service)
            return
        try:
            seen = watch.wait(name, lambda each: not each.is_running, time.monotonic() + steady)
        except Unavailable:
            if watch.inspect(name).is_running:
                return
            raise
        raise failed(client, service, seen)
    except YurtError:
        _remove(client, name)
        raise


def succeed(client: Client, name: str, old: str, body: Mapping[str, Any]) -> None:
    """Have the container *name* take over ports and names from *old*; *body* is what it is to have, as in create."""
    endpoints = body["NetworkingConfig"]["EndpointsConfig"]
    client.request(
        "POST",
        f"/yurt/containers/{name}/succeed",
        json={
            "Of": old,
            "PortBindings": body["HostConfig"].get("PortBindings") or {},
            "Aliases": {network: settings.get("Aliases") or [] for network, settings in endpoints.items()},
        },
    ).read()


def withhold(body: dict[str, Any], *, aliases: bool) -> None:
    """Take from a create body the ports, and with *aliases* the names, that its predecessor still has."""
    body["HostConfig"].pop("PortBindings", None)
    for settings in body["NetworkingConfig"]["EndpointsConfig"].values() if aliases else ():
        settings.pop("Aliases", None)


def swap(
    client: Client, watch: Watch, name: str, old: str, *, service: str, stop_timeout: int | None
) -> None:
    """Stop *old* and start the container *name*, which needs its ports, at once. If that fails, *old* runs again."""
    query = {"t": None if stop_timeout is None else str(stop_timeout)}
    with suppress(NotModified):
        client.request("POST", f"/containers/{old}/stop", query=query).read()
    try:
        client.request("POST", f"/containers/{name}/start").read()
        condition = Condition.HEALTHY if watch.inspect(name).health else Condition.STARTED
        wait_for(client, watch, name, condition, service=service)
    except YurtError:
        _remove(client, name)
        client.request("POST", f"/containers/{old}/start").read()
        raise


def drain(seconds: float) -> None:
    """Give requests under way the time to end."""
    threading.Event().wait(seconds)


def _remove(client: Client, name: str) -> None:
    try:
        client.request("DELETE", f"/containers/{name}", query={"force": True, "v": True}).read()
    except NotFound:
        return


def restored(container: ObservedContainer) -> dict[str, Any]:
    """Return the create body that *container* keeps of its predecessor; NotFound if it keeps none."""
    text = container.labels.get(labels.PREVIOUS)
    if not text:
        raise NotFound(
            f"{container.name} keeps nothing of a container before it",
            hint="only `yurt compose up --rollover` leaves something to roll back to",
        )
    return previous.unpacked(text)


def image_is_there(client: Client, body: Mapping[str, Any]) -> None:
    """Raise NotFound if the image of a kept configuration has been removed."""
    try:
        client.json("GET", f"/images/{body['Image']}/json")
    except NotFound as error:
        name, _ = split_reference(str(body["Image"]))
        raise NotFound(
            f"the image to roll back to is not there any more: {name[:19]}",
            hint="build the earlier version again",
        ) from error
