/* The reading half of the journal: lines of bounded length, checked one by one against the line
 * before. */
#include "control/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_AGAIN = 3, READ_AGAIN_MS = 2, CHUNK = 64 * 1024 };

/* ---- lines ---- */

struct lines {
    int fd;
    uint64_t at;  /* where in the file the line begins */
    size_t begin; /* of the line in octets[] */
    size_t end;   /* of what was read */
    char octets[JOURNAL_LINE_MAX + 1 + CHUNK];
};

enum line_result { LINE_WHOLE, LINE_CUT, LINE_LONG, LINE_NONE, LINE_UNREADABLE };

static void
lines_seek(struct lines *l, uint64_t at)
{
    l->at = at;
    l->begin = l->end = 0;
}

/* 1: there is more, 0: end of file, -1: errno. */
static int
lines_fill(struct lines *l)
{
    memmove(l->octets, l->octets + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    for (;;) {
        ssize_t n =
            pread(l->fd, l->octets + l->end, sizeof(l->octets) - l->end, (off_t)(l->at + l->end));
        if (n < 0 && errno == EINTR)
            continue;
        l->end += n > 0 ? (size_t)n : 0;
        return n < 0 ? -1 : n > 0;
    }
}

/* The line at l->at, which stays there: lines_next goes on. */
static enum line_result
lines_peek(struct lines *l, const char **line, size_t *len)
{
    for (size_t seen = 0;;) {
        *line = l->octets + l->begin;
        char *newline = memchr(*line + seen, '\n', l->end - l->begin - seen);
        seen = *len = newline ? (size_t)(newline - *line) : l->end - l->begin;
        if (*len > JOURNAL_LINE_MAX)
            return LINE_LONG;
        if (newline)
            return LINE_WHOLE;
        int more = lines_fill(l);
        *line = l->octets + l->begin;
        if (more < 0)
            return LINE_UNREADABLE;
        if (!more)
            return *len ? LINE_CUT : LINE_NONE;
    }
}

static void
lines_next(struct lines *l, size_t len)
{
    l->begin += len + 1;
    l->at += len + 1;
}

/* ---- records ---- */

void
journal_line_hash(const char *line, size_t len, char hash[JOURNAL_HASH_LEN + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)line, len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

static const char *
text_of(const cJSON *record, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
}

/* NULL, or what is wrong with it as the record after `end`. */
static const char *
check(const cJSON *record, const struct journal_end *end)
{
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(record, "seq");
    const cJSON *generation = cJSON_GetObjectItemCaseSensitive(record, "generation");
    const char *event = text_of(record, "event");
    const char *prev = text_of(record, "prev");
    if (!cJSON_IsObject(record) || !cJSON_IsNumber(seq) || !event || !*event ||
        !text_of(record, "time") || !prev)
        return "a record without seq, time, event or prev";
    if (generation && (!cJSON_IsNumber(generation) || !(generation->valuedouble >= 1) ||
                       generation->valuedouble > UINT32_MAX ||
                       generation->valuedouble != (uint32_t)generation->valuedouble))
        return "generation is no number of one";
    if (strcmp(prev, end->hash) != 0)
        return "its prev is not the hash of the line before";
    bool may_begin = end->lines == 0 && !strcmp(event, JOURNAL_EVENT_BROKEN) &&
                     seq->valuedouble >= 1 && seq->valuedouble <= JOURNAL_SEQ_MAX &&
                     seq->valuedouble == (double)(uint64_t)seq->valuedouble;
    if (!may_begin && seq->valuedouble != (double)(end->seq + 1))
        return "its seq does not follow";
    return NULL;
}

cJSON *
journal_parse(const char *line, size_t len, const struct journal_end *end, const char **why)
{
    const char *rest = NULL;
    cJSON *record = cJSON_ParseWithLengthOpts(line, len, &rest, 0);
    *why = !record || rest != line + len ? "not a JSON record" : check(record, end);
    if (!*why)
        return record;
    cJSON_Delete(record);
    return NULL;
}

/* ---- a file ---- */

/* Text of the reason, or NULL: the record is good. */
static const char *
read_one(struct lines *l, struct journal_end *end, cJSON **record, const char **line, size_t *len,
         bool *is_end)
{
    const char *why = NULL;
    enum line_result r = lines_peek(l, line, len);
    *is_end = r == LINE_NONE;
    end->is_torn = false;
    if (r == LINE_NONE)
        return NULL;
    end->is_unreadable = r == LINE_UNREADABLE;
    if (end->is_unreadable)
        return strerror(errno);
    if (r == LINE_LONG)
        return "a line longer than a record may be";
    if (r == LINE_WHOLE && (*record = journal_parse(*line, *len, end, &why)))
        return NULL;
    /* A crash cuts the last line or leaves holes in it: NULs, which JSON never has. */
    char octet;
    bool is_last = r == LINE_CUT || pread(l->fd, &octet, 1, (off_t)(l->at + *len + 1)) == 0;
    end->is_torn = r == LINE_CUT || (is_last && memchr(*line, 0, *len));
    return end->is_torn ? "the last line is torn: written to when the process or the machine died"
                        : why;
}

static void
pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

int64_t
journal_scan(int fd, bool is_live, journal_fn *fn, void *owner, struct journal_end *end)
{
    struct lines *l = malloc(sizeof(*l));
    *end = (struct journal_end){0};
    memset(end->hash, '0', JOURNAL_HASH_LEN);
    if (!l)
        return snprintf(end->why, sizeof(end->why), "no memory"), -1;
    l->fd = fd;
    lines_seek(l, 0);
    for (unsigned tries = 0;;) {
        cJSON *record = NULL;
        const char *line;
        size_t len;
        bool is_end;
        const char *why = read_one(l, end, &record, &line, &len, &is_end);
        if (is_end)
            break;
        if (why && is_live && tries++ < READ_AGAIN) { /* written, or cut off again, just now? */
            if (end->is_torn)
                pause_ms(READ_AGAIN_MS);
            lines_seek(l, end->size);
            continue;
        }
        if (why) {
            end->broken_line = end->lines + 1;
            snprintf(end->why, sizeof(end->why), "%s", why);
            break;
        }
        journal_line_hash(line, len, end->hash);
        end->seq = (uint64_t)cJSON_GetObjectItemCaseSensitive(record, "seq")->valuedouble;
        end->lines++;
        lines_next(l, len);
        end->size = l->at;
        tries = 0;
        bool is_enough = fn && fn(owner, record) != 0;
        cJSON_Delete(record);
        if (is_enough)
            break;
    }
    free(l);
    return end->is_unreadable ? -1 : (int64_t)end->lines;
}

int
journal_open_to_read(const char *path, char *err, size_t err_size)
{
    /* Not to wait for the writer of a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    snprintf(err, err_size, "%s: %s", path, fd < 0 ? strerror(errno) : "not a regular file");
    if (fd >= 0)
        close(fd);
    return -1;
}

int64_t
journal_verify(const char *path, journal_fn *fn, void *owner, uint64_t *broken_line, int *is_torn,
               char *hash, char *err, size_t err_size)
{
    struct journal_end end;
    *hash = '\0';
    *broken_line = 0;
    *is_torn = 0;
    snprintf(err, err_size, "%s", "");
    int fd = journal_open_to_read(path, err, err_size);
    if (fd < 0)
        return -1;
    int64_t n = journal_scan(fd, true, fn, owner, &end);
    close(fd);
    *broken_line = end.broken_line;
    *is_torn = end.is_torn;
    memcpy(hash, end.hash, sizeof(end.hash));
    if (end.broken_line || n < 0)
        snprintf(err, err_size, "%s", end.why);
    return n;
}

int64_t
journal_read(const char *path, journal_fn *fn, void *owner, uint64_t *broken_line, int *is_torn,
             char *err, size_t err_size)
{
    char hash[JOURNAL_HASH_LEN + 1];
    return journal_verify(path, fn, owner, broken_line, is_torn, hash, err, err_size);
}

/* ---- the whole history ---- */

struct history {
    char (*paths)[JOURNAL_PATH_MAX]; /* the newest file first */
    uint64_t *firsts;                /* seq of the first record of each */
    size_t cnt;
    char name[JOURNAL_NAME_MAX]; /* of the file before, or "" */
    uint64_t first;
    uint64_t below; /* records of an older file end before the newer one's first */
    journal_fn *fn;
    void *owner;
    int64_t passed;
    bool is_enough;
};

static int
take_first(void *owner, const cJSON *record)
{
    struct history *h = owner;
    const char *file = text_of(record, "file");
    h->first = (uint64_t)cJSON_GetObjectItemCaseSensitive(record, "seq")->valuedouble;
    if (!strcmp(text_of(record, "event"), JOURNAL_EVENT_BROKEN) && file && !strchr(file, '/'))
        snprintf(h->name, sizeof(h->name), "%s", file);
    return 1;
}

static int
pass_on(void *owner, const cJSON *record)
{
    struct history *h = owner;
    if (cJSON_GetObjectItemCaseSensitive(record, "seq")->valuedouble >= (double)h->below)
        return 1;
    h->passed++;
    h->is_enough = h->fn && h->fn(h->owner, record) != 0;
    return h->is_enough;
}

/* From the newest file back by the names, as long as the numbers descend: a circle ends. -1: there
 * is none. */
static int
find_files(struct history *h, const char *path, char *err, size_t err_size)
{
    const char *slash = strrchr(path, '/');
    int folder_len = slash ? (int)(slash + 1 - path) : 0;
    uint64_t broken_line;
    int is_torn;
    snprintf(h->paths[0], JOURNAL_PATH_MAX, "%s", path);
    while (h->cnt <= JOURNAL_BROKEN_MAX) {
        char why[256];
        *h->name = '\0';
        h->first = UINT64_MAX;
        int64_t n =
            journal_read(h->paths[h->cnt], take_first, h, &broken_line, &is_torn, why, sizeof(why));
        if (n < 0 && h->cnt == 0)
            return snprintf(err, err_size, "%s", why), -1;
        if (n < 0 || (h->cnt && h->first >= h->firsts[h->cnt - 1]))
            break;
        h->firsts[h->cnt++] = h->first;
        if (!*h->name || h->cnt > JOURNAL_BROKEN_MAX)
            break;
        snprintf(h->paths[h->cnt], JOURNAL_PATH_MAX, "%.*s%s", folder_len, path, h->name);
    }
    return 0;
}

int64_t
journal_replay(const char *path, journal_fn *fn, void *owner, char *err, size_t err_size)
{
    struct history h = {.fn = fn,
                        .owner = owner,
                        .paths = calloc(JOURNAL_BROKEN_MAX + 2, JOURNAL_PATH_MAX),
                        .firsts = calloc(JOURNAL_BROKEN_MAX + 2, sizeof(*h.firsts))};
    snprintf(err, err_size, "%s", h.paths && h.firsts ? "" : "no memory");
    int result = h.paths && h.firsts ? find_files(&h, path, err, err_size) : -1;
    for (size_t i = h.cnt; i-- > 0 && result == 0 && !h.is_enough;) {
        uint64_t broken_line;
        int is_torn;
        h.below = i ? h.firsts[i - 1] : UINT64_MAX;
        journal_read(h.paths[i], pass_on, &h, &broken_line, &is_torn, err, err_size);
    }
    free(h.paths);
    free(h.firsts);
    return result ? -1 : h.passed;
}
