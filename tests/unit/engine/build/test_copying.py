import os
from pathlib import Path

import pytest

from yurt.dockerfile.mode import parse_mode
from yurt.engine.build.copying import Copier, Dress, Target
from yurt.engine.build.files import RootTree
from yurt.engine.build.rootfs import find_owner, make_folders, resolve
from yurt.errors import InvalidArgument, NotFound


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a file, a link, a nested folder and two names of one file."""
    folder = tmp_path / "source"
    (folder / "app/deep").mkdir(parents=True)
    (folder / "app/a.txt").write_text("a")
    (folder / "app/deep/b.txt").write_text("b")
    (folder / "app/link").symlink_to("a.txt")
    os.link(folder / "app/a.txt", folder / "app/same.txt")
    (folder / "single").write_text("single")
    (folder / "single").chmod(0o751)
    (folder / "way").symlink_to("/app")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


ME = (os.getuid(), os.getgid())


def copy(source: Path, root: Path, *sources: str, to: str, mode: str = "") -> None:
    tree = RootTree(str(source))
    target = Target(str(root), to.rstrip("/") or "/", to.endswith("/"))
    Copier(target, Dress(ME, parse_mode(mode) if mode else None)).copy(
        [found for each in sources for found in tree.select(each)]
    )


def test_a_folder_gives_its_content(source: Path, root: Path) -> None:
    """COPY app /x: what is in app lies in /x, links and hard links as they were."""
    copy(source, root, "app", to="/x")
    assert sorted(os.listdir(root / "x")) == ["a.txt", "deep", "link", "same.txt"]
    assert os.readlink(root / "x/link") == "a.txt"
    assert (root / "x/a.txt").stat().st_ino == (root / "x/same.txt").stat().st_ino


def test_a_file_goes_under_its_own_or_a_new_name(source: Path, root: Path) -> None:
    """With a slash into the folder, without one under that name, or into a folder that is there."""
    (root / "there").mkdir()
    copy(source, root, "single", to="/new/")
    copy(source, root, "single", to="/name")
    copy(source, root, "single", to="/there")
    assert (root / "new/single").read_text() == (root / "name").read_text() == "single"
    assert (root / "there/single").stat().st_mode & 0o777 == 0o751


def test_a_mode_counts_for_all_copies(source: Path, root: Path) -> None:
    """--chmod sets the mode of files and folders."""
    copy(source, root, "app", to="/x", mode="700")
    assert (root / "x/a.txt").stat().st_mode & 0o777 == 0o700
    copy(source, root, "single", to="/new/deep/", mode="711")
    assert (root / "new").stat().st_mode & 0o777 == 0o711


def test_a_symbolic_mode_starts_from_each_files_own(source: Path, root: Path) -> None:
    """Folders can be entered, programs run, texts are only read."""
    (source / "app/a.txt").chmod(0o600)
    (source / "app/run").write_text("#!/bin/sh")
    (source / "app/run").chmod(0o700)
    copy(source, root, "app", to="/x/", mode="u=rwX,go=rX")
    modes = {name: (root / "x" / name).stat().st_mode & 0o777 for name in ("a.txt", "run", "deep")}
    assert modes == {"a.txt": 0o644, "run": 0o755, "deep": 0o755}


def test_links_of_the_image_stay_inside_it(source: Path, root: Path, tmp_path: Path) -> None:
    """A link to / in the image means the image's root: nothing outside is touched."""
    (root / "out").symlink_to("/escape")
    (root / "up").symlink_to("../../../../escape")
    copy(source, root, "single", to="/out/")
    copy(source, root, "single", to="/up/")
    assert (root / "escape/single").read_text() == "single"
    assert sorted(os.listdir(tmp_path)) == ["root", "source"]


def test_a_folder_that_is_a_link_is_followed(source: Path, root: Path) -> None:
    """COPY of a tree with app/ onto an image whose /app is a link goes to where it leads."""
    (root / "usr/app").mkdir(parents=True)
    (root / "app").symlink_to("usr/app")
    copy(source, root, ".", to="/")
    assert (root / "app").is_symlink()
    assert (root / "usr/app/deep/b.txt").read_text() == "b"


def test_sources_follow_links_and_wildcards(source: Path, root: Path) -> None:
    """A source may lead through links inside its own tree."""
    copy(source, root, "way/*.txt", to="/x/")
    assert sorted(os.listdir(root / "x")) == ["a.txt", "same.txt"]
    with pytest.raises(NotFound):
        copy(source, root, "nothing*", to="/x/")


def test_a_link_that_is_asked_for_gives_its_name_to_what_it_leads_to(source: Path, root: Path) -> None:
    """COPY link /x/ makes /x/link, with the content of the file behind it."""
    copy(source, root, "app/link", "app/l*", to="/x/")
    assert not (root / "x/link").is_symlink()
    assert (root / "x/link").read_text() == "a"


def test_a_file_replaces_a_file_and_never_a_folder(source: Path, root: Path) -> None:
    """What is in the way is replaced, unless it is a folder."""
    (root / "x").mkdir()
    (root / "x/a.txt").symlink_to("/etc/passwd")
    copy(source, root, "app", to="/x")
    assert (root / "x/a.txt").read_text() == "a"
    (root / "y/a.txt").mkdir(parents=True)
    with pytest.raises(InvalidArgument):
        copy(source, root, "app", to="/y")


def test_circles_are_refused(root: Path) -> None:
    """Two links that lead to each other lead nowhere."""
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(InvalidArgument):
        resolve(str(root), "/a/x")


def test_owners_are_the_images_own(root: Path) -> None:
    """Names are looked up in the image; numbers are taken as they are."""
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n")
    (root / "etc/group").write_text("web:x:33:\n")
    assert find_owner(str(root), "app") == (1000, 1001)
    assert find_owner(str(root), "app:web") == (1000, 33)
    assert find_owner(str(root), "5") == (5, 5)
    assert find_owner(str(root), "5:6") == (5, 6)
    with pytest.raises(InvalidArgument) as caught:
        find_owner(str(root), "ghost")
    assert caught.value.message == "no user ghost in the image's /etc/passwd"


def test_folders_are_made_through_links(root: Path) -> None:
    """A missing folder behind a link is made where the link leads."""
    (root / "way").symlink_to("/far/away")
    assert make_folders(str(root), "/way/on", owner=ME) == str(root / "far/away/on")
