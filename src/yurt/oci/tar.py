"""Tar as layers use it: reading a stream of chunks entry by entry, and writing headers. Pure: no files here.

POSIX ustar with pax extended headers and GNU long names are read; ustar with pax where needed is written.
`tarfile` does the same for one file at a time at several times the cost, which a base image of ten thousand
files makes visible. Sparse entries are refused: no image builder writes them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from yurt.errors import InvalidArgument

BLOCK = 512
MAX_EXTENDED = 1 << 20  # bytes of one pax header or GNU long name

REGULAR, HARDLINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = "0123456"
_HEADER_ONLY = frozenset({HARDLINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO})
_ZEROS = bytes(BLOCK)
_XATTR = "SCHILY.xattr."


@dataclass(slots=True)
class Entry:
    """One file of an archive. *link* is the target of a link; *xattrs* by name, as bytes.

    Not frozen: thousands are made a second, and freezing triples the cost of making one.
    """

    name: str
    kind: str = REGULAR
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: float = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)


class TarReader:
    """Iterate the entries of an archive that arrives in chunks; `data` gives the content of the current one.

    Content that was not asked for is passed over. When the iteration ends the whole stream has been read,
    whatever follows the archive's end mark included, so that a digest taken on the way is of all of it.
    A damaged or truncated archive raises InvalidArgument.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = memoryview(b"")
        self._position = 0
        self._left = 0  # content bytes of the current entry still to come
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry
        for _rest in self._chunks:
            pass

    def data(self) -> Iterator[memoryview]:
        """Yield the content of the current entry, once."""
        while self._left:
            piece = self._some(self._left)
            self._left -= len(piece)
            yield piece

    def read(self, limit: int) -> bytes:
        """Return the whole content of the current entry; raise InvalidArgument when it is more than *limit* bytes."""
        if self._left > limit:
            raise InvalidArgument(f"broken archive: an entry of {self._left} bytes where {limit} are allowed")
        return b"".join(self.data())

    def _next(self) -> Entry | None:
        extended: dict[str, bytes] = {}
        while True:
            for _skipped in self.data():
                pass
            block = self._header() if self._skip_padding() else None
            if block is None:
                return None
            entry = _parse_header(block)
            self._left = entry.size
            self._padding = -entry.size % BLOCK
            match entry.kind:
                case "x":
                    extended |= _parse_pax(self.read(MAX_EXTENDED))
                case "g":
                    pass  # defaults for all entries; builders write only comments there
                case "L":
                    extended["path"] = self.read(MAX_EXTENDED).rstrip(b"\0")
                case "K":
                    extended["linkpath"] = self.read(MAX_EXTENDED).rstrip(b"\0")
                case _:
                    if extended:
                        _apply_pax(entry, extended)
                    self._finish(entry)
                    return entry

    def _finish(self, entry: Entry) -> None:
        if entry.kind in {"\0", "7"}:
            entry.kind = DIRECTORY if entry.name.endswith("/") else REGULAR
        if entry.kind in _HEADER_ONLY:
            entry.size = 0
        elif entry.kind != REGULAR:
            raise InvalidArgument(f"unsupported archive: {entry.name!r} is an entry of type {entry.kind!r}")
        if not entry.name:
            _broken("an entry has no name")
        self._left = entry.size
        self._padding = -entry.size % BLOCK

    def _skip_padding(self) -> bool:
        """Return whether anything may follow. The last entry's padding may be missing.

        The docker CLI ends the context of a build so whose Dockerfile is elsewhere (`build -f`), and no content is
        lost by it.
        """
        while self._padding:
            if self._position == len(self._buffer) and not self._more():
                return False
            skipped = min(self._padding, len(self._buffer) - self._position)
            self._position += skipped
            self._padding -= skipped
        return True

    def _header(self) -> bytes | None:
        """Return the next header block, or None at the end: a block of zeros, or the stream's end at a block."""
        if self._position == len(self._buffer) and not self._more():
            return None
        block = self._take(BLOCK)
        return None if block == _ZEROS else block

    def _take(self, count: int) -> bytes:
        start = self._position
        if start + count <= len(self._buffer):
            self._position = start + count
            return bytes(self._buffer[start : start + count])
        pieces = []
        while count:
            piece = self._some(count)
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _some(self, limit: int) -> memoryview:
        if self._position == len(self._buffer) and not self._more():
            _broken("it ends in the middle of an entry")
        start = self._position
        piece = self._buffer[start : start + limit]
        self._position = start + len(piece)
        return piece

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._buffer = memoryview(chunk)
                self._position = 0
                return True
        return False


