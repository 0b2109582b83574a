"""How packets leave an engine's own network: a program that carries them as the user's own connections.

pasta (of the package passt) or slirp4netns, whichever is installed. It is started again when it ends; what hinders it
is said with the step that mends it, and tried again, so that mending it is enough.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yurt.linux.rootless import mark

NAMES = "10.0.2.3"  # inside, whoever asks there asks the host's resolver; slirp4netns's usual address
_TUN = "/dev/net/tun"
_FIRST_PAUSE = 0.5  # seconds before it is started again
_LONGEST_PAUSE = 10.0
_STEADY = 30.0  # seconds that it ran after which its end is no failure in a row
_TAIL = 300  # characters of what it said last


@dataclass(frozen=True, slots=True)
class Carrier:
    """A program that carries packets, and its path."""

    name: str
    program: str

    def argv(self, netns: str) -> list[str]:
        """Return the command that serves the network namespace at the path *netns* until it is ended.

        Nothing is forwarded into the namespace by it, and the host's loopback addresses are not reached through it.
        """
        if self.name == "pasta":
            closed = [word for flag in ("-t", "-u", "-T", "-U") for word in (flag, "none")]
            return [
                self.program, "--foreground", "--quiet", "--config-net", *closed, "--no-map-gw",
                "--dns-forward", NAMES, "--netns", netns,
            ]  # fmt: skip
        return [
            self.program, "--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", netns, "tap0",
        ]  # fmt: skip


def find(search: str) -> Carrier | None:
    """Return the carrier on this host, the quicker one first; *search* is PATH."""
    for name in ("pasta", "slirp4netns"):
        if program := shutil.which(name, path=search):
            return Carrier(name, program)
    return None


def hindrance(carrier: Carrier | None, tun: str = _TUN) -> str:
    """Return why packets cannot leave, with the command that mends it; "" when nothing is known to be in the way."""
    if carrier is None:
        return "containers reach nothing outside: neither pasta nor slirp4netns is installed (apt-get install passt)"
    if not os.path.exists(tun):
        return f"containers reach nothing outside: there is no {tun} (modprobe tun)"
    if not os.access(tun, os.R_OK | os.W_OK):
        return f"containers reach nothing outside: {tun} is not open to this user (chmod 0666 {tun})"
    return ""


class Outgoing:
    """Keeps a carrier running for the network at the path *netns*, in which process *holder* is. *problem* is what hinders it now, in words.

    *mark_file* names the carrier, so that one that outlived its keeper is found, and ended.
    """

    def __init__(
        self, netns: Path, holder: int, *, mark_file: Path, search: str, tell: Callable[[str], None]
    ) -> None:
        self._netns = netns
        self._process = Path(f"/proc/{holder}")
        self._mark_file = mark_file
        self._search = search
        self._tell = tell
        self.name = ""  # of the carrier that runs
        self.problem = ""

    def __repr__(self) -> str:
        return f"<Outgoing {self.name or 'none'}{': ' + self.problem if self.problem else ''}>"

    async def serve(self) -> None:
        """Run until cancelled; the carrier ends with it."""
        if earlier := mark.read(self._mark_file):
            os.kill(earlier, signal.SIGKILL)
        pause = _FIRST_PAUSE
        while True:
            carrier = find(self._search)
            if problem := hindrance(carrier):
                self._say(problem)
                await asyncio.sleep(_LONGEST_PAUSE)
                continue
            assert carrier is not None
            begun = asyncio.get_running_loop().time()
            await self._run(carrier)
            lasted = asyncio.get_running_loop().time() - begun
            pause = _FIRST_PAUSE if lasted > _STEADY else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def wait_ready(self, timeout: float) -> None:
        """Return when an interface of the carrier is there, when something hinders it, or after *timeout* seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not (self.problem or self._has_way_out()):  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(0.01)

    def _has_way_out(self) -> bool:
        """Tell whether the network has a default route."""
        with contextlib.suppress(OSError):
            lines = (self._process / "net/route").read_text().splitlines()[1:]
            return any(line.split()[1] == "00000000" for line in lines)
        return False

    async def _run(self, carrier: Carrier) -> None:
        """Run it to its end; afterwards `problem` tells what it said."""
        try:
            process = await asyncio.create_subprocess_exec(
                *carrier.argv(str(self._netns)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            self._say(f"containers reach nothing outside: cannot run {carrier.program}: {error.strerror}")
            return
        mark.write(self._mark_file, process.pid)
        self.name, self.problem = carrier.name, ""
        said = b""
        try:
            assert process.stdout is not None
            while piece := await process.stdout.read(4096):
                said = (said + piece)[-_TAIL:]
            status = await process.wait()
        finally:
            self.name = ""
            if process.returncode is None:
                process.kill()
                await process.wait()
        last = said.decode(errors="replace").strip().splitlines()
        self._say(
            f"containers reach nothing outside: {carrier.name} ended with {status}: {last[-1] if last else 'no word'}"
        )

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self._tell(problem)
        self.problem = problem
