"""Where images come from."""

from pathlib import Path
from typing import Any

import pytest

from yurt.distribution.errors import RegistryUnavailable
from yurt.engine.build.provider import ImageProvider
from yurt.errors import Unavailable, no_space
from yurt.settings import EngineSettings


class Pulls:
    """Images whose pulls fail, one after another, for the reasons in *failures*."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def pull(self, _reference: str, **_more: Any) -> None:
        raise self.failures.pop(0)


def a_provider(folder: Path, pulls: Any) -> ImageProvider:
    return ImageProvider(images=pulls, settings=EngineSettings(root=folder, run=folder))


async def test_a_full_disk_says_nothing_of_the_registry(tmp_path: Path) -> None:
    """It is told, nothing comes from the catalog instead, and the registry is asked again at once."""
    pulls = Pulls(no_space("blobs"), no_space("blobs"))
    provider = a_provider(tmp_path, pulls)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"^no space left on device: blobs$"):
            await provider.pull("debian:bookworm")
    assert pulls.failures == []


async def test_a_registry_that_cannot_be_reached_is_not_asked_again_at_once(tmp_path: Path) -> None:
    """An image that the catalog does not have cannot be had then."""
    provider = a_provider(tmp_path, Pulls(RegistryUnavailable("cannot reach registry")))
    with pytest.raises(Unavailable, match=r"^cannot reach registry$"):
        await provider.pull("registry.example/nothing:1")
    with pytest.raises(Unavailable, match="could not be reached a moment ago"):
        await provider.pull("registry.example/nothing:1")
