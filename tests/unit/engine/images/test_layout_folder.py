"""An image layout in a folder of somebody's, which may hold anything."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from yurt.distribution.repository import MemorySink
from yurt.engine.images.layout_folder import LayoutFolder
from yurt.errors import InvalidArgument, NotFound
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest

DATA = b"a layer"
BLOB = Descriptor(MediaType.OCI_LAYER, Digest.of(DATA), len(DATA))


async def chunks() -> AsyncIterator[bytes]:
    yield DATA[:3]
    yield DATA[3:]


async def test_what_is_put_comes_back(tmp_path: Path) -> None:
    """Blobs, and manifests by tag; a tag moves, and what it named stays."""
    folder = LayoutFolder(tmp_path / "deep/cache")
    assert not await folder.has_blob(BLOB.digest)
    await folder.upload(BLOB, chunks)
    assert await folder.has_blob(BLOB.digest)
    assert await folder.read_blob(BLOB, limit=100) == DATA
    first = await folder.put_manifest("latest", MediaType.OCI_MANIFEST, b"one")
    await folder.put_manifest("other", MediaType.OCI_MANIFEST, b"two")
    await folder.put_manifest("latest", MediaType.OCI_MANIFEST, b"three")
    assert (await folder.resolve("latest")).data == b"three"
    assert (await folder.resolve("other")).data == b"two"
    assert (await folder.resolve("", first)).data == b"one"
    assert json.loads((tmp_path / "deep/cache/oci-layout").read_text())["imageLayoutVersion"] == "1.0.0"
    assert [path.name for path in (tmp_path / "deep/cache").rglob(".*")] == []


async def test_what_is_made_belongs_to_whom_the_folder_belongs_to(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    os.chown(tmp_path, 1234, 4321)
    await LayoutFolder(tmp_path / "cache").put_manifest("latest", MediaType.OCI_MANIFEST, b"one")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert owners == {(1234, 4321)}


@pytest.mark.parametrize("broken", [b"", DATA[:-1], DATA + b"!", b"A" + DATA[1:], b"x" * 5_000_000])
async def test_other_bytes_are_refused(tmp_path: Path, broken: bytes) -> None:
    folder = LayoutFolder(tmp_path)
    await folder.upload(BLOB, chunks)
    digest = await folder.put_manifest("latest", MediaType.OCI_MANIFEST, DATA + b"m")
    for each in (BLOB.digest, digest):
        (tmp_path / "blobs/sha256" / each.hex).write_bytes(broken)
    with pytest.raises(InvalidArgument, match="other content"):
        await folder.fetch(BLOB, MemorySink())
    with pytest.raises(InvalidArgument, match=r"other content|larger"):
        await folder.resolve("latest")


async def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    """A pipe in place of a file is not waited for."""
    folder = LayoutFolder(tmp_path / "cache")
    with pytest.raises(NotFound, match="No such file"):
        await folder.resolve("latest")
    await folder.put_manifest("latest", MediaType.OCI_MANIFEST, b"one")
    with pytest.raises(NotFound, match="has no other"):
        await folder.resolve("other")
    (tmp_path / "cache/index.json").unlink()
    os.mkfifo(tmp_path / "cache/index.json")
    with pytest.raises(InvalidArgument, match="is no file"):
        await folder.resolve("latest")
