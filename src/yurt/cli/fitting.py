"""Tables that fit a terminal: what is long and told elsewhere is shortened or left out, and no line wraps.

Only for people at a terminal that is too narrow for the whole table; what is piped is never changed.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP = 2
# Identifiers and names are never touched: they are what people copy. First some columns are shortened, to so many
# letters at least, then left out, one after the other, then shortened further.
SHORTENED = (("Ports", 24), ("Command", 12), ("CreatedBy", 24), ("Description", 16), ("ConfigFiles", 20))
LEFT_OUT = (
    "Comment",
    "Command",
    "RunningFor",
    "LocalVolumes",
    "SharedSize",
    "Shared",
    "UsageCount",
    "InUse",
    "PIDs",
    "BlockIO",
)
AT_LAST = (("Image", 16), ("Ports", 10))
_EVERYWHERE = re.compile(r"(?<![^ ])(?:0\.0\.0\.0|\[::\]):")


def fitted(
    rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], shown: Sequence[str], width: int
) -> list[str]:
    """Lay out the columns *shown* of *rows* with their titles, in lines of at most *width* if that can be done."""
    whole = {name: [columns[name], *(_brief(name, str(row[name])) for row in rows)] for name in shown}
    cells = _shrunk(whole, SHORTENED, width)
    for name in LEFT_OUT:
        if name in whole and _width(cells) > width:
            del whole[name]
            cells = _shrunk(whole, SHORTENED, width)
    cells = _shrunk(cells, AT_LAST, width)
    widths = {name: max(map(len, texts)) + GAP for name, texts in cells.items()}
    lines = zip(*([text.ljust(widths[name]) for text in texts] for name, texts in cells.items()), strict=True)
    return ["".join(line).rstrip() for line in lines]


def _shrunk(
    cells: Mapping[str, list[str]], limits: Sequence[tuple[str, int]], width: int
) -> dict[str, list[str]]:
    """Return *cells* with columns shortened, no further than *limits* and than it takes."""
    cells = dict(cells)
    for name, limit in limits:
        excess = _width(cells) - width
        if excess > 0 and name in cells:
            least = max(limit, max(map(len, cells[name])) - excess)
            cells[name] = [_shortened(name, text, least) for text in cells[name]]
    return cells


def _width(cells: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, texts)) + GAP for texts in cells.values()) - GAP


def _brief(name: str, text: str) -> str:
    """Return ports without what they nearly all have: every address, and twice for both families; tcp."""
    if name != "Ports":
        return text
    parts = [_EVERYWHERE.sub("", part).removesuffix("/tcp") for part in text.split(", ")]
    return ", ".join(dict.fromkeys(parts))


def _shortened(name: str, text: str, width: int) -> str:
    """Return *text* in at most *width* letters: of an image the end, which tells its version, of all else the beginning."""
    if len(text) <= width:
        return text
    return f"…{text[len(text) - width + 1 :]}" if name == "Image" else f"{text[: width - 1]}…"
