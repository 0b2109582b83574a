"""Tar: read what others write, write what others read."""

import contextlib
import io
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.oci import tar

names = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=150
).filter(lambda name: name.strip(".") != "")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, size: int = 7000) -> list[tuple[tar.Entry, bytes]]:
    reader = tar.TarReader(pieces(data, size))
    return [(entry, reader.read(1 << 30)) for entry in reader]


def written(*files: tuple[tar.Entry, bytes]) -> bytes:
    return b"".join(tar.header(entry) + data + tar.padding(len(data)) for entry, data in files) + tar.END


def a_tarfile(format_: int, **fields: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        info = tarfile.TarInfo()
        for key, value in fields.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


@settings(deadline=None)
@given(
    name=names,
    link=names,
    size=st.integers(0, 3000),
    mode=st.integers(0, 0o7777),
    owner=st.integers(0, 2**31),
    mtime=st.integers(0, 2**40),
    xattrs=st.dictionaries(st.sampled_from(["user.a", "security.capability"]), st.binary(max_size=20)),
    chunk=st.integers(1, 5000),
)
def test_what_is_written_is_read_back_here_and_by_tarfile(
    name: str, link: str, size: int, mode: int, owner: int, mtime: int, xattrs: dict[str, bytes], chunk: int
) -> None:
    """Long and foreign names, large numbers and attributes survive, whatever the chunks are."""
    file = tar.Entry(name, tar.REGULAR, mode, owner, owner, size, mtime, xattrs=xattrs)
    symlink = tar.Entry(f"{name}-", tar.SYMLINK, 0o777, link=link)
    data = written((file, b"y" * size), (symlink, b""))
    assert read(data, chunk) == [(file, b"y" * size), (symlink, b"")]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        theirs, link_info = archive.getmembers()
    assert (theirs.name, theirs.mode, theirs.uid, theirs.size, theirs.mtime) == (
        name,
        mode,
        owner,
        size,
        mtime,
    )
    assert (link_info.issym(), link_info.linkname) == (True, link)


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "fields",
    [
        {"name": "short", "size": 10, "mode": 0o4755},
        {"name": "d" * 200 + "/" + "e" * 80, "size": 0},
        {"name": "l", "type": tarfile.SYMTYPE, "linkname": "t" * 180},
        {"name": "ж", "size": 600},
        {"name": "big-owner", "uid": 2**31, "gid": 2**30},
        {"name": "device", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"name": "before-1970", "mtime": -5},
    ],
)
def test_what_tarfile_writes_is_read(format_: int, fields: dict[str, object]) -> None:
    """GNU's and pax's ways of saying what ustar cannot."""
    data = a_tarfile(format_, **fields)
    [(entry, content)] = read(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        [theirs] = archive.getmembers()
    assert (entry.name, entry.link, entry.mode, entry.uid, entry.gid) == (
        theirs.name,
        theirs.linkname,
        theirs.mode,
        theirs.uid,
        theirs.gid,
    )
    assert (len(content), entry.mtime) == (theirs.size, theirs.mtime)
    assert (entry.major, entry.minor) == (theirs.devmajor, theirs.devminor)


def test_ustar_prefixes_are_joined() -> None:
    """A path of up to 255 bytes may stand in two fields."""
    name = "/".join(["d" * 50] * 4)
    [(entry, _)] = read(a_tarfile(tarfile.USTAR_FORMAT, name=name))
    assert entry.name == name


def test_content_not_asked_for_is_passed_over() -> None:
    """Iterating alone is enough to come to the next entry."""
    data = written((tar.Entry("a", size=1000), b"a" * 1000), (tar.Entry("b", size=1), b"b"))
    assert [entry.name for entry in tar.TarReader(pieces(data, 300))] == ["a", "b"]


def test_the_whole_stream_is_read_when_the_iteration_ends() -> None:
    """What follows the end mark belongs to the digest too."""
    seen: list[bytes] = []

    def watched() -> Iterator[bytes]:
        for piece in pieces(written((tar.Entry("a"), b"")) + bytes(10240), 512):
            seen.append(piece)
            yield piece

    for _ in tar.TarReader(watched()):
        pass
    assert sum(map(len, seen)) == 512 + 1024 + 10240


def test_content_larger_than_allowed_is_not_read() -> None:
    """Memory is bounded by who asks."""
    reader = tar.TarReader([written((tar.Entry("a", size=100), b"a" * 100))])
    next(iter(reader))
    with pytest.raises(InvalidArgument):
        reader.read(99)


ARCHIVE = written((tar.Entry("name", size=600), b"z" * 600))


@pytest.mark.parametrize("length", [1, 511, 513, 1000, 1111])
def test_a_truncated_archive_is_broken(length: int) -> None:
    """Wherever it is cut inside an entry."""
    with pytest.raises(InvalidArgument, match="broken archive"):
        read(ARCHIVE[:length])


@pytest.mark.parametrize("length", [1112, 1113, 1535, 1536])
def test_an_archive_without_its_last_padding_is_whole(length: int) -> None:
    """As the docker CLI sends the context of `build -f` with a Dockerfile from elsewhere; whatever the pieces."""
    for size in (7, 512, 4096):
        [(entry, content)] = read(ARCHIVE[:length], size)
        assert (entry.name, content) == ("name", b"z" * 600)


@pytest.mark.parametrize("junk", [b"\x1f\x8b" + bytes(600), b"#!/bin/sh\n" * 100, b"\xff" * 1024])
def test_what_is_no_archive_is_broken(junk: bytes) -> None:
    """The checksum tells."""
    with pytest.raises(InvalidArgument, match="broken archive"):
        read(junk)


@settings(deadline=None)
@given(st.integers(0, 511), st.binary(min_size=1, max_size=1))
def test_no_damage_to_a_header_raises_anything_else(position: int, byte: bytes) -> None:
    """A damaged header is read, or refused with our error; never another exception."""
    damaged = ARCHIVE[:position] + byte + ARCHIVE[position + 1 :]
    with contextlib.suppress(InvalidArgument):
        read(damaged)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_pax_header_raises_anything_else(records: bytes) -> None:
    """Extended headers come from strangers too."""
    data = tar.header(tar.Entry("x", "x", size=len(records))) + records + tar.padding(len(records)) + ARCHIVE
    with contextlib.suppress(InvalidArgument):
        read(data)


def test_sparse_entries_are_refused_by_name() -> None:
    """Reading one as plain content would silently be wrong."""
    record = b"22 GNU.sparse.major=1\n"
    data = tar.header(tar.Entry("x", "x", size=len(record))) + record + tar.padding(len(record)) + ARCHIVE
    with pytest.raises(InvalidArgument, match="sparse"):
        read(data)


def test_an_entry_of_unknown_type_is_refused() -> None:
    """Guessing would lose data."""
    with pytest.raises(InvalidArgument, match="type 'V'"):
        read(written((tar.Entry("volume", "V"), b"")))
