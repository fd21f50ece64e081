#include "control/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/journal_private.h"

enum { TIME_MAX = 64, OPEN_AGAIN = 8, MODE = 0640 };

struct journal {
    int fd;
    char path[JOURNAL_PATH_MAX];
    uint64_t size; /* octets of whole records: what the file is to be cut to after a failure */
    uint64_t seq;
    char hash[JOURNAL_HASH_LEN + 1];
    bool is_dirty; /* there may be octets behind `size`: nothing is appended before they are gone */
    uint64_t torn; /* octets moved aside at opening; journaled before anything else */
    char trouble[2 * JOURNAL_PATH_MAX + 256];
    struct journal_io io;
};

static const struct journal_io system_io = {write, fdatasync, ftruncate};

/* ---- a line ---- */

static void
print_time(char *text, size_t size)
{
    struct timespec now;
    struct tm t;
    char date[TIME_MAX];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text, size, "%s.%03uZ", date, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

/* Octets of the UTF-8 sequence at s, 0: it is none (RFC 3629: shortest form, no surrogates, up to
 * U+10FFFF). */
static size_t
utf8_len(const unsigned char *s)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
            continue;
        if (forms[i].len > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].len;
    }
    return 0;
}

/* Names come from mails: every reader of JSON must be able to read the line. */
void
journal_make_utf8(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s;) {
        size_t len = utf8_len(s);
        if (!len)
            *s = '?';
        s += len ? len : 1;
    }
}

static bool
is_own_member(const char *name)
{
    static const char *const own[] = {"seq", "time", "event", "generation", "prev"};
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        if (!strcmp(name, own[i]))
            return true;
    }
    return false;
}

static int
move_members(cJSON *from, cJSON *to)
{
    if (from && !cJSON_IsObject(from))
        return -EINVAL;
    while (from && from->child) {
        cJSON *member = cJSON_DetachItemViaPointer(from, from->child);
        if (!member->string || is_own_member(member->string)) {
            cJSON_Delete(member);
            return -EINVAL;
        }
        char *name = strdup(member->string); /* adding it frees the name it has */
        bool is_added = name && cJSON_AddItemToObject(to, name, member);
        free(name);
        if (!is_added) {
            cJSON_Delete(member);
            return -ENOMEM;
        }
    }
    return 0;
}

/* The record as a line, newline and all (cJSON_free), or NULL with *result. Takes fields. */
static char *
print_record(const struct journal *j, const char *event, uint32_t generation, cJSON *fields,
             int *result)
{
    char time_text[TIME_MAX + 16];
    print_time(time_text, sizeof(time_text));
    cJSON *record = cJSON_CreateObject();
    bool is_whole = cJSON_AddNumberToObject(record, "seq", (double)(j->seq + 1)) &&
                    cJSON_AddStringToObject(record, "time", time_text) &&
                    cJSON_AddStringToObject(record, "event", event) &&
                    (!generation || cJSON_AddNumberToObject(record, "generation", generation));
    *result = is_whole ? move_members(fields, record) : -ENOMEM;
    cJSON_Delete(fields);
    if (!*result && !cJSON_AddStringToObject(record, "prev", j->hash))
        *result = -ENOMEM;
    char *line = *result ? NULL : cJSON_PrintUnformatted(record);
    cJSON_Delete(record);
    if (!line) {
        *result = *result ? *result : -ENOMEM;
        return NULL;
    }
    journal_make_utf8(line);
    return line;
}

/* ---- onto the disk ---- */

/* Behind the last record there is nothing, and the disk knows. */
static int
cut_off(struct journal *j)
{
    if (!j->is_dirty)
        return 0;
    if (j->io.ftruncate(j->fd, (off_t)j->size) != 0 || j->io.fdatasync(j->fd) != 0)
        return errno ? -errno : -EIO;
    j->is_dirty = false;
    return 0;
}

static int
write_all(struct journal *j, const char *octets, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = j->io.write(j->fd, octets + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno ? -errno : -EIO;
        at += (size_t)n;
    }
    return 0;
}

/* Whether PATH is still this file, as it was left. */
static bool
is_ours(const struct journal *j)
{
    struct stat by_path;
    struct stat by_fd;
    return stat(j->path, &by_path) == 0 && fstat(j->fd, &by_fd) == 0 &&
           by_path.st_dev == by_fd.st_dev && by_path.st_ino == by_fd.st_ino &&
           (uint64_t)by_fd.st_size == j->size;
}

