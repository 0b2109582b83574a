"""Run a program to its end. The only place, besides the shim, where the back half starts processes."""

import asyncio
import logging
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from yurt.errors import Internal, Unavailable

log = logging.getLogger(__name__)

# Where Debian keeps the programs that this engine calls.
PACKAGES = {
    "runc": "runc",
    "crun": "crun",
    "mmdebstrap": "mmdebstrap",
    "ps": "procps",
    "tar": "tar",
    "ip": "iproute2",
    "nft": "nftables",
    "modprobe": "kmod",
    "apparmor_parser": "apparmor",
}

_TAIL = 2000  # characters of a failed program's output that its error carries


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended. *returncode* is negative when a signal ended it."""

    returncode: int
    stdout: bytes
    stderr: bytes


async def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    input: bytes | None = None,  # noqa: A002 - the word of the standard library
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run *argv*, wait for its end, and return what it printed.

    *env* replaces the environment. With *on_output*, each piece of either stream is passed on as it comes and
    only the last of it is kept. With *check*, a program that fails raises Internal with the end of its output,
    and the command is logged in a form that can be pasted into a shell. A program that is not installed raises
    Unavailable. If the caller is cancelled, the program is killed and reaped first.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        program = os.path.basename(argv[0])
        if cwd is not None and not os.path.isdir(cwd):
            raise Internal(f"cannot run {program} in {cwd}: no such folder") from error
        package = PACKAGES.get(program, program)
        raise Unavailable(
            f"cannot run {argv[0]}: it is not installed", hint=f"apt-get install {package}"
        ) from error
    except PermissionError as error:
        raise Unavailable(f"cannot run {argv[0]}: {error.strerror}") from error
    try:
        if on_output is None:
            stdout, stderr = await process.communicate(input)
        else:
            stdout, stderr = await _streamed(process, input, on_output)
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    returncode = await process.wait()
    if check and returncode != 0:
        text = (stderr or stdout).decode(errors="replace").strip()[-_TAIL:]
        log.error("failed with %d: %s", returncode, pasteable(argv, env=env, cwd=cwd))
        raise Internal(f"{os.path.basename(argv[0])} failed with exit code {returncode}: {text}")
    return Completed(returncode, stdout, stderr)


def pasteable(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> str:
    """Return one shell line that runs the same command.

    >>> pasteable(["ls", "a b"], cwd="/tmp")
    "cd /tmp && ls 'a b'"
    """
    words = [] if env is None else ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
    line = shlex.join([*words, *argv])
    return line if cwd is None else f"cd {shlex.quote(os.fspath(cwd))} && {line}"


async def _streamed(
    process: asyncio.subprocess.Process, given: bytes | None, on_output: Callable[[bytes], None]
) -> tuple[bytes, bytes]:
    """Pass the output on as it comes; return the last of each stream."""

    async def feed() -> None:
        if given is None or process.stdin is None:
            return
        try:
            process.stdin.write(given)
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the program ended, or closed its input, without reading it all: its exit code tells
        finally:
            process.stdin.close()

    async def drain(stream: asyncio.StreamReader | None) -> bytes:
        kept = b""
        while stream is not None and (piece := await stream.read(65536)):
            on_output(piece)
            kept = (kept + piece)[-_TAIL:]
        return kept

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed(), name="process-input")
        stdout = tasks.create_task(drain(process.stdout), name="process-stdout")
        stderr = tasks.create_task(drain(process.stderr), name="process-stderr")
    return stdout.result(), stderr.result()
