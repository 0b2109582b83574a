"""What volumes need of others."""

from typing import Protocol


class Documents(Protocol):
    """A durable store of small documents; `yurt.storage.metadata.Documents` is one."""

    def put(self, kind: str, id: str, body: bytes, /) -> None: ...  # noqa: A002 - the store's own word
    def get(self, kind: str, id: str, /) -> bytes | None: ...  # noqa: A002
    def delete(self, kind: str, id: str, /) -> object: ...  # noqa: A002
    def all(self, kind: str, /) -> list[tuple[str, bytes]]: ...
    def sync(self) -> None: ...