/* The line has room for its newline where its NUL is. */
static int
append_line(struct journal *j, char *line)
{
    size_t len = strlen(line);
    if (len > JOURNAL_LINE_MAX)
        return -EMSGSIZE;
    int result = cut_off(j);
    if (result)
        return result;
    if (!is_ours(j))
        return -ESTALE;
    char hash[JOURNAL_HASH_LEN + 1];
    journal_line_hash(line, len, hash);
    line[len] = '\n';
    j->is_dirty = true;
    errno = 0;
    result = write_all(j, line, len + 1);
    if (!result && j->io.fdatasync(j->fd) != 0)
        result = errno ? -errno : -EIO;
    if (result) {
        cut_off(j);
        return result;
    }
    j->is_dirty = false;
    j->size += len + 1;
    j->seq++;
    memcpy(j->hash, hash, sizeof(hash));
    return 0;
}

static int
append_record(struct journal *j, const char *event, uint32_t generation, cJSON *fields)
{
    int result;
    char *line = print_record(j, event, generation, fields, &result);
    if (!line)
        return result;
    result = append_line(j, line);
    cJSON_free(line);
    return result;
}

/* What opening found goes first. */
static int
append_owed(struct journal *j)
{
    if (!j->torn)
        return 0;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "octets", (double)j->torn);
    int result = append_record(j, JOURNAL_EVENT_TORN, 0, fields);
    if (!result)
        j->torn = 0;
    return result;
}

int
journal_append(struct journal *j, const char *event, uint32_t generation, cJSON *fields)
{
    int result = append_owed(j);
    if (result) {
        cJSON_Delete(fields);
        return result;
    }
    return append_record(j, event, generation, fields);
}

uint64_t
journal_seq(const struct journal *j)
{
    return j->seq;
}

const char *
journal_hash(const struct journal *j)
{
    return j->hash;
}

const char *
journal_trouble(const struct journal *j)
{
    return j->trouble;
}

void
journal_set_io(struct journal *j, const struct journal_io *io)
{
    j->io = *io;
}

/* ---- opening ---- */

/* A new name is on the disk when its folder is. */
static int
sync_folder(const char *path)
{
    char folder[JOURNAL_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return result;
}

/* A locked descriptor of the regular file that PATH is, or -1 with the reason. */
static int
open_locked(const char *path, int flags, char *err, size_t err_size)
{
    for (int i = 0; i < OPEN_AGAIN; i++) {
        struct stat by_fd;
        struct stat by_path;
        int fd = open(
            path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, MODE);
        if (fd < 0) {
            snprintf(err, err_size, "%s: %s", path, strerror(errno));
            return -1;
        }
        const char *why = NULL;
        if (fstat(fd, &by_fd) != 0 || !S_ISREG(by_fd.st_mode))
            why = "not a regular file";
        else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            why = errno == EWOULDBLOCK ? "another process writes to it" : strerror(errno);
        if (why) {
            snprintf(err, err_size, "%s: %s", path, why);
            close(fd);
            return -1;
        }
        /* Who had the lock before may have put another file in its place. */
        if (stat(path, &by_path) == 0 && by_path.st_ino == by_fd.st_ino &&
            by_path.st_dev == by_fd.st_dev)
            return fd;
        close(fd);
    }
    snprintf(err, err_size, "%s: replaced again and again while it was opened", path);
    return -1;
}

/* PATH.torn gets the last torn line; an older one goes. Only for people to look at: may fail. */
static void
keep_torn(const struct journal *j, size_t len)
{
    char path[JOURNAL_PATH_MAX + 8];
    char octets[4096];
    snprintf(path, sizeof(path), "%s.torn", j->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, MODE);
    if (fd < 0)
        return;
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(j->fd, octets, sizeof(octets), (off_t)(j->size + at));
        if (n <= 0 || write(fd, octets, (size_t)n) != n)
            break;
        at += (size_t)n;
    }
    fsync(fd);
    close(fd);
}

static int
drop_torn(struct journal *j, char *err, size_t err_size)
{
    struct stat st;
    j->torn = fstat(j->fd, &st) == 0 ? (uint64_t)st.st_size - j->size : 0;
    keep_torn(j, j->torn);
    j->is_dirty = true;
    if (cut_off(j) != 0) {
        snprintf(err, err_size, "%s: its torn last line cannot be cut off: %s", j->path,
                 strerror(errno));
        return -1;
    }
    snprintf(j->trouble, sizeof(j->trouble),
             "%s: the last line was torn by a crash, its %ju octets are in %s.torn", j->path,
             (uintmax_t)j->torn, j->path);
    return 0;
}

/* A second name for the broken file: the first free one, or the one it got before a crash. The name
 * without folder. */
