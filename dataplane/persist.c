#include "dataplane/persist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CRASHES_KEPT = 16, BOOT_LEN = 37, SMALL_MAX = 1024 };

struct persist {
    int folder;
    char path[PATH_MAX];
    char boot[BOOT_LEN]; /* of this boot of the machine; "": not known */
    void (*hook)(const char *step);
};

struct crash {
    uint32_t generation;
    uint64_t time_ms;
};

static void
step(const struct persist *p, const char *name)
{
    if (p->hook)
        p->hook(name);
}

void
persist_set_hook(struct persist *p, void (*hook)(const char *step))
{
    p->hook = hook;
}

static int
fail(char *err, size_t err_size, const char *what, const char *name)
{
    snprintf(err, err_size, "%s %s: %s", what, name, strerror(errno));
    return -1;
}

/* ---- names ---- */

struct persist_image
persist_image_of(uint32_t generation, const char *digest)
{
    struct persist_image i = {.generation = generation};
    snprintf(i.digest, sizeof(i.digest), "%.16s", digest);
    return i;
}

bool
persist_image_equal(const struct persist_image *a, const struct persist_image *b)
{
    return a->generation == b->generation && strcmp(a->digest, b->digest) == 0;
}

static void
name_of(const struct persist_image *i, char name[PERSIST_NAME_MAX])
{
    snprintf(name, PERSIST_NAME_MAX, "gen-%" PRIu32 "-%s.image", i->generation, i->digest);
}

/* Only what name_of makes. */
static bool
parse_name(const char *name, struct persist_image *i)
{
    char again[PERSIST_NAME_MAX];
    if (sscanf(name, "gen-%" SCNu32 "-%16[0-9a-f].image", &i->generation, i->digest) != 2 || i->generation == 0)
        return false;
    name_of(i, again);
    return strlen(i->digest) == 16 && strcmp(name, again) == 0;
}

void
persist_path(const struct persist *p, const struct persist_image *i, char *path, size_t size)
{
    char name[PERSIST_NAME_MAX];
    name_of(i, name);
    snprintf(path, size, "%s/%s", p->path, name);
}

bool
persist_has(const struct persist *p, const struct persist_image *i)
{
    char name[PERSIST_NAME_MAX];
    struct stat st;
    name_of(i, name);
    return fstatat(p->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Calls fn for each name in the folder. */
static void
each_name(const struct persist *p, void (*fn)(const struct persist *p, const char *name, void *arg), void *arg)
{
    int fd = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *e; d && (e = readdir(d));)
        fn(p, e->d_name, arg);
    if (d)
        closedir(d);
}

/* ---- writing ---- */

static int
write_all(int fd, const uint8_t *octets, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, octets, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        octets += n;
        len -= (size_t)n;
    }
    return 0;
}

