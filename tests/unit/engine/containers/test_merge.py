"""What runs when an image and a request each say something."""

import pytest

from yurt.engine.containers import merge
from yurt.engine.containers.model import ContainerConfig, Healthcheck
from yurt.errors import InvalidArgument
from yurt.oci.config import ImageConfig

IMAGE = ImageConfig(
    entrypoint=("entry",),
    cmd=("default",),
    env=("PATH=/p", "A=image"),
    user="app",
    labels={"a": "1", "b": "1"},
    volumes=("/data",),
    stop_signal="SIGINT",
    healthcheck={"Test": ["CMD", "ask"], "Interval": 2_000_000_000},
)


def a_config(**changes: object) -> ContainerConfig:
    return ContainerConfig("image", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "expected"),
    [
        ((), (), ("entry", "default")),
        ((), ("mine",), ("entry", "mine")),
        (("own",), (), ("own",)),
        (("own",), ("mine",), ("own", "mine")),
        (("",), ("mine",), ("mine",)),
    ],
)
def test_command(entrypoint: tuple[str, ...], cmd: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """An entrypoint of one's own drops the image's command; an empty one drops the entrypoint."""
    path, args = merge.command(merge.merged(a_config(entrypoint=entrypoint, cmd=cmd), IMAGE))
    assert (path, *args) == expected


def test_no_command() -> None:
    """Nothing to run is refused."""
    with pytest.raises(InvalidArgument, match="no command specified"):
        merge.command(merge.merged(a_config(), ImageConfig()))


def test_fields() -> None:
    """The request wins field by field; collections are joined."""
    config = merge.merged(a_config(env=("A=mine", "B=2"), labels={"b": "2"}, volumes=("/more",)), IMAGE)
    assert config.env == ("PATH=/p", "A=mine", "B=2")
    assert config.labels == {"a": "1", "b": "2"}
    assert config.volumes == ("/data", "/more")
    assert (config.user, config.stop_signal) == ("app", "SIGINT")


def test_healthcheck() -> None:
    """The image's check is read; a request without a test keeps it, one with NONE turns it off."""
    check = merge.merged(a_config(), IMAGE).healthcheck
    assert check is not None
    assert (check.test, check.interval, check.retries) == (("CMD", "ask"), 2.0, 3)
    asked = merge.merged(a_config(healthcheck=Healthcheck((), interval=9)), IMAGE).healthcheck
    assert asked is not None
    assert (asked.test, asked.interval) == (("CMD", "ask"), 9)
    off = merge.merged(a_config(healthcheck=Healthcheck(("NONE",))), IMAGE).healthcheck
    assert off is not None
    assert merge.health_command(off, ()) == ()


def test_health_command() -> None:
    """A text is given to the shell of the image."""
    assert merge.health_command(Healthcheck(("CMD-SHELL", "a b")), ()) == ("/bin/sh", "-c", "a b")
    assert merge.health_command(Healthcheck(("CMD-SHELL", "a b")), ("bash",)) == ("bash", "a b")
    with pytest.raises(InvalidArgument, match="unknown type 'ASK'"):
        merge.health_command(Healthcheck(("ASK",)), ())


def test_process_env() -> None:
    """Docker's variables come first, and the configured ones win; TERM only with a terminal."""
    env = merge.process_env(a_config(env=("PATH=/mine",)), hostname="box", tty=True)
    assert env == ("PATH=/mine", "HOSTNAME=box", "TERM=xterm")
    assert "TERM=xterm" not in merge.process_env(a_config(), hostname="box", tty=False)
