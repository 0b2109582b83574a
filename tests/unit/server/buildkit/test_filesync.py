"""The receiving side of fsutil's protocol, packet by packet."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.engine.build.kept import KeptContents
from yurt.errors import InvalidArgument
from yurt.server.buildkit.filesync import (
    AT_ONCE,
    DATA,
    ERR,
    FIN,
    IS_DEVICE,
    IS_FOLDER,
    IS_LINK,
    REQ,
    SETUID,
    STAT,
    STICKY,
    Receiver,
    SmallFiles,
    TreeSink,
    Wish,
    permissions,
)
from yurt.server.buildkit.messages import Packet, Stat

END = Packet(STAT)


def told(*stats: Stat) -> list[Packet]:
    return [*(Packet(STAT, stat) for stat in stats), END]


def a_sink(folder: Path) -> TreeSink:
    return TreeSink(str(folder), KeptContents(folder.parent / "kept"), "")


def asked(answers: list[Packet]) -> list[int]:
    return [answer.id for answer in answers if answer.type == REQ]


@settings(deadline=None)
@given(
    files=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=200), max_size=100),
    size=st.integers(1, 50),
    random=st.randoms(),
)
def test_files_arrive_whole_in_whatever_order_their_pieces_come(
    files: dict[str, bytes], size: int, random: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A client may send several files at once, piece by piece; each arrives as it was."""
    folder = tmp_path_factory.mktemp("context")
    receiver = Receiver(writer := a_sink(folder))
    contents = list(files.values())
    answers = [
        answer
        for packet in told(*(Stat(name, 0o640, size=len(data)) for name, data in files.items()))
        for answer in receiver.take(packet)
    ]
    sending: dict[int, bytes] = {}
    while not any(answer.type == FIN for answer in answers):
        for number in asked(answers):
            sending[number] = contents[number]
        assert 0 < len(sending) <= AT_ONCE
        number = random.choice(sorted(sending))  # type: ignore[attr-defined]
        piece, sending[number] = sending[number][:size], sending[number][size:]
        answers = receiver.take(Packet(DATA, id=number, data=piece))
        if not piece:
            del sending[number]
    receiver.take(Packet(FIN))
    assert receiver.is_done
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    for name, data in files.items():
        entry = writer.entries[name]
        assert (entry.size, entry.digest) == (len(data), hashlib.sha256(data).hexdigest())
        assert (folder / name).stat().st_mode & 0o7777 == 0o640


def test_folders_links_and_other_kinds(tmp_path: Path) -> None:
    """Only contents are asked for; a hard link is made when what it links to is there."""
    receiver = Receiver(writer := a_sink(tmp_path))
    answers = [
        answer
        for packet in told(
            Stat("d", IS_FOLDER | STICKY | 0o700),
            Stat("d/f", SETUID | 0o755, size=2),
            Stat("d/hard", 0o755, linkname="d/f"),
            Stat("link", IS_LINK | 0o777, linkname="d/f"),
            Stat("null", IS_DEVICE | 0o666),
        )
        for answer in receiver.take(packet)
    ]
    assert answers == [Packet(REQ, id=1)]
    assert receiver.take(Packet(DATA, id=1, data=b"hi")) == []
    assert receiver.take(Packet(DATA, id=1)) == [Packet(FIN)]
    assert (tmp_path / "link").read_text() == (tmp_path / "d/hard").read_text() == "hi"
    assert (tmp_path / "d/f").stat().st_nlink == 2
    assert writer.entries["d"].mode == 0o1700
    assert writer.entries["d/f"].mode == 0o4755
    assert "null" not in writer.entries


def _take_all(receiver: Receiver, packets: list[Packet]) -> list[Packet]:
    return [answer for packet in packets for answer in receiver.take(packet)]


HOSTILE = [
    ([Packet(STAT, Stat("/etc/passwd", 0o644))], "absolute"),
    ([Packet(STAT, Stat("../x", 0o644))], "climbs"),
    ([Packet(STAT, Stat("l", IS_LINK, linkname="/etc")), Packet(STAT, Stat("l/x", 0o644))], "goes through"),
    (told(Stat("h", 0o644, linkname="/etc/passwd")), "absolute"),
    (told(Stat("h", 0o644, linkname="nothing")), "links to no file"),
    ([Packet(DATA, id=7, data=b"x")], "nobody asked for"),
    ([Packet(FIN)], "before it was whole"),
    ([END, Packet(STAT, Stat("late", 0o644))], "more files"),
    ([Packet(ERR, data=b"disk on fire")], "disk on fire"),
    ([Packet(9)], "type 9"),
]


@pytest.mark.parametrize(("packets", "error"), HOSTILE)
def test_a_dishonest_client_is_refused(packets: list[Packet], error: str, tmp_path: Path) -> None:
    """Nothing is written outside of the folder, and what makes no sense ends the transfer."""
    receiver = Receiver(a_sink(tmp_path / "context"))
    (tmp_path / "context").mkdir()
    with pytest.raises(InvalidArgument, match=error):
        _take_all(receiver, packets)
    receiver.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["context"]


def test_small_files_are_read_through_one_link_and_have_a_limit() -> None:
    """A Dockerfile may be a link; one of gigabytes is refused while it comes."""
    files = SmallFiles(4)
    receiver = Receiver(files)
    for packet in told(Stat("Dockerfile", IS_LINK, linkname="sub/../real"), Stat("real", 0o644)):
        receiver.take(packet)
    receiver.take(Packet(DATA, id=1, data=b"FROM"))
    assert files.get("Dockerfile") == files.get("real") == b"FROM"
    assert files.get("other") is None
    with pytest.raises(InvalidArgument, match="more than 4 bytes"):
        receiver.take(Packet(DATA, id=1, data=b"!"))


def test_a_wish_is_told_in_headers() -> None:
    """Header values are ASCII: others are escaped, and marked."""
    assert Wish("context", ("a b", "*.py"), ("!x",)).metadata() == (
        ("dir-name", "context"),
        ("followpaths", "a b"),
        ("followpaths", "*.py"),
        ("exclude-patterns", "!x"),
    )
    assert Wish("context", ("é+", "b")).metadata() == (
        ("dir-name", "context"),
        ("followpaths", "%C3%A9%2B"),
        ("followpaths", "b"),
        ("followpaths-encoded", "1"),
    )


async def test_kept_contents_are_not_asked_for(tmp_path: Path) -> None:
    """A file that the client tells as before is a link to what it sent before; one that differs is asked for."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    kept = KeptContents(tmp_path / "kept")
    same, changed = Stat("same", 0o640, size=4, mod_time=5), Stat("changed", 0o640, size=3, mod_time=5)
    first = TreeSink(str(tmp_path / "first"), kept, "key")
    receiver = Receiver(first)
    _take_all(receiver, told(same, changed))
    for number, data in enumerate((b"same", b"old")):
        _take_all(receiver, [Packet(DATA, id=number, data=data), Packet(DATA, id=number)])
    await kept.keep("key", first.tree())
    second = TreeSink(str(tmp_path / "second"), kept, "key")
    answers = _take_all(Receiver(second), told(same, replace(changed, mod_time=6)))
    assert asked(answers) == [1]
    assert (tmp_path / "second/same").read_bytes() == b"same"
    assert second.entries["same"] == first.entries["same"]


def test_modes_are_translated() -> None:
    """Go keeps its special bits elsewhere."""
    assert permissions(IS_FOLDER | STICKY | 0o777) == 0o1777
