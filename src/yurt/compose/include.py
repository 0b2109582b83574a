"""``include``: what other projects' files say, copied into the one that includes them.

Each included project is read as its own: with its folder, its ``.env`` and its own includes. Pure but for what it
is handed to read with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from yurt.compose import fields
from yurt.compose.fields import Fields
from yurt.compose.nodes import MappingNode, Node, ScalarNode, SequenceNode, plain, problem
from yurt.errors import Unimplemented
from yurt.values import Value

SECTIONS = ("services", "networks", "volumes", "configs", "secrets", "models")
MAX_FILES = 200  # that one project may be made of, and so that includes of includes end


class Inclusion(Value):
    """One entry of ``include``: absolute paths, and where it stands."""

    paths: tuple[str, ...]
    directory: str
    env_files: tuple[str, ...] | None  # None: the folder's own .env, if it has one
    at: Node
    path: str


Read = Callable[[Inclusion], MappingNode]


def included(document: MappingNode, directory: str, read: Read) -> MappingNode:
    """Return *document* with what it includes copied in.

    Raises InvalidArgument when two say different things of one name: only a later ``-f`` file may override.
    """
    node = document.entries.get("include")
    if node is None:
        return document
    for inclusion in _inclusions(node, directory):
        found = read(inclusion)
        for section in SECTIONS:
            theirs = found.entries.get(section)
            if isinstance(theirs, MappingNode) and theirs.entries:
                document = _copied(document, section, theirs, inclusion)
    return document.without("include")


def _copied(document: MappingNode, section: str, theirs: MappingNode, inclusion: Inclusion) -> MappingNode:
    own = document.entries.get(section)
    if not isinstance(own, MappingNode):
        return document.with_entry(section, theirs, inclusion.at.at)
    for name, node in theirs.entries.items():
        mine = own.entries.get(name)
        if mine is not None and plain(mine) != plain(node):
            raise problem(
                own.position(name),
                f"{section}.{name}",
                f"is also in {theirs.position(name)}, which is included",
                hint="change one of the names, or say what differs in an override file (-f)",
            )
        if mine is None:
            own = own.with_entry(name, node, theirs.position(name))
    return document.with_entry(section, own, document.position(section))


def _inclusions(node: Node, directory: str) -> list[Inclusion]:
    if not isinstance(node, SequenceNode):
        raise problem(node, "include", "is not a list", expected="a list of paths")
    found = []
    for index, item in enumerate(node.items):
        path = f"include[{index}]"
        folder, env_files = "", None
        if isinstance(item, MappingNode):
            entry = Fields(item, path)
            paths = entry.texts("path")
            folder = entry.text("project_directory")
            if entry.take("env_file") is not None:
                env_files = tuple(_absolute(each, directory) for each in entry.texts("env_file"))
            entry.close()
        else:
            paths = (fields.text(item, path),)
        if not paths or not all(paths):
            raise problem(item, path, "names no file", expected="a path")
        for each in paths:
            refuse_remote(each, item, path)
        absolute = tuple(_absolute(each, directory) for each in paths)
        chosen = _absolute(folder, directory) if folder else os.path.dirname(absolute[0])
        found.append(Inclusion(absolute, chosen, env_files, item, path))
    return found


def _absolute(path: str, directory: str) -> str:
    return os.path.normpath(os.path.join(directory, path))


def refuse_remote(file: str, at: Node, path: str) -> None:
    """Raise Unimplemented if *file* is an address instead of a path."""
    if "://" in file or file.startswith("git@") or file.endswith(".git") or ".git#" in file:
        raise Unimplemented(
            f"{at.at}: {path}: {file} is on another machine, and what a project runs is not fetched unseen",
            hint="fetch it, look at it, and name the path",
        )


def with_environment(document: MappingNode, variables: Mapping[str, str]) -> MappingNode:
    """Return *document* with ``environment: [NAME]`` of its services filled from *variables*.

    An included project has an ``.env`` of its own, which the one that includes it does not see.
    """
    services = document.entries.get("services")
    if not isinstance(services, MappingNode):
        return document
    changed = services
    for name, service in services.entries.items():
        if isinstance(service, MappingNode) and (node := service.entries.get("environment")) is not None:
            filled = service.with_entry(
                "environment", _filled(node, variables), service.position("environment")
            )
            changed = changed.with_entry(name, filled, services.position(name))
    return document.with_entry("services", changed, document.position("services"))


def _filled(node: Node, variables: Mapping[str, str]) -> Node:
    if isinstance(node, MappingNode):
        for name, value in node.entries.items():
            if isinstance(value, ScalarNode) and value.value is None and name in variables:
                given = ScalarNode(variables[name], value.at, variables[name])
                node = node.with_entry(name, given, node.position(name))
    elif isinstance(node, SequenceNode):
        node = SequenceNode(tuple(_named(each, variables) for each in node.items), node.at, node.tag)
    return node


def _named(item: Node, variables: Mapping[str, str]) -> Node:
    if isinstance(item, ScalarNode) and isinstance(item.value, str) and item.value in variables:
        text = f"{item.value}={variables[item.value]}"
        return ScalarNode(text, item.at, text)
    return item
