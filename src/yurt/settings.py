"""Frozen settings. Only entry points (`yurt.cli.main`, `yurt.daemon.__main__`) fill them from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from yurt import places
from yurt.errors import InvalidArgument
from yurt.places import chosen_host, default_host

SYSTEM_ROOT = Path(places.SYSTEM_ROOT)

__all__ = ["SYSTEM_ROOT", "EngineSettings", "chosen_host", "default_host", "default_root", "socket_path"]


def default_root(environ: Mapping[str, str]) -> Path:
    """Return where state lives, as `yurt.places` has it."""
    return Path(places.default_root(environ))


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
