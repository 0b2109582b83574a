"""Values of builds: what is asked (BuildRequest) and what is said while it runs (BuildEvent)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yurt.distribution.auth import Auth
from yurt.engine.progress import Progress


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """All that `BuildService.build` is told beside the context.

    *dockerfile* is a path inside the context. *build_args* maps a name to its value; None means that the
    client named the argument without a value. *secrets* are files for ``RUN --mount=type=secret``, by id.
    *network_mode* is Docker's word (bridge, host, none, a network's name); empty: the default network.
    """

    tags: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    target: str = ""
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False  # ask for newer base images even when they are here
    quiet: bool = False  # say only the image's id
    platform: str = ""
    network_mode: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size: int = 64 * 1024 * 1024
    memory: int = 0
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    auths: Mapping[str, Auth] = field(default_factory=dict)  # by registry, as the client names them


@dataclass(frozen=True, slots=True)
class Output:
    """Text for the person who waits, lines and parts of lines as they come."""

    text: str


@dataclass(frozen=True, slots=True)
class Pulling:
    """News of a base image on its way."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Built:
    """The last event of a build that went well: the image's id (``sha256:…``)."""

    image_id: str


BuildEvent = Output | Pulling | Built
