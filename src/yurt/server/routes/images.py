"""Images: list and inspection, names, removal, and their ways in and out: pull, import, load, push, save."""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp.web_response import StreamResponse

from yurt.api.types import images as wire
from yurt.api.types.stream import StreamLine
from yurt.distribution.auth import Auth
from yurt.engine.containers.model import Container
from yurt.engine.images.distribution import Offered
from yurt.engine.images.model import HistoryEntry, Image, Pruned, Removed
from yurt.engine.images.push import Pushed
from yurt.engine.progress import Progress, ProgressSink
from yurt.errors import InvalidArgument, NotFound, Unavailable, Unimplemented
from yurt.oci.config import ImageConfig
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.server import answers
from yurt.server.call import Call
from yurt.server.router import Route
from yurt.server.routes.commit import split_changes
from yurt.server.select import images as selection
from yurt.server.wire import images as translate
from yurt.server.wire import progress, registry, times

TAR = "application/x-tar"


class ImageBackend(Protocol):
    """What these routes need of the engine's images."""

    def get(self, ref: str) -> Image: ...
    def list(self) -> Iterable[Image]: ...
    def shared_sizes(self) -> Mapping[str, int]: ...
    def history(self, image: Image) -> Iterable[HistoryEntry]: ...
    def folders(self, image: Image) -> Sequence[Path]: ...
    async def tag(self, image: Image, reference: str) -> Image: ...
    async def remove(self, ref: str, *, force: bool = False) -> Sequence[Removed]: ...
    async def push(self, reference: str, *, auth: Auth | None, progress: ProgressSink) -> Pushed: ...
    async def push_all(
        self,
        reference: str,
        *,
        auth: Auth | None,
        progress: ProgressSink,
        done: Callable[[Pushed], None],
    ) -> None: ...
    async def offered(self, reference: str, *, auth: Auth | None = None) -> Offered: ...
    async def load(self, chunks: AsyncIterator[bytes], *, progress: ProgressSink) -> Sequence[str]: ...
    def named(self, ref: str) -> Sequence[str]: ...
    def save(self, refs: Sequence[str]) -> AsyncIterator[bytes]: ...
    async def import_tar(
        self,
        chunks: AsyncIterator[bytes],
        *,
        reference: str | None,
        changes: ImageConfig | None = None,
        message: str = "",
    ) -> Image: ...
    async def prune(
        self,
        *,
        all: bool = False,  # noqa: A002 - Docker's word
        until_ns: int | None = None,
        labels: Mapping[str, str | None] | None = None,
        labels_not: Mapping[str, str | None] | None = None,
    ) -> Pruned: ...


class Provider(Protocol):
    """Where images come from."""

    async def pull(
        self, reference: str, *, platform: str = "", auth: Auth | None = None, progress: ProgressSink = ...
    ) -> Image: ...
    async def pull_all(
        self, reference: str, *, platform: str = "", auth: Auth | None = None, progress: ProgressSink = ...
    ) -> None: ...


class Workshop(Protocol):
    """Makes the provider when it is first needed."""

    async def provider(self) -> Provider: ...


class Containers(Protocol):
    """What these routes need of the engine's containers: who uses which image."""

    def list(self) -> Iterable[Container]: ...


