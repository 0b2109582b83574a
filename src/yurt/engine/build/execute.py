"""Carry a plan out: take from the build cache what is there, make the rest, and say what happens.

Every stage is a task: it begins when the stage that it starts from is made, and a step that reads another stage
waits for that one. The first failure ends them all.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from yurt.dockerfile.excerpt import brief
from yurt.dockerfile.ignore import IgnoreRules
from yurt.dockerfile.instructions import Instruction
from yurt.dockerfile.mounts import RunMount
from yurt.engine.build.activities import key_of, working_steps
from yurt.engine.build.cache import BuildCache, Hit
from yurt.engine.build.copying import Copier, Dress, Target, add_archive, is_archive
from yurt.engine.build.epoch import clamp, rfc3339
from yurt.engine.build.files import RootTree, Selection
from yurt.engine.build.making import Making
from yurt.engine.build.model import Begun, BuildEvent, Ended, Output, StageEnded, StagesBegun
from yurt.engine.build.mounting import Shown
from yurt.engine.build.plan import Planner
from yurt.engine.build.reads import read_stages, stage_of_mount
from yurt.engine.build.rootfs import find_owner, make_folders, remove_stubs
from yurt.engine.build.running import Runner
from yurt.engine.build.steps import SCRATCH, BuildPlan, CopyWork, FolderWork, RunWork, StagePlan, Step
from yurt.engine.images.model import Layer
from yurt.engine.images.service import ImageService
from yurt.engine.images.threads import in_thread
from yurt.errors import Internal, InvalidArgument, NotFound, Unavailable, YurtError, translated
from yurt.ids import new_id
from yurt.linux.mount import unmount
from yurt.oci.config import History
from yurt.oci.digest import Digest
from yurt.storage.content import disk_error
from yurt.storage.snapshots.base import Snapshotter


class StepFailed(InvalidArgument):
    """A RUN that ended with another exit code than 0.

    *argv*, *exit_code*, *location*, the *step*'s name and *output* (its end) are kept.
    """

    def __init__(
        self, message: str, *, argv: tuple[str, ...], exit_code: int, location: str, step: str, output: str
    ) -> None:
        super().__init__(message)
        self.argv = argv
        self.exit_code = exit_code
        self.location = location
        self.step = step
        self.output = output


@dataclass(slots=True)
class _Result:
    """A stage as far as it is made."""

    layers: list[Layer]
    history: list[History]
    created: str = ""


@dataclass(slots=True)
class Execution:
    """One build under way. *folder* is its own, *context* the unpacked files in it."""

    plan: BuildPlan
    planner: Planner
    images: ImageService
    snapshots: Snapshotter
    cache: BuildCache
    runner: Runner
    folder: Path
    context: Path
    making: Making
    emit: Callable[[BuildEvent], None]
    no_cache: frozenset[int] = frozenset()  # stages that are made anew
    epoch: int | None = None  # seconds since 1970 that everything is dated
    cached_steps: int = 0
    _results: dict[int, _Result] = field(default_factory=dict)
    _made: dict[int, asyncio.Event] = field(default_factory=dict)  # by stage
    _fresh: dict[str, Hit] = field(default_factory=dict)  # made by this build, also with no_cache

    async def run(self) -> tuple[_Result, bool]:
        """Make the target stage; return it, and whether every step came from the cache.

        When stages fail, the error of the first is raised; by then nothing of the others runs any more.
        """
        self._made = {stage.index: asyncio.Event() for stage in self.plan.stages}
        required = self._required()
        self.emit(StagesBegun(tuple(self._made)))
        try:
            async with asyncio.TaskGroup() as stages:
                for stage in self.plan.stages:
                    work = self._finish(stage, whole=stage.index in required)
                    stages.create_task(work, name=f"build-stage-{stage.index}")
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return self._results[self.plan.target.index], self.cached_steps == self._works()

    def _works(self) -> int:
        return sum(step.work is not None for stage in self.plan.stages for step in stage.steps)

    def _hit(self, stage: StagePlan, key: str) -> Hit | None:
        if (fresh := self._fresh.get(key)) is not None:
            return fresh
        hit = None if stage.index in self.no_cache else self.cache.step(key)
        if hit is not None:
            self.cache.use(key)  # from here on nobody takes it away
        return hit

    def _hit_on(self, stage: StagePlan, key: str, layers: Sequence[Layer]) -> Hit | None:
        """Return what is known for *key* if it fits on *layers*."""
        hit = self._hit(stage, key)
        return hit if hit is not None and hit.fits(_top(layers)) else None

    def _required(self) -> set[int]:
        """Return the stages whose files something reads that is not in the cache, and the target."""
        required = {self.plan.target.index}
        for stage in reversed(self.plan.stages):
            if stage.index not in required:
                continue
            if isinstance(stage.base, int):
                required.add(stage.base)
            cached = True
            for step in stage.steps:
                if step.work is None:
                    continue
                cached = cached and self._hit(stage, step.key) is not None
                if not cached:
                    required |= read_stages(self.plan, self.planner, stage, step)
        return required

    async def _finish(self, stage: StagePlan, *, whole: bool) -> None:
        try:
            if isinstance(stage.base, int):
                await self._made[stage.base].wait()
            self._results[stage.index] = await self._stage(stage, whole=whole)
        except YurtError:
            self.emit(StageEnded(stage.index, failed=True))
            raise
        self.emit(StageEnded(stage.index))
        self._made[stage.index].set()

    async def _stage(self, stage: StagePlan, *, whole: bool) -> _Result:
        """Make *stage*; unless *whole*, only say that nothing of it is needed."""
        result = self._start(stage)
        cached = True

        def say(text: str) -> None:
            self.emit(Output(text, stage=stage.index))

        def say_key(key: str) -> None:
            say(f" ---> {key.removeprefix('sha256:')[:12]}\n")

        for step in stage.steps:
            say(f"Step {step.number}/{self.plan.count} : {step.text}\n")
            if step is stage.steps[0]:
                say_key(step.key if isinstance(stage.base, int) else stage.base)
                if step in working_steps(stage):
                    self.emit(Ended(key_of(step), cached=True))
                continue
            if step.work is None:
                self._note(result, step, None, result.created)
                say_key(step.key)
                continue
            hit = self._hit_on(stage, step.key, result.layers) if cached else None
            if hit is None and whole:
                hit, cached = await self._once(stage, step, result.layers)
            if cached:
                self.cached_steps += 1
                say(" ---> Using cache\n")
                self.emit(Ended(key_of(step), cached=True))
                hit = hit or Hit(None, "")
            assert hit is not None
            self._note(result, step, hit.layer, hit.created)
            say_key(step.key)
        return result

    async def _once(self, stage: StagePlan, step: Step, layers: Sequence[Layer]) -> tuple[Hit, bool]:
        """Make *step*, unless somebody made it meanwhile; return what is made, and whether it was."""
        for index in read_stages(self.plan, self.planner, stage, step):
            await self._made[index].wait()
        async with self.making.alone(step.key):
            if (hit := self._hit_on(stage, step.key, layers)) is not None:
                return hit, True
            async with self.making.slot():
                return await self._make(stage, step, layers), False

    def _start(self, stage: StagePlan) -> _Result:
        if stage.base == SCRATCH:
            return _Result([], [])
        if isinstance(stage.base, int):
            before = self._results[stage.base]
            return _Result(list(before.layers), list(before.history), before.created)
        image = self.images.get(stage.base)
        return _Result(list(image.layers), list(image.config.history), image.config.created)

    def _note(self, result: _Result, step: Step, layer: Layer | None, created: str) -> None:
        if self.epoch is not None:
            created = rfc3339(self.epoch)
        if layer is not None:
            result.layers.append(layer)
        result.created = created or result.created
        result.history.append(
            History(created=created, created_by=step.text, comment="yurt", empty_layer=layer is None)
        )

    async def _make(self, stage: StagePlan, step: Step, layers: Sequence[Layer]) -> Hit:
        """Do the work of *step* on *layers*; afterwards the cache knows what it made."""
        work = step.work
        assert work is not None
        self.emit(Begun(key_of(step)))
        try:
            with translated({OSError: Unavailable}, f"{step.instruction.location}: cannot do this step"):
                async with AsyncExitStack() as undo:
                    if isinstance(work, RunWork):
                        layer = await self._run(stage, step, work, layers, undo)
                    else:
                        layer = await self._change(step, work, layers, undo)
        except YurtError as error:
            self.emit(Ended(key_of(step), error=error.message))
            raise
        self.emit(Ended(key_of(step)))
        created = now()
        self.cache.put_step(step.key, layer, created, what=step.text)
        hit = self._fresh[step.key] = Hit(layer, created)
        return hit

    async def _run(
        self, stage: StagePlan, step: Step, work: RunWork, layers: Sequence[Layer], undo: AsyncExitStack
    ) -> Layer | None:
        shown = {
            mount: self._shown(stage, mount, undo)
            for mount in work.mounts
            if mount.kind == "bind" or (mount.kind == "cache" and mount.origin)
        }
        with _placed(step.instruction):
            ran = await self.runner.run(step, work, layers, shown, undo, stage=stage.index)
        if ran.exit_code != 0:
            told = f": {ran.error}" if ran.error else ""
            raise StepFailed(
                f"{step.instruction.location}: {brief(step.text)}: the command ended with exit code"
                f" {ran.exit_code}{told}",
                argv=work.argv,
                exit_code=ran.exit_code,
                location=str(step.instruction.location),
                step=f"Step {step.number}/{self.plan.count} : {step.text}",
                output=ran.tail,
            )
        upper, lowers = self.snapshots.upper(ran.container), self.snapshots.lowers(ran.container)
        await in_thread(remove_stubs, upper, lowers, ran.targets)
        return await self._committed(ran.container, layers)

    async def _committed(self, key: str, layers: Sequence[Layer]) -> Layer | None:
        if self.epoch is not None:
            await in_thread(clamp, str(self.snapshots.upper(key)), self.epoch)
        layer = await self.images.commit_layer(key, parent=_top(layers))
        self.cache.hold(layer)
        return layer

    def _shown(self, stage: StagePlan, mount: RunMount, undo: AsyncExitStack) -> Shown:
        if not mount.origin:
            return Shown(str(self.context))
        if mount.origin in self.planner.folders:
            return Shown(self.planner.folders[mount.origin].root, mount.origin)
        origin = stage_of_mount(self.planner, stage, mount)
        if origin is not None:
            result = self._results[origin]
            return Shown(str(self._mounted(result.layers, undo)), _top(result.layers) or "")
        image = self.images.get(self.planner.images[mount.origin].id)
        return Shown(str(self._mounted(image.layers, undo)), image.id)

    def _mounted(self, layers: Sequence[Layer], undo: AsyncExitStack | ExitStack) -> Path:
        """Show *layers* read-only at a folder of this build's until *undo* unwinds."""
        target = self.folder / f"mount-{new_id()[:12]}"
        target.mkdir()
        if layers:
            self.snapshots.mount_spec(layers[-1].chain_id).mount(target)
            undo.callback(unmount, target, lazy=True)
        return target

    async def _change(
        self, step: Step, work: CopyWork | FolderWork, layers: Sequence[Layer], undo: AsyncExitStack
    ) -> Layer | None:
        """Change the files from outside, with no container: COPY, ADD and WORKDIR."""
        key = f"build-{new_id()}"
        parent = _top(layers)
        self.snapshots.prepare(key, parent)
        undo.callback(self.snapshots.remove, key)
        await in_thread(self._change_files, step, work, key)
        return await self._committed(key, layers)

    def _change_files(self, step: Step, work: CopyWork | FolderWork, key: str) -> None:
        with _placed(step.instruction), ExitStack() as undo:
            target = self.folder / f"mount-{new_id()[:12]}"
            target.mkdir()
            self.snapshots.mount_spec(key, volatile=True).mount(target)
            # Not lazily: the layer is read from below when this is done.
            undo.callback(unmount, target)
            try:
                if isinstance(work, FolderWork):
                    owner = find_owner(str(target), work.owner) if work.owner else (0, 0)
                    make_folders(str(target), work.path, owner=owner)
                else:
                    self._copy(work, str(target), undo)
            except OSError as error:
                raise disk_error(error, error.filename or work.path) from error

    def _copy(self, work: CopyWork, root: str, undo: ExitStack) -> None:
        selections = list(work.selections)
        owner: tuple[int, int] | None = (0, 0)
        if work.stage is not None or work.image:
            layers = (
                self._results[work.stage].layers
                if work.stage is not None
                else self.images.get(work.image).layers
            )
            tree = RootTree(str(self._mounted(layers, undo)))
            ignores = (
                IgnoreRules.parse("\n".join(work.exclude), file="--exclude").ignores if work.exclude else None
            )
            select = tree.select_with_parents if work.parents else tree.select
            selections = [found for source in work.sources for found in select(source, ignores=ignores)]
            if len(selections) > 1 and not work.is_folder:
                raise InvalidArgument(
                    f"several files match, but the destination {work.path} is no folder",
                    hint="end it with a slash",
                )
            owner = None
        if work.owner:
            owner = find_owner(root, work.owner)
        target = Target(root, work.path, work.is_folder)
        copied: list[Selection] = []
        for selection in selections:
            archive = work.unpack and selection.folder is None and self._archive(selection)
            if archive:
                add_archive(archive, target, Dress(owner if work.owner else None, work.mode))
            else:
                copied.append(selection)
        copier = Copier(target, Dress(owner, work.mode))
        copier.copy([*copied, *work.fetched])
        for doc in work.inline:
            copier.write(doc.name, doc.content.encode())

    @staticmethod
    def _archive(selection: Selection) -> str:
        path = f"{selection.base}/{selection.entries[0].path}"
        return path if os.path.isfile(path) and not os.path.islink(path) and is_archive(path) else ""


def _top(layers: Sequence[Layer]) -> Digest | None:
    return layers[-1].chain_id if layers else None


@contextmanager
def _placed(instruction: Instruction) -> Iterator[None]:
    """Put file and line before what an error says, unless they are there."""
    try:
        yield
    except (InvalidArgument, NotFound, Internal) as error:
        place = str(instruction.location)
        if error.message.startswith(place):
            raise
        raise error.at(place) from error


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
