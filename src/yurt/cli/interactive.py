"""Being attached: what `run`, `start -a`, `attach` and `exec` share. Raw terminal, resizing, signals, detaching."""

from __future__ import annotations

import os

from yurt.cli import terminal
from yurt.cli.failure import Failure, UsageError
from yurt.cli.pump import Signals, pump
from yurt.errors import InvalidArgument, YurtError

TYPE_CHECKING = False  # `typing` alone would cost a fifth of the start-up
if TYPE_CHECKING:
    from collections.abc import Callable

    from yurt.cli.session import Session
    from yurt.client.sync import Hijacked

SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGWINCH = 1, 2, 3, 10, 12, 15, 28
PROXIED = {
    SIGHUP: "HUP",
    SIGINT: "INT",
    SIGQUIT: "QUIT",
    SIGUSR1: "USR1",
    SIGUSR2: "USR2",
    SIGTERM: "TERM",
}
INTERRUPTED = 130
PATIENCE = 3  # interrupts until the person is believed to want out


def require_terminal() -> None:
    """Refuse -t with an stdin that is no terminal: keys could not be passed on as they are."""
    if not os.isatty(0):
        raise Failure(
            "the input is not a terminal",
            hint="leave out -t when the input is piped: -i alone passes it on",
            code=1,
        )


def resize(session: Session, place: str) -> None:
    """Tell the engine the terminal's size; *place* is ``/containers/ID`` or ``/exec/ID``."""
    if (known := terminal.size()) is None:
        return
    try:
        session.client.request("POST", f"{place}/resize", query={"h": known[0], "w": known[1]}).read()
    except YurtError as late:
        if session.debug:
            session.note(f"resize: {late}")  # it has ended, or not begun: nothing that the person could do


def attached(
    session: Session,
    stream: Hijacked,
    *,
    tty: bool,
    stdin: bool,
    place: str,
    proxy: str = "",
    detach_keys: str = "",
    started: Callable[[], None] | None = None,
) -> bool:
    """Stay with *stream* until its end; returns True if the person left by the detach keys.

    *place* is where resizes go, *proxy* the container that gets this process's signals ("": they act here).
    *started* is called once all is ready, before the first byte is awaited.
    """
    keys = None
    if tty and stdin:
        from yurt.api.keys import DEFAULT_DETACH_KEYS, parse_keys

        try:
            keys = terminal.DetachKeys(parse_keys(detach_keys or DEFAULT_DETACH_KEYS))
        except InvalidArgument as wrong:
            raise UsageError(wrong.message, hint=wrong.hint, code=125) from wrong
    interrupts = 0

    def tell(number: int) -> None:
        nonlocal interrupts
        if number == SIGWINCH:
            resize(session, place)
            return
        if number in (SIGINT, SIGTERM):
            interrupts += 1
            if interrupts >= PATIENCE:
                raise Failure(
                    f"interrupted {PATIENCE} times: leaving, but the container goes on",
                    hint=f"yurt kill {proxy[:12]} ends it",
                    code=INTERRUPTED,
                )
        try:
            session.client.request(
                "POST", f"/containers/{proxy}/kill", query={"signal": PROXIED[number]}
            ).read()
        except YurtError as late:
            if session.debug:
                session.note(f"signal {PROXIED[number]}: {late}")

    numbers = [*(PROXIED if proxy else ()), *((SIGWINCH,) if tty else ())]
    session.out.flush()
    with Signals(numbers, tell) as signals, terminal.RawMode(0 if tty and stdin else -1):
        if started:
            started()
        if tty:
            resize(session, place)
        return pump(stream, framed=not tty, stdin=0 if stdin else None, detach=keys, signals=signals)