class ImageRoutes:
    def __init__(self, images: ImageBackend, workshop: Workshop, containers: Containers) -> None:
        self._images = images
        self._workshop = workshop
        self._containers = containers

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/images/json", self.list),
            Route("GET", "/images/search", self.search),
            Route("POST", "/images/create", self.create, ends_with_client=True),
            Route("POST", "/images/load", self.load, ends_with_client=True),
            Route("POST", "/images/prune", self.prune),
            Route("GET", "/images/get", self.save_many, ends_with_client=True),
            Route("GET", "/images/{name:path}/get", self.save, ends_with_client=True),
            Route("GET", "/images/{name:path}/json", self.inspect),
            Route("GET", "/images/{name:path}/history", self.history),
            Route("POST", "/images/{name:path}/tag", self.tag),
            Route("POST", "/images/{name:path}/push", self.push, ends_with_client=True),
            Route("DELETE", "/images/{name:path}", self.remove),
            Route("GET", "/distribution/{name:path}/json", self.distribution),
        )

    async def list(self, call: Call) -> StreamResponse:
        filters = call.filters(*selection.KNOWN)
        call.truths(filters, "dangling")
        found = selection.select(self._images.list(), filters, lookup=self._images.get)
        users: dict[str, int] = {}
        for container in self._containers.list():
            users[container.image_id] = users.get(container.image_id, 0) + 1
        shared = self._images.shared_sizes() if call.flag("shared-size") else {}
        return answers.as_json(
            [
                translate.summary(
                    image,
                    containers=users.get(image.id, 0) if call.version >= translate.WITH_CONTAINERS else -1,
                    shared=shared.get(image.id, -1),
                    version=call.version,
                )
                for image in found
            ]
        )

    async def inspect(self, call: Call) -> StreamResponse:
        image = self._of_platform(call)
        folders = self._images.folders(image)
        return answers.as_json(translate.inspect(image, folders=folders, version=call.version))

    async def history(self, call: Call) -> StreamResponse:
        image = self._of_platform(call)
        return answers.as_json(
            [
                wire.HistoryEntry(
                    comment=entry.comment,
                    created=entry.created_ns // times.SECOND,
                    created_by=entry.created_by,
                    id=entry.id or "<missing>",
                    size=entry.size,
                    tags=list(entry.tags) or None,
                )
                for entry in self._images.history(image)
            ]
        )

    async def tag(self, call: Call) -> StreamResponse:
        repository = call.text("repo")
        if not repository:
            raise InvalidArgument("no name was given to tag the image with", hint="set repo and tag")
        image = self._images.get(call.places["name"])
        await self._images.tag(image, _joined(repository, call.text("tag")))
        return answers.nothing(201)

    async def remove(self, call: Call) -> StreamResponse:
        for text in call.texts("platforms"):
            _check_platform(self._images.get(call.places["name"]), call.places["name"], text)
        removed = await self._images.remove(call.places["name"], force=call.flag("force"))
        return answers.as_json([_removed(one) for one in removed])

    async def create(self, call: Call) -> StreamResponse:
        """Pull ``fromImage``, or import ``fromSrc`` (only the body, ``-``)."""
        if name := call.text("fromImage"):
            return await self._pull(call, name)
        if call.text("fromSrc"):
            return await self._import(call)
        raise InvalidArgument("nothing to create an image from", hint="set fromImage or fromSrc")

    async def _pull(self, call: Call, name: str) -> StreamResponse:
        reference = Reference.parse(_joined(name, call.text("tag")))
        if not reference.tag and not reference.digest:
            return await self._pull_all(call, str(reference))
        auth = registry.auth(call.request.headers.get("X-Registry-Auth"))
        before = self._id(str(reference))

        async def work(emit: answers.Emit) -> None:
            sink = _Concluding(emit)
            provider = await self._workshop.provider()
            image = await provider.pull(
                str(reference), platform=call.text("platform"), auth=auth, progress=sink
            )
            if sink.has_concluded:
                return  # a registry's image: its own digest was told
            word = "Image is up to date for" if before == image.id else "Downloaded newer image for"
            emit(StreamLine(status=f"Digest: {image.manifest}"))
            emit(StreamLine(status=f"Status: {word} {reference}"))

        return await answers.lines(call, work)

    async def _pull_all(self, call: Call, name: str) -> StreamResponse:
        """A name without a tag means all of them, here: clients that want the latest say so."""
        auth = registry.auth(call.request.headers.get("X-Registry-Auth"))

        async def work(emit: answers.Emit) -> None:
            sink = _Concluding(emit)
            provider = await self._workshop.provider()
            await provider.pull_all(name, platform=call.text("platform"), auth=auth, progress=sink)
            if not sink.has_concluded:
                emit(StreamLine(status=f"Status: Downloaded newer image for {name}"))

        return await answers.lines(call, work)

    async def _import(self, call: Call) -> StreamResponse:
        if call.text("fromSrc") != "-":
            raise Unimplemented(
                "importing from a URL is not supported", hint="send the archive: docker import -"
            )
        repository = call.text("repo")
        reference = _joined(repository, call.text("tag")) if repository else None
        config = _imported_config(call.text("platform"), split_changes(call.texts("changes")))

        async def work(emit: answers.Emit) -> None:
            image = await self._images.import_tar(
                call.chunks(), reference=reference, changes=config, message=call.text("message")
            )
            emit(StreamLine(status=str(image.id)))

        return await answers.lines(call, work)

    async def load(self, call: Call) -> StreamResponse:
        is_quiet = call.flag("quiet")
        if text := call.text("platform"):
            raise Unimplemented(
                f"cannot load only what is for {translate.platform(text)}: images have one platform here",
                hint="leave --platform out",
            )

        async def work(emit: answers.Emit) -> None:
            sink = (lambda _progress: None) if is_quiet else _sink(emit)
            for sentence in await self._images.load(call.chunks(), progress=sink):
                emit(StreamLine(stream=sentence + "\n"))

        return await answers.lines(call, work)

    async def push(self, call: Call) -> StreamResponse:
        reference = Reference.parse(_joined(call.places["name"], call.text("tag")))
        if platform := call.text("platform"):
            _check_platform(self._images.get(str(reference)), str(reference), platform)
        auth = registry.auth(call.request.headers.get("X-Registry-Auth"))

        async def work(emit: answers.Emit) -> None:
            def done(pushed: Pushed) -> None:
                emit(progress.pushed(pushed))

            if reference.tag or reference.digest:
                done(await self._images.push(str(reference), auth=auth, progress=_sink(emit)))
            else:  # no tag means all of them, here
                await self._images.push_all(str(reference), auth=auth, progress=_sink(emit), done=done)

        return await answers.lines(call, work)

    async def save(self, call: Call) -> StreamResponse:
        return await self._save(call, [call.places["name"]])

    async def save_many(self, call: Call) -> StreamResponse:
        names = [name for text in call.texts("names") for name in text.split(",") if name]
        if not names:
            raise InvalidArgument("no image was named to save", hint="set names")
        return await self._save(call, names)

    async def _save(self, call: Call, names: Sequence[str]) -> StreamResponse:
        for name in (each for asked in names for each in self._images.named(asked)):
            # a missing one is a status, not half a tar
            _check_platform(self._images.get(name), name, call.text("platform"))
        return await answers.body(call, self._images.save(names), content_type=TAR)

    async def prune(self, call: Call) -> StreamResponse:
        filters = call.filters("dangling", "label", "label!", "until")
        is_everything = any(value not in selection.TRUE for value in filters.get("dangling", ()))
        until = times.cutoff(filters.get("until", ()))
        pruned = await self._images.prune(
            all=is_everything,
            until_ns=until or None,
            labels=_labels(filters.get("label", ())),
            labels_not=_labels(filters.get("label!", ())),
        )
        return answers.as_json(
            wire.ImagesPruned(
                images_deleted=[_removed(one) for one in pruned.removed] or None, space_reclaimed=pruned.freed
            )
        )

    async def search(self, _call: Call) -> StreamResponse:
        raise Unavailable(
            "cannot search for images: the search of Docker Hub is not offered here",
            hint="`yurt catalog ls` lists what can be had without a registry",
        )

    async def distribution(self, call: Call) -> StreamResponse:
        """Tell what the image's registry has, without pulling it."""
        auth = registry.auth(call.request.headers.get("X-Registry-Auth"))
        return answers.as_json(
            translate.distribution(await self._images.offered(call.places["name"], auth=auth))
        )

    def _of_platform(self, call: Call) -> Image:
        """Return the image that the path names; NotFound when the client asks for another platform of it."""
        image = self._images.get(call.places["name"])
        _check_platform(image, call.places["name"], call.text("platform"))
        return image

    def _id(self, reference: str) -> str:
        try:
            return str(self._images.get(reference).id)
        except NotFound:
            return ""


