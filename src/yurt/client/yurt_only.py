"""What only Yurt's engine takes with a build: another would ignore it, and build something else."""

from __future__ import annotations

from yurt.errors import Unimplemented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.client.sync import Client


def refuse_others(client: Client, what: str) -> None:
    """Raise Unimplemented, about *what*, unless *client* talks to Yurt's engine."""
    version = client.json("GET", "/version")
    engine = ((version or {}).get("Platform") or {}).get("Name") or "this engine"
    if not engine.startswith("Yurt"):
        raise Unimplemented(
            f"{what} is not possible with {engine}: Docker's protocol for `yurt build` has no place for it",
            hint="use `docker buildx build`",
        )
