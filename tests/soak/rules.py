"""Which failures the weather excuses. Everything else is a violation."""

import subprocess

import docker
import requests
from tests.soak.weather import Kind

from yurt.errors import Conflict, Internal, InvalidArgument, NotFound, Unavailable, YurtError

FULL = "no space left on device"
UNANSWERED = "did not answer"


class Wrong(Exception):
    """Something came out other than it must; bad weather may excuse it."""


class CommandFailed(Exception):
    """A command line of `yurt` or `docker` ended with *code*."""

    def __init__(self, command: tuple[str, ...], code: int, text: str) -> None:
        super().__init__(f"{' '.join(command)} ended with {code}: {text}")
        self.code = code
        self.text = text


FAILURES = (
    YurtError,
    OSError,
    CommandFailed,
    Wrong,
    docker.errors.DockerException,
    requests.RequestException,
)


def excused(error: Exception, weather: set[Kind], *, struck: bool) -> bool:
    """Return whether *error* may come in this *weather*, when part of the subject was *struck* meanwhile."""
    text = str(error)
    if UNANSWERED in text or isinstance(error, subprocess.TimeoutExpired | TimeoutError | requests.Timeout):
        return False  # nothing excuses a request that hangs
    if Kind.ENGINE in weather:
        return not isinstance(error, InvalidArgument)
    if Kind.DISK in weather and (FULL in text.lower() or isinstance(error, Wrong | CommandFailed)):
        return "internal error" not in text
    if struck and isinstance(error, Conflict | NotFound | Wrong | CommandFailed | Internal):
        return True
    return Kind.RUNTIME in weather and isinstance(
        error, Internal | InvalidArgument | Unavailable | Wrong | CommandFailed | docker.errors.APIError
    )