def header(entry: Entry) -> bytes:
    """Return the header blocks of *entry*: one, or a pax header before it where ustar has no room."""
    name, link = _encode(entry.name), _encode(entry.link)
    extended: dict[str, bytes] = {f"{_XATTR}{key}": value for key, value in entry.xattrs.items()}
    if len(name) > 100 or not name.isascii():
        extended["path"] = name
    if len(link) > 100 or not link.isascii():
        extended["linkpath"] = link
    mtime = int(entry.mtime)
    numbers = {"uid": (entry.uid, 7), "gid": (entry.gid, 7), "size": (entry.size, 11), "mtime": (mtime, 11)}
    fields = {}
    for key, (number, digits) in numbers.items():
        if 0 <= number < 8**digits:
            fields[key] = number
        else:
            extended[key], fields[key] = str(number).encode(), 0
    block = _ustar(entry.kind, name, link, entry, fields)
    if not extended:
        return block
    records = b"".join(_pax_record(key, extended[key]) for key in sorted(extended))
    pax = Entry(name="", size=len(records))
    before = _ustar(
        "x", b"PaxHeaders/" + name[-80:], b"", pax, {"uid": 0, "gid": 0, "size": len(records), "mtime": 0}
    )
    return before + records + padding(len(records)) + block


def padding(size: int) -> bytes:
    """Return the zeros that fill content of *size* bytes up to a whole block."""
    return bytes(-size % BLOCK)


END = bytes(2 * BLOCK)
"""What closes an archive."""


def _ustar(kind: str, name: bytes, link: bytes, entry: Entry, numbers: dict[str, int]) -> bytes:
    block = bytearray(BLOCK)
    block[0 : min(len(name), 100)] = name[:100]
    block[100:108] = b"%07o\0" % (entry.mode & 0o7777)
    block[108:116] = b"%07o\0" % numbers["uid"]
    block[116:124] = b"%07o\0" % numbers["gid"]
    block[124:136] = b"%011o\0" % numbers["size"]
    block[136:148] = b"%011o\0" % numbers["mtime"]
    block[148:156] = b"        "
    block[156] = ord(kind)
    block[157 : 157 + min(len(link), 100)] = link[:100]
    block[257:265] = b"ustar\x0000"
    block[329:337] = b"%07o\0" % entry.major
    block[337:345] = b"%07o\0" % entry.minor
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_record(key: str, value: bytes) -> bytes:
    body = b" " + _encode(key) + b"=" + value + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:  # the length counts its own digits
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def _parse_header(block: bytes) -> Entry:
    checksum = block[148:156]
    try:
        said = int(checksum.partition(b"\0")[0], 8)
    except ValueError:
        said = -1
    if said != sum(block) - sum(checksum) + 256:
        _broken("what should be the header of a tar entry is none, or was changed")
    name = _text(block[0:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    entry = Entry(
        name,
        chr(block[156]),
        _number(block[100:108]) & 0o7777,
        _number(block[108:116]),
        _number(block[116:124]),
        _number(block[124:136]),
        _number(block[136:148]),
        _text(block[157:257]),
    )
    if entry.size < 0:
        _broken("an entry has a negative size")
    if entry.kind in {CHARACTER, BLOCK_DEVICE}:
        entry.major, entry.minor = _number(block[329:337]), _number(block[337:345])
    return entry


def _number(field_: bytes) -> int:
    if field_[0] & 0x80:  # GNU: base 256, for what octal digits cannot hold
        return int.from_bytes(bytes([field_[0] & 0x7F]) + field_[1:], "big", signed=False) - (
            1 << (8 * len(field_) - 1) if field_[0] & 0x40 else 0
        )
    digits = field_.partition(b"\0")[0].strip()
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError:
        _broken(f"{field_!r} is not a number")


def _parse_pax(data: bytes) -> dict[str, bytes]:
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        if space < 0 or not data[position:space].isdigit():
            _broken("a pax record has no length")
        end = position + int(data[position:space])
        record = data[space + 1 : end]
        if end > len(data) or not record.endswith(b"\n"):
            _broken("a pax record has a wrong length")
        key, equals, value = record[:-1].partition(b"=")
        if not equals:
            _broken("a pax record has no value")
        records[_text(key)] = value
        position = end
    return records


def _apply_pax(entry: Entry, extended: dict[str, bytes]) -> None:
    for key, value in extended.items():
        match key:
            case "path":
                entry.name = _text(value)
            case "linkpath":
                entry.link = _text(value)
            case "size":
                entry.size = _pax_int(value)
            case "uid":
                entry.uid = _pax_int(value)
            case "gid":
                entry.gid = _pax_int(value)
            case "mtime":
                entry.mtime = _pax_time(value)
            case _ if key.startswith(_XATTR):
                entry.xattrs[key.removeprefix(_XATTR)] = value
            case _ if key.startswith("GNU.sparse."):
                raise InvalidArgument(f"unsupported archive: {entry.name!r} is a sparse entry")
            case _:
                pass  # times of access, comments and the like, which layers do not keep


def _pax_int(value: bytes) -> int:
    if not value.isdigit() or len(value) > 19:
        _broken(f"{value!r} is not a number")
    return int(value)


def _pax_time(value: bytes) -> float:
    try:
        time = float(value)
    except ValueError:
        _broken(f"{value!r} is not a time")
    if not abs(time) < 2**62:
        _broken(f"{value!r} is not a time")
    return time


def _text(data: bytes) -> str:
    # File names are bytes to the kernel; what is not UTF-8 passes through unharmed.
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _broken(why: str) -> NoReturn:
    raise InvalidArgument(f"broken archive: {why}")
