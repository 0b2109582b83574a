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
    """The host ports of one container. *bindings* are those asked for, each of one address, with host ports resolved."""

    @property
    def bindings(self) -> tuple[PortBinding, ...]: ...

    def release(self) -> None:
        """Afterwards others may have the ports. Idempotent."""

    def let_go(self) -> None:
        """End what of it lives in this process; containers keep their ports."""


class HostPorts(Protocol):
    """The ports of the host."""

    def unheld(self, owner: str, bindings: Sequence[PortBinding] = ()) -> Held:
        """Return *bindings* that nothing holds: none, or some that could not be had again."""
        ...

    def hold(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> Held:
        """Take the host port of each of *bindings* for the container *owner*, all or none. One that is not free raises Conflict.

        One for every address is taken in both families, with the same number, where the host has IPv6.
        """
        ...

    def hold_again(self, owner: str, bindings: Sequence[PortBinding], to: Addresses) -> Held:
        """The same of *bindings* that were held by an engine before this one, for a container that runs."""
        ...

    def hand_over(
        self, held: Held, owner: str, wanted: Sequence[PortBinding], to: Addresses, of_old: Addresses
    ) -> tuple[Held, Held]:
        """Return the ports of the successor *owner* that wants *wanted*, and what is left to the owner of *held*.

        They are in the place of *held*, which is good for nothing more than `take_back`. A port that both have is
        moved, so that nobody else can have it in between; others are taken anew. One that is not free raises
        Conflict, and all is as it was. *to*, *of_old*: the addresses of the successor, and of the old one.
        """
        ...

    def take_back(self, held: Held, new: Held, of_old: Addresses) -> None:
        """Undo `hand_over`: *held* has its ports again, and others may have what the successor took anew."""

    def keep(self, owners: Iterable[str]) -> None:
        """Afterwards no container but *owners* has ports."""

    def close(self) -> None:
        """End what lives in this process. Idempotent."""
