"""Commands and files around a running service: ``post_start``, ``pre_stop`` and ``develop.watch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yurt.compose import words
from yurt.compose.fields import Fields
from yurt.compose.model import Hook, WatchAction, WatchRule
from yurt.compose.nodes import Node, SequenceNode, problem

ACTIONS = tuple(action.value for action in WatchAction)


def hooks(at: Fields, key: str, environ: Mapping[str, str]) -> tuple[Hook, ...]:
    return tuple(_hook(Fields(item, path), environ) for path, item in at.each(key))


def _hook(entry: Fields, environ: Mapping[str, str]) -> Hook:
    node = entry.take("command")
    command = entry.texts("command") if isinstance(node, SequenceNode) else entry.unit("command", words.split)
    if not command:
        raise problem(entry.node, entry.path, "has no command", expected="`command:`")
    given = entry.pairs("environment")
    result = Hook(
        tuple(command),
        entry.text("user"),
        entry.flag("privileged"),
        entry.text("working_dir"),
        {name: environ[name] if value is None else value for name, value in given.items()
         if value is not None or name in environ},
    )  # fmt: skip
    entry.close()
    return result


def watch(at: Fields, path_of: Callable[[str], str], environ: Mapping[str, str]) -> tuple[WatchRule, ...]:
    develop = at.section("develop")
    if develop is None:
        return ()
    rules = tuple(_rule(item, path, path_of, environ) for path, item in develop.each("watch"))
    develop.close()
    return rules


def _rule(item: Node, path: str, path_of: Callable[[str], str], environ: Mapping[str, str]) -> WatchRule:
    entry = Fields(item, path)
    where, action = entry.text("path"), WatchAction(entry.choice("action", ACTIONS, "rebuild"))
    if not where or entry.take("action") is None:
        raise problem(item, path, "is not whole", expected="`path:` and `action:`")
    target = entry.text("target")
    if action.value.startswith("sync") and not target.startswith("/"):
        raise problem(item, path, f"the action {action.value} has the target {target!r}",
                      expected="`target:`, an absolute path in the container")  # fmt: skip
    section = entry.section("exec")
    if action is WatchAction.SYNC_EXEC and section is None:
        raise problem(item, path, "the action sync+exec has nothing to execute", expected="`exec:`")
    rule = WatchRule(
        path_of(where),
        action,
        target,
        entry.texts("ignore"),
        entry.texts("include"),
        entry.flag("initial_sync"),
        _hook(section, environ) if section else None,
    )
    entry.close()
    return rule
