"""Unpack: an archive becomes an overlay layer, and nothing of a hostile one leaves the folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from yurt.errors import InvalidArgument
from yurt.oci import tar
from yurt.storage.unpack import overlay_opaque, unpack

pytestmark = pytest.mark.root  # owners, devices and trusted attributes are root's to set

File = tuple[tar.Entry, bytes]


@pytest.fixture(autouse=True)
def _root(needs) -> None:
    needs.root()


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """An empty layer, with a world around it that must not change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    folder = tmp_path / "layer"
    folder.mkdir()
    return folder


def a_file(name: str, content: bytes = b"x", **fields: object) -> File:
    return tar.Entry(name, size=len(content), mtime=1_000_000, **fields), content  # type: ignore[arg-type]


def a_folder(name: str, mode: int = 0o755, **fields: object) -> File:
    return tar.Entry(name, tar.DIRECTORY, mode, mtime=1_000_000, **fields), b""  # type: ignore[arg-type]


def a_symlink(name: str, link: str) -> File:
    return tar.Entry(name, tar.SYMLINK, 0o777, mtime=1_000_000, link=link), b""


def a_hardlink(name: str, link: str) -> File:
    return tar.Entry(name, tar.HARDLINK, link=link), b""


def archive(*files: File) -> Iterator[bytes]:
    for entry, content in files:
        yield tar.header(entry) + content + tar.padding(len(content))
    yield tar.END


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def opaque(path: Path) -> bool:
    return overlay_opaque() in os.listxattr(path)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_come_out_as_they_went_in(layer: Path) -> None:
    """Content, mode, owner, time, attributes, and every kind of file."""
    done = unpack(
        archive(
            a_folder("bin/", 0o1750, uid=3, gid=4),
            a_file("bin/tool", b"abc", mode=0o4755, uid=1, gid=2, xattrs={"user.note": b"hi"}),
            a_symlink("bin/sh", "tool"),
            a_hardlink("bin/twin", "bin/tool"),
            (tar.Entry("null", tar.CHARACTER, 0o666, major=1, minor=3), b""),
            (tar.Entry("pipe", tar.FIFO, 0o600), b""),
        ),
        layer,
    )
    assert (done.size, done.entries) == (7, 6)
    tool, folder = (layer / "bin/tool").stat(), (layer / "bin").stat()
    assert (tool.st_mode, tool.st_uid, tool.st_gid, tool.st_mtime) == (stat.S_IFREG | 0o4755, 1, 2, 1_000_000)
    assert (folder.st_mode, folder.st_uid, folder.st_mtime) == (stat.S_IFDIR | 0o1750, 3, 1_000_000)
    assert os.getxattr(layer / "bin/tool", "user.note") == b"hi"
    assert (layer / "bin/twin").stat().st_ino == tool.st_ino
    assert (os.readlink(layer / "bin/sh"), (layer / "bin/sh").lstat().st_mtime) == ("tool", 1_000_000)
    assert (layer / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO((layer / "pipe").stat().st_mode)


def test_the_archives_root_dresses_the_folder(layer: Path) -> None:
    """``./`` is ``/`` in the container."""
    unpack(archive(a_folder("./", 0o1777, uid=5)), layer)
    assert (layer.stat().st_mode & 0o7777, layer.stat().st_uid) == (0o1777, 5)


def test_whiteouts_take_overlays_form(layer: Path) -> None:
    """A hidden name is a device 0:0, an opaque folder an attribute (overlayfs.rst)."""
    unpack(
        archive(
            a_folder("etc/"),
            a_file("etc/.wh.passwd", b""),
            a_file("etc/.wh..wh..opq", b""),
            a_file(".wh.old", b""),
        ),
        layer,
    )
    assert is_whiteout(layer / "etc/passwd")
    assert opaque(layer / "etc")
    assert is_whiteout(layer / "old")


def test_a_whiteout_hides_the_layers_below_only(layer: Path) -> None:
    """What the same layer adds under that name is seen, before or after (layer.md, Whiteouts)."""
    unpack(
        archive(
            a_file("before", b"1"),
            a_file(".wh.before", b""),
            a_file(".wh.after", b""),
            a_file("after", b"2"),
            a_folder("folder/"),
            a_file(".wh.folder", b""),
            a_file(".wh.later", b""),
            a_folder("later/"),
        ),
        layer,
    )
    assert (layer / "before").read_bytes() == b"1"
    assert (layer / "after").read_bytes() == b"2"
    assert opaque(layer / "folder")
    assert opaque(layer / "later")


def test_an_opaque_root_hides_each_name_below(layer: Path, tmp_path: Path) -> None:
    """The kernel does not heed the attribute there."""
    below = tmp_path / "below"
    below.mkdir()
    (below / "gone").write_text("")
    (below / "kept").mkdir()
    unpack(archive(a_folder("kept/"), a_file(".wh..wh..opq", b"")), layer, [below])
    assert is_whiteout(layer / "gone")
    assert opaque(layer / "kept")


def test_bookkeeping_of_aufs_is_no_content(layer: Path) -> None:
    """Old images carry it."""
    unpack(archive(a_file(".wh..wh.plnk", b""), a_file(".wh..wh.aufs", b"")), layer)
    assert tree(layer) == []


def test_folders_that_the_archive_leaves_out_look_like_those_below(layer: Path, tmp_path: Path) -> None:
    """Overlay shows the upper folder's mode and owner: it must not lose the lower one's."""
    below = tmp_path / "below"
    (below / "var/secret").mkdir(parents=True)
    os.chown(below / "var/secret", 7, 8)
    os.chmod(below / "var/secret", 0o700)
    unpack(archive(a_file("var/secret/new"), a_file("other/new")), layer, [below])
    status = (layer / "var/secret").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o700, 7, 8)
    assert (layer / "other").stat().st_mode & 0o7777 == 0o755


