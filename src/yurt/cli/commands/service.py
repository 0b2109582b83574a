"""`yurt system service`: the engine started by systemd with the machine."""

from __future__ import annotations

import os

from yurt import places
from yurt.cli.flags import Options, command
from yurt.errors import Forbidden, InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yurt.cli.session import Session

UNIT = "yurt.service"


@command(
    "service [OPTIONS] install|uninstall|status",
    "Have systemd start the engine with the machine, and again when it fails",
    flags="""
    --root DIR    Where its state lives (default: /var/lib/yurt)
    --print       Show the unit that install would write, and change nothing
    """,
    example="""
    sudo yurt system service install
    yurt system service install --print
    """,
)
def service(session: Session, options: Options) -> int:
    from yurt.cli import systemd

    verb = options.arguments[0]
    if verb not in ("install", "uninstall", "status"):
        from yurt.cli.failure import UsageError

        raise UsageError(
            f"unknown command `{options.path} {verb}`", hint="there are install, uninstall and status"
        )
    if options.flag("print"):
        session.print(_unit(session, options).rstrip("\n"))
        return 0
    if not systemd.is_running():
        raise Unavailable(
            "systemd does not run here, and only systemd can look after the engine as a service",
            hint="none is needed: the first command starts the engine, and containers outlive it",
        )
    if verb == "status":
        return _status(session)
    if os.geteuid() != 0:
        raise Forbidden(f"only root may {verb} a service", hint=f"sudo yurt system service {verb}")
    path = f"{systemd.UNIT_FOLDER}/{UNIT}"
    if verb == "install":
        _install(session, options, path)
    else:
        _uninstall(session, path)
    return 0


def _unit(session: Session, options: Options) -> str:
    from yurt.cli import systemd

    root = options.text("root") or session.environ.get("YURT_ROOT", "")
    if root and not os.path.isabs(root):
        raise InvalidArgument(f"{root} is relative: a service has no folder that it is called in")
    given = ["--root", root] if root else []
    if given and not options.text("root"):
        given += ["--host", places.default_host(session.environ)]
    return systemd.unit([*systemd.engine_command(), *given])


def _install(session: Session, options: Options, path: str) -> None:
    from yurt.cli import systemd
    from yurt.cli.engine_stop import stop

    text = _unit(session, options)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
    systemd.systemctl("daemon-reload")
    if session.owns_engine and systemd.systemctl("show", "-P", "MainPID", UNIT) == "0":
        stop(session.host.removeprefix("unix://"))  # one that a command started; its containers go on
    systemd.systemctl("enable", UNIT)
    systemd.systemctl("restart", UNIT)
    session.print(f"{path} is installed; the engine runs and starts with the machine")


def _uninstall(session: Session, path: str) -> None:
    from yurt.cli import systemd

    if not os.path.exists(path):
        session.print("no service is installed")
        return
    systemd.systemctl("disable", "--now", UNIT)
    os.unlink(path)
    systemd.systemctl("daemon-reload")
    session.print(f"{path} is gone; containers that run go on, and the next command starts the engine")


def _status(session: Session) -> int:
    """Show how it stands in one line; 1 unless it runs."""
    from yurt.cli import systemd

    asked = systemd.systemctl("show", "-p", "LoadState,ActiveState,UnitFileState,MainPID", UNIT)
    state = dict(line.split("=", 1) for line in asked.splitlines())
    if state.get("LoadState") != "loaded":
        session.print("no service is installed")
        return 1
    session.print(
        f"{UNIT}: {state['ActiveState']}, {state['UnitFileState'] or 'not enabled'}, pid {state['MainPID']}"
    )
    return 0 if state["ActiveState"] == "active" else 1