static int
name_broken(const struct journal *j, char *name, size_t name_size, char *err, size_t err_size)
{
    struct stat ours;
    struct stat other;
    if (fstat(j->fd, &ours) != 0)
        return snprintf(err, err_size, "%s: %s", j->path, strerror(errno)), -1;
    for (int i = 1; i <= JOURNAL_BROKEN_MAX; i++) {
        char path[JOURNAL_PATH_MAX + 32];
        const char *slash = strrchr(j->path, '/');
        snprintf(path, sizeof(path), "%s.broken-%d", j->path, i);
        snprintf(name, name_size, "%s.broken-%d", slash ? slash + 1 : j->path, i);
        if (link(j->path, path) == 0)
            return 0;
        if (errno != EEXIST)
            return snprintf(err, err_size, "%s: %s", path, strerror(errno)), -1;
        if (lstat(path, &other) == 0 && other.st_ino == ours.st_ino && other.st_dev == ours.st_dev)
            return 0;
    }
    return snprintf(err, err_size, "%s: %d broken ones are kept already", j->path,
                    JOURNAL_BROKEN_MAX),
           -1;
}

/* The new chain is written whole beside the broken file and takes its name in one step, so that a
 * crash leaves the one or the other. */
static int
begin_anew(struct journal *j, const struct journal_end *end, char *err, size_t err_size)
{
    char name[JOURNAL_PATH_MAX + 32];
    char old_path[JOURNAL_PATH_MAX];
    if (name_broken(j, name, sizeof(name), err, err_size) != 0)
        return -1;
    memcpy(old_path, j->path, sizeof(old_path));
    struct journal fresh = {.seq = end->seq, .io = system_io};
    memset(fresh.hash, '0', JOURNAL_HASH_LEN);
    snprintf(fresh.path, sizeof(fresh.path), "%.*s.new", JOURNAL_PATH_MAX - 8, old_path);
    fresh.fd = open_locked(fresh.path, O_TRUNC, err, err_size);
    if (fresh.fd < 0)
        return -1;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "file", name);
    cJSON_AddNumberToObject(fields, "line", (double)end->broken_line);
    cJSON_AddStringToObject(fields, "reason", end->why);
    cJSON_AddNumberToObject(fields, "records", (double)end->lines);
    cJSON_AddStringToObject(fields, "last_hash", end->hash);
    int result = append_record(&fresh, JOURNAL_EVENT_BROKEN, 0, fields);
    errno = result ? -result : 0;
    if (result || rename(fresh.path, old_path) != 0 || sync_folder(old_path) != 0) {
        snprintf(err, err_size, "%s is broken and a new one cannot be begun: %s", old_path,
                 strerror(errno));
        close(fresh.fd);
        return -1;
    }
    close(j->fd);
    *j = fresh;
    memcpy(j->path, old_path, sizeof(j->path));
    snprintf(j->trouble, sizeof(j->trouble),
             "%s: BROKEN at line %ju: %s. It is kept as %s; a new chain begins after its %ju good "
             "records",
             old_path, (uintmax_t)end->broken_line, end->why, name, (uintmax_t)end->lines);
    return 0;
}

static int
take_up(struct journal *j, char *err, size_t err_size)
{
    struct journal_end end;
    if (journal_scan(j->fd, false, NULL, NULL, &end) < 0) {
        snprintf(err, err_size, "%s: %s", j->path, end.why);
        return -1;
    }
    j->size = end.size;
    j->seq = end.seq;
    memcpy(j->hash, end.hash, sizeof(j->hash));
    if (end.is_torn && drop_torn(j, err, err_size) != 0)
        return -1;
    if (!end.is_torn && end.broken_line)
        return begin_anew(j, &end, err, err_size);
    /* What an earlier process wrote and nobody had acknowledged may be in memory only. */
    if (fdatasync(j->fd) == 0 && sync_folder(j->path) == 0)
        return 0;
    snprintf(err, err_size, "%s: %s", j->path, strerror(errno));
    return -1;
}

struct journal *
journal_open(const char *path, char *err, size_t err_size)
{
    struct journal *j = calloc(1, sizeof(*j));
    if (!j || strlen(path) > JOURNAL_PATH_MAX - 32 || !*path) {
        snprintf(err, err_size, "%s: %s", path, j ? "no path for a journal" : "no memory");
        free(j);
        return NULL;
    }
    snprintf(j->path, sizeof(j->path), "%s", path);
    j->io = system_io;
    j->fd = open_locked(path, 0, err, err_size);
    if (j->fd >= 0 && take_up(j, err, err_size) == 0) {
        append_owed(j); /* a full disk: it is tried again before the next record */
        return j;
    }
    journal_close(j);
    return NULL;
}

void
journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j);
}
