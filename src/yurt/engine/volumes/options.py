"""The options of the local driver: what is mounted at a volume's folder while a container uses it. Pure.

``type``, ``o`` and ``device`` are those of mount(8), and so whatever the kernel can mount: a tmpfs, a folder of the
host, a share of NFS or CIFS, a disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from yurt.errors import InvalidArgument, Unimplemented
from yurt.linux.mount import option_flags

_KNOWN = ("type", "o", "device")
_REQUIRED = {"type": "device", "device": "type", "o": "device"}


@dataclass(frozen=True, slots=True)
class Source:
    """What to mount: *device* as a file system of the type *kind*, with *flags* of mount(2) and *data* for the kind."""

    kind: str
    device: str
    flags: int = 0
    data: str = ""


def check(name: str, options: Mapping[str, str]) -> None:
    """Refuse options of volume *name* that say nothing, or not enough, to mount."""
    if unknown := sorted(set(options) - {*_KNOWN, "size"}):
        raise InvalidArgument(
            f'create {name}: invalid option: "{unknown[0]}"', hint="the local driver knows type, o and device"
        )
    if "size" in options:
        raise Unimplemented(
            f"create {name}: quota size requested but no quota support",
            hint="for a volume in memory: --opt type=tmpfs --opt device=tmpfs --opt o=size=100m",
        )
    for option in _KNOWN:
        if option in options and (needed := _REQUIRED[option]) not in options:
            raise InvalidArgument(
                f'create {name}: missing required option: "{needed}"',
                hint="as in mount(8): --opt type=none --opt o=bind --opt device=/srv/data",
            )


def source(options: Mapping[str, str]) -> Source | None:
    """Return what *options* have mounted, None for a plain folder."""
    if not options:
        return None
    flags, data = option_flags(options.get("o", ""))
    kind = options.get("type", "")
    return Source(kind, options.get("device", "") or (kind if kind == "tmpfs" else ""), flags, data)