/* `name` holds the octets, or is as it was. */
static int
replace_file(struct persist *p, const char *name, const void *octets, size_t len, bool is_synced)
{
    char tmp[PERSIST_NAME_MAX + 8];
    snprintf(tmp, sizeof(tmp), "tmp-%s", name);
    step(p, "create");
    int fd = openat(p->folder, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    step(p, "write");
    int ret = write_all(fd, octets, len);
    step(p, "sync");
    if (ret == 0 && is_synced)
        ret = fsync(fd);
    if (close(fd) != 0)
        ret = -1;
    step(p, "rename");
    if (ret == 0)
        ret = renameat(p->folder, tmp, p->folder, name);
    int saved = errno;
    if (ret != 0)
        unlinkat(p->folder, tmp, 0);
    else if (is_synced)
        ret = fsync(p->folder);
    if (ret != 0)
        errno = saved ? saved : errno;
    return ret;
}

int
persist_write(struct persist *p, const struct persist_image *i, const void *image, size_t len, char *err, size_t err_size)
{
    char name[PERSIST_NAME_MAX];
    name_of(i, name);
    return replace_file(p, name, image, len, true) == 0 ? 0 : fail(err, err_size, "the image is not kept:", name);
}

/* ---- links ---- */

static struct persist_image
read_link(const struct persist *p, const char *link)
{
    struct persist_image i = {0};
    char name[PERSIST_NAME_MAX];
    ssize_t len = readlinkat(p->folder, link, name, sizeof(name) - 1);
    if (len <= 0)
        return i;
    name[len] = '\0';
    return parse_name(name, &i) ? i : (struct persist_image){0};
}

static int
write_link(struct persist *p, const char *link, const struct persist_image *to, char *err, size_t err_size)
{
    char name[PERSIST_NAME_MAX], tmp[PERSIST_NAME_MAX];
    struct persist_image now = read_link(p, link);
    if (to->generation && persist_image_equal(&now, to))
        return 0;
    step(p, link);
    if (to->generation == 0)
        return unlinkat(p->folder, link, 0) == 0 || errno == ENOENT ? 0 : fail(err, err_size, "the link", link);
    name_of(to, name);
    snprintf(tmp, sizeof(tmp), "tmp-%s", link);
    unlinkat(p->folder, tmp, 0);
    if (symlinkat(name, p->folder, tmp) != 0)
        return fail(err, err_size, "the link", link);
    step(p, "switch");
    if (renameat(p->folder, tmp, p->folder, link) != 0) {
        fail(err, err_size, "the link", link);
        unlinkat(p->folder, tmp, 0);
        return -1;
    }
    return 0;
}

int
persist_point(struct persist *p, const struct persist_image *live, const struct persist_image *previous, char *err,
              size_t err_size)
{
    struct persist_image old = read_link(p, "previous");
    bool is_return = live->generation != 0 && persist_image_equal(&old, live);
    int ret = 0;
    if (!is_return)
        ret = write_link(p, "previous", previous, err, err_size);
    if (ret == 0)
        ret = write_link(p, "live", live, err, err_size);
    if (ret == 0 && is_return)
        ret = write_link(p, "previous", previous, err, err_size);
    step(p, "sync-folder");
    if (ret == 0 && fsync(p->folder) != 0)
        ret = fail(err, err_size, "the folder", p->path);
    return ret;
}

/* ---- who runs ---- */

static void
read_small(const struct persist *p, const char *name, char text[SMALL_MAX])
{
    int fd = openat(p->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, SMALL_MAX - 1) : 0;
    text[len > 0 ? len : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

int
persist_running(struct persist *p, uint32_t live, uint32_t candidate, uint32_t last_generation, char *err, size_t err_size)
{
    char text[SMALL_MAX], old[SMALL_MAX];
    int len = snprintf(text, sizeof(text), "%" PRIu32 "\n", last_generation);
    read_small(p, "last", old);
    if (strcmp(old, text) != 0 && replace_file(p, "last", text, (size_t)len, true) != 0)
        return fail(err, err_size, "the file", "last");
    len = snprintf(text, sizeof(text), "boot=%s live=%" PRIu32 " candidate=%" PRIu32 "\n", *p->boot ? p->boot : "-", live,
                   candidate);
    read_small(p, "running", old);
    if (strcmp(old, text) == 0)
        return 0;
    /* not synced: it tells of this process's end, which a loss of power is not */
    return replace_file(p, "running", text, (size_t)len, false) == 0 ? 0 : fail(err, err_size, "the file", "running");
}

void
persist_end(struct persist *p)
{
    unlinkat(p->folder, "running", 0);
}

static unsigned
read_crashes(const struct persist *p, uint64_t now_ms, struct crash crashes[CRASHES_KEPT])
{
    char text[SMALL_MAX];
    unsigned cnt = 0;
    read_small(p, "crashes", text);
    for (char *rest, *line = strtok_r(text, "\n", &rest); line && cnt < CRASHES_KEPT; line = strtok_r(NULL, "\n", &rest)) {
        struct crash c;
        if (sscanf(line, "%" SCNu32 " %" SCNu64, &c.generation, &c.time_ms) != 2)
            continue;
        if (c.time_ms <= now_ms && now_ms - c.time_ms <= PERSIST_CRASHES_MS)
            crashes[cnt++] = c;
    }
    return cnt;
}

static void
write_crashes(struct persist *p, const struct crash *crashes, unsigned cnt)
{
    char text[SMALL_MAX] = "";
    size_t len = 0;
    for (unsigned i = 0; i < cnt && len < sizeof(text) - 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%" PRIu32 " %" PRIu64 "\n", crashes[i].generation,
                                crashes[i].time_ms);
    replace_file(p, "crashes", text, len, false); /* if it fails a crash is not counted */
}

/* One more unclean end under `generation`. True: that was one too many. */
static bool
count_crash(struct persist *p, uint32_t generation, uint64_t now_ms)
{
    struct crash crashes[CRASHES_KEPT + 1];
    unsigned cnt = read_crashes(p, now_ms, crashes), same = 1, from = 0;
    for (unsigned i = 0; i < cnt; i++)
        same += crashes[i].generation == generation;
    crashes[cnt++] = (struct crash){generation, now_ms};
    if (cnt > CRASHES_KEPT)
        from = cnt - CRASHES_KEPT;
    bool is_too_many = same >= PERSIST_CRASHES_MAX;
    write_crashes(p, crashes + from, is_too_many ? 0 : cnt - from); /* what comes next begins without a record */
    return is_too_many;
}

static void
find_last(const struct persist *p, const char *name, void *arg)
{
    struct persist_image i;
    uint32_t *last = arg;
    (void)p;
    if (parse_name(name, &i) && i.generation > *last)
        *last = i.generation;
}

void
persist_begin(struct persist *p, uint64_t now_ms, struct persist_start *s)
{
    char text[SMALL_MAX], boot[BOOT_LEN] = "";
    uint32_t live = 0, candidate = 0;
    memset(s, 0, sizeof(*s));
    s->first = read_link(p, "live");
    s->second = read_link(p, "previous");
    read_small(p, "last", text);
    sscanf(text, "%" SCNu32, &s->last_generation);
    each_name(p, find_last, &s->last_generation);
    /* A link whose image is gone was used, too. */
    s->last_generation = s->first.generation > s->last_generation ? s->first.generation : s->last_generation;
    s->last_generation = s->second.generation > s->last_generation ? s->second.generation : s->last_generation;
    read_small(p, "running", text);
    if (sscanf(text, "boot=%36s live=%" SCNu32 " candidate=%" SCNu32, boot, &live, &candidate) != 3)
        return;
    s->was_unclean = strcmp(boot, p->boot) == 0; /* another boot: the machine went down, not the process */
    s->unclean_candidate = s->was_unclean ? candidate : 0;
    step(p, "start");
    persist_end(p);
    if (!s->was_unclean || candidate || !live || live != s->first.generation || !count_crash(p, live, now_ms))
        return;
    if (s->second.generation == 0 || persist_image_equal(&s->first, &s->second))
        return;
    s->crashed = live;
    s->first = s->second;
    s->second = (struct persist_image){0};
}

/* ---- the folder ---- */

static void
remove_tmp(const struct persist *p, const char *name, void *arg)
{
    (void)arg;
    if (strncmp(name, "tmp-", 4) == 0)
        unlinkat(p->folder, name, 0);
}

static void
sweep_one(const struct persist *p, const char *name, void *arg)
{
    const struct persist_image *kept = arg;
    struct persist_image i;
    if (!parse_name(name, &i))
        return;
    for (unsigned k = 0; k < 3; k++) {
        if (persist_image_equal(&kept[k], &i))
            return;
    }
    unlinkat(p->folder, name, 0);
}

void
persist_sweep(struct persist *p, const struct persist_image *keep)
{
    struct persist_image kept[3] = {read_link(p, "live"), read_link(p, "previous"), *keep};
    each_name(p, sweep_one, kept);
}

static void
read_boot(char boot[BOOT_LEN])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, boot, BOOT_LEN - 1) : 0;
    boot[len > 0 ? len : 0] = '\0';
    boot[strcspn(boot, "\n ")] = '\0';
    if (!*boot)
        snprintf(boot, BOOT_LEN, "-");
    if (fd >= 0)
        close(fd);
}

static void
make_folders(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    for (char *at = folder + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(folder, 0755); /* if it fails the last one does, too, and says why */
        *at = '/';
    }
    mkdir(folder, 0750);
}

struct persist *
persist_open(const char *folder, char *err, size_t err_size)
{
    struct persist *p = calloc(1, sizeof(*p));
    if (!p || snprintf(p->path, sizeof(p->path), "%s", folder) >= (int)sizeof(p->path)) {
        snprintf(err, err_size, p ? "too long a name" : "out of memory");
        free(p);
        return NULL;
    }
    make_folders(folder);
    read_boot(p->boot);
    p->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->folder < 0 || flock(p->folder, LOCK_EX | LOCK_NB) != 0) {
        if (p->folder >= 0 && errno == EWOULDBLOCK)
            snprintf(err, err_size, "the folder %s is in use by another process", folder);
        else
            fail(err, err_size, "the folder", folder);
        persist_close(p);
        return NULL;
    }
    each_name(p, remove_tmp, NULL);
    return p;
}

void
persist_close(struct persist *p)
{
    if (!p)
        return;
    if (p->folder >= 0)
        close(p->folder);
    free(p);
}
