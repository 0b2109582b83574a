"""Images on the wire."""

from msgspec import field

from yurt.api.types.base import Empty, Wire
from yurt.api.types.containers import GraphDriver, HealthConfig


class ImageSummary(Wire, kw_only=True):
    """One entry of ``GET /images/json``; *shared_size* and *containers* are -1 when not computed."""

    containers: int = -1
    created: int
    id: str
    labels: dict[str, str] | None
    parent_id: str
    repo_digests: list[str]
    repo_tags: list[str]
    shared_size: int = -1
    size: int


class ImageConfig(Wire, omit_defaults=True, kw_only=True):
    """What the image says about running it."""

    user: str = ""
    exposed_ports: dict[str, Empty] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    healthcheck: HealthConfig | None = None
    volumes: dict[str, Empty] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    on_build: list[str] | None = None
    stop_signal: str = ""
    shell: list[str] | None = None
    args_escaped: bool = False


class RootFs(Wire, kw_only=True):
    type: str = "layers"
    layers: list[str]


class ImageMetadata(Wire, kw_only=True):
    last_tag_time: str


class ImageInspect(Wire, kw_only=True):
    """The answer of ``GET /images/{name}/json``."""

    id: str
    repo_tags: list[str]
    repo_digests: list[str]
    parent: str
    comment: str
    created: str
    docker_version: str = ""
    author: str
    architecture: str
    variant: str = ""
    os: str
    size: int
    virtual_size: int
    graph_driver: GraphDriver
    root_fs: RootFs = field(name="RootFS")
    metadata: ImageMetadata
    config: ImageConfig


class HistoryEntry(Wire, kw_only=True):
    comment: str
    created: int
    created_by: str
    id: str
    size: int
    tags: list[str] | None


class Removed(Wire, omit_defaults=True, kw_only=True):
    """One entry of the answer to removing an image: either an untagged name or a deleted id."""

    untagged: str = ""
    deleted: str = ""


class ImagesPruned(Wire, kw_only=True):
    images_deleted: list[Removed] | None
    space_reclaimed: int
