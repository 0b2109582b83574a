"""What the facts of a machine and an engine mean."""

from dataclasses import replace

import pytest

from yurt.cli.diagnosis import Engine, State, diagnose, is_well
from yurt.cli.host import Host

GOOD = Host(
    programs={name: f"/usr/bin/{name}" for name in ("runc", "mmdebstrap", "tini", "git")},
    packages=(),
    cgroups="v2",
    split_controllers=False,
    missing_controllers=(),
    overlay=True,
    nftables="/usr/lib/x/libnftables.so.1",
    forwarding=True,
    namespaces=1000,
    unprivileged_namespaces=True,
    seccomp=True,
    certificates="/etc/ssl/certs/ca-certificates.crt",
    keyring="/usr/share/keyrings/debian-archive-keyring.gpg",
    root="/var/lib/yurt",
    free=50_000_000_000,
    is_root=True,
    has_group=True,
    user="alice",
    has_subids=True,
    tun=True,
    user_overlay=True,
)
INFO = {"SecurityOptions": ["name=seccomp,profile=builtin"], "Warnings": None}
VERSION = {"Platform": {"Name": "Yurt 1.0"}, "Version": "1.0", "ApiVersion": "1.51"}
RUNNING = Engine("unix:///s", owned=True, present=True, version=VERSION, info=INFO)


def found(host: Host = GOOD, engine: Engine = RUNNING):
    return {each.name: each for each in diagnose(host, engine)}


def test_a_good_machine_lacks_nothing():
    """Every line is ok, and none has a remedy."""
    findings = diagnose(GOOD, RUNNING)
    assert is_well(findings)
    assert {(each.state, each.remedy) for each in findings} == {(State.OK, "")}
    assert found()["engine"].text == "Yurt 1.0, API 1.51, at unix:///s"
    assert found()["isolation"].text == "root namespaces, with seccomp"


