"""ImageService: the images of this engine. Everything here is whole or not at all, whenever the engine dies.

The order that makes it so: blobs are on the disk under their digests, snapshots are committed under their
chain ids, and only then one transaction names the image, which is on the disk before anyone hears of it. What an
interrupted operation leaves has no name and goes at the next start. Snapshots come to the disk later: those that a
power cut took are unpacked again from their blobs.
"""

import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from yurt.distribution.auth import Auth
from yurt.distribution.registries import Registries
from yurt.distribution.repository import Repository, Resolved
from yurt.engine.events import Events
from yurt.engine.images.archive import Found, images_of, read_archive, write_archive
from yurt.engine.images.blobs import BlobSource, BlobTarget, LayoutStore
from yurt.engine.images.distribution import Offered, offered
from yurt.engine.images.layers import UNPACKING, Layers
from yurt.engine.images.model import HistoryEntry, Image, Layer, Pruned, Removed
from yurt.engine.images.pull import Puller
from yurt.engine.images.push import Pushed, Pusher
from yurt.engine.images.removal import plan_removal
from yurt.engine.images.store import ImageStore, image_of, names_of, timestamp_ns
from yurt.engine.images.threads import Feed, feeding, in_thread
from yurt.engine.progress import Progress, ProgressSink, silent
from yurt.engine.repairs import Repairs, repairs
from yurt.errors import Conflict, InvalidArgument, NotFound, Unavailable
from yurt.oci.config import History, ImageConfig
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.oci.layer import chain_id
from yurt.oci.manifest import Manifest
from yurt.oci.platform import Platform
from yurt.oci.reference import Reference
from yurt.storage.content import ContentStore
from yurt.storage.gc import Lease, Leases, collect
from yurt.storage.metadata import Documents
from yurt.storage.snapshots.base import Snapshotter

log = structlog.get_logger(__name__)

SAVE_BATCH = 1 << 20  # bytes read per hop to a thread


