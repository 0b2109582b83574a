"""What the containers are made of."""

import gzip
import io
import random
import shutil
import tarfile
from pathlib import Path

from benchmarks.engines import Engine

BUSYBOX = "bench-busybox:1"
LARGE = "bench-large:1"
SIZES = (2_000, 20_000, 100_000, 1_000_000)


def busybox_rootfs() -> bytes:
    """Return a tar of the smallest useful root: one static busybox and its links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        for name in ("sh", "true", "echo", "sleep", "cat"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def large_archive(path: Path, engine: Engine) -> None:
    """Have *engine* write an image's archive to *path*, compressed with gzip to about 250 MB.

    Its files hold chance in hexadecimal, which gzip halves, in sizes from 2 kB to 1 MB.
    """
    chance = random.Random(1)  # the same each time
    plain = path.with_suffix(".plain")
    with tarfile.open(plain, "w") as tar:
        written = index = 0
        while written < 440_000_000:
            data = chance.randbytes(chance.choice(SIZES) // 2).hex().encode()
            entry = tarfile.TarInfo(f"data/{index % 100}/{index}")
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
            written += len(data)
            index += 1
    engine.run("import", str(plain), LARGE)
    engine.run("save", "-o", str(plain), LARGE)
    engine.run("rmi", "-f", LARGE)
    with plain.open("rb") as archive, gzip.open(path, "wb", compresslevel=1) as compressed:
        shutil.copyfileobj(archive, compressed, 1 << 20)
    plain.unlink()
