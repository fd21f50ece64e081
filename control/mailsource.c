#include "control/mailsource.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_CHUNK = 65536, CONVERT_LEN = READ_CHUNK + READ_CHUNK / 16 };

static const char FROM_LINE[] = "From ";
enum { FROM_LEN = sizeof(FROM_LINE) - 1 };

/* A folder whose entries are being handed out. */
struct level {
    char *path;
    struct dirent **entries;
    int cnt, at;
    bool is_maildir;
};

struct mailsource {
    char *const *paths;
    unsigned paths_cnt, paths_at;
    uint64_t number;
    unsigned levels_cnt;
    struct level levels[SOURCE_DEPTH_MAX];
    FILE *mbox; /* open; its current "From " line has been read */
    char *mbox_path;
    uint64_t mbox_number;
    char *line; /* of the mbox */
    size_t line_max;
};

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static char *
join(const char *folder, const char *name)
{
    char *path = NULL;
    const char *slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (asprintf(&path, "%s%s%s", folder, slash, name) < 0)
        abort();
    return path;
}

struct mailsource *
mailsource_new(char *const *paths, unsigned paths_cnt)
{
    struct mailsource *s = must(calloc(1, sizeof(*s)));
    s->paths = paths;
    s->paths_cnt = paths_cnt;
    return s;
}

/* ---- folders ---- */

