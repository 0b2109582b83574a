"""``yurtd``: one engine on one root, answering on its sockets, until it is told to stop.

What needs no engine (``--version``, wrong arguments, a root that is taken) is answered before anything heavy
is imported.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys

import yurt
from yurt.errors import Unavailable, YurtError
from yurt.settings import EngineSettings

TYPE_CHECKING = False  # `typing` is not needed to answer --version
if TYPE_CHECKING:
    from collections.abc import Sequence

    from yurt.isolation import Level
    from yurt.server.listening import Listener


def main() -> None:
    """Run the daemon; a refusal is one sentence on stderr and status 1."""
    arguments = _parser().parse_args()
    gc.disable()  # importing makes much and drops nothing; a collection meanwhile is a tenth of the start
    try:
        sys.exit(_run(arguments))
    except YurtError as error:
        hint = f"; {error.hint}" if error.hint else ""
        print(f"yurtd: {error.message}{hint}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yurtd", description="The Yurt engine: a Docker Engine API on a socket."
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="where state lives (default: /var/lib/yurt; ~/.local/share/yurt of a normal user)",
    )
    parser.add_argument(
        "--host",
        "-H",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="where to listen: unix:///PATH, tcp://NAME:PORT (with TLS) or fd:// (systemd's sockets); "
        "may be given several times (default: unix:///run/yurt/yurt.sock; $XDG_RUNTIME_DIR/yurt/yurt.sock of a user)",
    )
    parser.add_argument(
        "--tlsverify", action="store_true", help="TCP clients must have a certificate; there is no other TCP"
    )
    parser.add_argument("--tlscacert", metavar="FILE", help="who signed the clients' certificates")
    parser.add_argument("--tlscert", metavar="FILE", help="the engine's certificate")
    parser.add_argument("--tlskey", metavar="FILE", help="the key of the engine's certificate")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings in TOML (default: /etc/yurt/yurt.toml; ~/.config/yurt/yurt.toml of a normal user)",
    )
    parser.add_argument(
        "--require-isolation",
        metavar="LEVEL",
        help="refuse to start below root, subuids or one-uid (default: start with what there is, and tell)",
    )
    parser.add_argument("--debug", action="store_true", help="log every request, mount and runtime command")
    parser.add_argument(
        "--dismantle",
        action="store_true",
        help="kill this root's containers, take its networks out of the kernel, and leave; stored things stay",
    )
    parser.add_argument("--version", action="version", version=f"yurtd {yurt.__version__}")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from yurt.daemon import config, lock

    settings = config.resolve(
        os.environ,
        root=arguments.root,
        hosts=arguments.host,
        config=arguments.config,
        debug=arguments.debug,
        require_isolation=arguments.require_isolation,
        tlsverify=arguments.tlsverify,
        tlscacert=arguments.tlscacert,
        tlscert=arguments.tlscert,
        tlskey=arguments.tlskey,
    )
    if os.geteuid() != 0:
        from yurt.linux.rootless.enter import enter

        along = {} if arguments.dismantle else _outside(settings)
        enter(settings.run, os.environ, required=settings.require_isolation, along=along)
    _require(settings.require_isolation)
    os.umask(0o022)
    held = lock.RootLock(settings.root)
    try:
        from yurt.daemon import log

        log.configure(debug=settings.debug)
        asyncio.run(_dismantle(settings) if arguments.dismantle else _serve(settings))
    finally:
        held.release()
    if arguments.dismantle and settings.keeper is not None:
        from yurt.linux.rootless.client import KeeperClient

        KeeperClient(settings.keeper).end()
    return 0


def _outside(settings: EngineSettings) -> dict[str, str]:
    """Listen on what the host's network is needed for; return the variable that tells the engine inside of it."""
    if not any(address.scheme == "tcp" for address in settings.listen):
        return {}
    import json

    from yurt import places
    from yurt.server import listening

    return {places.OUTSIDE: json.dumps(listening.made_outside(settings))}


def _require(wanted: "Level | None") -> None:
    """Refuse to go on when the isolation that containers would have is below what is *wanted*."""
    from yurt.linux import isolation

    level = isolation.level()
    if wanted is not None and not level.reaches(wanted):
        raise Unavailable(
            f"containers would be {level.sentence}, and at least {wanted.sentence} is required",
            hint="yurt doctor says what this host lacks; --require-isolation sets what is required",
        )


async def _serve(settings: EngineSettings) -> None:
    """Bring the engine up, answer until SIGTERM or SIGINT, and let go; containers go on."""
    from yurt.server import listening

    with listening.opened(settings) as listeners:  # before anything else is made in the kernel
        await _serve_on(listeners, settings)


async def _serve_on(listeners: "Sequence[Listener]", settings: EngineSettings) -> None:
    from yurt.daemon import wiring

    # All that was imported stays for good: the collector need not look at it again with every sweep.
    gc.freeze()
    gc.enable()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, _dump_tasks)
    engine = wiring.engine(settings)
    try:
        await engine.start()
        api = wiring.api(engine)
        await api.start(listeners)
        try:
            await stopping.wait()
        finally:
            await api.stop()
    finally:
        await engine.stop()


async def _dismantle(settings: EngineSettings) -> None:
    from yurt.daemon import wiring

    engine = wiring.engine(settings)
    try:
        await engine.start()
        await engine.dismantle()
    finally:
        await engine.stop()


def _dump_tasks() -> None:
    """Write every task and where it stands to stderr (SIGUSR1)."""
    tasks = asyncio.all_tasks()
    print(f"--- {len(tasks)} tasks", file=sys.stderr)
    for task in sorted(tasks, key=lambda one: one.get_name()):
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
