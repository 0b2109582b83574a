"""Images to the wire."""

from collections.abc import Sequence
from pathlib import Path

from yurt.api.types import images as wire
from yurt.api.types.base import OMITTED
from yurt.api.types.containers import GraphDriver, HealthConfig
from yurt.api.version import LATEST, ApiVersion
from yurt.engine.images.distribution import Offered
from yurt.engine.images.model import Image
from yurt.oci.config import ImageConfig
from yurt.oci.platform import Platform
from yurt.server.call import decode
from yurt.server.wire import ports, times

WITHOUT_VIRTUAL_SIZE = ApiVersion(1, 44)  # the first version that has no such field
WITHOUT_CONTAINER_CONFIG = ApiVersion(1, 45)
WITH_CONTAINERS = ApiVersion(1, 51)  # the first version whose list counts who uses an image
WITH_OWN_CONFIG = ApiVersion(1, 50)  # an image's configuration has no fields of a container's any more


def summary(
    image: Image, *, containers: int = -1, shared: int = -1, version: ApiVersion = LATEST
) -> wire.ImageSummary:
    """Return one entry of ``GET /images/json``; counts and sizes of -1 were not asked for."""
    return wire.ImageSummary(
        containers=containers,
        created=image.created_ns // times.SECOND,
        id=str(image.id),
        labels=dict(image.config.labels) or None,
        parent_id=image.parent,
        repo_digests=list(image.repo_digests),
        repo_tags=list(image.tags),
        shared_size=shared,
        size=image.size,
        virtual_size=image.size if version < WITHOUT_VIRTUAL_SIZE else OMITTED,
    )


def inspect(image: Image, *, folders: Sequence[Path] = (), version: ApiVersion = LATEST) -> wire.ImageInspect:
    """Return the answer of ``GET /images/{name}/json``; *folders* are those of its layers, the topmost first."""
    config = image.config
    comment = config.history[-1].comment if config.history else ""
    return wire.ImageInspect(
        id=str(image.id),
        repo_tags=list(image.tags),
        repo_digests=list(image.repo_digests),
        parent=image.parent,
        comment=comment,
        created=times.rfc3339(image.created_ns),
        author=config.author,
        architecture=config.architecture,
        variant=config.variant or OMITTED,
        os=config.os,
        size=image.size,
        virtual_size=image.size if version < WITHOUT_VIRTUAL_SIZE else OMITTED,
        graph_driver=_graph_driver(folders),
        root_fs=wire.RootFs(layers=[str(layer.diff_id) for layer in image.layers]),
        metadata=wire.ImageMetadata(last_tag_time=times.rfc3339(image.last_tagged_ns)),
        config=config_to_wire(config, config_kind(version)),
        container_config=wire.OldImageConfig() if version < WITHOUT_CONTAINER_CONFIG else OMITTED,
    )


def _graph_driver(folders: Sequence[Path]) -> GraphDriver:
    """Say where the layers are; those of an image are mounted nowhere by themselves."""
    if not folders:
        return GraphDriver()
    top, *lower = map(str, folders)
    return GraphDriver(data={"UpperDir": top} | ({"LowerDir": ":".join(lower)} if lower else {}))


def platform(text: str) -> Platform:
    """Read a platform as clients send it: ``linux/arm64/v8``, and from API 1.48 on an object in JSON."""
    if not text.startswith("{"):
        return Platform.parse(text)
    asked = decode(text.encode(), wire.Platform)
    return Platform.parse("/".join(part for part in (asked.os, asked.architecture, asked.variant) if part))


def config_kind(version: ApiVersion) -> type[wire.ImageConfig]:
    """Return the shape that an image's configuration has in *version*."""
    return wire.ImageConfig if version >= WITH_OWN_CONFIG else wire.OldImageConfig


def config_to_wire(config: ImageConfig, kind: type[wire.ImageConfig] = wire.ImageConfig) -> wire.ImageConfig:
    check = config.healthcheck or {}
    return kind(
        user=config.user,
        exposed_ports={ports.normal(key): {} for key in config.exposed_ports} or OMITTED,
        env=list(config.env) or None,
        entrypoint=list(config.entrypoint) or None,
        cmd=list(config.cmd) or None,
        healthcheck=HealthConfig(
            test=list(check.get("Test") or ()),
            interval=check.get("Interval") or 0,
            timeout=check.get("Timeout") or 0,
            start_period=check.get("StartPeriod") or 0,
            start_interval=check.get("StartInterval") or 0,
            retries=check.get("Retries") or 0,
        )
        if check
        else OMITTED,
        volumes={target: {} for target in config.volumes} or None,
        working_dir=config.working_dir,
        labels=dict(config.labels) or None,
        on_build=list(config.on_build) or None,
        stop_signal=config.stop_signal or OMITTED,
        shell=list(config.shell) or OMITTED,
        args_escaped=config.args_escaped or OMITTED,
    )


def distribution(found: Offered) -> wire.Distribution:
    """Return the answer of ``GET /distribution/{name}/json``."""
    return wire.Distribution(
        descriptor=wire.OfferedDescriptor(
            media_type=found.descriptor.media_type,
            digest=str(found.descriptor.digest),
            size=found.descriptor.size,
        ),
        platforms=[
            wire.OfferedPlatform(architecture=one.architecture, os=one.os, variant=one.variant)
            for one in found.platforms
        ],
    )
