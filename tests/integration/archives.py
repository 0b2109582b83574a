"""Images and layers as tar archives, of bytes that do not compress; the same for the same name."""

import hashlib
import io
import json
import random
import tarfile


def an_image(name: str, *, size: int = 300_000, layers: int = 2) -> bytes:
    """Return a docker-archive of *layers* layers of incompressible files, one of them with a busybox."""
    dice = random.Random(name)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        diffs = []
        for number in range(layers):
            layer = an_archive({f"data-{part}": dice.randbytes(size // 10) for part in range(10)})
            diffs.append("sha256:" + hashlib.sha256(layer).hexdigest())
            _add(archive, f"{number}.tar", layer)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["true"]},
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }
        _add(archive, "config.json", json.dumps(config).encode())
        manifest = [
            {
                "Config": "config.json",
                "RepoTags": [f"loaded:{name}"],
                "Layers": [f"{number}.tar" for number in range(layers)],
            }
        ]
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return buffer.getvalue()


def an_archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            _add(archive, name, data)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
