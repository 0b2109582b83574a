"""ImageConfig: what an image says about running it (OCI image specification, config.md, and Docker's additions)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class History:
    """How one step of an image came to be."""

    created: str = ""  # RFC 3339
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The configuration document of an image, parsed; `to_document` is the inverse of `from_document`.

    *healthcheck* keeps Docker's form (Test, Interval in nanoseconds, …), as it stands in the document.
    """

    architecture: str = "amd64"
    os: str = "linux"
    variant: str = ""
    created: str = ""  # RFC 3339
    author: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    healthcheck: Mapping[str, Any] | None = None
    args_escaped: bool = False
    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()
