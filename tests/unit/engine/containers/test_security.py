"""--security-opt."""

import pytest

from yurt.engine.containers import security
from yurt.engine.containers.security import SecurityOptions
from yurt.errors import InvalidArgument
from yurt.isolation import Level


@pytest.mark.parametrize(
    ("options", "meaning"),
    [
        ((), SecurityOptions()),
        (("no-new-privileges",), SecurityOptions(no_new_privileges=True)),
        (("no-new-privileges=true",), SecurityOptions(no_new_privileges=True)),
        (("no-new-privileges:false",), SecurityOptions()),
        (("seccomp=unconfined",), SecurityOptions(seccomp={})),
        (("seccomp:builtin",), SecurityOptions()),
        (("apparmor=mine",), SecurityOptions(apparmor="mine")),
        (
            ("apparmor:unconfined", "label=disable", "label=type:x", "disable"),
            SecurityOptions(apparmor="unconfined"),
        ),
        (("writable-cgroups=true",), SecurityOptions(writable_cgroups=True)),
    ],
)
def test_options(options: tuple[str, ...], meaning: SecurityOptions) -> None:
    """With an equals sign or, as before Docker 1.11, a colon."""
    assert security.parse(options) == meaning


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("magic", 'invalid --security-opt 1: "magic"'),
        ("magic=1", 'invalid --security-opt 2: "magic=1"'),
        ("no-new-privileges=maybe", 'invalid --security-opt 2: "no-new-privileges=maybe"'),
        ("writable-cgroups=2", 'invalid --security-opt 2: "writable-cgroups=2"'),
        ("systempaths=x", 'invalid --security-opt 2: "systempaths=x"'),
        ("seccomp={", "Decoding seccomp profile failed"),
    ],
)
def test_what_is_no_option(option: str, message: str) -> None:
    """In Docker's words."""
    with pytest.raises(InvalidArgument, match=message):
        security.parse([option])


@pytest.mark.parametrize(
    ("options", "privileged", "name"),
    [
        (SecurityOptions(), False, "yurt-default"),
        (SecurityOptions(), True, "unconfined"),
        (SecurityOptions(apparmor="mine"), True, "mine"),
        (SecurityOptions(apparmor="unconfined"), False, "unconfined"),
    ],
)
def test_the_profile(options: SecurityOptions, privileged: bool, name: str) -> None:
    """The default's name unless one is named; privileged containers are not confined."""
    assert options.apparmor_profile(privileged=privileged) == name


@pytest.mark.parametrize(
    ("level", "options", "privileged", "words"),
    [
        (Level.ROOT, (), False, "root namespaces, with seccomp"),
        (Level.ROOT, (), True, "root namespaces, without seccomp"),
        (Level.SUBUIDS, ("seccomp=unconfined",), False, "rootless with subuids, without seccomp"),
        (Level.ONE_UID, ("no-new-privileges",), False, "rootless with one uid, with seccomp"),
    ],
)
def test_what_holds_a_container_back(
    level: Level, options: tuple[str, ...], privileged: bool, words: str
) -> None:
    """The engine's level, and whether this container's system calls are filtered."""
    assert security.isolation(level, options, privileged=privileged) == words