def test_a_link_of_a_layer_below_is_followed(layer: Path, tmp_path: Path) -> None:
    """``lib`` is a link to ``usr/lib`` in Debian's layers; a file put into ``lib`` must not hide that."""
    below = tmp_path / "below"
    (below / "usr/lib").mkdir(parents=True)
    (below / "lib").symlink_to("usr/lib")
    unpack(archive(a_file("lib/new")), layer, [below])
    assert tree(layer) == ["usr", "usr/lib", "usr/lib/new"]


def test_what_a_layer_above_hides_below_does_not_count(layer: Path, tmp_path: Path) -> None:
    """Lower layers are looked through as overlay does: a whiteout or opaque folder ends the search."""
    top, bottom = tmp_path / "top", tmp_path / "bottom"
    (bottom / "a").mkdir(parents=True)
    (bottom / "a").chmod(0o700)
    (bottom / "b/c").mkdir(parents=True)
    (bottom / "b/c").chmod(0o700)
    (top / "b").mkdir(parents=True)
    os.setxattr(top / "b", overlay_opaque(), b"y")
    os.mknod(top / "a", stat.S_IFCHR, 0)
    unpack(archive(a_file("a/x"), a_file("b/c/x")), layer, [top, bottom])
    assert (layer / "a").stat().st_mode & 0o7777 == 0o755
    assert (layer / "b/c").stat().st_mode & 0o7777 == 0o755


def test_a_hard_link_to_a_file_below_brings_it_up(layer: Path, tmp_path: Path) -> None:
    """The two names are one file then, as a mounted overlay would have it."""
    below = tmp_path / "below"
    (below / "bin").mkdir(parents=True)
    (below / "bin/old").write_text("content")
    os.chmod(below / "bin/old", 0o711)
    unpack(archive(a_hardlink("bin/new", "bin/old")), layer, [below])
    assert (layer / "bin/new").read_text() == "content"
    assert (layer / "bin/new").stat().st_ino == (layer / "bin/old").stat().st_ino
    assert (layer / "bin/new").stat().st_mode & 0o7777 == 0o711


