"""Frozen settings. Only entry points (`yurt.cli.main`, `yurt.daemon.__main__`) fill them from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from yurt.errors import InvalidArgument

SYSTEM_ROOT = Path("/var/lib/yurt")
SYSTEM_SOCKET = "unix:///run/yurt/yurt.sock"


def default_root(environ: Mapping[str, str]) -> Path:
    """Return where state lives: the system folder for root, the XDG data folder otherwise."""
    if chosen := environ.get("YURT_ROOT"):
        return Path(chosen)
    if os.geteuid() == 0:
        return SYSTEM_ROOT
    return Path(environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/")) / ".local/share") / "yurt"


def default_host(environ: Mapping[str, str]) -> str:
    """Return the engine's address when no one chose another: Yurt's own socket."""
    if os.geteuid() == 0:
        return SYSTEM_SOCKET
    return f"unix://{environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/yurt/yurt.sock"


def chosen_host(environ: Mapping[str, str]) -> str:
    """Return the engine a client talks to: ``YURT_HOST``, else ``DOCKER_HOST``, else the default socket."""
    return environ.get("YURT_HOST") or environ.get("DOCKER_HOST") or default_host(environ)


def socket_path(host: str) -> Path:
    """Return the path in ``unix:///path``; other schemes raise InvalidArgument."""
    parts = urlsplit(host)
    if parts.scheme != "unix" or not parts.path:
        raise InvalidArgument(
            f"cannot listen on {host!r}: only unix:///path is supported",
            hint="use unix:///run/yurt/yurt.sock",
        )
    return Path(parts.path)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All that the engine may know of its surroundings."""

    root: Path  # durable state
    run: Path  # what does not outlive a boot: sockets, bundles, mounted namespaces
    socket: Path  # where the Engine API listens
    debug: bool = False
    runtime: str | None = None  # "runc" or "crun"; None: the best that works here
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    debian_mirror: str | None = None  # None: the one in the host's own apt configuration
    ca_bundle: Path | None = None  # the host's certificates, shown to RUN
    proxies: Mapping[str, str] = field(default_factory=dict)  # HTTP_PROXY and friends, shown to RUN