def _check_platform(image: Image, name: str, text: str) -> None:
    """Raise NotFound unless the image is for the platform in *text* (empty: any)."""
    if not text:
        return
    wanted = translate.platform(text)
    offered = Platform(image.config.os, image.config.architecture, image.config.variant)
    if wanted.rank(offered) is None:
        raise NotFound(
            f"image with reference {name} was found but does not provide the specified platform ({wanted})",
            hint=f"it is for {offered}",
        )


def _imported_config(platform: str, changes: Sequence[str]) -> ImageConfig | None:
    """Return the configuration that was asked for with an archive; None: the engine's own default."""
    if not platform and not changes:
        return None
    from yurt.engine.build.changes import changed

    wanted = Platform.parse(platform) if platform else Platform.of_machine(os.uname().machine)
    return changed(
        ImageConfig(os=wanted.os, architecture=wanted.architecture, variant=wanted.variant), changes
    )


def _joined(name: str, tag: str) -> str:
    """Docker sends the name and its tag (or digest) apart, or a name that has both."""
    if not tag:
        return name
    return f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"


def _sink(emit: answers.Emit) -> ProgressSink:
    return lambda news: emit(progress.to_wire(news))


class _Concluding:
    """A sink of progress that knows whether the last word, Docker's ``Status:``, was said."""

    def __init__(self, emit: answers.Emit) -> None:
        self._emit = emit
        self.has_concluded = False

    def __call__(self, news: Progress) -> None:
        self.has_concluded |= news.status.startswith("Status: ")
        self._emit(progress.to_wire(news))


def _removed(one: Removed) -> wire.Removed:
    return wire.Removed(untagged=one.untagged, deleted=one.deleted)


def _labels(texts: Iterable[str]) -> dict[str, str | None]:
    pairs = (text.partition("=") for text in texts)
    return {key: value if equals else None for key, equals, value in pairs}
