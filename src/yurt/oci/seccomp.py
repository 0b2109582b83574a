"""The default system call filter: which calls a container may make, given its capabilities.

The same set of calls as Docker's default profile permits, as data: what is allowed always, what comes with a
capability, and what is allowed only with certain arguments. All else answers EPERM.
"""

# ruff: noqa: SIM905 - four hundred quoted words would be harder to read

import platform
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

ALLOWED: Final = tuple(
    """
    accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
    epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir
    fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork
    fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area
    getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid
    getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr
    getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
    io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat
    listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
    map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
    mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
    mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall
    munmap name_to_handle_at nanosleep _newselect newfstatat open openat openat2 pause pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv
    preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead
    readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
    removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
    sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
    semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
    set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer
    setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown
    sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
    statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
    timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
    ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice
    wait4 waitid waitpid write writev process_vm_readv process_vm_writev ptrace
    """.split()
)

WITH_CAPABILITY: Final[Mapping[str, tuple[str, ...]]] = {
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_SYS_ADMIN": tuple(
        """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
        move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount
        umount2 unshare
        """.split()
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_CHROOT": ("chroot",),
    "CAP_SYS_MODULE": ("delete_module", "init_module", "finit_module"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_madvise"),
    "CAP_SYS_RAWIO": ("iopl", "ioperm"),
    "CAP_SYS_TIME": ("settimeofday", "stime", "clock_settime", "clock_settime64"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"),
    "CAP_SYSLOG": ("syslog",),
    "CAP_BPF": ("bpf",),
    "CAP_PERFMON": ("perf_event_open",),
}

ON_MACHINE: Final[Mapping[str, tuple[str, ...]]] = {
    "x86_64": ("arch_prctl", "modify_ldt"),
    "armv7l": (
        "arm_fadvise64_64",
        "arm_sync_file_range",
        "sync_file_range2",
        "breakpoint",
        "cacheflush",
        "set_tls",
    ),
    "aarch64": (
        "arm_fadvise64_64",
        "arm_sync_file_range",
        "sync_file_range2",
        "breakpoint",
        "cacheflush",
        "set_tls",
    ),
    "riscv64": ("riscv_flush_icache",),
    "s390x": ("s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"),
    "ppc64le": ("sync_file_range2", "swapcontext"),
}

# The machine's own architecture first, then the narrower one it also runs. Without x32, which distributions' kernels
# do not run.
ARCHITECTURES: Final[Mapping[str, tuple[str, ...]]] = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "armv7l": ("SCMP_ARCH_ARM",),
    "riscv64": ("SCMP_ARCH_RISCV64",),
    "s390x": ("SCMP_ARCH_S390X", "SCMP_ARCH_S390"),
    "ppc64le": ("SCMP_ARCH_PPC64LE",),
}

# personality(2): PER_LINUX, PER_LINUX32, each with and without UNAME26, and the query.
_PERSONALITIES: Final = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
# Every CLONE_NEW… flag: without CAP_SYS_ADMIN no new namespaces.
_CLONE_NAMESPACES: Final = 0x7E020000
_AF_VSOCK: Final = 40
_EPERM: Final = 1
_ENOSYS: Final = 38


@lru_cache(maxsize=64)
def default_profile(
    capabilities: frozenset[str], machine: str = "", *, narrow: bool = True
) -> dict[str, Any]:
    """Return ``linux.seccomp`` of a runtime specification for a container with *capabilities*.

    Without *narrow*, 32-bit programs are killed instead of filtered: the runtime compiles the filter at each
    start, and half of it takes some five milliseconds less. The answer is shared: do not change it. *machine* is
    what ``uname -m`` says; empty: this one.
    """
    machine = machine or platform.machine()
    names = [*ALLOWED, *ON_MACHINE.get(machine, ())]
    for capability, calls in WITH_CAPABILITY.items():
        if capability in capabilities:
            names += [call for call in calls if call not in names]
    rules: list[dict[str, Any]] = [{"names": names, "action": "SCMP_ACT_ALLOW"}]
    rules += [
        _allow_if("personality", index=0, value=value, operator="SCMP_CMP_EQ") for value in _PERSONALITIES
    ]
    rules.append(_allow_if("socket", index=0, value=_AF_VSOCK, operator="SCMP_CMP_NE"))
    if "CAP_SYS_ADMIN" not in capabilities:
        # On s390 the flags are the second argument (clone(2), "C library/kernel differences").
        flags = 1 if machine == "s390x" else 0
        rules.append(
            {
                "names": ["clone"],
                "action": "SCMP_ACT_ALLOW",
                "args": [
                    {"index": flags, "value": _CLONE_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
                ],
            }
        )
        # Its flags lie in memory, out of a filter's reach: ENOSYS makes the C library fall back to clone.
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS})
    profile: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "syscalls": rules,
    }
    if machine in ARCHITECTURES:
        profile["architectures"] = list(ARCHITECTURES[machine] if narrow else ARCHITECTURES[machine][:1])
    return profile


def _allow_if(name: str, *, index: int, value: int, operator: str) -> dict[str, Any]:
    return {
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": index, "value": value, "op": operator}],
    }


def from_docker(
    document: Mapping[str, Any], capabilities: frozenset[str], machine: str = ""
) -> dict[str, Any]:
    """Return ``linux.seccomp`` for a profile in Docker's own format, which adds conditions and a map of architectures."""
    machine = machine or platform.machine()
    profile = {
        key: value
        for key, value in document.items()
        if key not in {"archMap", "architectures", "syscalls"} and value is not None
    }
    if document.get("architectures"):
        profile["architectures"] = document["architectures"]
    elif machine in ARCHITECTURES:
        profile["architectures"] = list(ARCHITECTURES[machine])
    profile["syscalls"] = [
        {
            "names": rule.get("names") or [rule["name"]],
            "action": rule["action"],
            **{key: rule[key] for key in ("errnoRet", "args") if rule.get(key) is not None},
        }
        for rule in document.get("syscalls") or ()
        if _applies(rule, capabilities, machine)
    ]
    return profile


_MACHINE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "x86_64": ("amd64",),
    "aarch64": ("arm64",),
    "armv7l": ("arm",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
    "ppc64le": ("ppc64le",),
}


def _applies(rule: Mapping[str, Any], capabilities: frozenset[str], machine: str) -> bool:
    names = _MACHINE_NAMES.get(machine, (machine,))
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if (arches := includes.get("arches")) and not set(arches) & set(names):
        return False
    if set(excludes.get("arches") or ()) & set(names):
        return False
    if not set(includes.get("caps") or ()) <= capabilities:
        return False
    return not set(excludes.get("caps") or ()) & capabilities
