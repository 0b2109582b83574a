/* Stands before the OCI runtime on PATH: counts the calls by which it changes the world, and kills it before one.
 *
 * The runtime is linked statically, so nothing can be preloaded into it: it is traced instead, with all processes
 * that it makes. The tracer is nobody's child here (a shim takes the runtime's exit status, and the container for
 * its own child), and ends with the runtime: the container goes on untraced. See instants.c for the page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "page.h"

static struct page *page;

static const struct { int number; const char *name; } CHANGES[] = {
#define CALL(name) {SYS_##name, #name}
    CALL(execve), CALL(execveat), CALL(unshare), CALL(setns), CALL(mount), CALL(umount2), CALL(pivot_root),
    CALL(chroot), CALL(move_mount), CALL(open_tree), CALL(mount_setattr), CALL(fsmount), CALL(mkdir),
    CALL(mkdirat), CALL(rmdir), CALL(unlink), CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2),
    CALL(link), CALL(linkat), CALL(symlink), CALL(symlinkat), CALL(mknod), CALL(mknodat), CALL(chmod),
    CALL(fchmod), CALL(fchmodat), CALL(chown), CALL(fchown), CALL(lchown), CALL(fchownat), CALL(sethostname),
    CALL(setdomainname), CALL(seccomp), CALL(capset), CALL(setuid), CALL(setresuid), CALL(setgroups), CALL(kill),
    CALL(pidfd_send_signal), CALL(sendmsg), CALL(sendto), CALL(bpf), CALL(setxattr), CALL(prlimit64),
    CALL(exit_group),
#undef CALL
};

/* Whether a descriptor of the traced process is a file: not a pipe, a socket or an event. */
static int is_file(pid_t tid, uint64_t fd)
{
    char link[48], target[8];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, (int)fd);
    return readlink(link, target, sizeof target) > 0 && target[0] == '/';
}

/* Return what the call is named if it changes something, else nothing. */
static const char *change(pid_t tid, const struct __ptrace_syscall_info *info)
{
    const __uint64_t *words = info->entry.args;
    switch (info->entry.nr) {
    case SYS_clone:
        return words[0] & CLONE_THREAD ? NULL : "clone";
    case SYS_vfork:
    case SYS_fork:
        return "fork";
    case SYS_clone3:
        return "clone3";
    case SYS_openat:
        return words[2] & (O_CREAT | O_TRUNC) ? "openat" : NULL;
    case SYS_write:
    case SYS_pwrite64:
        return is_file(tid, words[0]) ? "write" : NULL;
    }
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++)
        if (CHANGES[i].number == (int)info->entry.nr)
            return CHANGES[i].name;
    return NULL;
}

/* Whether it is the last instant. */
static int is_last(const char *call, pid_t tid)
{
    char path[32], name[32] = "?";
    if (page->action == OFF)
        return 0;
    uint32_t number = __atomic_add_fetch(&page->count, 1, __ATOMIC_SEQ_CST);
    snprintf(path, sizeof path, "/proc/%d/comm", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* says which of its stages it is: runc, runc:[1:CHILD], … */
    ssize_t length = read(fd, name, sizeof name - 1);
    close(fd);
    if (length > 0)
        name[length - 1] = 0;
    if (number <= LABELS)
        snprintf(page->labels[number - 1], LABEL, "%s by %s", call, name);
    if (page->action != KILL || number != page->at)
        return 0;
    page->fired = 1;
    return 1;
}

static void trace(pid_t root)
{
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 || (tid == root && !WIFSTOPPED(status)))
            return; /* whoever is still traced goes on alone */
        if (!WIFSTOPPED(status))
            continue;
        int number = WSTOPSIG(status), event = status >> 16, deliver = 0;
        if (number == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            memset(&info, 0, sizeof info);
            ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
            const char *call = info.op == PTRACE_SYSCALL_INFO_ENTRY ? change(tid, &info) : NULL;
            if (call && is_last(call, tid)) {
                syscall(SYS_kill, tid, SIGKILL);
                return;
            }
        } else if (event == PTRACE_EVENT_STOP && (number == SIGSTOP || number == SIGTSTP)) {
            ptrace(PTRACE_LISTEN, tid, 0, 0);
            continue;
        } else if (!event)
            deliver = number;
        ptrace(PTRACE_SYSCALL, tid, 0, deliver);
    }
}

int main(int count, char **words)
{
    (void)count;
    const char *real = getenv("YURT_RUNTIME"), *path = getenv("YURT_INSTANTS");
    int fd = open(path, O_RDWR | O_CLOEXEC), ready[2];
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED || page->action == OFF || !(page->roles & RUNTIME)) {
        execv(real, words);
        return 127;
    }
    pid_t root = getpid();
    if (pipe2(ready, O_CLOEXEC) < 0)
        return 127;
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        if (fork())
            _exit(0);
        int attached = ptrace(PTRACE_SEIZE, root, 0,
                              PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                                  PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC) == 0;
        /* A process that is seized is stopped by this, and its calls are seen from then on. */
        attached = attached && ptrace(PTRACE_INTERRUPT, root, 0, 0) == 0;
        if (!attached)
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (int other = 0; other < 1024; other++) /* those of the runtime end when it ends */
            close(other);
        trace(root);
        _exit(0);
    }
    waitpid(middle, NULL, 0);
    char byte;
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        return 127;
    execv(real, words);
    return 127;
}
