"""Pack: an overlay layer becomes an archive, and comes out of it the same."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from yurt.errors import Internal
from yurt.storage.pack import is_empty, pack
from yurt.storage.unpack import overlay_opaque, unpack

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _root(needs) -> None:
    needs.root()


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with one of everything that overlay makes."""
    folder = tmp_path / "layer"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/hosts").write_text("localhost")
    os.chown(folder / "etc/hosts", 11, 12)
    os.chmod(folder / "etc/hosts", 0o6755)
    os.setxattr(folder / "etc/hosts", "user.note", b"hi")
    os.setxattr(folder / "etc/hosts", "trusted.overlay.origin", b"")
    (folder / "etc/link").symlink_to("hosts")
    (folder / "etc/twin").hardlink_to(folder / "etc/hosts")
    (folder / "n" / ("d" * 120)).mkdir(parents=True)
    (folder / "n" / ("d" * 120) / "ж").write_bytes(b"x" * 3_000_000)
    os.mknod(folder / "etc/gone", stat.S_IFCHR, 0)
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(folder / "pipe")
    (folder / "opaque").mkdir()
    os.setxattr(folder / "opaque", overlay_opaque(), b"y")
    return folder


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: info for info in archive.getmembers()}


def facts(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        attributes = {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
            if name != "trusted.overlay.origin"
        }
        size = 0 if path.is_dir() else status.st_size
        time = 0 if stat.S_ISCHR(status.st_mode) and not status.st_rdev else int(status.st_mtime)
        mode = 0 if stat.S_ISCHR(status.st_mode) and not status.st_rdev else status.st_mode
        found[str(path.relative_to(folder))] = (
            mode, status.st_uid, status.st_gid, status.st_rdev, size, time, attributes,
        )  # fmt: skip
    return found


def test_a_layer_comes_back_from_its_archive(layer: Path, tmp_path: Path) -> None:
    """unpack is the inverse of pack: kinds, owners, modes, times, attributes, whiteouts."""
    again = tmp_path / "again"
    again.mkdir()
    unpack(pack(layer), again)
    assert facts(again) == facts(layer)
    assert (again / "etc/twin").stat().st_ino == (again / "etc/hosts").stat().st_ino


def test_others_read_it(layer: Path) -> None:
    """tarfile sees the specification's whiteouts, in the order of the paths."""
    data = b"".join(pack(layer))
    found = members(data)
    assert list(found) == sorted(found, key=lambda name: name.replace(".wh.gone", "gone").split("/"))
    assert found["etc/.wh.gone"].size == 0
    assert found["opaque/.wh..wh..opq"].isreg()
    assert found["etc/twin"].islnk()
    assert found["etc/twin"].linkname == "etc/hosts"
    assert found["etc/hosts"].pax_headers["SCHILY.xattr.user.note"] == "hi"
    assert not any("overlay" in key for info in found.values() for key in info.pax_headers)


def test_the_same_files_are_the_same_bytes(layer: Path, tmp_path: Path) -> None:
    """Whatever order the disk lists them in."""
    again = tmp_path / "again"
    again.mkdir()
    unpack(pack(layer), again)
    assert b"".join(pack(again)) == b"".join(pack(layer))


def test_pieces_are_of_a_bounded_size(layer: Path) -> None:
    """Memory does not grow with the files."""
    assert max(map(len, pack(layer))) < 3 << 20


def test_an_untouched_layer_is_empty(layer: Path, tmp_path: Path) -> None:
    """One change is enough, also a whiteout."""
    (tmp_path / "new").mkdir()
    assert is_empty(tmp_path / "new")
    assert not is_empty(layer)


def test_sockets_are_left_out(layer: Path) -> None:
    """They mean nothing without their process."""
    os.mknod(layer / "socket", stat.S_IFSOCK | 0o600)
    assert "socket" not in members(b"".join(pack(layer)))


def test_what_overlay_moved_without_copying_is_refused(layer: Path) -> None:
    """Archiving half a file would be worse than an error; the hint says which option is wrong."""
    os.setxattr(layer / "opaque", "trusted.overlay.redirect", b"/elsewhere")
    with pytest.raises(Internal) as caught:
        list(pack(layer))
    assert "redirect_dir=off" in (caught.value.hint or "")
