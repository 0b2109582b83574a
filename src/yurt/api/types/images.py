"""Images on the wire."""

from msgspec import field

from yurt.api.types.base import OMITTED, Empty, Wire
from yurt.api.types.containers import GraphDriver, HealthConfig


class Platform(Wire, rename="lower", kw_only=True):
    """What an image is for, as the specification of OCI has it: in a query, not in a body."""

    os: str
    architecture: str
    variant: str = ""


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
    virtual_size: int = OMITTED  # until API 1.43


class ImageConfig(Wire, kw_only=True):
    """What the image says about running it; the first eight fields are always there."""

    user: str = ""
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, Empty] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    on_build: list[str] | None = None
    exposed_ports: dict[str, Empty] | None = OMITTED
    healthcheck: HealthConfig | None = OMITTED
    stop_signal: str = OMITTED
    shell: list[str] | None = OMITTED
    args_escaped: bool = OMITTED


class OldImageConfig(ImageConfig, kw_only=True):
    """The same before API 1.50: with the fields of a container that an image never fills."""

    hostname: str = ""
    domainname: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    image: str = ""


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
    variant: str = OMITTED
    os: str
    size: int
    virtual_size: int = OMITTED  # until API 1.43
    graph_driver: GraphDriver
    root_fs: RootFs = field(name="RootFS")
    metadata: ImageMetadata
    config: ImageConfig
    container_config: OldImageConfig = OMITTED  # until API 1.44; always empty


class HistoryEntry(Wire, kw_only=True):
    comment: str
    created: int
    created_by: str
    id: str
    size: int
    tags: list[str] | None


class OfferedDescriptor(Wire, kw_only=True):
    media_type: str = field(name="mediaType")
    digest: str = field(name="digest")
    size: int = field(name="size")


class OfferedPlatform(Wire, omit_defaults=True, kw_only=True):
    architecture: str = field(name="architecture")
    os: str = field(name="os")
    variant: str = field(name="variant", default="")


class Distribution(Wire, kw_only=True):
    """The answer of ``GET /distribution/{name}/json``."""

    descriptor: OfferedDescriptor
    platforms: list[OfferedPlatform]


class Committed(Wire, kw_only=True):
    """The answer of ``POST /commit``."""

    id: str


class Removed(Wire, omit_defaults=True, kw_only=True):
    """One entry of the answer to removing an image: either an untagged name or a deleted id."""

    untagged: str = ""
    deleted: str = ""


class ImagesPruned(Wire, kw_only=True):
    images_deleted: list[Removed] | None
    space_reclaimed: int
