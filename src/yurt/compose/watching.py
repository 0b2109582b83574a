"""What `watch` does when files have changed: which services' rules they meet, and what follows. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from yurt.compose.model import Hook, Project, Service, WatchAction, WatchRule
from yurt.dockerfile.ignore import IgnoreRules

ALWAYS_IGNORED = (
    "**/.git\n**/*.swp\n**/*~\n**/.#*\n**/#*#\n**/4913\n"  # git's own, and what editors leave for a moment
)


@dataclass(frozen=True, slots=True)
class Copy:
    """One file that is to be in a service's containers as it is here; its *source* may be gone."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is done for one service after a batch of changes: a rebuild makes all else needless."""

    service: str
    rebuild: bool = False
    copies: tuple[Copy, ...] = ()
    restart: bool = False
    hooks: tuple[Hook, ...] = ()


@dataclass(slots=True)
class Matcher:
    """The rules of a project; *ignore_files* are the texts of the build contexts' .dockerignore, by folder."""

    services: Iterable[Service]
    ignore_files: Mapping[str, str] = field(default_factory=dict)
    _own: dict[int, tuple[IgnoreRules, IgnoreRules | None]] = field(
        default_factory=dict
    )  # by the rule's identity
    _shared: dict[str, IgnoreRules] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for service in self.services:
            for rule in service.watch:
                ignored = IgnoreRules.parse(
                    ALWAYS_IGNORED + "\n".join(rule.ignore), file="develop.watch.ignore"
                )
                only = "\n".join(rule.include)
                taken = IgnoreRules.parse(only, file="develop.watch.include") if rule.include else None
                self._own[id(rule)] = (ignored, taken)
        for folder, text in self.ignore_files.items():
            self._shared[folder] = IgnoreRules.parse(text, file=posixpath.join(folder, ".dockerignore"))

    def meets(self, service: Service, rule: WatchRule, path: str) -> bool:
        """Return whether a change of *path* is one that *rule* is about."""
        inside = _below(path, rule.path)
        if inside is None:
            return False
        ignored, taken = self._own[id(rule)]
        if inside and ignored.ignores(inside):
            return False
        if taken is not None and not taken.ignores(inside or posixpath.basename(path)):
            return False
        if service.build is not None and (shared := self._shared.get(service.build.context)) is not None:
            relative = _below(path, service.build.context)
            if relative and shared.ignores(relative):
                return False
        return True

    def skips(self, folder: str) -> bool:
        """Return whether nothing below *folder* can meet a rule, so that it need not be watched."""
        if posixpath.basename(folder) == ".git":
            return True
        rules = [
            (rule, inside)
            for service in self.services
            for rule in service.watch
            if (inside := _below(folder, rule.path)) is not None
        ]
        return bool(rules) and all(inside and self._own[id(rule)][0].prunes(inside) for rule, inside in rules)

    def tasks(self, changed: Iterable[str]) -> list[Task]:
        """Return what is to be done after *changed* (absolute paths) have changed, by service."""
        found = []
        paths = sorted(changed)
        for service in self.services:
            rebuild, restart = False, False
            copies: dict[str, Copy] = {}
            hooks: list[Hook] = []
            for rule in service.watch:
                met = [path for path in paths if self.meets(service, rule, path)]
                if not met:
                    continue
                match rule.action:
                    case WatchAction.REBUILD:
                        rebuild = True
                    case WatchAction.RESTART:
                        restart = True
                    case _:
                        for path in met:
                            copy = Copy(path, target_of(rule, path))
                            copies[copy.target] = copy
                        restart |= rule.action is WatchAction.SYNC_RESTART
                        if rule.hook is not None and rule.hook not in hooks:
                            hooks.append(rule.hook)
            if rebuild:
                found.append(Task(service.name, rebuild=True))
            elif copies or restart:
                found.append(
                    Task(service.name, copies=tuple(copies.values()), restart=restart, hooks=tuple(hooks))
                )
        return found


def target_of(rule: WatchRule, path: str) -> str:
    """Return where *path* is in the container."""
    inside = _below(path, rule.path)
    return posixpath.join(rule.target, inside) if inside else rule.target


def watched(project: Project, names: Iterable[str]) -> tuple[Service, ...]:
    """Return the services, of *names* or of all, that have something to watch."""
    wanted = set(names) or set(project.services)
    return tuple(each for each in project.services.values() if each.name in wanted and each.watch)


def _below(path: str, folder: str) -> str | None:
    """Return *path* relative to *folder*: empty if it is the same, None if it is not below it."""
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder.rstrip('/')}/") else None
