"""Images to the wire."""

from yurt.api.types import images as wire
from yurt.api.types.containers import GraphDriver, HealthConfig
from yurt.engine.images.model import Image
from yurt.oci.config import ImageConfig
from yurt.server.wire import ports, times


def summary(image: Image, *, containers: int = -1) -> wire.ImageSummary:
    """Return one entry of ``GET /images/json``."""
    return wire.ImageSummary(
        containers=containers,
        created=image.created_ns // times.SECOND,
        id=str(image.id),
        labels=dict(image.config.labels) or None,
        parent_id=image.parent,
        repo_digests=list(image.repo_digests),
        repo_tags=list(image.tags),
        size=image.size,
    )


def inspect(image: Image) -> wire.ImageInspect:
    """Return the answer of ``GET /images/{name}/json``."""
    config = image.config
    comment = next((step.comment for step in reversed(config.history) if step.comment), "")
    return wire.ImageInspect(
        id=str(image.id),
        repo_tags=list(image.tags),
        repo_digests=list(image.repo_digests),
        parent=image.parent,
        comment=comment,
        created=times.rfc3339(image.created_ns),
        author=config.author,
        architecture=config.architecture,
        variant=config.variant,
        os=config.os,
        size=image.size,
        virtual_size=image.size,
        graph_driver=GraphDriver(),
        root_fs=wire.RootFs(layers=[str(layer.diff_id) for layer in image.layers]),
        metadata=wire.ImageMetadata(last_tag_time=times.rfc3339(image.last_tagged_ns)),
        config=config_to_wire(config),
    )


def config_to_wire(config: ImageConfig) -> wire.ImageConfig:
    check = config.healthcheck or {}
    return wire.ImageConfig(
        user=config.user,
        exposed_ports={ports.normal(key): {} for key in config.exposed_ports} or None,
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
        else None,
        volumes={target: {} for target in config.volumes} or None,
        working_dir=config.working_dir,
        labels=dict(config.labels) or None,
        on_build=list(config.on_build) or None,
        stop_signal=config.stop_signal,
        shell=list(config.shell) or None,
        args_escaped=config.args_escaped,
    )
