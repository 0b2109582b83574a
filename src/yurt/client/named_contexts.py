"""``--build-context`` and Compose's ``additional_contexts``, as `POST /build` of Yurt's engine takes them.

What is no address and no image is a folder here: it goes along in the archive of the context.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from yurt.client.context import BuildContext, further_folder
from yurt.dockerfile.remote import is_remote
from yurt.errors import InvalidArgument

_IMAGE, _LAYOUT = "docker-image://", "oci-layout://"
FOLDER = "folder:"  # begins what the engine is told of a folder in the archive


@dataclass(frozen=True, slots=True)
class NamedContexts:
    """What the engine is told of each context, by name, and the folders that it is sent."""

    told: Mapping[str, str]
    folders: tuple[BuildContext, ...] = ()


def named_contexts(given: Mapping[str, str], *, is_near: bool) -> NamedContexts:
    """Return what *given*, by name, become. InvalidArgument or NotFound for what is none.

    *is_near*: the engine is on this machine, and reads layouts where they are.
    """
    told: dict[str, str] = {}
    folders: list[BuildContext] = []
    for name, value in given.items():
        if not name or not value:
            raise InvalidArgument(
                f"the build context {name}={value} says nothing",
                hint="write NAME=FOLDER, or NAME=docker-image://IMAGE",
            )
        if value.startswith(_LAYOUT):
            if not is_near:
                raise InvalidArgument(
                    f"the build context {name} is a layout on this machine, and the engine is on another",
                    hint="load it there with `yurt load`, and name the image",
                )
            path = os.path.abspath(value.removeprefix(_LAYOUT))
            told[name.lower()] = f"{_LAYOUT}{path}"
        elif value.startswith(_IMAGE) or is_remote(value):
            told[name.lower()] = value
        else:
            told[name.lower()] = f"{FOLDER}{further_folder(len(folders))}"
            folders.append(BuildContext.further(os.path.expanduser(value), len(folders)))
    return NamedContexts(told, tuple(folders))
