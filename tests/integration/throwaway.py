"""Throw-away containers: what one prints, or why it is refused."""

import time
from collections.abc import Callable
from typing import Any

import docker
import pytest
from docker.errors import APIError
from tests.integration.engine_host import IMAGE

SLEEP = ["sleep", "600"]


def until(holds: Callable[[], object], *, seconds: float = 15) -> None:
    """Wait for *holds*; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def said(client: docker.DockerClient, command: str, *, image: object = IMAGE, **options: Any) -> str:
    """Run *command* in a shell of a throw-away container; return what it printed."""
    output: bytes = client.containers.run(image, ["sh", "-c", command], remove=True, **options)
    return output.decode().strip()


def refusal(client: docker.DockerClient, *, image: object = IMAGE, **options: Any) -> str:
    """Return why a container with these options is not made or started."""
    with pytest.raises(APIError) as refused:
        client.containers.run(image, ["true"], remove=True, **options)
    return str(refused.value.explanation)
