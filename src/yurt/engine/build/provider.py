"""ImageProvider: where images come from. A registry first; the catalog when that cannot be reached."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from yurt.catalog.bootstrap import bootstrap
from yurt.catalog.find import find
from yurt.catalog.mirror import Mirror, chosen_mirror
from yurt.catalog.model import NoSuchTag, Recipe
from yurt.distribution.auth import Auth
from yurt.distribution.errors import RegistryUnavailable
from yurt.engine.build.model import BuildRequest, Built, Output, Pulling
from yurt.engine.build.order import InOrder
from yurt.engine.build.origin import Archive
from yurt.engine.build.ports import Builder
from yurt.engine.build.surroundings import proxy_variables
from yurt.engine.images.model import Image
from yurt.engine.images.service import ImageService
from yurt.engine.images.threads import in_thread
from yurt.engine.progress import Progress, ProgressSink, silent
from yurt.errors import Internal, NotFound
from yurt.ids import new_id, short
from yurt.oci import tar
from yurt.oci.config import ImageConfig
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.settings import EngineSettings

RECIPE, SUITE, MIRROR, DATE = (f"org.yurt.catalog.{name}" for name in ("recipe", "suite", "mirror", "date"))
FRESH = timedelta(hours=24)  # a catalog image younger than this is not made again
UNREACHABLE = 60.0  # seconds for which a registry that could not be reached is not asked again
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class _Making:
    """A recipe under way: whoever asks for it meanwhile waits for the same."""

    task: "asyncio.Task[Image]"
    sinks: list[ProgressSink] = field(default_factory=list)


class ImageProvider:
    """Pulls images, or makes them from the catalog. `use` must be called before the catalog's first Dockerfile."""

    def __init__(self, images: ImageService, settings: EngineSettings) -> None:
        self._images = images
        self._settings = settings
        self._builder: Builder | None = None
        self._making: dict[str, _Making] = {}
        self._unreachable: dict[str, float] = {}
        self._work = settings.root / "build" / "bootstrap"

    def use(self, builder: Builder) -> None:
        """Let *builder* execute the recipes' Dockerfiles; it needs this provider in its turn."""
        self._builder = builder

    async def restore(self) -> None:
        """Remove what an interrupted bootstrap left. Before any pull."""
        await in_thread(shutil.rmtree, self._work, ignore_errors=True)

    async def pull(
        self,
        reference: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: ProgressSink = silent,
    ) -> Image:
        """Afterwards the image that *reference* names is here, as its source has it now.

        When the registry cannot be reached, the catalog's image of that name is made from Debian's packages, and
        *progress* is told. A repository of the catalog with an unknown tag raises NotFound naming the tags that
        there are; an image that is not in the catalog raises the registry's own RegistryUnavailable.
        """
        registry = Reference.parse(reference).registry
        try:
            if time.monotonic() < self._unreachable.get(registry, 0):
                raise RegistryUnavailable(
                    f"cannot pull {reference}: {registry} could not be reached a moment ago"
                )
            return await self._images.pull(reference, platform=platform, auth=auth, progress=progress)
        except RegistryUnavailable as unavailable:  # not when it is our own disk that is full
            self._unreachable[registry] = time.monotonic() + UNREACHABLE
            recipe = self._recipe(reference, platform, unavailable)
        progress(
            Progress(
                f"{registry} cannot be reached: {recipe.reference} comes from the catalog ({recipe.description})"
            )
        )
        image = await self._made(recipe, progress)
        name = str(Reference.parse(reference).tagged())
        if name not in image.tags:
            image = await self._images.tag(image, name)
        return image

    async def pull_all(
        self,
        reference: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: ProgressSink = silent,
    ) -> None:
        """Afterwards every tag that the registry has of the repository *reference* is here.

        When the registry cannot be reached, the catalog's image of that name, its default tag only: the others
        are as many systems to install.
        """
        try:
            await self._images.pull_all(reference, platform=platform, auth=auth, progress=progress)
        except RegistryUnavailable:
            await self.pull(reference, platform=platform, auth=auth, progress=progress)

    def _recipe(self, reference: str, platform: str, unavailable: RegistryUnavailable) -> Recipe:
        try:
            recipe = find(reference)
        except NoSuchTag as missing:
            raise NotFound(
                f"{unavailable.message}, and {missing.message}", hint=missing.hint
            ) from unavailable
        if recipe is None:
            raise RegistryUnavailable(
                unavailable.message, hint="`yurt catalog ls` lists the images that need no registry"
            ) from unavailable
        if platform and Platform.parse(platform) != self._images.platform:
            raise RegistryUnavailable(
                f"{unavailable.message}, and the catalog makes images for {self._images.platform} only"
            ) from unavailable
        return recipe

    async def _made(self, recipe: Recipe, progress: ProgressSink) -> Image:
        """Return the recipe's image, made now unless it is fresh. However many ask at once, it is made once."""
        if (image := self._fresh(recipe)) is not None:
            progress(Progress(f"Image is up to date: {recipe.reference}, made {image.labels[DATE]}"))
            return image
        making = self._making.get(recipe.reference)
        if making is None:
            sinks: list[ProgressSink] = []

            def tell(news: Progress) -> None:
                for sink in sinks:
                    sink(news)

            task = asyncio.create_task(self._make(recipe, tell), name=f"catalog {recipe.reference}")
            making = self._making[recipe.reference] = _Making(task, sinks)
            task.add_done_callback(lambda _: self._making.pop(recipe.reference, None))
        making.sinks.append(progress)
        try:
            return await asyncio.shield(making.task)
        finally:
            making.sinks.remove(progress)
            if not making.sinks and not making.task.done():
                # The last one who wanted it went away.
                making.task.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([making.task])

    def _fresh(self, recipe: Recipe) -> Image | None:
        try:
            image = self._images.get(recipe.reference)
            made = datetime.fromisoformat(image.config.labels[DATE])
        except (NotFound, KeyError, ValueError):
            return None
        same = image.config.labels.get(RECIPE) == recipe.reference
        return image if same and datetime.now(UTC) - made < FRESH else None

    async def _make(self, recipe: Recipe, progress: ProgressSink) -> Image:
        mirror = await in_thread(self._mirror)
        labels = {
            RECIPE: recipe.reference,
            SUITE: recipe.suite,
            MIRROR: mirror.main,
            DATE: datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if recipe.dockerfile:
            image = await self._built(recipe, labels, progress)
        else:
            image = await self._bootstrapped(recipe, mirror, labels, progress)
        for reference in recipe.references:
            image = await self._images.tag(image, reference)
        return image

    async def _bootstrapped(
        self, recipe: Recipe, mirror: Mirror, labels: dict[str, str], progress: ProgressSink
    ) -> Image:
        folder = self._work / short(new_id())
        folder.mkdir(parents=True)
        try:
            archive = await bootstrap(
                recipe.suite,
                folder,
                mirror,
                proxies=proxy_variables(self._settings.proxies),
                on_line=lambda line: progress(Progress(f"{recipe.reference}: {line}")),
            )
            progress(Progress(f"{recipe.reference}: storing the image"))
            platform = self._images.platform
            config = ImageConfig(
                architecture=platform.architecture,
                variant=platform.variant,
                env=(f"PATH={PATH}",),
                cmd=("bash",),
                labels=labels,
            )
            message = f"mmdebstrap {recipe.suite} from {mirror.main}"
            return await self._images.import_tar(
                _chunks(archive), reference=None, changes=config, message=message
            )
        finally:
            await in_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _built(self, recipe: Recipe, labels: dict[str, str], progress: ProgressSink) -> Image:
        assert self._builder is not None
        request = BuildRequest(
            dockerfile=recipe.dockerfile.partition("/")[2],
            build_args=dict(recipe.arguments),
            labels=labels,
            pull=True,
        )
        news, order = _Lines(recipe.reference, progress), InOrder()
        async for happened in self._builder.build(request, Archive(_archive(recipe.context()))):
            for event in order.take(happened):
                match event:
                    case Output(text=text):
                        news.say(text)
                    case Pulling(progress=inner):
                        progress(inner)
                    case Built(image_id=image_id):
                        return self._images.get(image_id)
        raise Internal(f"the build of {recipe.reference} ended without an image")

    def _mirror(self) -> Mirror:
        return chosen_mirror(self._settings.debian_mirror, _apt_sources(Path("/etc/apt")))


class _Lines:
    """Output in pieces to progress in lines."""

    def __init__(self, name: str, progress: ProgressSink) -> None:
        self._name = name
        self._progress = progress
        self._rest = ""

    def say(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._progress(Progress(f"{self._name}: {line.rstrip()}"))


def _apt_sources(folder: Path) -> Iterable[str]:
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix in {".list", ".sources"}:
            with suppress(OSError):
                yield path.read_text(errors="replace")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        read: Callable[[int], bytes] = file.read
        while chunk := await in_thread(read, 1 << 20):
            yield chunk


async def _archive(files: dict[str, bytes]) -> AsyncIterator[bytes]:
    """Yield a build context of *files*; the same bytes for the same files, so that the build cache finds them."""
    for name, content in sorted(files.items()):
        entry = tar.Entry(name, mode=0o755 if name.endswith(".sh") else 0o644, size=len(content))
        yield tar.header(entry) + content + tar.padding(len(content))
    yield tar.END