static int
is_entry(const struct dirent *e)
{
    return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool
is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_maildir(const char *path)
{
    static const char *const parts[] = { "cur", "new", "tmp" };
    bool is_one = true;
    for (size_t i = 0; is_one && i < sizeof(parts) / sizeof(*parts); i++) {
        char *part = join(path, parts[i]);
        is_one = is_folder(part);
        free(part);
    }
    return is_one;
}

/* NULL, or why not. Takes the path when it succeeds. */
static const char *
enter_folder(struct mailsource *s, char *path)
{
    if (s->levels_cnt == SOURCE_DEPTH_MAX)
        return "folders nested deeper than 64";
    struct level *l = &s->levels[s->levels_cnt];
    *l = (struct level){ .path = path };
    l->cnt = scandir(path, &l->entries, is_entry, by_name);
    if (l->cnt < 0)
        return strerror(errno);
    l->is_maildir = is_maildir(path);
    s->levels_cnt++;
    return NULL;
}

static void
leave_folder(struct mailsource *s)
{
    struct level *l = &s->levels[--s->levels_cnt];
    for (int i = 0; i < l->cnt; i++)
        free(l->entries[i]);
    free(l->entries);
    free(l->path);
}

/* In a Maildir only its parts and its Maildir++ folders hold mail. */
static bool
is_wanted(const struct level *l, const char *name, const char *path)
{
    if (!l->is_maildir)
        return true;
    return !strcmp(name, "cur") || !strcmp(name, "new") || (*name == '.' && is_folder(path));
}

/* The next path, the caller's; NULL when there are no more. */
static char *
next_path(struct mailsource *s)
{
    while (s->levels_cnt) {
        struct level *l = &s->levels[s->levels_cnt - 1];
        if (l->at == l->cnt) {
            leave_folder(s);
            continue;
        }
        const char *name = l->entries[l->at++]->d_name;
        char *path = join(l->path, name);
        if (is_wanted(l, name, path))
            return path;
        free(path);
    }
    return s->paths_at < s->paths_cnt ? must(strdup(s->paths[s->paths_at++])) : NULL;
}

/* ---- mbox ---- */

static bool
is_from(const char *line, ssize_t len)
{
    return len >= FROM_LEN && !memcmp(line, FROM_LINE, FROM_LEN);
}

static bool
is_blank(const char *line, ssize_t len)
{
    return (len == 1 && *line == '\n') || (len == 2 && !memcmp(line, "\r\n", 2));
}

/* mboxrd: a line ">From ", ">>From " ... was written with one ">" too many. */
static bool
is_quoted(const char *line, ssize_t len)
{
    ssize_t at = 0;
    while (at < len && line[at] == '>')
        at++;
    return at && is_from(line + at, len - at);
}

static void
append(struct mail *m, size_t *max, const char *octets, size_t len)
{
    if (m->len + len >= *max) { /* also for none: an empty mail has octets, too */
        *max = 2 * (m->len + len) + 64;
        m->octets = must(realloc(m->octets, *max));
    }
    memcpy(m->octets + m->len, octets, len);
    m->len += len;
}

static void
close_mbox(struct mailsource *s)
{
    if (s->mbox != stdin)
        fclose(s->mbox);
    free(s->mbox_path);
    s->mbox = NULL;
    s->mbox_path = NULL;
}

/* Reads up to the next "From " line, which is read, too. An empty line is held back until it is known that no
 * "From " follows. */
static void
take_from_mbox(struct mailsource *s, struct mail *m)
{
    size_t max = 0;
    ssize_t len;
    char held[2];
    size_t held_len = 0;
    bool was_blank = false;
    append(m, &max, "", 0);
    while ((len = getline(&s->line, &s->line_max, s->mbox)) > 0) {
        if (was_blank && is_from(s->line, len))
            break;
        append(m, &max, held, held_len);
        held_len = 0;
        was_blank = is_blank(s->line, len);
        if (was_blank)
            memcpy(held, s->line, held_len = (size_t)len);
        else
            append(m, &max, s->line + is_quoted(s->line, len), (size_t)len - is_quoted(s->line, len));
    }
    if (asprintf(&m->name, "%s:%lu", s->mbox_path, (unsigned long)++s->mbox_number) < 0)
        abort();
    if (len > 0)
        return;
    if (ferror(s->mbox))
        m->error = must(strdup("cannot be read to its end"));
    close_mbox(s);
}

/* ---- next ---- */

/* A file that begins with "From " becomes the open mbox, with that line read. */
static bool
begin_mbox(struct mailsource *s, FILE *f, const char *path)
{
    char start[FROM_LEN];
    size_t len = 0;
    for (int c; len < FROM_LEN && (c = getc(f)) != EOF; len++) {
        start[len] = (char)c;
        if (c != FROM_LINE[len]) {
            len++;
            break;
        }
    }
    if (len == FROM_LEN && !memcmp(start, FROM_LINE, FROM_LEN)) {
        s->mbox = f;
        s->mbox_path = must(strdup(path));
        s->mbox_number = 0;
        if (getline(&s->line, &s->line_max, f) < 0) /* the rest of "From ": what it says is not asked */
            clearerr(f);
        return true;
    }
    /* glibc gives back as many octets as were read from its buffer, on a pipe as well. */
    while (len)
        ungetc((unsigned char)start[--len], f);
    return false;
}

/* One path: a mail, an error, or nothing yet (a folder or mbox was entered). Takes the path. */
static bool
open_path(struct mailsource *s, struct mail *m, char *path)
{
    const char *why = NULL;
    bool is_stdin = !strcmp(path, "-") && !s->levels_cnt;
    if (!is_stdin && is_folder(path)) {
        why = enter_folder(s, path);
        if (!why)
            return false;
    } else {
        FILE *f = is_stdin ? stdin : fopen(path, "rbe");
        if (!f)
            why = strerror(errno);
        else if (begin_mbox(s, f, path)) {
            free(path);
            return false;
        }
        m->file = f;
    }
    m->name = path;
    m->error = why ? must(strdup(why)) : NULL;
    return true;
}

bool
mailsource_next(struct mailsource *s, struct mail *m)
{
    *m = (struct mail){ .number = s->number };
    while (!m->name) {
        if (s->mbox) {
            take_from_mbox(s, m);
            break;
        }
        char *path = next_path(s);
        if (!path)
            return false;
        open_path(s, m, path);
    }
    s->number++;
    return true;
}

void
mailsource_free(struct mailsource *s)
{
    while (s->levels_cnt)
        leave_folder(s);
    if (s->mbox)
        close_mbox(s);
    free(s->line);
    free(s);
}

/* ---- octets ---- */

struct line_ends {
    void (*feed)(void *to, const uint8_t *octets, size_t len);
    void *to;
    bool is_known;
    bool is_unix;
    uint8_t last; /* octet fed */
};

static void
feed_end(struct line_ends *e, uint8_t before)
{
    e->feed(e->to, (const uint8_t *)"\r\n" + (before == '\r'), 2u - (before == '\r'));
}

/* Up to the first octet that may not have room for a CR before it. Returns octets taken. */
static size_t
convert(struct line_ends *e, const uint8_t *octets, size_t len, uint8_t *out, size_t *out_len)
{
    size_t at = 0, to = 0;
    while (at < len && to + 2 <= CONVERT_LEN) {
        size_t n = len - at < CONVERT_LEN - to - 1 ? len - at : CONVERT_LEN - to - 1;
        const uint8_t *lf = memchr(octets + at, '\n', n);
        if (lf)
            n = (size_t)(lf - octets) - at;
        memcpy(out + to, octets + at, n);
        at += n;
        to += n;
        if (n)
            e->last = out[to - 1];
        if (!lf)
            continue;
        if (e->last != '\r')
            out[to++] = '\r';
        out[to++] = e->last = '\n';
        at++;
    }
    *out_len = to;
    return at;
}

/* In large pieces: a scanner is called for each. */
static void
feed_unix(struct line_ends *e, const uint8_t *octets, size_t len)
{
    uint8_t out[CONVERT_LEN];
    while (len) {
        size_t out_len;
        size_t n = convert(e, octets, len, out, &out_len);
        e->feed(e->to, out, out_len);
        octets += n;
        len -= n;
    }
}

static void
feed_piece(struct line_ends *e, const uint8_t *octets, size_t len)
{
    const uint8_t *lf = e->is_known ? NULL : memchr(octets, '\n', len);
    if (lf) {
        e->is_known = true;
        e->is_unix = (lf > octets ? lf[-1] : e->last) != '\r';
    }
    if (e->is_unix) {
        feed_unix(e, octets, len);
    } else if (len) {
        e->feed(e->to, octets, len);
        e->last = octets[len - 1];
    }
}

bool
mail_read(struct mail *m, void (*feed)(void *to, const uint8_t *octets, size_t len), void *to)
{
    struct line_ends ends = { .feed = feed, .to = to, .last = '\n' };
    uint8_t chunk[READ_CHUNK];
    if (!m->file)
        feed_piece(&ends, m->octets, m->len);
    for (size_t len; m->file && (len = fread(chunk, 1, sizeof(chunk), m->file)) > 0;)
        feed_piece(&ends, chunk, len);
    if (m->file && ferror(m->file)) {
        m->error = must(strdup("cannot be read"));
        return false;
    }
    if (ends.last != '\n') /* over SMTP the last line always has an end */
        feed_end(&ends, ends.last);
    return true;
}

void
mail_free(struct mail *m)
{
    if (m->file && m->file != stdin)
        fclose(m->file);
    free(m->name);
    free(m->error);
    free(m->octets);
}
