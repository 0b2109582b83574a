"""Running the hooks of a service in its container: ``post_start``, ``pre_stop`` and what `watch` executes."""

from __future__ import annotations

from collections.abc import Callable

from yurt.api.stream import FrameDecoder
from yurt.client.sync import Client
from yurt.compose import payload
from yurt.compose.model import Hook
from yurt.errors import Conflict

Tell = Callable[[str], None]
SHOWN = 10  # last lines of a failed hook in its error


def run_hook(client: Client, container: str, hook: Hook, *, tell: Tell = lambda _: None) -> None:
    """Run *hook* in the running *container* and tell its lines.

    Raises Conflict when it fails, with its last lines.
    """
    identifier = client.json("POST", f"/containers/{container}/exec", json=payload.hook(hook))["Id"]
    lines: list[str] = []
    rest = b""
    decoder = FrameDecoder()
    body = {"Detach": False, "Tty": False}
    with client.hijack("POST", f"/exec/{identifier}/start", json=body) as stream:
        while data := stream.recv():
            for _, piece in decoder.feed(data):
                *whole, rest = (rest + piece).split(b"\n")
                _told(whole, lines, tell)
    _told([rest] if rest else [], lines, tell)
    code = int(client.json("GET", f"/exec/{identifier}/json").get("ExitCode") or 0)
    if code:
        said = "".join(f"\n    {line}" for line in lines[-SHOWN:])
        what = " ".join(hook.command)
        raise Conflict(
            f"the hook {what!r} exited with code {code}{f'; its last lines:{said}' if said else ''}"
        )


def _told(pieces: list[bytes], lines: list[str], tell: Tell) -> None:
    for piece in pieces:
        line = piece.decode("utf-8", "replace").rstrip("\r")
        lines.append(line)
        del lines[: -4 * SHOWN]
        tell(line)
