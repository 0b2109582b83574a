"""Capabilities: which a container has, by Docker's defaults and the flags --cap-add, --cap-drop, --privileged."""

# ruff: noqa: SIM905 - four hundred quoted words would be harder to read

from collections.abc import Iterable

from yurt.errors import InvalidArgument

# In the order of their numbers: include/uapi/linux/capability.h.
ALL: tuple[str, ...] = tuple(
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
        "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
        "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
        "PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)

DEFAULT: tuple[str, ...] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)


def parse(name: str, *, where: str) -> str:
    """Return *name* with its prefix, in capitals: ``net_admin`` is ``CAP_NET_ADMIN``; ``ALL`` stays.

    *where* names the list in an error: CapAdd or CapDrop.
    """
    upper = name.upper()
    if upper in {"ALL", "CAP_ALL"}:
        return "ALL"
    full = upper if upper.startswith("CAP_") else "CAP_" + upper
    if full not in ALL:
        raise InvalidArgument(f'invalid {where}: unknown capability: "{full}"')
    return full


def granted(
    *, add: Iterable[str] = (), drop: Iterable[str] = (), privileged: bool = False
) -> tuple[str, ...]:
    """Return what a container may have, sorted by number; ``ALL`` works in both lists, and naming one wins over it."""
    if privileged:
        return ALL
    added = {parse(name, where="CapAdd") for name in add}
    dropped = {parse(name, where="CapDrop") for name in drop}
    if "ALL" in added:
        chosen = set(ALL) - dropped
    elif "ALL" in dropped:
        chosen = set(added)
    else:
        chosen = (set(DEFAULT) | added) - dropped
    return tuple(name for name in ALL if name in chosen)
