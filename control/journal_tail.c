/* The end of a journal, read backwards: it costs what it shows, not what there is. */
#include "control/journal_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_LOOK = 16 * 1024 };

/* The last octets of a file. */
struct window {
    char *octets;
    size_t len;
    bool is_all; /* it begins where the file does */
};

static int
read_end(int fd, uint64_t size, size_t len, struct window *w)
{
    char *octets = realloc(w->octets, len ? len : 1);
    if (!octets)
        return -1;
    w->octets = octets;
    w->len = 0;
    w->is_all = len == size;
    while (w->len < len) {
        ssize_t n = pread(fd, octets + w->len, len - w->len, (off_t)(size - len + w->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) /* it became shorter: what is there is its end */
            break;
        w->len += (size_t)n;
    }
    return 0;
}

/* Where the last `max` whole lines begin, and one more for its hash; NULL: there are not so many in the window. */
static const char *
begin_of_lines(const struct window *w, uint32_t max)
{
    uint64_t newlines = 0;
    for (size_t at = w->len; at-- > 0;) {
        if (w->octets[at] == '\n' && ++newlines == (uint64_t)max + 2)
            return w->octets + at + 1;
    }
    return NULL;
}

/* The first line that can be seen whole. */
static const char *
first_line(const struct window *w)
{
    const char *newline = w->is_all || !w->len ? NULL : memchr(w->octets, '\n', w->len);
    return w->is_all ? w->octets : newline ? newline + 1 : w->octets + w->len;
}

static int
find_lines(int fd, uint32_t max, struct window *w, const char **begin)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    uint64_t size = (uint64_t)st.st_size;
    for (uint64_t len = FIRST_LOOK;; len *= 4) {
        uint64_t most = size < JOURNAL_TAIL_MAX ? size : JOURNAL_TAIL_MAX;
        if (read_end(fd, size, (size_t)(len < most ? len : most), w) != 0)
            return -1;
        *begin = begin_of_lines(w, max);
        if (*begin || len >= most)
            break;
    }
    if (!*begin)
        *begin = first_line(w);
    return 0;
}

/* The line whose hash and number the first record that is shown must follow. */
static const char *
take_before(const char *line, size_t len, struct journal_end *end)
{
    cJSON *record = cJSON_ParseWithLength(line, len);
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(record, "seq");
    bool is_one = cJSON_IsNumber(seq) && seq->valuedouble >= 1 && seq->valuedouble <= JOURNAL_SEQ_MAX;
    end->seq = is_one ? (uint64_t)seq->valuedouble : 0;
    end->lines = 1;
    journal_line_hash(line, len, end->hash);
    cJSON_Delete(record);
    return is_one ? NULL : "not a JSON record";
}

/* NULL, or what is wrong. */
static const char *
take_one(const char *line, size_t len, struct journal_end *end, journal_fn *fn, void *owner, bool *is_enough)
{
    const char *why = NULL;
    cJSON *record = len <= JOURNAL_LINE_MAX ? journal_parse(line, len, end, &why) : NULL;
    if (!record)
        return why ? why : "a line longer than a record may be";
    end->seq = (uint64_t)cJSON_GetObjectItemCaseSensitive(record, "seq")->valuedouble;
    end->lines++;
    journal_line_hash(line, len, end->hash);
    *is_enough = fn && fn(owner, record) != 0;
    cJSON_Delete(record);
    return NULL;
}

/* A last line with NULs in it is one that a crash tore, as one without its end. */
static bool
is_torn(const char *line, size_t len, const char *last)
{
    return line + len + 1 == last && memchr(line, 0, len);
}

static uint64_t
count_lines(const char *at, const char *last)
{
    uint64_t cnt = 0;
    for (; at < last && (at = memchr(at, '\n', (size_t)(last - at))); at++)
        cnt++;
    return cnt;
}

static int64_t
give(const struct window *w, const char *at, uint32_t max, journal_fn *fn, void *owner, const char **why)
{
    struct journal_end end = {0};
    const char *last = w->octets + w->len;
    bool is_first = w->is_all && at == w->octets;
    bool is_before = !is_first || count_lines(at, last) > max, is_enough = false;
    int64_t given = 0;
    memset(end.hash, '0', JOURNAL_HASH_LEN);
    for (const char *newline; !*why && !is_enough && (newline = memchr(at, '\n', (size_t)(last - at))); at = newline + 1) {
        size_t len = (size_t)(newline - at);
        if (is_before)
            *why = take_before(at, len, &end);
        else if (given < max && !(*why = take_one(at, len, &end, fn, owner, &is_enough)))
            given++;
        if (*why && is_torn(at, len, last))
            return *why = NULL, given;
        is_before = false;
    }
    return given;
}

int64_t
journal_tail(const char *path, uint32_t max, journal_fn *fn, void *owner, bool *is_broken, char *err, size_t err_size)
{
    struct window w = {0};
    const char *begin, *why = NULL;
    int64_t given = -1;
    *is_broken = false;
    snprintf(err, err_size, "%s", "");
    int fd = journal_open_to_read(path, err, err_size);
    if (fd < 0)
        return -1;
    if (find_lines(fd, max, &w, &begin) != 0)
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
    else
        given = give(&w, begin, max, fn, owner, &why);
    close(fd);
    free(w.octets);
    *is_broken = why != NULL;
    if (why)
        snprintf(err, err_size, "%s", why);
    return given;
}