class ImageService:
    """Images by id and by name; their blobs and snapshots. One event loop uses it."""

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshots: Snapshotter,
        documents: Documents,
        events: Events,
        registries: Registries | None = None,
    ) -> None:
        self._content = content
        self._snapshots = snapshots
        self._events = events
        self._registries = registries or Registries()
        self._leases = Leases()
        self._layers = Layers(content, snapshots)
        self._puller = Puller(content, snapshots, self._layers)
        self._pusher = Pusher(content)
        self._store = ImageStore(documents, content)
        self._holders: dict[Digest, set[str]] = defaultdict(set)
        self.platform = Platform.of_machine(os.uname().machine)

    async def restore(self) -> Repairs:
        """Read the images back, and remove what interrupted operations left. Before anything else is asked."""
        lost = self._store.restore()
        for image in lost:
            log.error("image.lost", image=image)
        unpacked, broken = await self._unpack_lost()
        await in_thread(self._sweep)
        self._write_index()
        return (
            *repairs("unpacked", {"layer": unpacked}, " again, of which a power cut may have taken files"),
            *repairs(
                "gave up", {"image": len(lost) + broken}, ": pull or build again what the log names as lost"
            ),
        )

    async def _unpack_lost(self) -> tuple[int, int]:
        """Unpack the layers whose files a power cut took; an image with a layer that cannot be is lost.

        Return the numbers of both.
        """
        unpacked = lost = 0
        with self._leases.lease() as lease:
            for image in self.list():
                parent: Digest | None = None
                try:
                    for layer in image.layers:
                        if not self._snapshots.exists(layer.chain_id):
                            log.warning("image.layer_unpacked_again", image=image.id, layer=layer.chain_id)
                            await self._layers.register(layer.descriptor, layer.diff_id, parent, lease)
                            unpacked += 1
                        parent = layer.chain_id
                except InvalidArgument as error:
                    log.error("image.lost", image=image.id, error=str(error))  # noqa: TRY400 - bytes, not code
                    self._store.drop(self._store.references_of(image.id), image)
                    lost += 1
        gone = [one.chain_id for one in self.loose_layers() if not self._snapshots.exists(one.chain_id)]
        self._store.drop_loose(gone)  # of the build cache: a step is made again
        return unpacked, lost

    def _sweep(self) -> None:
        self._content.sweep()
        for key in self._snapshots.keys():  # noqa: SIM118 - a method of the port, no mapping
            if key.startswith(UNPACKING):
                self._snapshots.remove(key)
        self._snapshots.sweep()
        collect(
            self._content,
            self._snapshots,
            candidates=[*self._content.digests(), *self._snapshots.names()],
            needed=self._store.needed(),
        )

    # Asking

    def get(self, ref: str) -> Image:
        """Return the image that *ref* names: ``name[:tag][@digest]``, an id, or the unique beginning of one."""
        return self._store.get(ref)

    def list(self) -> tuple[Image, ...]:
        """Return every image, the youngest first."""
        return tuple(sorted(self._store.images.values(), key=lambda image: -image.created_ns))

    def layer(self, chain_id: Digest) -> Layer | None:
        """Return the layer that makes the file system *chain_id*, None when it is not here any more."""
        layer = self._store.layer(chain_id)
        return layer if layer is not None and self._snapshots.exists(chain_id) else None

    def folders(self, image: Image) -> Sequence[Path]:
        """Return where the files of its layers are, the topmost first; () when it has no layers."""
        return self._snapshots.mount_spec(image.chain_id).lower if image.chain_id else ()

    def layer_size(self, layer: Layer) -> int:
        """Return the bytes of a layer's files."""
        return self._snapshots.usage(layer.chain_id)

    def shared_sizes(self) -> dict[str, int]:
        """Return, by image id, the bytes of its layers that other images have, too."""
        images = self._store.images.values()
        users = Counter(layer.chain_id for image in images for layer in image.layers)
        return {
            image.id: sum(self.layer_size(layer) for layer in image.layers if users[layer.chain_id] > 1)
            for image in images
        }

    def history(self, image: Image) -> tuple[HistoryEntry, ...]:
        """Return the steps that made an image, the last first."""
        layers = iter(image.layers)
        entries = []
        for step in image.config.history:
            layer = None if step.empty_layer else next(layers, None)
            size = 0 if layer is None else self.layer_size(layer)
            entries.append(HistoryEntry("", timestamp_ns(step.created), step.created_by, size, step.comment))
        for layer in layers:  # layers that the history does not mention
            entries.append(HistoryEntry("", image.created_ns, "", self.layer_size(layer)))  # noqa: PERF401
        if not entries:
            return ()
        entries.reverse()
        known: Image | None = image
        for at in range(len(entries)):  # an image of one's own has its parents still
            if known is None:
                break
            entries[at] = replace(entries[at], id=known.id, tags=known.tags)
            known = self._store.images.get(Digest(known.parent)) if known.parent else None
        return tuple(entries)

    # Names

    async def tag(self, image: Image, reference: str) -> Image:
        """Afterwards *reference* names the image, whatever it named before; return the image with its names."""
        name = Reference.parse(reference)
        if name.digest is not None:
            raise InvalidArgument(f"refusing to create a tag with a digest reference: {reference}")
        name = name.tagged()
        tagged = self._store.put(image, [name])
        await in_thread(self._store.sync)
        self._tell("tag", tagged, name)
        return tagged

    def hold(self, image_id: str, holder: str) -> None:
        """Afterwards *holder* (a container) keeps the image from being removed, until `release`."""
        self._holders[Digest(image_id)].add(holder)

    def release(self, image_id: str, holder: str) -> None:
        """Afterwards *holder* does not need the image, whether it did or not."""
        holders = self._holders.get(Digest(image_id), set())
        holders.discard(holder)
        if not holders:
            self._holders.pop(Digest(image_id), None)

    def holders(self, image_id: str) -> frozenset[str]:
        """Return who holds the image."""
        return frozenset(self._holders.get(Digest(image_id), ()))

    async def remove(self, ref: str, *, force: bool = False) -> tuple[Removed, ...]:
        """Take *ref* away, and the image with it when that was its last name and no container needs it.

        By id its only tag goes. Conflict when there are several, or a container uses it; *force* then drops the names.
        """
        image = self._store.get(ref)
        references = self._store.references_of(image.id)
        plan = plan_removal(
            image,
            ref,
            asked=self._asked(ref, image, references),
            references=references,
            holders=self.holders(image.id),
            force=force,
        )
        removed, _freed = await self._drop(image, plan.references, whole=plan.whole)
        return removed

    @staticmethod
    def _asked(ref: str, image: Image, references: Sequence[Reference]) -> Reference | None:
        """Return which of the image's references *ref* is; None when it is (the beginning of) the id."""
        if image.id.hex.startswith(ref.removeprefix("sha256:")):
            return None
        asked = Reference.parse(ref).tagged()
        if asked.digest is not None:
            asked = asked.with_digest(asked.digest)
        return asked if asked in references else None

    async def _drop(
        self, image: Image, references: Sequence[Reference], *, whole: bool
    ) -> tuple[tuple[Removed, ...], int]:
        self._store.drop(references, image if whole else None)
        try:
            await in_thread(self._store.sync)  # before its files go
        except Unavailable as error:
            # After a power cut it might be here again, without its files, and is dropped then.
            log.error("image.removal_not_synced", image=image.id, error=str(error))  # noqa: TRY400
        removed = [Removed(untagged=str(reference)) for reference in references]
        for reference in references:
            self._tell("untag", image, reference)
        freed = 0
        if whole:
            self._events.publish("image", "delete", image.id, {"name": image.id})
            removed.append(Removed(deleted=image.id))
            layers, freed = await self._collect(names_of(image))
            removed += [Removed(deleted=layer) for layer in layers]
        self._write_index()
        return tuple(removed), freed

    async def prune(
        self,
        *,
        all: bool = False,  # noqa: A002 - Docker's word
        until_ns: int | None = None,
        labels: Mapping[str, str | None] | None = None,
        labels_not: Mapping[str, str | None] | None = None,
    ) -> Pruned:
        """Remove the images that no container uses: those without a name, or with *all* any.

        *until_ns* spares what was created at or after it. *labels* (None: any value) must all match, and none of *labels_not*.
        """
        removed: tuple[Removed, ...] = ()
        freed = 0
        for image in self.list():
            if self._holders.get(image.id) or (image.tags and not all):
                continue
            if until_ns is not None and image.created_ns >= until_ns:
                continue
            if not _has_labels(image, labels or {}) or any(
                _has_labels(image, {key: value}) for key, value in (labels_not or {}).items()
            ):
                continue
            references = self._store.references_of(image.id)
            gone, bytes_ = await self._drop(image, references, whole=True)
            removed = (*removed, *gone)
            freed += bytes_
        self._events.pruned("image", freed)
        return Pruned(removed, freed)

    # Making

    async def import_tar(
        self,
        chunks: AsyncIterator[bytes],
        *,
        reference: str | None,
        changes: ImageConfig | None = None,
        message: str = "",
    ) -> Image:
        """Make an image of one layer from an archive of a file system, plain or compressed.

        *changes* is the configuration it gets; its layers, history and time are filled in here.
        """
        tags = [] if reference is None else [_to_tag(reference)]
        async with self._bringing() as lease:
            layer = await feeding(lambda feed: self._layers.import_stream(feed, lease), chunks)
            config = changes or ImageConfig(
                architecture=self.platform.architecture, variant=self.platform.variant
            )
            now = _now()
            step = History(created=now, comment=message or "Imported from -")
            config = replace(config, created=now, history=(*config.history, step))
            image = await self._create(config, [layer], tags, lease)
        self._events.publish("image", "import", image.id, {"name": image.id})
        return image

    async def commit_layer(self, key: str, *, parent: Digest | None) -> Layer | None:
        """Turn the active snapshot *key* into a layer over the chain *parent*; None when it changed nothing.

        Afterwards *key* is gone, and the layer stays, with no image yet, until an image that has it is removed
        or `prune_layers`. When this fails *key* is as it was.
        """
        if self._snapshots.parent(key) != parent:
            raise Conflict(f"snapshot {key} is not over {parent}")
        async with self._bringing() as lease:
            return self._kept(await in_thread(self._layers.pack_snapshot, key, lease))

    async def copy_layer(self, key: str, *, parent: Digest | None) -> Layer | None:
        """Make a layer, over the chain *parent*, of what the active snapshot *key* holds now; None: it changed nothing.

        *key* stays as it is. The layer belongs to no image yet, as with `commit_layer`.
        """
        if self._snapshots.parent(key) != parent:
            raise Conflict(f"snapshot {key} is not over {parent}")
        async with self._bringing() as lease:
            return self._kept(await self._layers.copy_snapshot(key, lease))

    def _kept(self, layer: Layer | None) -> Layer | None:
        """Keep a new layer until an image has it; return it, or the one that is here already: compressed before."""
        if layer is None:
            return None
        known = self._store.layer(layer.chain_id)
        if known is None:
            self._store.keep_loose(layer)
        return known or layer

    async def create(
        self, config: ImageConfig, layers: Sequence[Layer], *, tags: Sequence[str] = (), parent: str = ""
    ) -> Image:
        """Make an image of committed layers, named *tags*. The configuration's diff ids are set here."""
        references = [_to_tag(tag) for tag in tags]
        async with self._bringing() as lease:
            return await self._create(config, layers, references, lease, parent=parent)

    async def _create(
        self,
        config: ImageConfig,
        layers: Sequence[Layer],
        references: Sequence[Reference],
        lease: Lease,
        *,
        parent: str = "",
    ) -> Image:
        config = replace(
            config, created=config.created or _now(), diff_ids=tuple(str(layer.diff_id) for layer in layers)
        )
        data = config.to_bytes()
        blob = Descriptor(MediaType.OCI_CONFIG, Digest.of(data), len(data))
        manifest = Manifest(MediaType.OCI_MANIFEST, blob, tuple(layer.descriptor for layer in layers))
        found = Found(config, blob, manifest, manifest.to_bytes(), tuple(references))
        lease.add(blob.digest)
        if blob.digest not in self._store.images:
            await in_thread(self._content.add, data)
        return await self._finish(found, layers, lease, action="tag", parent=parent)

    async def _finish(
        self, found: Found, layers: Sequence[Layer], lease: Lease, *, action: str, parent: str = ""
    ) -> Image:
        """Name an image whose configuration is stored and whose layers are committed."""
        id_ = found.config_blob.digest
        manifest = Digest.of(found.manifest_bytes)
        if id_ not in self._store.images:
            lease.add(manifest)
            await in_thread(self._content.add, found.manifest_bytes)
        size = sum(self._snapshots.usage(layer.chain_id) for layer in layers)
        image = image_of(id_, found.config, manifest, layers, size=size, parent=parent)
        image = self._store.put(image, found.references)
        await in_thread(self._store.sync)
        self._write_index()
        tagged = [reference for reference in found.references if reference.tag]
        for reference in tagged or found.references:
            self._tell(action, image, reference)
        return image

    # Archives

    async def load(self, chunks: AsyncIterator[bytes], *, progress: ProgressSink = silent) -> tuple[str, ...]:
        """Take the images of an archive; return a sentence for each, as Docker says it.

        All of its images appear, or none.
        """
        async with self._bringing() as lease:
            found = await feeding(lambda feed: self._read(feed, lease), chunks)
            ready = [(item, await self._unpack(item, lease, progress)) for item in found]
            images = [await self._finish(item, layers, lease, action="load") for item, layers in ready]
        said: Sequence[str] = ()
        for item, image in zip(found, images, strict=True):
            names = [f"Loaded image: {reference}" for reference in item.references]
            said = [*said, *(names or [f"Loaded image ID: {image.id}"])]
        return tuple(said)

    @asynccontextmanager
    async def _bringing(self) -> AsyncIterator[Lease]:
        """Keep what the block brings in until its end; what no image has then goes again."""
        with self._leases.lease() as lease:
            try:
                yield lease
            finally:
                names = set(lease.names)
                lease.release()
                await self._collect(names)

    def _read(self, feed: Feed, lease: Lease) -> Sequence[Found]:
        return images_of(read_archive(feed, self._content, lease), self._content, self.platform)

    async def _unpack(self, found: Found, lease: Lease, progress: ProgressSink) -> Sequence[Layer]:
        layers: list[Layer] = []
        for blob, diff_id in zip(found.manifest.layers, found.config.diff_ids, strict=True):
            parent = layers[-1].chain_id if layers else None
            progress(Progress("Loading layer", blob.digest.short, 0, blob.size))
            layers.append(await self._layers.register(blob, Digest.parse(diff_id), parent, lease))
            progress(Progress("Loading layer", blob.digest.short, blob.size, blob.size))
        return layers

    async def save(self, refs: Sequence[str]) -> AsyncIterator[bytes]:
        """Yield an archive of the images that *refs* name; NotFound before the first byte when one is not here.

        A name is saved with its image, a repository with all of its tags; an id saves the image without names.
        """
        images: dict[Digest, tuple[Image, Sequence[Reference]]] = {}
        for ref in (name for asked in refs for name in self.named(asked)):
            image = self.get(ref)
            asked = self._asked(ref, image, self._store.references_of(image.id))
            before = images.get(image.id, (image, []))[1]
            names = [*before, asked] if asked is not None and asked.tag else before
            images[image.id] = (image, list(dict.fromkeys(names)))
        async for batch in self._archived(list(images.values())):
            yield batch
        for image, _names in images.values():
            self._events.publish("image", "save", image.id, {"name": image.id})

    def named(self, ref: str) -> Sequence[str]:
        """Return what *ref* stands for where all tags of a repository are meant: those, or itself when it is none."""
        with suppress(InvalidArgument):
            name = Reference.parse(ref)
            if not name.tag and not name.digest and (tags := self._store.tags_of(name)):
                return [str(tag) for tag in tags]
        return [ref]

    def archive(self, image: Image, references: Sequence[Reference]) -> AsyncIterator[bytes]:
        """Return an archive of *image* that calls it *references*, whatever it is called here."""
        return self._archived([(image, references)])

    async def _archived(self, images: Sequence[tuple[Image, Sequence[Reference]]]) -> AsyncIterator[bytes]:
        with self._leases.lease() as lease:
            for image, _names in images:
                lease.add(*names_of(image))
            chunks = write_archive(images, self._content)
            while batch := await in_thread(_batch, chunks):
                yield batch

    # Registries

    async def offered(self, reference: str, *, auth: Auth | None = None) -> Offered:
        """Return what the registry of *reference* has under that name, whatever is here."""
        return await offered(self._registries, Reference.parse(reference).tagged(), auth)

    async def pull(
        self,
        reference: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: ProgressSink = silent,
    ) -> Image:
        """Bring an image from its registry; afterwards *reference* names it here.

        NotFound, in Docker's words and before any progress, when the registry has no such image or denies
        it; Unavailable when no registry can be reached. The first platform that suits is taken from an index.
        """
        name = Reference.parse(reference).tagged()
        image, is_new = await self._pull(name, platform=platform, auth=auth, progress=progress)
        progress(_pull_status(str(name), is_new=is_new))
        return image

    async def pull_all(
        self,
        reference: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: ProgressSink = silent,
    ) -> tuple[Image, ...]:
        """Bring every tag of a repository, one after the other; afterwards each names its image here.

        What came before a tag that cannot be pulled stays. NotFound when the registry has no such repository.
        """
        name = Reference.parse(reference)
        if name.tag or name.digest:
            raise InvalidArgument(f"cannot pull all tags of {name}: it names one of them")
        images, any_new = [], False
        for tag in await self._registries.tags(name, auth):
            image, is_new = await self._pull(
                name.with_tag(tag), platform=platform, auth=auth, progress=progress
            )
            images.append(image)
            any_new |= is_new
        progress(_pull_status(str(name), is_new=any_new))
        return tuple(images)

    async def _pull(
        self, name: Reference, *, platform: str, auth: Auth | None, progress: ProgressSink
    ) -> tuple[Image, bool]:
        """Return the image that *name* stands for now, and whether it stood for another one, or none, before."""
        asked = Platform.parse(platform) if platform else None
        async with self._bringing() as lease, self._registries.pulling(name, auth) as (repository, resolved):
            progress(Progress(f"Pulling from {name.repository}", name.tag or str(name.digest)))
            found = await self._puller.find(
                repository, resolved, name, here=self.platform, asked=asked, lease=lease
            )
            before = [self._store.find(item) for item in found.references]
            if known := self._store.images.get(found.config_blob.digest):
                layers: Sequence[Layer] = known.layers  # the image is whole, however its layers were packed
            else:
                layers = await self._puller.fetch(repository, found, lease, progress)
            image = await self._finish(found, layers, lease, action="pull")
        progress(Progress(f"Digest: {resolved.digest}"))
        return image, any(item is None or item.id != image.id for item in before)

    async def take(self, store: LayoutStore, resolved: Resolved, *, platform: str = "") -> Image:
        """Bring the image *resolved* of an image layout; it gets no name here."""
        asked = Platform.parse(platform) if platform else None
        reference = Reference.parse("layout").with_digest(resolved.digest)
        async with self._bringing() as lease:
            found = await self._puller.find(
                _ByDigest(store), resolved, reference, here=self.platform, asked=asked, lease=lease
            )
            found = replace(found, references=())
            if known := self._store.images.get(found.config_blob.digest):
                return known
            layers = await self._puller.fetch(store, found, lease, silent)
            return await self._finish(found, layers, lease, action="load")

    async def push(
        self, reference: str, *, auth: Auth | None = None, progress: ProgressSink = silent
    ) -> Pushed:
        """Send an image to the registry in its name; afterwards the name is the image there too."""
        name = _to_tag(reference)
        progress(_push_begins(name))
        return await self._push(name, auth=auth, progress=progress)

    async def push_all(
        self,
        reference: str,
        *,
        auth: Auth | None = None,
        progress: ProgressSink = silent,
        done: Callable[[Pushed], None] = lambda _pushed: None,
    ) -> None:
        """Send every tag of a repository that is here, one after the other; *done* hears of each."""
        name = Reference.parse(reference)
        progress(_push_begins(name))
        for tag in self._store.tags_of(name) or [name]:
            done(await self._push(tag, auth=auth, progress=progress))

    async def _push(self, name: Reference, *, auth: Auth | None, progress: ProgressSink) -> Pushed:
        image = self._store.find(name)
        if image is None:
            raise NotFound(f"An image does not exist locally with the tag: {name.familiar_name}")
        async with self._bringing() as lease, self._registries.pushing(name, auth) as repository:
            lease.add(*names_of(image))
            pushed = await self._pusher.push(
                repository,
                image,
                name,
                sources=lambda blob: self._repositories_of(blob, name),
                lease=lease,
                progress=progress,
            )
        if image.id in self._store.images:
            self._store.put(image, [name.with_digest(pushed.digest)])
        self._tell("push", image, name)
        return pushed

    def _repositories_of(self, blob: Digest, target: Reference) -> Sequence[str]:
        """Return other repositories of the target's registry that have a layer, as far as known here: a few."""
        found = {
            reference.repository
            for image in self._store.images.values()
            if any(layer.descriptor.digest == blob for layer in image.layers)
            for reference in self._store.references_of(image.id)
            if reference.digest and reference.registry == target.registry
        }
        return sorted(found - {target.repository})[:3]

    async def login(self, auth: Auth) -> None:
        """Return when the registry in *auth* takes these credentials; Unauthorized when not."""
        await self._registries.login(auth)

    # Layers that no image has

    def loose_layers(self) -> tuple[Layer, ...]:
        """Return the layers that were committed and belong to no image: the build cache's."""
        return tuple(self._store.loose.values())

    async def bring_layer(
        self, source: BlobSource, blob: Descriptor, diff_id: Digest, *, parent: Digest | None
    ) -> Layer:
        """Take a layer over the chain *parent* from *source*; what it holds is what both digests say.

        It belongs to no image yet, as with `commit_layer`.
        """
        if (known := self.layer(chain_id(parent, diff_id))) is not None:
            return known
        async with self._bringing() as lease:
            lease.add(blob.digest)
            await self._puller.bring(source, blob)
            layer = await self._layers.register(blob, diff_id, parent, lease)
            return self._kept(layer) or layer

    async def send_layers(
        self, target: BlobTarget, layers: Sequence[Layer], *, near: Reference | None = None
    ) -> tuple[Descriptor, ...]:
        """Afterwards *target*, the repository of *near* if that is given, has these layers; return its blobs."""
        with self._leases.lease() as lease:
            for layer in layers:
                lease.add(layer.descriptor.digest, layer.chain_id)
            return await self._pusher.send_layers(
                target,
                [layer.descriptor for layer in layers],
                sources=lambda blob: self._repositories_of(blob, near) if near else (),
                lease=lease,
                progress=silent,
            )

    def reading(
        self, reference: Reference, auth: Auth | None
    ) -> AbstractAsyncContextManager[tuple[Repository, Resolved]]:
        """Give the repository that has *reference* and what it names there, whatever that is."""
        return self._registries.pulling(reference, auth)

    def writing(self, reference: Reference, auth: Auth | None) -> AbstractAsyncContextManager[Repository]:
        """Give the repository that *reference* is in, to be written to."""
        return self._registries.pushing(reference, auth)

    async def prune_layers(self, *, keep: Collection[str] = ()) -> Pruned:
        """Remove the loose layers whose chain ids are not in *keep*."""
        going = [layer for layer in self.loose_layers() if layer.chain_id not in keep]
        self._store.drop_loose([layer.chain_id for layer in going])
        names = {name for layer in going for name in (layer.chain_id, layer.descriptor.digest)}
        gone, freed = await self._collect(names)
        return Pruned(tuple(Removed(deleted=name) for name in gone), freed)

    async def _collect(self, candidates: Collection[str]) -> tuple[tuple[str, ...], int]:
        """Remove what is not needed any more of *candidates*."""
        idle = [name for name in candidates if name not in self._leases]
        return collect(self._content, self._snapshots, candidates=idle, needed=self._store.needed())

    def _write_index(self) -> None:
        manifests = []
        for image in self._store.images.values():
            size = self._content.size(image.manifest)
            manifests += [
                (
                    Descriptor(MediaType.OCI_MANIFEST, image.manifest, size),
                    str(Reference.parse(tag).canonical),
                )
                for tag in image.tags
            ]
        try:
            self._content.write_index(manifests)
        except OSError as error:
            # A courtesy to other tools: the next change writes it again, and what was asked for is done.
            log.warning("index.failed", error=str(error))

    def _tell(self, action: str, image: Image, reference: Reference) -> None:
        actor = str(reference) if action in {"pull", "push"} else image.id
        # What a name was taken from, and what an archive brought, is told by its id, as by Docker.
        name = image.id if action in {"untag", "load"} else str(reference)
        self._events.publish("image", action, actor, {**image.labels, "name": name})


def _pull_status(name: str, *, is_new: bool) -> Progress:
    return Progress(f"Status: {'Downloaded newer image' if is_new else 'Image is up to date'} for {name}")


def _push_begins(name: Reference) -> Progress:
    return Progress(f"The push refers to repository [{name.canonical_name}]")


class _ByDigest:
    """An image layout, asked as a repository is: only digests count."""

    def __init__(self, store: LayoutStore) -> None:
        self._store = store
        self.read_blob = store.read_blob
        self.fetch = store.fetch

    async def resolve(self, reference: Reference) -> Resolved:
        return await self._store.resolve("", reference.digest or "")


def _to_tag(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference.digest is not None:
        raise InvalidArgument(f"refusing to create a tag with a digest reference: {text}")
    return reference.tagged()


def _has_labels(image: Image, labels: Mapping[str, str | None]) -> bool:
    return all(
        key in image.labels and (value is None or image.labels[key] == value) for key, value in labels.items()
    )


def _batch(chunks: Iterator[bytes]) -> bytes:
    """Return the next chunks, together at least SAVE_BATCH bytes; nothing at the end."""
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= SAVE_BATCH:
            break
    return b"".join(pieces)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
