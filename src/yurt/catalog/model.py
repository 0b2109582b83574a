"""Recipe: how an image of the catalog is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable

from yurt.errors import NotFound


class NoSuchTag(NotFound):
    """The catalog has the repository, and not that tag; the message names those it has."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image of the catalog.

    Without a *dockerfile* it is bootstrapped from packages alone: a Debian system of *suite*. Otherwise the
    Dockerfile (a path inside `recipes`) is built with *arguments*, its folder being the context.
    """

    repository: str  # familiar: "python", "valkey/valkey"
    tags: tuple[str, ...]  # all names of this one image, the most telling first
    suite: str
    description: str
    dockerfile: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Its most telling name: ``debian:bookworm``."""
        return f"{self.repository}:{self.tags[0]}"

    @property
    def references(self) -> tuple[str, ...]:
        return tuple(f"{self.repository}:{tag}" for tag in self.tags)

    def context(self) -> dict[str, bytes]:
        """Return the files of its build context by name."""
        folder = recipes().joinpath(self.dockerfile.partition("/")[0])
        return {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}


def recipes() -> Traversable:
    """Return the folder of Dockerfiles and their files, one folder a repository."""
    return files("yurt.catalog").joinpath("recipes")
