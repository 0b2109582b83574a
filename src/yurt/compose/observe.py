"""What is really there: one snapshot of a project's containers, networks, volumes and images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from yurt.client.sync import Client
from yurt.compose import labels
from yurt.compose.observed import Observed, ObservedContainer, ObservedResource
from yurt.compose.threads import together
from yurt.errors import NotFound

_EXIT = re.compile(r"Exited \((-?[0-9]+)\)")
_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def observe(client: Client, project: str, *, images: Iterable[str] = ()) -> Observed:
    """Return the snapshot of the project called *project*."""
    wanted = list(dict.fromkeys(images))
    found_containers, networks, volumes, *ids = together(
        [
            lambda: containers(client, project),
            lambda: client.json("GET", "/networks"),
            lambda: client.json("GET", "/volumes"),
            *(lambda reference=reference: image(client, reference) for reference in wanted),
        ]
    )
    return Observed(
        containers=found_containers,
        networks={each.name: each for each in map(_network, networks or ())},
        volumes={each.name: each for each in map(_volume, (volumes or {}).get("Volumes") or ())},
        images={name: found and found[0] for name, found in zip(wanted, ids, strict=True)},
        ages={
            name: found[1] for name, found in zip(wanted, ids, strict=True) if found and found[1] is not None
        },
    )


def containers(client: Client, project: str) -> tuple[ObservedContainer, ...]:
    """Return all containers of the project, one-off ones too."""
    filters = json.dumps({"label": [f"{labels.PROJECT}={project}"]})
    listed = client.json("GET", "/containers/json", query={"all": True, "filters": filters})
    return tuple(from_listed(each) for each in listed)


def image_id(client: Client, reference: str) -> str | None:
    """Return the ID of the image that *reference* names; None if it is not there."""
    found = image(client, reference)
    return found and found[0]


def image(client: Client, reference: str) -> tuple[str, float | None] | None:
    """Return the ID of an image, and the seconds since it got its name if the engine says; None if it is not there."""
    try:
        found = client.json("GET", f"/images/{reference}/json")
    except NotFound:
        return None
    tagged = str((found.get("Metadata") or {}).get("LastTagTime") or "")
    if not tagged or tagged.startswith("0001"):
        return str(found["Id"]), None
    from datetime import UTC, datetime

    then = datetime.fromisoformat(f"{tagged[:19]}+00:00")
    return str(found["Id"]), (datetime.now(UTC) - then).total_seconds()


def from_listed(item: Mapping[str, Any]) -> ObservedContainer:
    """Return one entry of ``GET /containers/json`` as a value."""
    marks: Mapping[str, str] = item.get("Labels") or {}
    status = item.get("Status") or ""
    health, code = _HEALTH.search(status), _EXIT.match(status)
    number = marks.get(labels.NUMBER, "")
    depends_on = marks.get(labels.DEPENDS_ON, "")
    return ObservedContainer(
        id=item["Id"],
        name=(item.get("Names") or ["/"])[0].removeprefix("/"),
        service=marks.get(labels.SERVICE, ""),
        number=int(number) if number.isdigit() else 0,
        state=item.get("State") or "",
        health=health[1] if health else "",
        exit_code=int(code[1]) if code else None,
        oneoff=marks.get(labels.ONEOFF, "False") == "True",
        config_hash=marks.get(labels.CONFIG_HASH, ""),
        image=item.get("Image") or "",
        image_id=marks.get(labels.IMAGE) or item.get("ImageID") or "",
        depends_on=tuple(edge.partition(":")[0] for edge in depends_on.split(",") if edge),
        networks=tuple((item.get("NetworkSettings") or {}).get("Networks") or ()),
        anonymous=tuple(
            (mount["Name"], mount["Destination"])
            for mount in item.get("Mounts") or ()
            if mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(mount.get("Name") or "")
        ),
        status=status,
        command=item.get("Command") or "",
        created=int(item.get("Created") or 0),
        ports=tuple(item.get("Ports") or ()),
        labels=marks,
    )


def _network(item: Mapping[str, Any]) -> ObservedResource:
    return _resource(item, labels.NETWORK)


def _volume(item: Mapping[str, Any]) -> ObservedResource:
    return _resource(item, labels.VOLUME)


def _resource(item: Mapping[str, Any], kind: str) -> ObservedResource:
    marks: Mapping[str, str] = item.get("Labels") or {}
    return ObservedResource(
        item["Name"], marks.get(kind, ""), marks.get(labels.PROJECT, ""), marks.get(labels.CONFIG_HASH, "")
    )