@pytest.mark.parametrize(
    ("change", "name", "state", "remedy"),
    [
        ({"programs": {}}, "runtime", State.MISSING, "apt-get install runc"),
        ({"programs": {}}, "mmdebstrap", State.NOTE, "apt-get install mmdebstrap"),
        ({"programs": {}}, "tini", State.NOTE, "apt-get install tini"),
        ({"packages": ("isal",)}, "packages", State.MISSING, "pip install 'yurt[engine]'"),
        ({"cgroups": ""}, "cgroups", State.MISSING, "mount -t cgroup2"),
        ({"missing_controllers": ("memory",)}, "cgroups", State.NOTE, "add cgroup_enable=memory"),
        ({"overlay": False}, "overlay", State.MISSING, "modprobe overlay"),
        ({"nftables": ""}, "nftables", State.MISSING, "apt-get install libnftables1"),
        ({"keyring": ""}, "archive keys", State.NOTE, "apt-get install debian-archive-keyring"),
        ({"forwarding": False}, "ip_forward", State.NOTE, "sysctl -w net.ipv4.ip_forward=1"),
        ({"namespaces": 0}, "user namespaces", State.NOTE, "sysctl -w user.max_user_namespaces"),
        ({"unprivileged_namespaces": False}, "user namespaces", State.NOTE, "sysctl -w kernel.unpriv"),
        ({"seccomp": False}, "seccomp", State.MISSING, "boot a kernel"),
        ({"free": 2_000_000_000}, "disk space", State.NOTE, "yurt system prune"),
        ({"free": 100_000_000}, "disk space", State.MISSING, "yurt system prune"),
        ({"certificates": ""}, "certificates", State.NOTE, "apt-get install ca-certificates"),
        ({"has_group": False}, "socket", State.NOTE, "groupadd --system yurt"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_lacks_is_told_with_what_adds_it(change, name, state, remedy):
    """Only what no container runs without makes the machine unwell."""
    host = replace(GOOD, **change)
    finding = found(host)[name]
    assert finding.state is state
    assert finding.remedy.startswith(remedy)
    assert is_well((finding,)) is (state is not State.MISSING)


@pytest.mark.parametrize(
    ("change", "name", "state", "remedy"),
    [
        ({}, "subuids", State.OK, ""),
        ({}, "way out", State.OK, ""),
        ({"has_subids": False}, "subuids", State.NOTE, "sudo usermod --add-subuids"),
        ({"programs": {"pasta": "/p"}}, "subuids", State.NOTE, "sudo apt-get install uidmap"),
        ({"programs": {}}, "way out", State.NOTE, "sudo apt-get install passt"),
        ({"tun": None}, "way out", State.NOTE, "sudo modprobe tun"),
        ({"tun": False}, "way out", State.NOTE, "sudo chmod 0666 /dev/net/tun"),
        ({"user_overlay": False}, "overlay of users", State.MISSING, "boot Linux 5.11"),
        ({"unprivileged_namespaces": False}, "user namespaces", State.MISSING, "sysctl -w kernel.unpriv"),
        ({}, "limits", State.NOTE, "sudo yurt ps"),
        ({"lingers": False}, "after logout", State.NOTE, "loginctl enable-linger alice"),
    ],
)
def test_what_a_user_s_engine_lacks(change, name, state, remedy):
    """Without namespaces nothing runs; without the rest, less. A user is told nothing of root's group and sysctls."""
    programs = dict.fromkeys(("newuidmap", "newgidmap", "slirp4netns"), "/usr/bin/x")
    host = replace(GOOD, is_root=False, programs=GOOD.programs | programs)
    findings = found(replace(host, **change))
    assert (findings[name].state, findings[name].remedy.startswith(remedy)) == (state, True)
    assert not {"socket", "ip_forward"} & set(findings)
    assert "after logout" not in found(host)


def test_crun_serves_where_controllers_are_in_one_tree():
    """The engine chooses so."""
    host = replace(GOOD, programs={"crun": "/usr/bin/crun"})
    assert found(host)["runtime"].state is State.OK
    assert found(replace(host, cgroups="hybrid"))["runtime"].state is State.OK
    split = found(replace(host, cgroups="hybrid", split_controllers=True))["runtime"]
    assert split.text.startswith("crun refuses cgroup controllers in both v1 and v2")


@pytest.mark.parametrize(
    ("engine", "is_root", "state", "remedy"),
    [
        (Engine("unix:///s", owned=True), True, State.NOTE, "yurt ps"),
        (Engine("unix:///s", owned=True), False, State.NOTE, "yurt ps"),
        (Engine("unix:///s", owned=True, present=True), False, State.MISSING, "sudo yurt doctor"),
        (Engine("unix:///s", owned=False, problem="gone"), True, State.MISSING, "unset YURT_HOST"),
    ],
)
def test_an_engine_that_does_not_answer(engine, is_root, state, remedy):
    """None that Yurt would start is no fault; one that was chosen, or that refuses, is."""
    finding = found(replace(GOOD, is_root=is_root), engine)["engine"]
    assert finding.state is state
    assert finding.remedy.startswith(remedy)


def test_an_engine_elsewhere_needs_nothing_here():
    """This machine runs no containers then."""
    assert list(found(engine=replace(RUNNING, host="tcp://x:2376"))) == ["engine", "isolation"]


@pytest.mark.parametrize(
    ("options", "text", "state"),
    [
        (["name=seccomp,profile=builtin", "name=rootless"], "rootless, with seccomp", State.OK),
        (["name=apparmor", "name=seccomp,profile=x"], "root namespaces, apparmor, with seccomp", State.OK),
        (["name=seccomp,profile=unconfined"], "root namespaces, without seccomp", State.NOTE),
        (["name=seccomp", "name=isolation,level=root"], "root namespaces, with seccomp", State.OK),
        (
            ["name=seccomp", "name=rootless", "name=isolation,level=one-uid"],
            "rootless with one uid, with seccomp",
            State.OK,
        ),
        (["name=seccomp", "name=isolation,level=new"], "root namespaces, with seccomp", State.OK),
        (["name=userns", "name=seccomp"], "root, in user namespaces, with seccomp", State.OK),
        (None, "root namespaces, without seccomp", State.NOTE),
    ],
)
def test_the_isolation_in_force_is_what_the_engine_says(options, text, state):
    """Read from SecurityOptions, in the form that Docker gives them too."""
    finding = found(engine=replace(RUNNING, info={"SecurityOptions": options}))["isolation"]
    assert (finding.text, finding.state) == (text, state)


def test_the_engine_s_own_warnings_are_passed_on():
    """Each a line."""
    told = found(engine=replace(RUNNING, info={**INFO, "Warnings": ["WARNING: no swap limit"]}))
    assert told["engine warns"].text == "no swap limit"
