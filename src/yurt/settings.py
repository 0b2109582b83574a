"""Frozen settings. Only entry points (`yurt.cli.main`, `yurt.daemon.__main__`) fill them from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from yurt import places
from yurt.errors import InvalidArgument, translated
from yurt.isolation import Level
from yurt.places import chosen_host, default_host

SYSTEM_ROOT = Path(places.SYSTEM_ROOT)

__all__ = [
    "SYSTEM_ROOT",
    "EngineSettings",
    "ListenAddress",
    "TlsFiles",
    "chosen_host",
    "default_host",
    "default_root",
]


def default_root(environ: Mapping[str, str]) -> Path:
    """Return where state lives, as `yurt.places` has it."""
    return Path(places.default_root(environ))


TLS_PORT = 2376  # Docker's, with TLS; there is no port without


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the Engine API listens: ``unix:///path``, ``tcp://[name][:port]``, or ``fd://`` for systemd's sockets."""

    scheme: Literal["unix", "tcp", "fd"]
    path: Path = Path()  # of unix
    name: str = ""  # of tcp; empty: every address of the machine
    port: int = TLS_PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise InvalidArgument for what is none of these."""
        with translated({ValueError: InvalidArgument}, f"cannot listen on {text!r}"):
            parts = urlsplit(text)
            port = parts.port
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return cls("unix", path=Path(parts.path))
        if parts.scheme == "tcp" and parts.path in ("", "/"):
            return cls("tcp", name=parts.hostname or "", port=TLS_PORT if port is None else port)
        if parts.scheme == "fd" and not (parts.netloc or parts.path):
            return cls("fd")
        raise InvalidArgument(
            f"cannot listen on {text!r}",
            hint="use unix:///run/yurt/yurt.sock, tcp://127.0.0.1:2376, or fd:// for systemd's sockets",
        )

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        if self.scheme == "fd":
            return "fd://"
        return f"tcp://{f'[{self.name}]' if ':' in self.name else self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What mutual TLS needs, as files in PEM: who may come, and who we are."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All that the engine may know of its surroundings."""

    root: Path  # durable state
    run: Path  # what does not outlive a boot: sockets, bundles, mounted namespaces
    keeper: Path | None = None  # the folder of the keeper of a user's engine, which is in its namespaces
    listen: tuple[ListenAddress, ...] = ()  # where the Engine API does
    inherited_sockets: int = 0  # how many of them systemd passed on, from descriptor 3 on
    outside_sockets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    # TCP address → descriptors of its sockets, made in the host's network by a user's engine before it went into its own
    tls: TlsFiles | None = None
    debug: bool = False
    require_isolation: Level | None = None  # the engine does not start below it
    runtime: str | None = None  # "runc" or "crun"; None: the best that works here
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    debian_mirror: str | None = None  # None: the one in the host's own apt configuration
    ca_bundle: Path | None = None  # the host's certificates, shown to RUN
    proxies: Mapping[str, str] = field(default_factory=dict)  # HTTP_PROXY and friends, shown to RUN
