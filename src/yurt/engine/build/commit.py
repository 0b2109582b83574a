"""Commit: what a container changed, and what it runs, become an image."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from yurt.engine.build.changes import changed
from yurt.engine.containers.merge import merged
from yurt.engine.containers.model import Container, ContainerConfig, Healthcheck, Status
from yurt.engine.images.model import Image, Layer
from yurt.linux import cgroup
from yurt.oci.config import History, ImageConfig
from yurt.oci.digest import Digest

_SECOND = 1_000_000_000


class Images(Protocol):
    def get(self, ref: str) -> Image: ...
    async def copy_layer(self, key: str, *, parent: Digest | None) -> Layer | None: ...
    async def create(
        self, config: ImageConfig, layers: Sequence[Layer], *, tags: Sequence[str] = (), parent: str = ""
    ) -> Image: ...


class Containers(Protocol):
    def get(self, ref: str) -> Container: ...
    async def pause(self, ref: str, *, lasting: bool = True) -> None: ...
    async def unpause(self, ref: str) -> None: ...
    def tell(self, ref: str, action: str, **attributes: str) -> None: ...


class Committer:
    """Makes images of containers, running or not."""

    def __init__(self, images: Images, containers: Containers) -> None:
        self._images = images
        self._containers = containers

    async def commit(
        self,
        ref: str,
        *,
        reference: str | None,
        author: str = "",
        comment: str = "",
        config: ContainerConfig | None = None,
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> Image:
        """Make an image of the container *ref*, named *reference* if given. It is paused meanwhile if *pause*.

        What *config* leaves open is as in the container; *changes* are instructions that outrank both.
        """
        container = self._containers.get(ref)
        base = self._images.get(container.image_id)
        made = configuration(container.config, base.config)
        if config is not None:
            made = configuration(merged(config, made), made)
        made = changed(made, changes)  # refused before it is paused
        layer = await self._layer(container, base, pause=pause)
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        step = History(
            created=now,
            created_by=" ".join((container.path, *container.args)),
            author=author,
            comment=comment,
            empty_layer=layer is None,
        )
        layers = base.layers if layer is None else (*base.layers, layer)
        image = await self._images.create(
            replace(made, author=author, created=now, history=(*base.config.history, step)),
            layers,
            tags=[reference] if reference else (),
            parent=str(base.id),
        )
        self._containers.tell(
            container.id, "commit", comment=comment, imageID=str(image.id), imageRef=reference or ""
        )
        return image

    async def _layer(self, container: Container, base: Image, *, pause: bool) -> Layer | None:
        can_pause = (
            cgroup.is_usable()
        )  # without, as Docker with --pause=false: the container goes on meanwhile
        if not (pause and can_pause) or container.state.status is not Status.RUNNING:
            return await self._images.copy_layer(container.id, parent=base.chain_id)
        await self._containers.pause(container.id, lasting=False)
        try:
            return await self._images.copy_layer(container.id, parent=base.chain_id)
        finally:
            await self._containers.unpause(container.id)


def configuration(config: ContainerConfig, base: ImageConfig) -> ImageConfig:
    """Return the image's configuration with what a container was told to run. Pure."""
    return replace(
        base,
        env=config.env,
        entrypoint=config.entrypoint,
        cmd=config.cmd,
        user=config.user,
        working_dir=config.working_dir,
        labels=dict(config.labels),
        exposed_ports=config.exposed_ports,
        volumes=config.volumes,
        stop_signal=config.stop_signal,
        shell=config.shell,
        healthcheck=_to_document(config.healthcheck) if config.healthcheck else None,
    )


def _to_document(check: Healthcheck) -> dict[str, Any]:
    default = Healthcheck(test=())
    document: dict[str, Any] = {"Test": list(check.test)}
    for key, value, usual in (
        ("Interval", check.interval, default.interval),
        ("Timeout", check.timeout, default.timeout),
        ("StartPeriod", check.start_period, default.start_period),
        ("StartInterval", check.start_interval, default.start_interval),
    ):
        if value != usual:
            document[key] = round(value * _SECOND)
    if check.retries != default.retries:
        document["Retries"] = check.retries
    return document
