#include "control/generations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "control/crash.h"

static int fail(char *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int
fail(char *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err, GENERATIONS_ERR_MAX, format, args);
    va_end(args);
    return -1;
}

static int
sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int ret = fsync(fd) ? -errno : 0;
    close(fd);
    return ret;
}

/* Removes at/name and all beneath; links are removed, not followed. */
static int
remove_tree(int at, const char *name, unsigned depth)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return 0;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 && depth <= GENERATIONS_DEPTH_MAX + 4 ? fdopendir(fd) : NULL;
    if (!d) {
        int ret = errno ? -errno : -EIO;
        if (fd >= 0)
            close(fd);
        return ret;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            remove_tree(dirfd(d), e->d_name, depth + 1);
    }
    closedir(d);
    return unlinkat(at, name, AT_REMOVEDIR) ? -errno : 0;
}

int
generations_open(struct generations *s, const char *state, char *err)
{
    int len = snprintf(s->folder, sizeof(s->folder), "%s/generations", state);
    if (len < 0 || (size_t)len >= sizeof(s->folder) - 16)
        return fail(err, "%s: too long", state);
    if (mkdir(state, 0750) && errno != EEXIST)
        return fail(err, "%s: %s", state, strerror(errno));
    if (mkdir(s->folder, 0750) && errno != EEXIST)
        return fail(err, "%s: %s", s->folder, strerror(errno));
    return 0;
}

char *
generations_path(const struct generations *s, uint32_t number, const char *what, char path[GENERATIONS_PATH_MAX])
{
    snprintf(path, GENERATIONS_PATH_MAX, "%s/%" PRIu32 "%s%s", s->folder, number, *what ? "/" : "", what);
    return path;
}

int
generations_make(const struct generations *s, uint32_t number, char *err)
{
    char path[GENERATIONS_PATH_MAX];
    generations_path(s, number, "", path);
    int ret = remove_tree(AT_FDCWD, path, 0);
    if (ret < 0)
        return fail(err, "%s: %s", path, strerror(-ret));
    if (mkdir(path, 0750))
        return fail(err, "%s: %s", path, strerror(errno));
    ret = sync_folder(s->folder);
    return ret < 0 ? fail(err, "%s: %s", s->folder, strerror(-ret)) : 0;
}

/* ---- snapshots ---- */

struct copying {
    char *err;
    unsigned files;
    uint64_t octets;
    const char *root; /* for messages */
    const struct reader *who;
};

static int
refuse_reader(const struct copying *c, const char *name)
{
    char *err = c->err;
    return fail(err,
                "%s%s%s: does not exist, is no file or folder, or may not be read by uid %" PRIu32
                " and the user of weir-control",
                c->root, *name ? "/" : "", name, c->who->uid);
}

/* Every folder on the way is one that they may search, and no link is followed: if one has come there since realpath, it
 * is not what was asked for. -1: not so. */
static int
walk_to(const struct copying *c, char *real)
{
    struct stat st;
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (char *name; at >= 0 && (name = strsep(&real, "/"));) {
        if (!*name)
            continue;
        bool is_open = fstat(at, &st) == 0 && reader_may(c->who, at, &st, READER_SEARCH);
        int next = is_open ? openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
        close(at);
        at = next;
    }
    return at;
}

