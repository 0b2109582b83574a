"""Values of volumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Volume:
    """A named folder that outlives containers. *mountpoint* exists for as long as the volume does.

    *provisional*: made along with a container that is not stored yet; if it never is, the volume goes too.
    """

    name: str
    mountpoint: Path
    created_ns: int
    driver: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    provisional: bool = False
