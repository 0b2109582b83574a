"""Instructions of `commit --change` and `import --change`."""

import pytest

from yurt.engine.build.changes import changed
from yurt.errors import InvalidArgument
from yurt.oci.config import History, ImageConfig


def test_the_configuration_changes() -> None:
    """Each instruction does what it does in a Dockerfile; what is not named stays."""
    before = ImageConfig(
        env=("PATH=/bin", "A=1"),
        cmd=("sh",),
        user="bob",
        on_build=("RUN x",),
        history=(History(comment="h"),),
    )
    after = changed(
        before,
        [
            'CMD ["serve", "$A"]',
            "ENV B=$A",
            "EXPOSE 8000",
            "LABEL who=me",
            "WORKDIR /srv",
            "VOLUME /data",
            "ONBUILD RUN y",
            "STOPSIGNAL SIGINT",
        ],
    )
    assert (after.cmd, after.env) == (("serve", "$A"), ("PATH=/bin", "A=1", "B=1"))
    assert (after.exposed_ports, after.labels, after.working_dir) == (("8000/tcp",), {"who": "me"}, "/srv")
    assert (after.volumes, after.stop_signal, after.user) == (("/data",), "SIGINT", "bob")
    assert after.on_build == ("RUN x", "RUN y")
    assert after.history == before.history


def test_nothing_else_changes() -> None:
    """No changes: the very same; a change adds no search path that nobody asked for."""
    before = ImageConfig()
    assert changed(before, []) is before
    assert changed(before, ["USER bob"]).env == ()


@pytest.mark.parametrize(
    ("line", "word"), [("RUN true", "RUN"), ("COPY a b", "COPY"), ("FROM x", "FROM"), ("NOPE x", "NOPE")]
)
def test_files_are_not_changed(line: str, word: str) -> None:
    """Only what changes the configuration is taken, as in Docker."""
    with pytest.raises(InvalidArgument, match=f"{word} is not a valid change command"):
        changed(ImageConfig(), [line])
