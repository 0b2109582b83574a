/* Counts the calls by which a process changes the world, and kills it before one of them, or makes that one fail.
 *
 * Preloaded into yurtd, which hands it on to the zygote and so to every shim. All of them share one page with the
 * test (see instants.py): what to do, to whom, at which call. Programs they start are left alone: the runtime is
 * linked statically (see runtime.c), others have a command line that names no part of ours.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "page.h"

static struct page *page;
static uint32_t role;
static pid_t own; /* in a child of vfork() this is still the parent's */

static void forked(void)
{
    own = getpid();
    role = role == ZYGOTE ? SHIM : NOBODY;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("YURT_INSTANTS");
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !path)
        return;
    ssize_t length = read(fd, line, sizeof line - 1);
    close(fd);
    for (ssize_t i = 0; i < length; i++)
        if (!line[i])
            line[i] = ' ';
    line[length > 0 ? length : 0] = 0;
    uint32_t mine = strstr(line, "yurt.daemon") ? ENGINE : strstr(line, "zygote.py") ? ZYGOTE : NOBODY;
    if (!mine || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return;
    void *place = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (place == MAP_FAILED)
        return;
    page = place;
    own = getpid();
    pthread_atfork(NULL, NULL, forked);
    role = mine;
}

/* Returns whether the call is to fail, with errno set; does not return when it is the last instant. */
static int instant(int fills_disk, const char *call, const char *what)
{
    if (!role || page->action == OFF || !(page->roles & role) || getpid() != own || page->spared == (uint32_t)own)
        return 0;
    if (page->action >= FAIL && !fills_disk)
        return 0;
    uint32_t number = __atomic_add_fetch(&page->count, 1, __ATOMIC_SEQ_CST);
    if (number <= LABELS)
        snprintf(page->labels[number - 1], LABEL, "%s %s", call, what);
    if (page->action == KILL && number == page->at) {
        page->fired = 1;
        syscall(SYS_kill, page->victim ? (pid_t)page->victim : own, SIGKILL);
    }
    if (page->action == FAIL && number == page->at) {
        page->fired = 1;
        errno = page->error;
        return 1;
    }
    return 0;
}

/* Whether a descriptor is a file on a disk: not a socket, a pipe, the daemon's own log, /proc or a cgroup. */
static int on_disk(int fd)
{
    struct stat entry;
    struct statfs place;
    return fd > 2 && fstat(fd, &entry) == 0 && S_ISREG(entry.st_mode) && fstatfs(fd, &place) == 0 &&
           place.f_type != PROC_SUPER_MAGIC && place.f_type != SYSFS_MAGIC && place.f_type != CGROUP_SUPER_MAGIC &&
           place.f_type != CGROUP2_SUPER_MAGIC;
}

