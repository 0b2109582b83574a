"""``build``: how a service's image is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yurt.compose import fields
from yurt.compose.fields import Fields
from yurt.compose.model import Build
from yurt.compose.nodes import MappingNode, ScalarNode, problem

_SESSION = "it needs a BuildKit session, which the Engine API of `yurt compose` does not open"


def build(at: Fields, path_of: Callable[[str], str], environ: Mapping[str, str]) -> Build | None:
    node = at.take("build")
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return Build(path_of(at.text("build")))
    found = Fields(node, at.of("build"), expected="a path or a mapping")
    found.ignored("provenance", "sbom")  # no attestations are made
    found.ignored("ulimits", "isolation")
    found.refused("ssh", "secrets", "additional_contexts", why=_SESSION, hint="build with `yurt build`")
    found.refused("entitlements", "privileged", why="the steps of a build run as fenced as any container")
    platforms = found.texts("platforms")
    context = found.text("context", ".")
    if "://" in context or context.startswith("git@"):
        found.refused("context", why="only local folders are built", hint="clone it, and name the folder")
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
        context=path_of(context),
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
        tags=found.texts("tags"),
        no_cache=found.flag("no_cache"),
        pull=found.flag("pull"),
    )
    found.close()
    return built


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
