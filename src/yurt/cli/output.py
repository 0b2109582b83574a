"""How results look: tables with Docker's columns, ``--format``, sizes and ages in words. Pure text, no I/O."""

from __future__ import annotations

import time

from yurt.api.words import duration

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yurt.cli.flags import Options

    Row = Mapping[str, object]

MINIMUM_WIDTH = 10
PADDING = 3


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out *rows*, the first being the titles, in columns; Docker's widths."""
    widths = [
        max(MINIMUM_WIDTH, PADDING + max(len(row[column]) for row in rows)) for column in range(len(rows[0]))
    ]
    return [
        "".join([cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + list(row[-1:]))
        for row in rows
    ]


def listing(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    shown: Sequence[str],
    options: Options,
    key: str = "ID",
    *,
    width: int | None = None,
) -> list[str]:
    """Return the lines of a list command.

    *columns* maps every field of a row to its title, *shown* names those of the plain table, *key* is what
    ``--quiet`` prints. ``--format`` takes ``table``, ``json``, a template, or ``table`` and a template. On a
    terminal of *width* columns the plain table is made to fit, unless ``--no-trunc`` wants all.
    """
    template = options.text("format")
    if options.flag("quiet") and not template:
        return [str(row[key]) for row in rows]
    if not template or template == "table":
        cells = [[str(row[column]) for column in shown] for row in rows]
        lines = table([[columns[column] for column in shown], *cells])
        if width is None or options.flag("no-trunc") or max(map(len, lines)) <= width:
            return lines
        from yurt.cli.fitting import fitted

        return fitted(rows, columns, shown, width)
    if template == "json":
        return [json_text(row) for row in rows]
    from yurt.cli.template import Template

    if not template.startswith("table "):
        compiled = Template.parse(template)
        return [compiled.render(row) for row in rows]
    compiled = Template.parse(template.removeprefix("table "))
    texts = [compiled.render(row) for row in rows]
    lines = [compiled.titles(columns), *texts]
    split = [line.split("\t") for line in lines]
    width = max(len(cells) for cells in split)
    return table([cells + [""] * (width - len(cells)) for cells in split])


def json_text(value: object) -> str:
    """Return *value* as JSON in one line, spelled as Go does: letters as they are, HTML's marks escaped."""
    import json

    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def size(count: float, *, digits: int = 4) -> str:
    """Return *count* bytes in words, by thousands: ``1.98MB``; *digits* are the significant ones."""
    return _scaled(count, 1000.0, ("B", "kB", "MB", "GB", "TB", "PB"), digits)


def binary_size(count: float) -> str:
    """Return *count* bytes in words, by 1024: ``1.559MiB``."""
    return _scaled(count, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 4)


def _scaled(count: float, step: float, units: Sequence[str], digits: int) -> str:
    unit = 0
    while count >= step and unit < len(units) - 1:
        count /= step
        unit += 1
    return f"{count:.{digits}g}{units[unit]}"


def age(timestamp: float, now: float | None = None) -> str:
    """Return how long ago *timestamp* (seconds since the epoch) was: ``5 minutes ago``. Before the epoch: unknown."""
    if timestamp < 0:
        return "N/A"
    return f"{duration((time.time() if now is None else now) - timestamp)} ago"


def moment(text: str) -> float:
    """Return an RFC 3339 time of the engine in seconds since the epoch; before it when there is none."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    except ValueError:
        return -1.0


def local_time(timestamp: float) -> str:
    """Return a moment as tables show it: ``2026-11-24 06:58:43 +0000 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(timestamp))


def iso_time(timestamp: float) -> str:
    """Return a moment as `history` shows it: ``2026-11-24T06:58:43Z``, or with the offset of the local time."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(timestamp))
    return text.removesuffix("+0000") + "Z" if text.endswith("+0000") else f"{text[:-2]}:{text[-2:]}"


def shortened(text: str, width: int) -> str:
    """Return *text* cut to *width* characters, the last being "…" if something was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(identifier: str) -> str:
    """Return the twelve digits shown to people."""
    return identifier.removeprefix("sha256:")[:12]
