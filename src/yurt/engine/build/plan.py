"""From a Dockerfile, base images and a context to a plan: every step with its cache key. Pure: nothing is done here.

What can be known before anything runs is complained about here: a missing file of a COPY, a wrong --chmod, an
unknown stage.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.instructions import (
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yurt.dockerfile.lexer import Heredoc
from yurt.dockerfile.location import Location
from yurt.dockerfile.mode import FileMode, parse_mode
from yurt.dockerfile.mounts import RunMount, parse_mount
from yurt.dockerfile.parser import parse_trigger
from yurt.dockerfile.remote import FileSource, RemoteSource, is_remote, parse_remote
from yurt.dockerfile.scope import PREDEFINED, Scope, platform_arguments
from yurt.dockerfile.shell import expand_heredoc, expand_words
from yurt.dockerfile.stages import find_stage, named_stage
from yurt.engine.build.epoch import ARGUMENT as EPOCH
from yurt.engine.build.files import ContextTree, Selection
from yurt.engine.build.layout import Base, Layout
from yurt.engine.build.model import HOST_NETWORK, INSECURE
from yurt.engine.build.steps import (
    SCRATCH,
    BuildPlan,
    CopyWork,
    FolderWork,
    RunWork,
    StagePlan,
    Step,
    Work,
    chained,
    portable,
    work_key,
)
from yurt.errors import InvalidArgument, NotFound
from yurt.oci.config import ImageConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILDER_PREFIX = "BUILDKIT_"  # arguments that tell the builder something, not the Dockerfile
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_PUBLISHED = re.compile(r"(?:(?:\[[0-9A-Fa-f:.]+\]|[0-9.]*):)?(?:[0-9]{1,5}(?:-[0-9]{1,5})?)?:(?=[0-9])")
_PROCESS_LINKS = re.compile(r"/proc/(self|thread-self|[0-9]+)(/|$)")
_HEREDOC_ONLY = re.compile(r"""<<-?['"]?[A-Za-z_][A-Za-z0-9_.]*['"]?""")


@dataclass(frozen=True, slots=True)
class _State:
    """A stage half planned."""

    scope: Scope
    config: ImageConfig
    key: str
    cmd_is_own: bool = False  # CMD stands in this stage, so ENTRYPOINT leaves it alone

    def with_config(self, **changes: Any) -> "_State":
        config = replace(self.config, **changes)
        return replace(self, config=config, scope=self.scope.with_environment(_environment(config)))


