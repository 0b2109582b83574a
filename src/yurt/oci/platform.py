"""Platform: the operating system and processor an image is for, and which of several suits a host best."""

from dataclasses import dataclass
from typing import Self

from yurt.errors import InvalidArgument

_MACHINES = {  # uname -m → (architecture, variant), in Go's words, which the specifications use
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armhf": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")  # each runs the ones after it


@dataclass(frozen=True, slots=True)
class Platform:
    """``os/architecture[/variant]``."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the platform in *text*: ``linux/arm64/v8``, ``linux/amd64`` or ``arm64`` (Linux is meant)."""
        parts = text.lower().split("/")
        if len(parts) == 1:
            parts = ["linux", *parts]
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise InvalidArgument(
                f"invalid platform {text!r}", hint="a platform is os/architecture[/variant]: linux/amd64"
            )
        architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else variant)

    @classmethod
    def of_machine(cls, machine: str) -> Self:
        """Return the Linux platform of a machine as ``uname -m`` names it."""
        return cls("linux", *_MACHINES.get(machine, (machine, "")))

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")

    def rank(self, offered: "Platform") -> int | None:
        """Return how well *offered* runs here: 0 is best, None is not at all."""
        if offered.os != self.os or offered.architecture != self.architecture:
            return None
        if self.architecture == "arm64":
            return 0 if (offered.variant or "v8") == (self.variant or "v8") else None
        if self.architecture == "arm":
            here = _ARM_VARIANTS.index(self.variant or "v7") if (self.variant or "v7") in _ARM_VARIANTS else 1
            theirs = offered.variant or "v7"
            if theirs not in _ARM_VARIANTS[here:]:
                return None
            return _ARM_VARIANTS.index(theirs) - here
        if offered.variant == self.variant:
            return 0
        return 1 if not offered.variant else None
