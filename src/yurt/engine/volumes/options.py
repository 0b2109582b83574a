"""The options of the local driver: what is mounted at a volume's folder while a container uses it. Pure.

``type``, ``o`` and ``device`` are those of mount(8): a tmpfs, or a folder of the host.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yurt.errors import InvalidArgument, Unimplemented

_KNOWN = {"type", "o", "device"}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"}


@dataclass(frozen=True, slots=True)
class Source:
    """What to mount. *kind* is ``tmpfs`` (then *data* are its mount options) or ``bind`` (then *device* is the folder)."""

    kind: str
    device: Path | None = None
    data: str = ""
    read_only: bool = False


def parse(name: str, options: Mapping[str, str]) -> Source | None:
    """Return what volume *name* is to show, None for a plain folder."""
    if unknown := sorted(set(options) - _KNOWN - {"size"}):
        raise InvalidArgument(
            f'cannot create volume {name}: invalid option: "{unknown[0]}"',
            hint="the local driver knows type, o and device",
        )
    if "size" in options:
        raise Unimplemented(
            f"cannot create volume {name} with size={options['size']}: quotas need project quotas of the file system",
            hint="for a volume in memory: --opt type=tmpfs --opt device=tmpfs --opt o=size=100m",
        )
    if not options:
        return None
    kind, device = options.get("type", ""), options.get("device", "")
    words = [word for word in options.get("o", "").split(",") if word]
    if kind == "tmpfs":
        return Source(
            "tmpfs", data=",".join(w for w in words if w not in {"rw", "ro"}), read_only="ro" in words
        )
    if kind in {"", "none", "bind"} and {"bind", "rbind"} & set(words):
        if extra := [w for w in words if w not in {"bind", "rbind", "rw", "ro"}]:
            raise Unimplemented(
                f"cannot create volume {name}: mount option {extra[0]} is not offered for a bind"
            )
        if not device.startswith("/"):
            raise InvalidArgument(
                f"cannot create volume {name}: device {device!r} is not an absolute path",
                hint="name the host's folder: --opt device=/srv/data",
            )
        return Source("bind", device=Path(device), read_only="ro" in words)
    what = f"type {kind}" if kind else "these options"
    raise Unimplemented(
        f"cannot create volume {name}: {what} is not offered",
        hint="mount it on the host and use --opt type=none --opt o=bind --opt device=/its/path"
        if kind in _NETWORK
        else "use type=tmpfs, or type=none with o=bind and a device",
    )