@dataclass(slots=True)
class Planner:
    """Plans the stages of one build. *images* are those that `Layout.images` named."""

    layout: Layout
    images: Mapping[str, Base]
    context: ContextTree
    given: Mapping[str, str | None]
    labels: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, ContextTree] = field(default_factory=dict)  # further contexts, by name
    platform: str = "linux/amd64"
    network: str = ""
    entitlements: frozenset[str] = frozenset()
    epoch: int | None = None
    remotes: dict[RemoteSource, ContextTree] = field(default_factory=dict)
    missing: dict[RemoteSource, Location] = field(default_factory=dict)
    """Sources of ADD that `plan` needs and *remotes* lacks: what it returned is not yet the plan."""
    _done: dict[int, StagePlan] = field(default_factory=dict)
    _scopes: dict[int, Scope] = field(default_factory=dict)
    _needs: set[int] = field(default_factory=set)
    _at: int = 0  # the stage that is being planned
    _number: int = 0

    def plan(self) -> BuildPlan:
        """Return the whole plan, unless something is *missing*; then fetch that, and ask again.

        A mistake raises InvalidArgument, NotFound or Unimplemented naming file and line.
        """
        self.missing.clear()
        self._number = 0
        for stage in self.layout.stages:
            self._done[stage.index] = self._stage(stage)
        stages = tuple(self._done[stage.index] for stage in self.layout.stages)
        last = stages[-1]
        config = replace(last.config, labels={**last.config.labels, **self.labels})
        stages = (*stages[:-1], replace(last, config=config))
        return BuildPlan(stages, self._number, self._image_key(stages), self._unused())

    def _image_key(self, stages: tuple[StagePlan, ...]) -> str:
        """Return what stands for the image as a whole: its files, its configuration and how it came to be."""
        by_index = {stage.index: stage for stage in stages}
        said: list[str] = []
        stage = stages[-1]
        while True:
            said += [step.text for step in reversed(stage.steps)]
            if isinstance(stage.base, str):
                break
            stage = by_index[stage.base]
        return chained(
            stages[-1].key, "image", [stage.base, said, portable(stages[-1].config), self.platform]
        )

    def _unused(self) -> tuple[str, ...]:
        declared = {
            name
            for arg in (
                *self.layout.dockerfile.arguments,
                *(each for stage in self.layout.dockerfile.stages for each in stage.instructions),
            )
            if isinstance(arg, Arg)
            for name, _ in arg.items
        }
        return tuple(
            sorted(
                name
                for name in self.given
                if name not in declared | PREDEFINED | {EPOCH} and not name.startswith(BUILDER_PREFIX)
            )
        )

    def _stage(self, stage: Stage) -> StagePlan:
        self._needs, self._at = set(), stage.index
        base, config, key = self._base(stage)
        scope = self._scopes.get(base) if isinstance(base, int) else None
        if scope is None:
            scope = Scope(given=self.given, outer=self.layout.arguments, escape=self.layout.dockerfile.escape)
        triggers = config.on_build
        if not any(entry.startswith("PATH=") for entry in config.env):
            config = replace(config, env=(f"PATH={DEFAULT_PATH}", *config.env))
        state = _State(scope, config, key).with_config(on_build=(), history=(), created="", diff_ids=())
        self._number += 1
        steps = [Step(self._number, stage.base, stage.base.original, key, state.config)]
        for trigger in triggers:
            instruction = parse_trigger(trigger)
            placed = replace(instruction, location=stage.base.location)
            state = self._step(state, placed, steps)
        for instruction in stage.instructions:
            state = self._step(state, instruction, steps)
        self._scopes[stage.index] = state.scope  # a stage on this one knows its arguments
        return StagePlan(
            stage.index, stage.name, base, tuple(steps), state.config, state.key, frozenset(self._needs)
        )

    def _base(self, stage: Stage) -> tuple[int | str, ImageConfig, str]:
        reference = self.layout.bases[stage.index]
        if reference == SCRATCH:
            architecture = platform_arguments(self.platform)["TARGETARCH"]
            return SCRATCH, ImageConfig(architecture=architecture), self._files_key("")
        if (other := named_stage(self.layout.dockerfile.stages[: stage.index], reference)) is not None:
            before = self._done[other.index]
            self._needs.add(other.index)
            return other.index, before.config, before.key
        image = self.images[reference]
        return image.id, image.config, self._files_key(image.chain)

    def _files_key(self, chain: str) -> str:
        """Return the key of a base image's files. What is dated is made anew: its times are part of it."""
        return chained("", "files", chain if self.epoch is None else [chain, self.epoch])

    def _step(self, state: _State, instruction: Instruction, steps: list[Step]) -> _State:
        after, work = self._planned(state, instruction)
        if work is None:
            # Only the files count for the steps to come; the configuration counts where it is seen, in RUN.
            key = chained(state.key, type(instruction).__name__, portable(after.config))
        else:
            origin = ""
            if isinstance(work, CopyWork) and work.stage is not None:
                origin = self._done[work.stage].key
            elif isinstance(work, RunWork):
                origin = self._mount_keys(work, instruction)
            key = work_key(state.key, work, state.config, origin)
            after = replace(after, key=key)
        self._number += 1
        steps.append(Step(self._number, instruction, instruction.original, key, after.config, work))
        return after

    def _earlier(self, reference: str) -> Stage | None:
        return find_stage(self.layout.dockerfile.stages[: self._at], reference)

    def _mount_keys(self, work: RunWork, instruction: Instruction) -> str:
        """Return what the mounts of a RUN show, as one text for its key. What gathers in caches does not count."""
        shown: list[str] = []
        for mount in work.mounts:
            other = self._earlier(mount.origin) if mount.origin and mount.origin not in self.images else None
            if other is not None:
                self._needs.add(other.index)
            if mount.kind != "bind" and not (mount.kind == "cache" and mount.origin):
                continue
            if not mount.origin or mount.origin in self.folders:
                tree = self.folders.get(mount.origin, self.context)
                shown += [
                    each.fingerprint() for each in self._select(tree, mount.source or ".", instruction, ())
                ]
            elif mount.origin in self.images:
                shown.append(self.images[mount.origin].id)
            elif other is not None:
                shown.append(self._done[other.index].key)
        return " ".join(shown)

    def _planned(self, state: _State, instruction: Instruction) -> tuple[_State, Work | None]:
        """Return the state after *instruction* (its key still the old one) and what there is to do."""
        where, config = instruction.location, state.config

        def expand(text: str) -> str:
            return state.scope.expand(text, where)

        match instruction:
            case Arg():
                return replace(state, scope=state.scope.declare(instruction)), None
            case Env(pairs=pairs):
                changes = {expand(name): expand(value) for name, value in pairs}
                merged = {**_environment(config), **changes}
                return state.with_config(env=tuple(f"{name}={value}" for name, value in merged.items())), None
            case Label(pairs=pairs):
                labels = {expand(name): expand(value) for name, value in pairs}
                return state.with_config(labels={**config.labels, **labels}), None
            case Maintainer(name=name):
                return state.with_config(author=name), None
            case Cmd(command=command):
                after = state.with_config(cmd=_argv(command, config), args_escaped=False)
                return replace(after, cmd_is_own=True), None
            case Entrypoint(command=command):
                kept = config.cmd if state.cmd_is_own else ()
                return state.with_config(entrypoint=_argv(command, config), cmd=kept), None
            case Expose(ports=ports):
                added = [port for word in self._words(state, ports, where) for port in _ports(word, where)]
                return state.with_config(exposed_ports=_merged(config.exposed_ports, added)), None
            case Volume(paths=paths):
                return state.with_config(
                    volumes=_merged(config.volumes, [expand(path) for path in paths])
                ), None
            case User(user=user):
                name = expand(user)
                if not name:
                    raise where.error(f"USER {user} names no user: the variable is empty")
                return state.with_config(user=name), None
            case StopSignal(signal=signal):
                return state.with_config(stop_signal=expand(signal)), None
            case Shell(argv=argv):
                return state.with_config(shell=argv), None
            case Healthcheck():
                return state.with_config(healthcheck=_healthcheck(instruction)), None
            case Onbuild(trigger=trigger):
                return state.with_config(on_build=(*config.on_build, trigger)), None
            case Workdir(path=path):
                return self._workdir(state, expand(path), where)
            case Run():
                return state, self._run(state, instruction)
            case Copy():
                return state, self._copy(state, instruction)
            case _:
                raise where.error(f"{type(instruction).__name__.upper()} cannot stand here")

    def _words(self, state: _State, text: str, where: Location) -> list[str]:
        try:
            return expand_words(text, state.scope.variables, escape=state.scope.escape)
        except ValueError as bad:
            raise where.error(str(bad)) from bad

    def _workdir(self, state: _State, path: str, where: Location) -> tuple[_State, Work]:
        if not path:
            raise where.error("WORKDIR without a path: the variable is empty")
        absolute = posixpath.normpath(posixpath.join("/", state.config.working_dir, path))
        if _PROCESS_LINKS.match(absolute):
            raise where.error(f"WORKDIR {absolute}: links of /proc may lead out of the container")
        folder = "/" + absolute.lstrip("/")
        return state.with_config(working_dir=folder), FolderWork(folder, state.config.user)

    def _run(self, state: _State, run: Run) -> RunWork:
        where = run.location
        mounts: list[RunMount] = []
        for text in run.mounts:
            try:
                mount = parse_mount(state.scope.expand(text, where))
            except ValueError as bad:
                raise where.error(f"--mount={text}: {bad}") from bad
            mounts.append(_placed(mount, state.config.working_dir, where))
        if run.network not in {"", "default", "none", "host"}:
            raise where.error(f"--network={run.network}: expected default, none or host")
        if run.security not in {"", "sandbox", "insecure"}:
            raise where.error(f"--security={run.security}: expected sandbox or insecure")
        if run.security == "insecure":
            self._entitled(INSECURE, where)
        if run.network == "host" and self.network != "host":
            self._entitled(HOST_NETWORK, where)
        argv, scripts = _script(run, state.config)
        proxies = state.scope.proxies()
        return RunWork(
            argv=argv,
            environment=tuple(f"{name}={value}" for name, value in state.scope.run_arguments().items()),
            unkeyed=tuple(f"{name}={value}" for name, value in proxies.items()),
            mounts=tuple(mounts),
            privileged=run.security == "insecure",
            network=self.network if run.network in {"", "default"} else run.network,
            scripts=scripts,
        )

    def _entitled(self, name: str, where: Location) -> None:
        if name not in self.entitlements:
            raise where.error(f"{name} is not allowed", hint=f"allow it to this build with --allow {name}")

    def _copy(self, state: _State, copy: Copy) -> CopyWork:
        where = copy.location
        named = tuple(state.scope.expand(source, where) for source in copy.sources)
        remote = tuple(source for source in named if copy.add and is_remote(source))
        sources = tuple(source for source in named if source not in remote)
        if copy.checksum and not remote:
            raise where.error("--checksum is for sources that are addresses")
        target = state.scope.expand(copy.target, where)
        is_folder = target.endswith(("/", "/.")) or target == "."
        if len(named) + len(copy.inline) > 1 and not is_folder:
            raise where.error(
                f"several sources, but the destination {target} is no folder",
                hint=f"end it with a slash: {target}/",
            )
        exclude = tuple(state.scope.expand(text, where) for text in copy.exclude)
        work = CopyWork(
            path=posixpath.normpath(posixpath.join("/", state.config.working_dir, target)),
            is_folder=is_folder or (len(copy.inline) > 0 and is_folder),
            sources=sources,
            inline=tuple(self._inline(state, doc, where) for doc in copy.inline),
            owner=state.scope.expand(copy.chown, where),
            mode=_mode(state.scope.expand(copy.chmod, where), where),
            exclude=exclude,
            unpack=copy.add and copy.unpack is not False,
            parents=copy.parents,
        )
        if copy.origin and copy.origin not in self.folders:
            other = self._earlier(copy.origin)
            if copy.origin not in self.images and other is not None:
                self._needs.add(other.index)
                return replace(work, stage=other.index)
            return replace(work, image=self.images[copy.origin].id)
        tree = self.folders.get(copy.origin, self.context)
        selections = [
            found
            for source in sources
            for found in self._select(tree, source, copy, exclude, parents=copy.parents)
        ]
        fetched = [each for source in remote for each in self._remote(state, copy, source)]
        if copy.unpack:  # asked for: without it, only archives of the context are unpacked
            selections, fetched = [*selections, *fetched], []
        if len(selections) + len(copy.inline) > 1 and not is_folder:
            raise where.error(
                f"{' '.join(sources)} matches {len(selections)} files, but the destination {target} is no folder",
                hint=f"end it with a slash: {target}/",
            )
        return replace(work, selections=tuple(selections), fetched=tuple(fetched))

    def _remote(self, state: _State, copy: Copy, address: str) -> list[Selection]:
        """Return the files behind *address*; none, and it is noted as missing, when they are not here yet."""
        where = copy.location
        try:
            source = parse_remote(
                address, checksum=state.scope.expand(copy.checksum, where), keep_git_dir=copy.keep_git_dir
            )
        except ValueError as bad:
            raise where.error(str(bad)) from bad
        tree = self.remotes.get(source)
        if tree is None:
            self.missing[source] = where
            return []
        exclude = tuple(state.scope.expand(text, where) for text in copy.exclude)
        return self._select(tree, source.name if isinstance(source, FileSource) else ".", copy, exclude)

    def _select(
        self,
        tree: ContextTree,
        source: str,
        instruction: Instruction,
        exclude: tuple[str, ...],
        *,
        parents: bool = False,
    ) -> list[Selection]:
        ignores = IgnoreRules.parse("\n".join(exclude), file="--exclude").ignores if exclude else None
        try:
            return (tree.select_with_parents if parents else tree.select)(source, ignores=ignores)
        except NotFound as missing:
            raise NotFound(
                f"{instruction.location}: {instruction.original.split()[0]}: {missing.message}",
                hint="paths are relative to the build context; is it named in .dockerignore?",
            ) from missing
        except InvalidArgument as bad:
            raise instruction.location.error(bad.message, hint=bad.hint) from bad

    def _inline(self, state: _State, doc: Heredoc, where: Location) -> Heredoc:
        if not doc.expand:
            return doc
        try:
            content = expand_heredoc(doc.content, state.scope.variables, escape=state.scope.escape)
        except ValueError as bad:
            raise where.error(str(bad)) from bad
        return replace(doc, content=content)


