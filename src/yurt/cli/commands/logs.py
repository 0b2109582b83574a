"""`yurt logs`: what a container wrote."""

from __future__ import annotations

from yurt.api.stream import STDERR, FrameDecoder
from yurt.cli.flags import Options, command
from yurt.cli.pump import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yurt.cli.session import Session


@command(
    "logs [OPTIONS] CONTAINER",
    "Show what a container wrote",
    flags="""
    -f, --follow        Go on as it writes
    -n, --tail NUMBER   Only the last lines
    --since TIME        Since a moment, or so long ago: 2026-11-24T07:00:00, 10m
    --until TIME        Until a moment, or so long ago
    -t, --timestamps    With the time of each line
    --details           With the attributes of the log driver
    --level LEVEL       Only lines of that level or worse: debug, info, warning, error, critical
    """,
    example="""
    yurt logs -f --tail 100 web
    yurt logs --since 10m --level warning web
    """,
)
def logs(session: Session, options: Options) -> None:
    name = options.arguments[0]
    tail = options.text("tail")
    if tail not in ("", "all") and not tail.isdecimal():
        raise options.invalid("tail", tail, "expected a number or all")
    query = {
        "stdout": True,
        "stderr": True,
        "follow": options.flag("follow") or None,
        "tail": tail or None,
        "since": moment(options, "since"),
        "until": moment(options, "until"),
        "timestamps": options.flag("timestamps") or None,
        "details": options.flag("details") or None,
    }
    session.out.flush()
    with session.client.request("GET", f"/containers/{name}/logs", query=query) as answer:
        framed = "multiplexed" in answer.headers.get("content-type", "")
        pieces = _pieces(answer.chunks(), framed=framed)
        if options.has("level"):
            pieces = _filtered(pieces, options.text("level"), timestamps=options.flag("timestamps"))
        for stream, data in pieces:
            write_all(2 if stream >= STDERR else 1, data)


def _pieces(chunks: Iterable[bytes], *, framed: bool) -> Iterator[tuple[int, bytes]]:
    if not framed:
        yield from ((1, chunk) for chunk in chunks)
        return
    decoder = FrameDecoder()
    for chunk in chunks:
        yield from decoder.feed(chunk)


def _filtered(
    pieces: Iterable[tuple[int, bytes]], level: str, *, timestamps: bool
) -> Iterator[tuple[int, bytes]]:
    """Pass whole lines of *level* or worse; each stream has its own lines."""
    from yurt.compose import levels

    least = levels.parse(level)
    filters: dict[int, levels.LevelFilter] = {}
    rest: dict[int, bytes] = {}
    for stream, data in pieces:
        *lines, rest[stream] = (rest.get(stream, b"") + data).split(b"\n")
        passes = filters.setdefault(stream, levels.LevelFilter(least)).passes
        for line in lines:
            if passes(line.partition(b" ")[2] if timestamps else line):
                yield stream, line + b"\n"
    for stream, line in rest.items():
        if line and filters[stream].passes(line.partition(b" ")[2] if timestamps else line):
            yield stream, line


def moment(options: Options, name: str) -> str | None:
    """Return ``--since`` or ``--until`` as seconds since the epoch, None when not given."""
    text = options.text(name)
    if not text:
        return None
    if text.replace(".", "", 1).isdecimal():
        return text
    import time
    from datetime import datetime

    from yurt.cli import values
    from yurt.errors import InvalidArgument

    try:
        return f"{time.time() - values.nanoseconds(text) / 1e9:.9f}"
    except InvalidArgument:
        try:
            return f"{datetime.fromisoformat(text).timestamp():.6f}"  # a moment without a zone is local time
        except ValueError:
            raise options.invalid(name, text, "expected 10m, or 2026-11-24T07:00:00") from None
