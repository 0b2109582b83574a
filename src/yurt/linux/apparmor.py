"""AppArmor: whether this host has it, and the profile that containers get where it does.

The profile is the third fence, behind the capabilities and the system-call filter: it denies mounting, and writing to
what of /proc and /sys is the host's, also where a container's own mounts would let it.
"""

import asyncio
from pathlib import Path

from yurt.errors import Internal, Unavailable
from yurt.linux import isolation, process

DEFAULT = "yurt-default"
UNCONFINED = "unconfined"

_MODULE = Path("/sys/module/apparmor/parameters/enabled")
_PROFILES = Path("/sys/kernel/security/apparmor/profiles")
_loading = asyncio.Lock()


def is_enabled(module: Path = _MODULE, profiles: Path = _PROFILES) -> bool:
    """Tell whether the kernel confines processes by profiles, and lets this engine see which there are."""
    if isolation.is_rootless():  # only the host's root can load a profile
        return False
    try:
        return module.read_text().strip() == "Y" and profiles.exists()
    except OSError:
        return False


def is_loaded(name: str, profiles: Path = _PROFILES) -> bool:
    """Tell whether the kernel has the profile *name*."""
    try:
        lines = profiles.read_text().splitlines()
    except OSError:
        return False
    return any(line.rpartition(" (")[0] == name for line in lines)


async def load_default() -> None:
    """Afterwards the kernel has the profile DEFAULT; raise Unavailable when it cannot be loaded."""
    async with _loading:
        if is_loaded(DEFAULT):
            return
        try:
            await process.run(["apparmor_parser", "--skip-cache", "--replace"], input=profile().encode())
        except Internal as error:
            raise Unavailable(
                f"AppArmor is enabled, but the profile {DEFAULT} could not be loaded: {error.message}",
                hint="--security-opt apparmor=unconfined runs the container without a profile",
            ) from error


def profile(name: str = DEFAULT) -> str:
    """Return the text of the profile, for apparmor_parser(8)."""
    kernel_wide = [
        "core_pattern",
        "core_pipe_limit",
        "core_uses_pid",
        "dmesg_restrict",
        "hotplug",
        "kexec_load_disabled",
        "kptr_restrict",
        "modprobe",
        "modules_disabled",
        "panic*",
        "perf_*",
        "poweroff_cmd",
        "printk*",
        "randomize_va_space",
        "sysrq",
        "unprivileged_*",
        "usermodehelper/**",
        "yama/**",
    ]
    return f"""\
#include <tunables/global>

profile {name} flags=(attach_disconnected, mediate_deleted) {{
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,

  # The host's processes may signal the container's, and those each other.
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send, receive) peer={name},
  ptrace (trace, read, tracedby, readby) peer={name},

  deny mount,

  # Of /proc, what belongs to the host and not to a process or a namespace.
  deny @{{PROC}}/* w,
  deny @{{PROC}}/{{kcore,sysrq-trigger}} rwklx,
  deny @{{PROC}}/{{acpi,bus,fs,irq,scsi}}/** w,
  deny @{{PROC}}/sys/{{abi,crypto,debug,dev,user,vm}}/** w,
  deny @{{PROC}}/sys/fs/[^m]** w,
  deny @{{PROC}}/sys/kernel/{{{",".join(kernel_wide)}}} w,

  # Of /sys, all but the control groups.
  deny /sys/{{block,bus,class,dev,devices,hypervisor,kernel,module,power}}/** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}}
"""