def _environment(config: ImageConfig) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in config.env if "=" in entry)


def _argv(command: Command, config: ImageConfig) -> tuple[str, ...]:
    if command.in_shell and command.argv:
        return (*(config.shell or DEFAULT_SHELL), *command.argv)
    return command.argv


def _script(run: Run, config: ImageConfig) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the command line of a RUN, and the scripts to show it."""
    shell = config.shell or DEFAULT_SHELL
    if not run.heredocs:
        return _argv(run.command, config), ()
    (text,) = run.command.argv
    if len(run.heredocs) == 1 and _HEREDOC_ONLY.fullmatch(text.strip()):
        doc = run.heredocs[0]
        if doc.content.startswith("#!"):
            return (f"/dev/{_script_name(doc)}",), ((_script_name(doc), doc.content),)
        return (*shell, doc.content), ()
    documents = "".join(f"{doc.content}{doc.name}\n" for doc in run.heredocs)
    return (*shell, f"{text}\n{documents}"), ()


def _placed(mount: RunMount, folder: str, where: Location) -> RunMount:
    """Return *mount* with an absolute target: a relative one is below *folder*."""
    if not mount.target:
        return mount
    target = posixpath.normpath(posixpath.join("/", folder, mount.target))
    if target in {"/", "//"}:
        raise where.error(f"--mount: the target {mount.target} is the root itself")
    return replace(mount, target=target)


def _script_name(doc: Heredoc) -> str:
    return f"yurt-script-{doc.name}"


def _merged(before: tuple[str, ...], added: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *added)))


def _ports(word: str, where: Location) -> list[str]:
    # An address or a port of the host means nothing here; a check says so (ExposeInvalidFormat).
    match = _PORT.fullmatch(_PUBLISHED.sub("", word, count=1) if ":" in word else word)
    if match is None:
        raise where.error(f"{word!r} is not a port", hint="write 8000, 8000/udp or 8000-8010")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last < 65536:
        raise where.error(f"{word!r} is not a port: ports go from 1 to 65535")
    protocol = (match[3] or "tcp").lower()
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _mode(text: str, where: Location) -> FileMode | None:
    try:
        return parse_mode(text) if text else None
    except ValueError as bad:
        raise where.error(f"--chmod={text}: {bad}") from bad


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {"Test": list(check.test)} | {name: value for name, value in times.items() if value}
