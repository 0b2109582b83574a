"""What the engine tells while it works: JSON messages in, lines out; on a terminal the lines of one thing move.

The messages are Docker's: ``status`` with ``id`` and ``progressDetail``, ``stream``, ``aux``, ``errorDetail``.
"""

from __future__ import annotations

import os

from yurt.cli import output
from yurt.cli.failure import Failure
from yurt.client.jsontext import loads

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TextIO

    from yurt.cli.session import Session

BAR = 24


class Progress:
    """Draws messages on *stream*: in place on a terminal, as plain lines elsewhere; nothing but errors if *quiet*."""

    def __init__(self, stream: TextIO, *, quiet: bool = False, moving: bool | None = None) -> None:
        self._stream = stream
        self._quiet = quiet
        self._moving = stream.isatty() if moving is None else moving
        self._width = _width(stream) if self._moving else 0  # a line that wrapped could not be rewritten
        self._rows: dict[str, int] = {}  # id → its line, counted from the first that moves
        self._told: dict[str, str] = {}  # id → the last status printed
        self.aux: list[dict[str, Any]] = []
        self.has_begun = False  # the engine said something before it failed

    def __repr__(self) -> str:
        return f"<Progress of {len(self._rows)} things>"

    def follow(self, lines: Iterable[bytes]) -> None:
        """Draw every message; raises Failure at the first that reports an error."""
        for line in lines:
            if line.strip():
                self.take(loads(line))
        self._stream.flush()

    def take(self, message: dict[str, Any]) -> None:
        """Draw one message."""
        if error := message.get("errorDetail") or message.get("error"):
            self._stream.flush()
            detail = error if isinstance(error, dict) else {"message": error}
            text = str(detail.get("message") or message.get("error")).strip()
            raise Failure(text, hint=message.get("hint"))
        self.has_begun = True
        if aux := message.get("aux"):
            self.aux.append(aux)
        if self._quiet:
            return
        if "stream" in message:
            self._rows.clear()
            self._stream.write(message["stream"] if self._moving else _plain(message["stream"]))
            self._stream.flush()
        elif "status" in message:
            self._status(message)

    def _status(self, message: dict[str, Any]) -> None:
        name, status = message.get("id") or "", message["status"]
        if not self._moving or not name:
            if message.get("progressDetail") and self._told.get(name) == status:
                return
            self._told[name] = status
            self._rows.clear()
            self._stream.write(f"{name}: {status}\n" if name else f"{status}\n")
            return
        text = f"{name}: {status} {_bar(message.get('progressDetail') or {})}".rstrip()
        text = "".join(letter for letter in text if letter.isprintable())[: self._width]
        if name not in self._rows:
            self._rows[name] = len(self._rows)
            self._stream.write("\n")
        up = len(self._rows) - self._rows[name]
        self._stream.write(f"\x1b[{up}A\r\x1b[2K{text}\x1b[{up}B\r")
        self._stream.flush()


def _width(stream: TextIO) -> int:
    try:
        return max(20, os.get_terminal_size(stream.fileno()).columns - 1)
    except (OSError, ValueError):  # no terminal after all
        return 79


def _plain(text: str) -> str:
    """Return *text* without the colours that the engine may have put in."""
    while (start := text.find("\x1b[")) >= 0 and (end := text.find("m", start)) >= 0:
        text = text[:start] + text[end + 1 :]
    return text


def _bar(detail: dict[str, Any]) -> str:
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if not current:
        return ""
    if not total or current > total:
        return output.size(current)
    done = int(BAR * current / total)
    return f"[{'━' * done}{' ' * (BAR - done)}] {output.size(current)}/{output.size(total)}"


def split_reference(image: str) -> tuple[str, str]:
    """Return (name, tag or digest) as ``/images/create`` wants them; the tag defaults to latest."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return name, digest
    head, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag or "latest"


def pull(
    session: Session,
    image: str,
    *,
    platform: str = "",
    quiet: bool = False,
    every_tag: bool = False,
    stream: TextIO | None = None,
    auth: Callable[[str], dict[str, str]] | None = None,
) -> None:
    """Pull *image*, showing how it goes on *stream*; afterwards it is here, or *every_tag* of its repository."""
    name, tag = (image, None) if every_tag else split_reference(image)
    query = {"fromImage": name, "tag": tag, "platform": platform or None}
    headers = auth(image) if auth else None
    lines = session.client.lines("POST", "/images/create", query=query, headers=headers)
    Progress(stream or session.out, quiet=quiet).follow(lines)
