"""``build``: how a service's image is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yurt.compose import fields
from yurt.compose.fields import Fields
from yurt.compose.limits import ulimits
from yurt.compose.model import Build, Source
from yurt.compose.nodes import MappingNode, ScalarNode, problem
from yurt.dockerfile.remote import is_remote


def build(
    at: Fields,
    path_of: Callable[[str], str],
    environ: Mapping[str, str],
    sources: Mapping[str, Source],
) -> Build | None:
    """Return what ``build`` says; *sources* are the project's secrets."""
    node = at.take("build")
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return Build(_place(at.text("build"), path_of))
    found = Fields(node, at.of("build"), expected="a path or a mapping")
    found.ignored("provenance", "sbom")  # no attestations are made
    found.ignored("isolation")
    found.refused(
        "privileged",
        why="the steps of a build run as fenced as any container",
        hint="allow single steps more: `entitlements: [security.insecure]`, and RUN --security=insecure",
    )
    platforms = found.texts("platforms")
    context = found.text("context", ".")
    inline = found.text("dockerfile_inline")
    if inline and found.take("dockerfile") is not None:
        raise problem(
            found.node.position("dockerfile_inline"), found.of("dockerfile_inline"), "excludes dockerfile"
        )
    args = {
        name: environ[name] if value is None else value
        for name, value in found.pairs("args").items()
        if value is not None or name in environ
    }
    built = Build(
        context=_place(context, path_of),
        dockerfile=found.text("dockerfile", "Dockerfile"),
        dockerfile_inline=inline,
        args=args,
        labels={name: value or "" for name, value in found.pairs("labels").items()},
        target=found.text("target"),
        network=found.text("network"),
        platform=platforms[0] if len(platforms) == 1 else "",
        extra_hosts=extra_hosts(found),
        shm_size=found.size("shm_size"),
        cache_from=found.texts("cache_from"),
        cache_to=found.texts("cache_to"),
        additional_contexts=_contexts(found, path_of),
        secrets=_secrets(found, sources),
        ssh=_agents(found),
        ssh_agent=environ.get("SSH_AUTH_SOCK", ""),
        ulimits=ulimits(found),
        entitlements=found.texts("entitlements"),
        tags=found.texts("tags"),
        no_cache=found.flag("no_cache"),
        pull=found.flag("pull"),
    )
    found.close()
    return built


def _place(text: str, path_of: Callable[[str], str]) -> str:
    """Return a context's folder as a path; an address stays as it is."""
    return text if is_remote(text) or "://" in text else path_of(text)


def _contexts(found: Fields, path_of: Callable[[str], str]) -> dict[str, str]:
    """Return the further contexts by name, their folders as paths."""
    node = found.node.entries.get("additional_contexts")
    contexts = {}
    for name, value in found.pairs("additional_contexts").items():
        if not value:
            raise problem(node or found.node, found.of("additional_contexts"), f"{name} names no context")
        if value.startswith("service:"):
            raise problem(
                node or found.node,
                found.of("additional_contexts"),
                f"{name}={value} cannot be used: `yurt compose` builds services side by side",
                expected="docker-image://NAME of an image that is built before",
            )
        contexts[name] = _place(value, path_of)
    return contexts


def _secrets(found: Fields, sources: Mapping[str, Source]) -> dict[str, Source]:
    secrets: dict[str, Source] = {}
    for path, item in found.each("secrets"):
        if isinstance(item, MappingNode):
            entry = Fields(item, path)
            key, name = entry.text("source"), entry.text("target")
            entry.ignored("uid", "gid", "mode")  # a step says how it sees a secret
            entry.close()
        else:
            key = name = fields.text(item, path)
        if key not in sources:
            raise problem(
                item, path, f"there is no secret {key!r}", expected="one of the project's `secrets:`"
            )
        secrets[name or key] = sources[key]
    return secrets


def _agents(found: Fields) -> tuple[str, ...]:
    """Return ``ID`` or ``ID=SOCKET`` of each; a mapping is written so, too."""
    node = found.node.entries.get("ssh")
    if isinstance(node, ScalarNode):
        return (found.text("ssh"),)
    return tuple(name if value is None else f"{name}={value}" for name, value in found.pairs("ssh").items())


def extra_hosts(at: Fields) -> tuple[str, ...]:
    """Return ``NAME:ADDRESS`` of each, from both forms."""
    node = at.take("extra_hosts")
    if isinstance(node, MappingNode):
        hosts: list[str] = []
        for name, child in node.entries.items():
            hosts += [
                f"{name}:{address}" for address in fields.texts(child, f"{at.of('extra_hosts')}.{name}")
            ]
        return tuple(hosts)
    found = []
    for path, item in at.each("extra_hosts"):
        entry = fields.text(item, path)
        cut = min((place for mark in "=:" if (place := entry.find(mark)) > 0), default=-1)
        if cut < 0 or cut == len(entry) - 1:
            raise problem(item, path, f"{entry!r} has no address", expected="NAME=ADDRESS")
        found.append(f"{entry[:cut]}:{entry[cut + 1 :].removeprefix('[').removesuffix(']')}")
    return tuple(found)
