"""What networks need of others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from yurt.engine.networks.model import PortBinding


class Documents(Protocol):
    """A durable store of small documents; `yurt.storage.metadata.Documents` is one."""

    def put(self, kind: str, id: str, body: bytes, /) -> None: ...  # noqa: A002 - the store's own word
    def delete(self, kind: str, id: str, /) -> object: ...  # noqa: A002
    def all(self, kind: str, /) -> list[tuple[str, bytes]]: ...
    def sync(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Addresses:
    """A container's, as far as it has them."""

    ipv4: str | None = None
    ipv6: str | None = None


class Held(Protocol):
    """The host ports of one container. *bindings* are those asked for, with host ports resolved."""

    @property
    def bindings(self) -> tuple[PortBinding, ...]: ...

    def release(self) -> None:
        """Afterwards others may have the ports. Idempotent."""

    def let_go(self) -> None:
        """End what of it lives in this process; containers keep their ports."""


class HostPorts(Protocol):
    """The ports of the host."""

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> Held:
        """Take the host port of each of *bindings* for the container *owner*, all or none. One that is not free raises Conflict.

        Whoever has them already, as an engine before this one left it, has them again.
        """
        ...

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards no container but *owners* has ports."""
