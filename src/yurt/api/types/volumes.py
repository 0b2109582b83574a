"""Volumes on the wire."""

from yurt.api.types.base import Wire


class CreateVolume(Wire, kw_only=True):
    """The body of ``POST /volumes/create``; no name: an anonymous volume."""

    name: str | None = ""
    driver: str | None = ""
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class VolumeUsage(Wire, kw_only=True):
    ref_count: int
    size: int


class Volume(Wire, omit_defaults=True, kw_only=True):
    created_at: str
    driver: str
    labels: dict[str, str] | None
    mountpoint: str
    name: str
    options: dict[str, str] | None
    scope: str
    usage_data: VolumeUsage | None = None


class VolumeList(Wire, kw_only=True):
    volumes: list[Volume]
    warnings: list[str] | None = None


class VolumesPruned(Wire, kw_only=True):
    volumes_deleted: list[str]
    space_reclaimed: int
