"""Volumes to the wire."""

from yurt.api.types import volumes as wire
from yurt.engine.volumes.model import Volume
from yurt.server.wire import times

ANONYMOUS_LABEL = "com.docker.volume.anonymous"


def to_wire(volume: Volume, *, usage: wire.VolumeUsage | None = None) -> wire.Volume:
    labels = dict(volume.labels)
    if volume.anonymous:
        labels.setdefault(ANONYMOUS_LABEL, "")
    return wire.Volume(
        created_at=times.rfc3339(volume.created_ns // times.SECOND * times.SECOND),
        driver=volume.driver,
        labels=labels or None,
        mountpoint=str(volume.mountpoint),
        name=volume.name,
        options=dict(volume.options) or None,
        scope="local",
        usage_data=usage,
    )
