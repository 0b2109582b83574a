"""What Docker's command line has and Yurt's refuses."""

import pytest

from yurt.cli.failure import UsageError
from yurt.cli.main import GROUPS, load
from yurt.cli.refused import COMMANDS, FLAGS, command_refused, flag_refused
from yurt.cli.session import Session


@pytest.mark.parametrize("path", ["yurt rm", "yurt container rm"])
def test_a_refusal_says_why_wherever_the_command_stands(path: str) -> None:
    """The flag, the command as it was called, the reason; and what to do instead."""
    refused = flag_refused(path, "l", "-l")
    assert refused is not None
    assert refused.message == f"-l of `{path}` is refused: a link lasts as long as its container"
    assert refused.hint == "remove the container that has it"
    assert refused.code == 125


def test_the_parser_refuses_with_the_reason() -> None:
    """Not as an unknown flag."""
    images = load(GROUPS["image"]["ls"], "ls")
    with pytest.raises(UsageError, match="--tree of `yurt image ls` is refused: an image has one platform"):
        images.invoke(Session({}), "yurt image ls", ["--tree"])


def test_a_flag_is_refused_only_where_docker_has_it() -> None:
    """Elsewhere it is unknown, and the nearest one is suggested."""
    assert flag_refused("yurt ps", "tree", "--tree") is None
    assert command_refused("yurt volume ls") is None


def test_each_has_a_reason_and_a_hint() -> None:
    """A refusal without the next step would leave one standing."""
    every = [*COMMANDS.values(), *(reason for flags in FLAGS.values() for reason in flags.values())]
    assert all(why and instead for why, instead in every)
