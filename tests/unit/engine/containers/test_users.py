"""Users by the container's own files."""

import pytest

from yurt.engine.containers.users import User, resolve
from yurt.errors import InvalidArgument

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken line\n"
GROUP = "root:x:0:\napp:x:1001:\nwheel:x:10:app,root\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, (0, 10), "/root")),
        ("root", User(0, 0, (0, 10), "/root")),
        ("app", User(1000, 1001, (1001, 10), "/home/app")),
        ("1000", User(1000, 1001, (1001, 10), "/home/app")),
        ("app:wheel", User(1000, 10, (10,), "/home/app")),
        ("4000:5000", User(4000, 5000, (5000,), "/")),
        ("4000", User(4000, 0, (0,), "/")),
    ],
)
def test_resolve(user: str, expected: User) -> None:
    """A name or number gives its groups, too, unless a group is named."""
    assert resolve(user, PASSWD, GROUP) == expected


def test_without_files() -> None:
    """An image without passwd runs as root, or as any number."""
    assert resolve("", "", "") == User(0, 0, (0,), "/")
    assert resolve("7:8", "", "") == User(7, 8, (8,), "/")


def test_additional() -> None:
    """Further groups are added once."""
    assert resolve("app", PASSWD, GROUP, add=("wheel", "77")).groups == (1001, 10, 77)


@pytest.mark.parametrize("user", ["-5", "0:99999999999", "99999999999999"])
def test_out_of_range(user: str) -> None:
    """A number that is no id is refused in Docker's words."""
    with pytest.raises(InvalidArgument, match="uids and gids must be in range 0-2147483647"):
        resolve(user, PASSWD, GROUP)


@pytest.mark.parametrize("user", ["nobody", "app:nogroup"])
def test_unknown(user: str) -> None:
    """An unknown name is refused, and says in which file it was looked for."""
    with pytest.raises(InvalidArgument, match=r"no matching entries in (passwd|group) file"):
        resolve(user, PASSWD, GROUP)