static const char *name_of(int fd, char *buffer)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, LABEL - 1);
    buffer[length > 0 ? length : 0] = 0;
    return buffer;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
    real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define PATH_CALL(name, fills, shown, parameters, ...) \
    int name parameters \
    { \
        REAL(name); \
        if (instant(fills, #name, shown)) \
            return -1; \
        return real(__VA_ARGS__); \
    }

PATH_CALL(rename, 1, to, (const char *from, const char *to), from, to)
PATH_CALL(renameat, 1, to, (int a, const char *from, int b, const char *to), a, from, b, to)
PATH_CALL(mkdir, 1, path, (const char *path, mode_t mode), path, mode)
PATH_CALL(mkdirat, 1, path, (int at, const char *path, mode_t mode), at, path, mode)
PATH_CALL(link, 1, to, (const char *from, const char *to), from, to)
PATH_CALL(linkat, 1, to, (int a, const char *from, int b, const char *to, int flags), a, from, b, to, flags)
PATH_CALL(symlink, 1, to, (const char *from, const char *to), from, to)
PATH_CALL(symlinkat, 1, to, (const char *from, int at, const char *to), from, at, to)
PATH_CALL(unlink, 0, path, (const char *path), path)
PATH_CALL(unlinkat, 0, path, (int at, const char *path, int flags), at, path, flags)
PATH_CALL(rmdir, 0, path, (const char *path), path)
PATH_CALL(chmod, 0, path, (const char *path, mode_t mode), path, mode)
PATH_CALL(chown, 0, path, (const char *path, uid_t user, gid_t group), path, user, group)
PATH_CALL(lchown, 0, path, (const char *path, uid_t user, gid_t group), path, user, group)
PATH_CALL(mount, 0, to, (const char *from, const char *to, const char *type, unsigned long flags, const void *data),
          from, to, type, flags, data)
PATH_CALL(umount2, 0, path, (const char *path, int flags), path, flags)
PATH_CALL(unshare, 0, "", (int flags), flags)
PATH_CALL(setns, 0, "", (int fd, int type), fd, type)
PATH_CALL(kill, 0, "", (pid_t pid, int number), pid, number)

#define FILE_CALL(name, type, parameters, ...) \
    type name parameters \
    { \
        REAL(name); \
        char shown[LABEL]; \
        if (role && page->action && on_disk(fd) && instant(1, #name, name_of(fd, shown))) \
            return -1; \
        return real(__VA_ARGS__); \
    }

FILE_CALL(write, ssize_t, (int fd, const void *data, size_t size), fd, data, size)
FILE_CALL(writev, ssize_t, (int fd, const struct iovec *parts, int count), fd, parts, count)
FILE_CALL(pwrite, ssize_t, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
FILE_CALL(pwrite64, ssize_t, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
FILE_CALL(sendfile, ssize_t, (int fd, int from, off_t *at, size_t size), fd, from, at, size)
FILE_CALL(sendfile64, ssize_t, (int fd, int from, off64_t *at, size_t size), fd, from, at, size)
FILE_CALL(fsync, int, (int fd), fd)
FILE_CALL(fdatasync, int, (int fd), fd)
FILE_CALL(ftruncate, int, (int fd, off_t size), fd, size)
FILE_CALL(ftruncate64, int, (int fd, off64_t size), fd, size)

/* This one returns its error. */
int posix_fallocate64(int fd, off64_t at, off64_t size)
{
    REAL(posix_fallocate64);
    char shown[LABEL];
    if (role && page->action && on_disk(fd) && instant(1, "posix_fallocate", name_of(fd, shown)))
        return errno;
    return real(fd, at, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    return posix_fallocate64(fd, at, size);
}

/* O_TMPFILE is two bits, one of which says no more than that a folder is meant. */
static int makes(int flags)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

static mode_t mode_of(int flags, va_list rest)
{
    return makes(flags) ? va_arg(rest, mode_t) : 0;
}

#define OPEN_CALL(name, parameters, ...) \
    int name parameters \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        if ((makes(flags) || flags & O_TRUNC) && instant(1, #name, path)) \
            return -1; \
        return real(__VA_ARGS__); \
    }

OPEN_CALL(open, (const char *path, int flags, ...), path, flags, mode)
OPEN_CALL(open64, (const char *path, int flags, ...), path, flags, mode)
OPEN_CALL(openat, (int at, const char *path, int flags, ...), at, path, flags, mode)
OPEN_CALL(openat64, (int at, const char *path, int flags, ...), at, path, flags, mode)

/* Messages: to the kernel by netlink, and to processes by sockets. One byte is asyncio waking itself. */
#define SEND_CALL(name, size, parameters, ...) \
    ssize_t name parameters \
    { \
        REAL(name); \
        if ((size) != 1 && instant(0, #name, "")) \
            return -1; \
        return real(__VA_ARGS__); \
    }

SEND_CALL(send, size, (int fd, const void *data, size_t size, int flags), fd, data, size, flags)
SEND_CALL(sendto, size,
          (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
          fd, data, size, flags, to, length)
SEND_CALL(sendmsg, 0, (int fd, const struct msghdr *message, int flags), fd, message, flags)

/* System calls made by number: those of mounts and signals that the library has no name for. */
long syscall(long number, ...)
{
    static long (*real)(long, ...);
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long), d = va_arg(rest, long),
         e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    switch (number) {
    case SYS_fsmount:
    case SYS_move_mount:
    case SYS_open_tree:
    case SYS_mount_setattr:
    case SYS_pidfd_send_signal: {
        char shown[16];
        snprintf(shown, sizeof shown, "%ld", number);
        if (instant(0, "syscall", shown))
            return -1;
    }
    }
    return real(number, a, b, c, d, e, f);
}
