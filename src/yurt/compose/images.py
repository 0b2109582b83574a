"""Images of services: pulled from a registry, or built from a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from yurt.client.build_cache import sent
from yurt.client.context import BuildContext
from yurt.client.sync import Client
from yurt.compose import labels
from yurt.compose.model import Build, Service
from yurt.errors import Conflict, YurtError

Tell = Callable[[str], None]
SHOWN = 25  # lines of a failed build's output in its error


def split_reference(reference: str) -> tuple[str, str]:
    """Return (name, tag or digest); without either the tag is latest."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")


def pull(client: Client, reference: str, *, platform: str = "", tell: Tell) -> None:
    """Have the engine pull *reference*; raises what the engine reports."""
    name, tag = split_reference(reference)
    query = {"fromImage": name, "tag": tag, "platform": platform or None}
    with client.request("POST", "/images/create", query=query) as response:
        for message in _messages(response.lines()):
            if (failure := _failure(message)) is not None:
                raise Conflict(failure)
            identifier, status = message.get("id"), message.get("status", "")
            tell(f"{identifier}: {status}" if identifier else status)


def build(
    client: Client,
    service: Service,
    build: Build,
    *,
    project: str,
    tell: Tell,
    repeat_output: bool,
    memory: int | None = None,
) -> str:
    """Build the image of *service* and return its ID.

    Raises Conflict when a step fails, with the last lines of the output if *repeat_output*.
    """
    context = BuildContext.find(build.context, dockerfile=build.dockerfile, inline=build.dockerfile_inline)
    marks = {labels.PROJECT: project, labels.SERVICE: service.name, **build.labels}

    def caches(key: str, places: tuple[str, ...]) -> str | None:
        is_near = client.host.startswith("unix://")
        return json.dumps([sent(text, flag=key, is_near=is_near) for text in places]) if places else None

    query = {
        "t": [service.image, *build.tags],
        "dockerfile": context.dockerfile,
        "target": build.target or None,
        "buildargs": json.dumps(dict(build.args)) if build.args else None,
        "labels": json.dumps(marks),
        "nocache": build.no_cache,
        "pull": build.pull or None,
        "networkmode": build.network or None,
        "extrahosts": ",".join(build.extra_hosts) or None,
        "shmsize": None if build.shm_size is None else str(build.shm_size),
        "memory": None if memory is None else str(memory),
        "platform": build.platform or None,
        "cachefrom": caches("cache_from", build.cache_from),
        "cacheto": caches("cache_to", build.cache_to),
        "rm": True,
        "forcerm": True,
    }
    output: list[str] = []
    built = ""
    headers = {"Content-Type": "application/x-tar"}
    try:
        response = client.request("POST", "/build", query=query, body=context.stream(), headers=headers)
    except YurtError as error:
        raise error.at(f"cannot build {service.name}") from error
    with response:
        for message in _messages(response.lines()):
            if (failure := _failure(message)) is not None:
                tail = "".join(f"\n    {line}" for line in (output[-SHOWN:] if repeat_output else ()))
                failure = context.in_users_words(failure)
                raise Conflict(f"cannot build {service.name}: {failure}{tail}", hint=message.get("hint"))
            built = (message.get("aux") or {}).get("ID", built)
            for line in (message.get("stream") or message.get("status") or "").splitlines():
                if line.strip():
                    output.append(line.rstrip())
                    del output[: -4 * SHOWN]
                    tell(line.rstrip())
    return built


def _messages(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for line in lines:
        if line.strip():
            yield json.loads(line)


def _failure(message: dict[str, Any]) -> str | None:
    detail = message.get("errorDetail") or {}
    found = detail.get("message") or message.get("error")
    return None if found is None else str(found).strip()
