"""The command line as its users have it: a process with its streams, against whichever engine the test runs on."""

import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path

YURT = str(Path(sys.executable).with_name("yurt"))
BUSYBOX = Path("/bin/busybox")
IMAGE = "cli-busybox:test"


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs `yurt` against *host*."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.environ = {**os.environ, "YURT_HOST": host, "DOCKER_HOST": host, "NO_COLOR": "1", "TZ": "UTC"}

    def __repr__(self) -> str:
        return f"<CommandLine on {self.host}>"

    def __call__(self, *words: str, input: bytes = b"", program: str = YURT, timeout: float = 60) -> Result:  # noqa: A002
        done = subprocess.run(
            [program, *words],
            input=input,
            capture_output=True,
            env=self.environ,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command that the test will look after."""
        return subprocess.Popen(
            [YURT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environ
        )

    def terminal(self, *words: str) -> "Terminal":
        """Run a command at a terminal."""
        return Terminal([YURT, *words], self.environ)

    def import_busybox(self) -> None:
        """Afterwards IMAGE is there: busybox with /bin, /etc/passwd and /tmp."""
        buffer = io.BytesIO()
        applets = subprocess.run(
            [BUSYBOX, "--list"], check=True, capture_output=True, text=True
        ).stdout.split()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(BUSYBOX, "bin/busybox")
            for applet in applets:
                if applet != "busybox" and "/" not in applet:
                    link = tarfile.TarInfo(f"bin/{applet}")
                    link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                    tar.addfile(link)
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
            entry = tarfile.TarInfo("etc/passwd")
            text = b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n"
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        done = self("import", "-", IMAGE, input=buffer.getvalue())
        assert done.code == 0, done.err


class Terminal:
    """A command at a pseudo-terminal of 80×24."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            # As a login has it: tests that run in the background of a script ignore Ctrl-C, and so would the command.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(command[0], command, environ)
        self.resize(24, 80)
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def wait_for(self, text: bytes, *, timeout: float = 20) -> None:
        """Return once *text* was shown after what was already waited for."""
        give_up = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < give_up, f"{text!r} did not come; there was {self.seen!r}"
            if not self._read():
                raise AssertionError(f"{text!r} did not come; the command ended after {self.seen!r}")
        self.seen = self.seen.partition(text)[2]

    def shows(self, text: bytes, *, within: float) -> bool:
        """Return whether *text* comes within so many seconds."""
        give_up = time.monotonic() + within
        while text not in self.seen and time.monotonic() < give_up and self._read():
            pass
        return text in self.seen

    def _read(self) -> bool:
        if select.select([self._fd], [], [], 0.1)[0]:
            try:
                data = os.read(self._fd, 4096)
            except OSError:  # a pty whose other end was closed
                return False
            self.seen += data
            return bool(data)
        return True

    def exit_code(self, *, timeout: float = 20) -> int:
        """Read to the end and return the exit code."""
        give_up = time.monotonic() + timeout
        while self._read():
            assert time.monotonic() < give_up, f"it did not end; there was {self.seen!r}"
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
