import pytest

from yurt.dockerfile.remote import FileSource, GitSource, is_remote, parse_remote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SUM = "sha256:" + "a" * 64


@pytest.mark.parametrize("source", ["app.py", "./http", "a@b/c", "C:x", "git", "https:/x", "-u@h:p/../x y"])
def test_paths_of_the_context_are_no_addresses(source: str) -> None:
    assert not is_remote(source)


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("https://h/a/b%20c.tar", FileSource("https://h/a/b%20c.tar")),
        ("http://h/x#part", FileSource("http://h/x")),
        ("https://h/x.git", GitSource("https://h/x.git")),
        ("https://h/x.git#v1:docs", GitSource("https://h/x.git", "v1", "docs")),
        ("https://h/x.git#:docs", GitSource("https://h/x.git", "", "docs")),
        ("git@h:x/y.git#main", GitSource("git@h:x/y.git", "main")),
        ("git://h/x", GitSource("git://h/x")),
        ("ssh://git@h:2222/x#v1", GitSource("ssh://git@h:2222/x", "v1")),
    ],
)
def test_addresses(source: str, meant: object) -> None:
    assert is_remote(source)
    assert parse_remote(source) == meant


def test_a_file_is_called_as_its_url_ends() -> None:
    assert FileSource("https://h/a/b%20c.tar?x=/y").name == "b c.tar"
    assert FileSource("https://h/a/").name == ""


@pytest.mark.parametrize(
    ("source", "more", "error"),
    [
        ("https://h/x.git#--upload-pack=x", {}, "no name of a branch"),
        ("https://h/x.git#main:../..", {}, "leads out"),
        ("https://h/x", {"checksum": "md5:1"}, "expected sha256"),
        ("https://h/x", {"keep_git_dir": True}, "for Git repositories"),
        ("https://h/x.git", {"checksum": SUM}, "is a commit"),
        ("https://", {}, "no host"),
    ],
)
def test_what_cannot_be_is_refused(source: str, more: dict[str, object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_remote(source, **more)  # type: ignore[arg-type]


def test_checksums() -> None:
    assert parse_remote("https://h/x", checksum=SUM) == FileSource("https://h/x", SUM)
    assert parse_remote("https://h/x.git", checksum=COMMIT) == GitSource("https://h/x.git", checksum=COMMIT)
