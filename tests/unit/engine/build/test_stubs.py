"""What was made to mount something on goes when the mount does."""

from pathlib import Path

from yurt.engine.build.rootfs import remove_stubs


def test_stubs_go_and_all_else_stays(tmp_path: Path) -> None:
    upper, lower, elsewhere = tmp_path / "upper", tmp_path / "lower", tmp_path / "elsewhere"
    for folder in ("upper/a/b/c", "upper/full/in", "upper/base", "lower/base", "elsewhere/x", "upper/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (upper / "file").touch()
    (upper / "written").write_text("x")
    (upper / "full/in/f").touch()
    (upper / "link").symlink_to(elsewhere)
    remove_stubs(
        upper,
        [lower],
        ["/a/b/c", "/file", "/written", "/full/in", "/base", "/link/x", "/none/at/all", "/deep/../deep"],
    )
    assert sorted(path.relative_to(upper).as_posix() for path in upper.rglob("*")) == [
        "base", "full", "full/in", "full/in/f", "link", "written",
    ]  # fmt: skip
    assert (elsewhere / "x").is_dir()
