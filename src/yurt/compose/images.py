"""Images of services: pulled from a registry, or built from a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from yurt.api.build_extras import MAX_SECRET, to_headers
from yurt.client.build_cache import sent
from yurt.client.context import BuildContext, further_stream
from yurt.client.named_contexts import named_contexts
from yurt.client.sync import Client
from yurt.client.yurt_only import refuse_others
from yurt.compose import labels
from yurt.compose.model import Build, Service, Source
from yurt.dockerfile.remote import is_remote
from yurt.errors import Conflict, InvalidArgument, YurtError, translated

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
    is_near = client.host.startswith("unix://")
    named = named_contexts(build.additional_contexts, is_near=is_near)
    headers = {"Content-Type": "application/x-tar", **_extras(client, build, is_near=is_near)}
    context: BuildContext | None = None
    if is_remote(build.context):
        body = further_stream(named.folders) if named.folders else None
    else:
        context = BuildContext.find(
            build.context, dockerfile=build.dockerfile, inline=build.dockerfile_inline
        )
        body = context.stream(named.folders)
    marks = {labels.PROJECT: project, labels.SERVICE: service.name, **build.labels}

    def caches(key: str, places: tuple[str, ...]) -> str | None:
        return json.dumps([sent(text, flag=key, is_near=is_near) for text in places]) if places else None

    query = {
        "t": [service.image, *build.tags],
        "dockerfile": context.dockerfile if context else build.dockerfile,
        "remote": None if context else build.context,
        "contexts": json.dumps(dict(named.told)) if named.told else None,
        "allow": list(build.entitlements) or None,
        "ulimits": json.dumps(
            [{"Name": each.name, "Soft": each.soft, "Hard": each.hard} for each in build.ulimits]
        )
        if build.ulimits
        else None,
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
    try:
        response = client.request("POST", "/build", query=query, body=body, headers=headers)
    except YurtError as error:
        raise error.at(f"cannot build {service.name}") from error
    with response:
        for message in _messages(response.lines()):
            if (failure := _failure(message)) is not None:
                tail = "".join(f"\n    {line}" for line in (output[-SHOWN:] if repeat_output else ()))
                failure = context.in_users_words(failure) if context else failure
                raise Conflict(f"cannot build {service.name}: {failure}{tail}", hint=message.get("hint"))
            built = (message.get("aux") or {}).get("ID", built)
            for line in (message.get("stream") or message.get("status") or "").splitlines():
                if line.strip():
                    output.append(line.rstrip())
                    del output[: -4 * SHOWN]
                    tell(line.rstrip())
    return built


def _extras(client: Client, build: Build, *, is_near: bool) -> dict[str, str]:
    """Return the headers that bring what only Yurt's engine is told, and nobody logs."""
    asked = {
        "build.secrets": build.secrets,
        "build.ssh": build.ssh,
        "build.additional_contexts": build.additional_contexts,
        "build.entitlements": build.entitlements,
        "build.cache_to": build.cache_to,
    }
    if (first := next((key for key, value in asked.items() if value), None)) is None:
        return {}
    refuse_others(client, first)
    if build.ssh and not is_near:
        raise InvalidArgument("build.ssh needs an engine on this machine: it talks to the agent's socket")
    secrets = {name: _content(name, source) for name, source in build.secrets.items()}
    return to_headers(secrets, dict(_agent(text, build.ssh_agent) for text in build.ssh))


def _content(name: str, source: Source) -> bytes:
    if source.content is not None:
        return source.content
    what = f"cannot read the secret {name}, {source.file}"
    with translated({OSError: InvalidArgument}, what), open(source.file, "rb") as file:
        content = file.read(MAX_SECRET + 1)
    if len(content) > MAX_SECRET:
        raise InvalidArgument(f"the secret {name} is larger than {MAX_SECRET // 1024} KiB")
    return content


def _agent(text: str, usual: str) -> tuple[str, str]:
    """Return the id and the socket of an SSH agent; *usual* is that of the user's."""
    name, _, path = text.partition("=")
    path = path or usual
    if not path:
        raise InvalidArgument(
            f"build.ssh {text}: no SSH agent runs here", hint="start one: eval $(ssh-agent); ssh-add"
        )
    return name or "default", os.path.abspath(os.path.expanduser(path))


def _messages(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for line in lines:
        if line.strip():
            yield json.loads(line)


def _failure(message: dict[str, Any]) -> str | None:
    detail = message.get("errorDetail") or {}
    found = detail.get("message") or message.get("error")
    return None if found is None else str(found).strip()
