/* shim: a process under this lives with a wall clock that is wrong, and with a disk that is slow.
 *
 *     SHIM=FOLDER LD_PRELOAD=shim.so COMMAND...
 *
 *     FOLDER/clock    seconds by which the wall clock is wrong
 *     FOLDER/sync     milliseconds that fsync and fdatasync last longer
 *     FOLDER/error    errno of every write to a file, and of every sync: 30 is a file system gone read-only
 *
 * The files are read at each look, so the clock jumps when one is written; one that is not there says 0. Monotonic
 * clocks are as they are: no jump of the wall clock moves those on a real machine either. For drills; not for anything
 * that has secrets. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long
told(const char *name)
{
    const char *folder = getenv("SHIM");
    char text[24] = "", path[256];
    if (folder == NULL || snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    return len > 0 ? strtol(text, NULL, 10) : 0;
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
    long status = syscall(SYS_clock_gettime, id, t);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += told("clock");
    return (int)status;
}

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t
time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL)
        *t = now.tv_sec;
    return now.tv_sec;
}

/* -1 with errno set: this is how it fails. */
static int
fails(void)
{
    long error = told("error");
    if (error <= 0)
        return 0;
    errno = (int)error;
    return -1;
}

ssize_t
write(int fd, const void *octets, size_t len)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fd > 2 && fails() < 0)
        return -1;
    return syscall(SYS_write, fd, octets, len);
}

static void
slow(void)
{
    long ms = told("sync");
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0)
        nanosleep(&pause, NULL);
}

int
fsync(int fd)
{
    slow();
    return fails() < 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    slow();
    return fails() < 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}
