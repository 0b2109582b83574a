"""ContentStore: a blob that is there is whole."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.errors import InvalidArgument, NotFound, Unavailable
from yurt.oci.descriptor import Descriptor, MediaType
from yurt.oci.digest import Digest
from yurt.storage.content import ContentStore


@pytest.fixture
def content(tmp_path: Path) -> Iterator[ContentStore]:
    store = ContentStore(tmp_path / "content")
    yield store
    store.close()


def leftovers(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "content" / "ingest")


def test_a_blob_is_found_by_its_digest(content: ContentStore) -> None:
    """Stored once, whoever stores it again."""
    digest = content.add(b"hello")
    assert digest == content.add(b"hello") == Digest.of(b"hello")
    assert content.exists(digest)
    assert content.read(digest) == b"hello"
    assert content.size(digest) == 5
    assert list(content.chunks(digest)) == [b"hello"]
    assert list(content.digests()) == [digest]


def test_a_blob_is_invisible_until_it_is_committed(content: ContentStore, tmp_path: Path) -> None:
    """And nothing is left of one that is given up."""
    with content.writer() as writer:
        writer.write(b"hel")
        writer.write(b"lo")
        assert list(content.digests()) == []
    assert leftovers(tmp_path) == []
    assert not content.exists(Digest.of(b"hello"))


def test_wrong_bytes_never_become_a_blob(content: ContentStore, tmp_path: Path) -> None:
    """The digest is checked before the name is given."""
    with content.writer() as writer:
        writer.write(b"hello")
        with pytest.raises(InvalidArgument, match="wrong content"):
            writer.commit(Digest.of(b"other"))
    assert list(content.digests()) == []
    assert leftovers(tmp_path) == []


def test_two_writers_of_the_same_blob_do_not_mind_each_other(content: ContentStore, tmp_path: Path) -> None:
    """The second finds it there."""
    with content.writer() as one, content.writer() as two:
        one.write(b"x")
        two.write(b"x")
        assert one.commit() == two.commit()
    assert leftovers(tmp_path) == []


def test_sha512_blobs_have_their_own_folder(content: ContentStore) -> None:
    """A digest names its algorithm."""
    with content.writer(algorithm="sha512") as writer:
        writer.write(b"x")
        digest = writer.commit()
    assert digest.algorithm == "sha512"
    assert content.read(digest) == b"x"
    assert list(content.digests()) == [digest]


def test_what_is_not_there_is_not_found(content: ContentStore) -> None:
    """Reading says so; removing does not mind."""
    missing = Digest.of(b"missing")
    content.remove(missing)
    with pytest.raises(NotFound, match="no such blob"):
        content.read(missing)
    with pytest.raises(NotFound):
        content.size(missing)


def test_a_removed_blob_is_gone_at_once_and_its_space_soon(content: ContentStore, tmp_path: Path) -> None:
    """The file leaves in the background."""
    digest = content.add(b"x")
    content.remove(digest)
    assert not content.exists(digest)
    content.close()
    assert os.listdir(tmp_path / "content" / "trash") == []


def test_a_full_disk_is_one_clear_error(
    content: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC names the place and the next step, and nothing is left."""

    def full(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with content.writer() as writer:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="no space left on device") as caught:
            writer.write(b"x")
    monkeypatch.undo()
    assert caught.value.hint
    assert leftovers(tmp_path) == []


def test_what_a_dead_process_left_is_swept(content: ContentStore, tmp_path: Path) -> None:
    """Half-written blobs have no name, and go at the next start."""
    (tmp_path / "content" / "ingest" / "half").write_bytes(b"x")
    content.sweep()
    assert leftovers(tmp_path) == []


def test_the_folder_is_an_oci_layout(content: ContentStore, tmp_path: Path) -> None:
    """Other tools read it (image-layout.md)."""
    digest = content.add(b"{}")
    content.write_index([(Descriptor(MediaType.OCI_MANIFEST, digest, 2), "docker.io/library/a:1")])
    root = tmp_path / "content"
    assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads((root / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "docker.io/library/a:1"}
    assert (root / "blobs" / "sha256" / digest.hex).exists()