def test_later_entries_replace_earlier_ones(layer: Path) -> None:
    """Whatever the two kinds are."""
    unpack(
        archive(
            a_file("one", b"old"),
            a_file("one", b"new"),
            a_file("two"),
            a_folder("two/"),
            a_file("two/in"),
            a_folder("three/"),
            a_file("three/in"),
            a_symlink("three", "two"),
            a_file("three/more"),
            a_folder("four/"),
            a_folder("four/", 0o700),
        ),
        layer,
    )
    assert (layer / "one").read_bytes() == b"new"
    assert (layer / "three").is_symlink()
    assert tree(layer / "two") == ["in", "more"]
    assert (layer / "four").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize(
    "files",
    [
        [a_file("/etc/passwd")],
        [a_file("../outside/secret")],
        [a_file("a/../../outside/secret")],
        [a_folder("../outside/new")],
        [a_symlink("../outside/link", "x")],
        [a_hardlink("secret", "../outside/secret")],
        [a_hardlink("secret", "/etc/passwd")],
        [a_hardlink("secret", "missing")],
        [a_hardlink("folder", ".")],
        [a_folder("d/"), a_hardlink("folder", "d")],
        [a_file(".wh...")],
        [a_file(".wh..", b"")],
        [a_file(".wh.", b"")],
        [a_file("../.wh.outside", b"")],
        [a_symlink("loop", "loop"), a_file("loop/x")],
        [(tar.Entry("white", tar.CHARACTER), b"")],
        [(tar.Entry("empty", tar.SYMLINK), b"")],
        [a_file("n" * 256)],
        [a_file("/".join(["n" * 200] * 30))],
    ],
)
def test_hostile_entries_are_refused(layer: Path, tmp_path: Path, files: list[File]) -> None:
    """Absolute and climbing names, links that lead out or nowhere, forged whiteouts, names too long."""
    with pytest.raises(InvalidArgument):
        unpack(archive(*files), layer)
    assert tree(tmp_path / "outside") == ["secret"]
    assert (tmp_path / "outside/secret").read_text() == "secret"


@pytest.mark.parametrize(
    "target", ["{outside}", "../outside", "../../../../../../{outside}", "a/../../outside"]
)
@pytest.mark.parametrize("kind", ["file", "folder", "whiteout", "opaque", "symlink", "hardlink"])
def test_links_that_lead_out_lead_inside(layer: Path, tmp_path: Path, target: str, kind: str) -> None:
    """A link is followed as if the layer were the root: nothing outside is made, changed, hidden or read."""
    outside = tmp_path / "outside"
    before = outside.stat()
    entry = {
        "file": a_file("link/secret", b"overwritten", mode=0o777),
        "folder": a_folder("link/", 0o777, uid=9),
        "whiteout": a_file("link/.wh.secret", b""),
        "opaque": a_file("link/.wh..wh..opq", b""),
        "symlink": a_symlink("link/new", "x"),
        "hardlink": a_hardlink("stolen", "link/secret"),
    }[kind]
    files = [a_folder("a/"), a_symlink("link", target.format(outside=outside)), entry]
    if kind == "hardlink":
        with pytest.raises(InvalidArgument, match="does not exist"):
            unpack(archive(*files), layer)
    else:
        unpack(archive(*files), layer)
    assert tree(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert not opaque(outside)
    after = outside.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime_ns,
    )


def test_a_folder_swapped_for_a_link_is_not_followed_at_the_end(layer: Path, tmp_path: Path) -> None:
    """Times of folders are set last: by then a folder may be a link that leads out."""
    outside = tmp_path / "outside"
    before = outside.stat().st_mtime_ns
    unpack(archive(a_folder("d/"), a_folder("d/e/"), a_symlink("d", str(outside))), layer)
    assert outside.stat().st_mtime_ns == before


def test_overlays_own_attributes_are_not_taken_from_an_archive(layer: Path) -> None:
    """They could hide or redirect what a reader of the archive does not see."""
    forged = {"trusted.overlay.opaque": b"y", "trusted.overlay.redirect": b"/etc", "user.fine": b"1"}
    unpack(archive(a_folder("d/", xattrs=forged)), layer)
    assert os.listxattr(layer / "d") == ["user.fine"]


def test_a_broken_archive_is_our_error(layer: Path) -> None:
    """In the middle of a file."""
    data = b"".join(archive(a_file("a", b"x" * 1000)))
    with pytest.raises(InvalidArgument, match="broken archive"):
        unpack([data[:900]], layer)
