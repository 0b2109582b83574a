"""The default system call filter, and profiles in Docker's format."""

from typing import Any

from yurt.oci import seccomp
from yurt.oci.capabilities import DEFAULT

PLAIN = frozenset(DEFAULT)


def rules(profile: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [rule for rule in profile["syscalls"] if name in rule["names"]]


def test_default_denies() -> None:
    """What is not named answers EPERM: mounting, loading modules, new namespaces."""
    profile = seccomp.default_profile(PLAIN, "x86_64")
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    for call in ("mount", "init_module", "unshare", "setns", "keyctl", "bpf", "reboot"):
        assert rules(profile, call) == []


def test_allowed_once() -> None:
    """No call is named twice in the list of those always allowed."""
    assert len(seccomp.ALLOWED) == len(set(seccomp.ALLOWED))
    assert {"read", "write", "openat", "execve", "clock_gettime", "futex"} <= set(seccomp.ALLOWED)


def test_clone_without_namespaces() -> None:
    """clone may not make namespaces, and clone3, which cannot be looked into, answers ENOSYS."""
    profile = seccomp.default_profile(PLAIN, "x86_64")
    (clone,) = rules(profile, "clone")
    assert clone["args"] == [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    (clone3,) = rules(profile, "clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_capability_brings_calls() -> None:
    """With CAP_SYS_ADMIN its calls come, clone without conditions among them."""
    profile = seccomp.default_profile(PLAIN | {"CAP_SYS_ADMIN"}, "x86_64")
    assert len(rules(profile, "mount")) == 1
    assert "args" not in rules(profile, "clone")[0]


def test_narrow_programs() -> None:
    """32-bit programs are covered unless the container has none."""
    both = seccomp.default_profile(PLAIN, "x86_64")["architectures"]
    assert both == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert seccomp.default_profile(PLAIN, "x86_64", narrow=False)["architectures"] == ["SCMP_ARCH_X86_64"]


def test_from_docker() -> None:
    """Conditions of a profile in Docker's format are decided for this container."""
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {
                "names": ["clone3"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 38,
                "excludes": {"caps": ["CAP_SYS_ADMIN"]},
            },
            {"names": ["arm_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}},
        ],
    }
    profile = seccomp.from_docker(document, PLAIN, "x86_64")
    assert [rule["names"] for rule in profile["syscalls"]] == [["read"], ["clone3"]]
    assert profile["syscalls"][1]["errnoRet"] == 38
    assert "archMap" not in profile