/* The file or folder at c->root, or -1. What does not exist and what they may not see is told with the same words. */
static int
open_top(const struct copying *c)
{
    struct stat st;
    struct statfs fs;
    char again[64], *real = realpath(c->root, NULL);
    int at = real ? walk_to(c, real) : -1;
    free(real);
    /* proc tells about us, whatever its modes say. */
    bool is_good = at >= 0 && fstat(at, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
                   reader_may(c->who, at, &st, S_ISDIR(st.st_mode) ? READER_READ | READER_SEARCH : READER_READ) &&
                   fstatfs(at, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC;
    snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
    int fd = is_good ? open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (at >= 0)
        close(at);
    return fd;
}

/* Within the folder `at` only, and never waiting for a pipe. */
static int
open_beneath(int at, const char *name)
{
    struct open_how how = {.flags = (unsigned)(O_RDONLY | O_CLOEXEC | O_NONBLOCK),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
}

static int
copy_file(struct copying *c, int from, int to_folder, const char *name)
{
    char *err = c->err;
    static char octets[1 << 16];
    int to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (to < 0)
        return fail(err, "%s: %s", name, strerror(errno));
    ssize_t n = 0;
    while ((n = read(from, octets, sizeof(octets))) > 0) {
        if ((c->octets += (uint64_t)n) > GENERATIONS_OCTETS_MAX) {
            close(to);
            return fail(err, "%s: more than %" PRIu64 " MiB", c->root, (uint64_t)(GENERATIONS_OCTETS_MAX >> 20));
        }
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(to, octets + at, (size_t)(n - at));
            if (w <= 0 && errno != EINTR) {
                int ret = fail(err, "%s cannot be kept: %s", name, strerror(errno));
                close(to);
                return ret;
            }
            at += w > 0 ? w : 0;
        }
    }
    int ret = n < 0 ? fail(err, "%s: %s", name, strerror(errno)) : fsync(to) ? fail(err, "%s: %s", name, strerror(errno)) : 0;
    close(to);
    if (++c->files == 1)
        crash_here("snapshot", "half");
    return ret;
}

static int copy_folder(struct copying *c, int from, int to, unsigned depth);

static int
copy_entry(struct copying *c, int from, int to, const char *name, unsigned depth)
{
    char *err = c->err;
    int fd = open_beneath(from, name);
    struct stat st;
    if (fd < 0)
        return fail(err, "%s/%s: %s", c->root, name,
                    errno == EXDEV ? "a link that leads out of the folder is not followed" : strerror(errno));
    int ret = 0;
    if (fstat(fd, &st)) {
        ret = fail(err, "%s: %s", name, strerror(errno));
    } else if (!reader_may(c->who, fd, &st, S_ISDIR(st.st_mode) ? READER_READ | READER_SEARCH : READER_READ)) {
        ret = refuse_reader(c, name);
    } else if (S_ISREG(st.st_mode) && c->files < GENERATIONS_FILES_MAX) {
        ret = copy_file(c, fd, to, name);
    } else if (S_ISREG(st.st_mode)) {
        ret = fail(err, "%s: more than %d files", c->root, GENERATIONS_FILES_MAX);
    } else if (!S_ISDIR(st.st_mode)) {
        ret = fail(err, "%s/%s: neither a file nor a folder", c->root, name);
    } else if (depth >= GENERATIONS_DEPTH_MAX) {
        ret = fail(err, "%s: folders deeper than %d", c->root, GENERATIONS_DEPTH_MAX);
    } else if (mkdirat(to, name, 0750)) {
        ret = fail(err, "%s: %s", name, strerror(errno));
    } else {
        int sub = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ret = sub < 0 ? fail(err, "%s: %s", name, strerror(errno)) : copy_folder(c, fd, sub, depth + 1);
        if (sub >= 0)
            close(sub);
    }
    close(fd);
    return ret;
}

static int
copy_folder(struct copying *c, int from, int to, unsigned depth)
{
    char *err = c->err;
    int own = dup(from);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    if (!d) {
        if (own >= 0)
            close(own);
        return fail(err, "%s: %s", c->root, strerror(errno));
    }
    int ret = 0;
    for (struct dirent *e; ret == 0 && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            ret = copy_entry(c, from, to, e->d_name, depth);
    }
    closedir(d);
    if (ret == 0 && fsync(to))
        ret = fail(err, "%s: %s", c->root, strerror(errno));
    return ret;
}

static int
copy_top(struct copying *c, const char *path, int to)
{
    char *err = c->err;
    int from = open_top(c);
    struct stat st;
    if (from < 0)
        return refuse_reader(c, "");
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : slash ? "rules.cf" : path;
    int ret = -1;
    if (fstat(from, &st))
        fail(err, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        ret = copy_folder(c, from, to, 0);
    else if ((ret = copy_file(c, from, to, name)) == 0 && symlinkat(name, to, ".single"))
        ret = fail(err, "%s: %s", path, strerror(errno));
    close(from);
    if (ret == 0 && fsync(to))
        ret = fail(err, "%s: %s", path, strerror(errno));
    return ret;
}

int
generations_snapshot(const struct generations *s, uint32_t number, const char *path,
                     const struct reader *who, char *err)
{
    char beside[GENERATIONS_PATH_MAX], place[GENERATIONS_PATH_MAX], folder[GENERATIONS_PATH_MAX];
    generations_path(s, number, "rules.new", beside);
    generations_path(s, number, "rules", place);
    generations_path(s, number, "", folder);
    struct copying c = {.err = err, .root = path, .who = who};
    remove_tree(AT_FDCWD, beside, 0);
    crash_here("snapshot", "begun");
    if (mkdir(beside, 0750))
        return fail(err, "%s: %s", beside, strerror(errno));
    int to = open(beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0)
        return fail(err, "%s: %s", beside, strerror(errno));
    int ret = copy_top(&c, path, to);
    close(to);
    if (ret == 0 && (rename(beside, place) || sync_folder(folder) < 0))
        ret = fail(err, "%s: %s", place, strerror(errno));
    crash_here("snapshot", "copied");
    return ret;
}

bool
generations_source(const struct generations *s, uint32_t number, char path[GENERATIONS_PATH_MAX])
{
    char link[GENERATIONS_PATH_MAX], name[256];
    struct stat st;
    generations_path(s, number, "rules", path);
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return false;
    generations_path(s, number, "rules/.single", link);
    ssize_t len = readlink(link, name, sizeof(name) - 1);
    if (len <= 0)
        return true;
    name[len] = '\0';
    size_t at = strlen(path);
    return !strchr(name, '/') &&
           snprintf(path + at, GENERATIONS_PATH_MAX - at, "/%s", name) < (int)(GENERATIONS_PATH_MAX - at);
}

/* ---- files ---- */

int
generations_write(const struct generations *s, uint32_t number, const char *what, const void *octets, size_t len,
                  char *err)
{
    char beside[GENERATIONS_PATH_MAX], place[GENERATIONS_PATH_MAX], folder[GENERATIONS_PATH_MAX];
    generations_path(s, number, what, place);
    generations_path(s, number, "", folder);
    snprintf(beside, sizeof(beside), "%.500s.new", place);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return fail(err, "%s: %s", beside, strerror(errno));
    const char *at = octets;
    int failed = 0;
    for (size_t left = len; left && !failed;) {
        ssize_t n = write(fd, at, left);
        failed = n < 0 && errno != EINTR;
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    failed = failed || fsync(fd);
    close(fd);
    if (failed || rename(beside, place) || sync_folder(folder) < 0) {
        int ret = fail(err, "%s: %s", place, strerror(errno));
        unlink(beside);
        return ret;
    }
    return 0;
}

int
generations_copy(const struct generations *s, uint32_t from, uint32_t to)
{
    static const char *const whats[] = {"image", "compiled.json", "rules.json"};
    char source[GENERATIONS_PATH_MAX], place[GENERATIONS_PATH_MAX], err[GENERATIONS_ERR_MAX];
    generations_path(s, from, "image", source);
    if (access(source, R_OK))
        return -errno;
    if (generations_make(s, to, err))
        return -EIO;
    int ret = 0;
    for (unsigned i = 0; i < 3 && ret == 0; i++) {
        generations_path(s, from, whats[i], source);
        generations_path(s, to, whats[i], place);
        ret = link(source, place) && (errno != ENOENT || i == 0) ? -errno : 0;
    }
    generations_path(s, to, "", place);
    if (ret == 0)
        ret = sync_folder(place);
    crash_here("copy", "made");
    return ret;
}

static int
downwards(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static uint32_t
number_of(const char *name)
{
    char *end;
    unsigned long n = strtoul(name, &end, 10);
    return *name >= '1' && *name <= '9' && !*end && n < UINT32_MAX ? (uint32_t)n : 0;
}

uint32_t
generations_newest(const struct generations *s)
{
    uint32_t newest = 0;
    DIR *d = opendir(s->folder);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        uint32_t n = number_of(e->d_name);
        newest = n > newest ? n : newest;
    }
    closedir(d);
    return newest;
}

int
generations_prune(const struct generations *s, uint32_t kept, bool (*keeps)(void *owner, uint32_t number), void *owner)
{
    enum { SEEN_MAX = 65536 };
    DIR *d = opendir(s->folder);
    if (!d)
        return -errno;
    uint32_t cnt = 0, max = 0, *numbers = NULL;
    for (struct dirent *e; (e = readdir(d)) && cnt < SEEN_MAX;) {
        uint32_t n = number_of(e->d_name);
        if (n && cnt == max) {
            uint32_t *more = reallocarray(numbers, max ? max * 2 : 64, sizeof(*numbers));
            if (!more)
                break;
            numbers = more;
            max = max ? max * 2 : 64;
        }
        if (n)
            numbers[cnt++] = n;
    }
    if (cnt)
        qsort(numbers, cnt, sizeof(*numbers), downwards);
    int removed = 0;
    for (uint32_t i = cnt; i-- > kept && removed < GENERATIONS_PRUNE_MAX;) {
        char name[16];
        if (keeps(owner, numbers[i]))
            continue;
        snprintf(name, sizeof(name), "%" PRIu32, numbers[i]);
        crash_here("prune", "begun");
        /* The image first: what has none is not returned to. */
        char image[GENERATIONS_PATH_MAX];
        unlink(generations_path(s, numbers[i], "image", image));
        crash_here("prune", "half");
        removed += remove_tree(dirfd(d), name, 0) == 0;
    }
    closedir(d);
    free(numbers);
    return removed;
}
