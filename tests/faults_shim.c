/* A library for LD_PRELOAD that makes one file operation of a process tree fail. See tests/faults.py.
 *
 * FAULT_UNDER    only operations on absolute paths that start with this, and on descriptors of such files, count
 * FAULT_CALLS    which operations count: a comma-separated list of the names below, "," at both ends
 * FAULT_COUNTER  a file of 8 bytes, shared by the whole process tree: how many operations there were so far
 * FAULT_AT       the number of the operation that fails, from 1; 0: only count
 * FAULT_KIND     an errno; or -1: the process is killed before the operation; or -2: a write writes half
 * FAULT_STICKY   "1": every later one that counts fails as well, like on a full disk
 *                "2": not operations are counted but the bytes that are written, and all that come after FAULT_AT fail
 * FAULT_NO_EXCHANGE  "1": the file system cannot swap two names
 * FAULT_KIND may also be -100 - N: signal N arrives, and the operation is done. "stdout" is a write to descriptor 1.
 * fault_arm() sets all of it anew for a process that was forked: the counter, too.
 *
 * Not seen: what libc does inside itself (fwrite), and writes through mmap.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum { PASS = 0, KILL = -1, SHORT = -2, ARRIVES = -100 };

static volatile int64_t *counter;
static const char *under, *calls;
static int64_t mine;
static char armed_calls[200], armed_under[4096];
static int64_t at, kind, sticky, no_exchange;

static int64_t number(const char *name) {
    const char *text = getenv(name);
    return text ? atoll(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULT_COUNTER");
    under = getenv("FAULT_UNDER");
    calls = getenv("FAULT_CALLS");
    at = number("FAULT_AT"), kind = number("FAULT_KIND"), sticky = number("FAULT_STICKY");
    no_exchange = number("FAULT_NO_EXCHANGE");
    if (!path || !under || !calls) return;
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REAL(close)(fd);
    if (shared != MAP_FAILED) counter = shared;
}

void fault_arm(const char *new_under, const char *new_calls, int64_t new_at, int64_t new_kind, int64_t new_sticky) {
    snprintf(armed_under, sizeof armed_under, "%s", new_under);
    snprintf(armed_calls, sizeof armed_calls, "%s", new_calls);
    under = armed_under, calls = armed_calls, at = new_at, kind = new_kind, sticky = new_sticky;
    mine = 0, counter = &mine; /* of this process alone: the trainer has no children */
}

int64_t fault_count(void) { return mine; }

/* What an operation on `size` bytes is to do: PASS, SHORT or the errno to fail with. */
static int64_t verdict_sized(const char *call, const char *path, size_t size) {
    char quoted[40];
    snprintf(quoted, sizeof quoted, ",%s,", call);
    if (!counter || !path || strncmp(path, under, strlen(under)) || !strstr(calls, quoted)) return PASS;
    int64_t count = __sync_add_and_fetch(counter, sticky == 2 ? (int64_t)size : 1);
    if (sticky == 2) return at && count > at ? kind : PASS;
    if (!at || count < at || (count > at && !sticky)) return PASS;
    if (kind == KILL) kill(getpid(), SIGKILL);
    if (kind <= ARRIVES) {
        raise((int)(ARRIVES - kind));
        return PASS;
    }
    return kind;
}

static int64_t verdict(const char *call, const char *path) { return verdict_sized(call, path, 0); }

static int64_t verdict_fd_sized(const char *call, int fd, size_t size) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = counter ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return PASS;
    path[length] = 0;
    return verdict_sized(call, path, size);
}

static int64_t verdict_fd(const char *call, int fd) { return verdict_fd_sized(call, fd, 0); }

#define FAIL_IF(result, ...)              \
    int64_t fault = __VA_ARGS__;          \
    if (fault > 0) {                      \
        errno = (int)fault;               \
        return result;                    \
    }

ssize_t write(int fd, const void *data, size_t size) {
    FAIL_IF(-1, fd == 1 ? verdict("stdout", under) : verdict_fd_sized("write", fd, size));
    return REAL(write)(fd, data, fault == SHORT ? (size + 1) / 2 : size);
}

ssize_t writev(int fd, const struct iovec *parts, int num_parts) {
    size_t size = 0;
    for (int part = 0; part < num_parts; part++) size += parts[part].iov_len;
    FAIL_IF(-1, verdict_fd_sized("write", fd, size));
    return REAL(writev)(fd, parts, fault == SHORT ? (num_parts + 1) / 2 : num_parts);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    FAIL_IF(-1, verdict_fd_sized("write", fd, size));
    return REAL(pwrite64)(fd, data, fault == SHORT ? (size + 1) / 2 : size, offset);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
    FAIL_IF(-1, verdict_fd_sized("write", to, size));
    return REAL(copy_file_range)(from, from_at, to, to_at, fault == SHORT ? (size + 1) / 2 : size, flags);
}

int ftruncate64(int fd, off64_t size) {
    FAIL_IF(-1, verdict_fd("write", fd));
    return REAL(ftruncate64)(fd, size);
}

int fsync(int fd) {
    FAIL_IF(-1, verdict_fd("fsync", fd));
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    FAIL_IF(-1, verdict_fd("fsync", fd));
    return REAL(fdatasync)(fd);
}

int close(int fd) {
    int64_t fault = verdict_fd("close", fd);
    int result = REAL(close)(fd); /* Linux closes also where close fails */
    if (fault > 0) errno = (int)fault, result = -1;
    return result;
}

int rename(const char *from, const char *to) {
    FAIL_IF(-1, verdict("rename", from));
    return REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    FAIL_IF(-1, verdict("rename", from));
    return REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    FAIL_IF(-1, flags && no_exchange ? EINVAL : verdict(flags ? "exchange" : "rename", from));
    return REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

int unlink(const char *path) {
    FAIL_IF(-1, verdict("remove", path));
    return REAL(unlink)(path);
}

int rmdir(const char *path) {
    FAIL_IF(-1, verdict("remove", path));
    return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    FAIL_IF(-1, verdict("create", path));
    return REAL(mkdir)(path, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    FAIL_IF(-1, verdict(flags & O_CREAT ? "create" : "open", path));
    return REAL(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    FAIL_IF(-1, verdict(flags & O_CREAT ? "create" : "open", path));
    return REAL(open)(path, flags, mode);
}
