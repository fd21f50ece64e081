/* rule: rule files become lines, lines go to rule_line.c. */
#include "scan/rule.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan/rule_list.h"

/* Fills line->text and ->columns (both as large as the source line) from line->place.source. */
static void
strip_comment(struct rule_line *line, size_t source_len)
{
    const char *source = line->place.source;
    size_t len = 0;
    for (size_t i = 0; i < source_len; i++) {
        /* SpamAssassin looks one octet back only: `\\#` is an escaped # as well. */
        if (source[i] == '#' && (i == 0 || source[i - 1] != '\\'))
            break;
        if (source[i] == '#')
            len--;
        line->text[len] = source[i];
        line->columns[len++] = (uint32_t)i + 1;
    }
    while (len > 0 && strchr(" \t\r\f\v", line->text[len - 1]))
        len--;
    line->text[len] = 0;
    line->columns[len] = len ? line->columns[len - 1] + 1 : 1;
    line->len = len;
}

static void
parse_line(struct rule_reader *reader, const char *file, uint32_t line_number, const char *text,
           size_t len)
{
    struct rule_line line = { .place = { .file = file, .line = line_number, .column = 1 } };
    if (len > RULE_LINE_MAX) {
        rule_list_say(reader->list, RULE_ERROR, &line.place, 0, "a line longer than %d octets",
                      RULE_LINE_MAX);
        return;
    }
    const char *nul = memchr(text, 0, len);
    if (nul) {
        rule_list_say(reader->list, RULE_ERROR, &line.place, (uint32_t)(nul - text) + 1, "a NUL");
        return;
    }
    line.place.source = rule_must(strndup(text, len));
    line.text = rule_must(malloc(len + 1));
    line.columns = rule_must(malloc((len + 1) * sizeof(*line.columns)));
    strip_comment(&line, len);
    if (line.len > 0)
        rule_line_parse(reader, &line);
    free(line.place.source);
    free(line.text);
    free(line.columns);
}

static int
parse_text(struct rule_list *l, struct rule_reader *reader, const char *name, const char *text, size_t len)
{
    unsigned errors = l->errors;
    l->files = rule_must(reallocarray(l->files, l->files_cnt + 1, sizeof(*l->files)));
    const char *file = l->files[l->files_cnt++] = rule_must(strdup(name));
    reader->list = l;
    uint32_t line_number = 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - text) - at : len - at;
        parse_line(reader, file, ++line_number, text + at, line_len);
        at += line_len + 1;
    }
    for (unsigned i = 0; i < reader->ifs_cnt; i++) {
        rule_list_say(l, RULE_ERROR, &reader->ifs[i].place, 0, "without `endif`");
        free(reader->ifs[i].place.source);
    }
    return l->errors > errors ? -1 : 0;
}

int
rule_list_parse(struct rule_list *l, const char *name, const char *text, size_t len)
{
    struct rule_reader reader = { .list = l };
    return parse_text(l, &reader, name, text, len);
}

static int
unreadable(struct rule_list *l, const char *path, const char *why)
{
    struct rule_place place = { .file = path };
    rule_list_say(l, RULE_ERROR, &place, 0, "cannot be read: %s", why);
    return -1;
}

/* The file's whole text, malloc; NULL: *why. */
static char *
read_text(FILE *f, size_t *text_len, const char **why)
{
    char *text = NULL;
    size_t len = 0;
    size_t max = 0;
    do {
        max = max ? max * 2 : 65536;
        text = rule_must(realloc(text, max));
        len += fread(text + len, 1, max - len, f);
    } while (len == max && max < RULE_FILE_MAX);
    *text_len = len;
    *why = ferror(f) ? strerror(errno) : len == RULE_FILE_MAX ? "64 MiB or more" : NULL;
    if (!*why)
        return text;
    free(text);
    return NULL;
}

/* Who includes it, if anybody does, is to be in reader->includer. */
static const char *
read_open_file(struct rule_list *l, struct rule_reader *reader, const char *path, FILE *f, int *result)
{
    const char *why;
    size_t len;
    char *text = read_text(f, &len, &why);
    if (!text)
        return why;
    const char *slash = strrchr(path, '/');
    char *folder = rule_must(slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(""));
    reader->folder = folder;
    *result = parse_text(l, reader, path, text, len);
    free(folder);
    free(text);
    return NULL;
}

/* NULL, or why it cannot be read. A pipe is read only where the operator names it: one that lies in a folder or is
 * included may never end, nor even open. */
static const char *
read_path(struct rule_list *l, const struct rule_reader *includer, const char *path, bool is_named, int *result)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | (is_named ? 0 : O_NONBLOCK));
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!f)
        return strerror(errno);
    const char *why = NULL;
    struct rule_reader reader = { .list = l, .includer = includer };
    if (fstat(fileno(f), &st)) {
        why = strerror(errno);
    } else if (!is_named && !S_ISREG(st.st_mode)) {
        why = "no file";
    } else {
        reader.device = st.st_dev;
        reader.inode = st.st_ino;
        for (const struct rule_reader *up = includer; up && !why; up = up->includer) {
            if (up->device == reader.device && up->inode == reader.inode)
                why = "it includes itself";
        }
    }
    if (!why)
        why = read_open_file(l, &reader, path, f, result);
    fclose(f);
    return why;
}

static int
read_file(struct rule_list *l, const char *path, bool is_named)
{
    int result = 0;
    const char *why = read_path(l, NULL, path, is_named, &result);
    return why ? unreadable(l, path, why) : result;
}

void
rule_list_include(struct rule_reader *reader, const struct rule_place *at, const char *path)
{
    unsigned depth = 1;
    for (const struct rule_reader *up = reader; up; up = up->includer)
        depth++;
    char *full = NULL;
    if (asprintf(&full, "%s%s", path[0] == '/' || !reader->folder ? "" : reader->folder, path) < 0)
        abort();
    const char *why = NULL;
    int result;
    if (!reader->folder)
        why = "only a file can include another";
    else if (depth > RULE_INCLUDE_MAX || reader->list->files_cnt >= RULE_FILES_MAX)
        why = "too many files";
    else
        why = read_path(reader->list, reader, full, false, &result);
    if (why)
        rule_list_say(reader->list, RULE_ERROR, at, 0, "%s cannot be read: %s", full, why);
    free(full);
}

static int
is_rule_file(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return e->d_name[0] != '.' && len > 3 && !strcmp(e->d_name + len - 3, ".cf");
}

/* Not alphasort: the order of rules must not hang on the operator's locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
read_folder(struct rule_list *l, const char *path)
{
    struct dirent **entries;
    int cnt = scandir(path, &entries, is_rule_file, by_name);
    if (cnt < 0)
        return unreadable(l, path, strerror(errno));
    int result = cnt == 0 ? unreadable(l, path, "the folder has no *.cf file") : 0;
    for (int i = 0; i < cnt; i++) {
        char *file = NULL;
        const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
        if (asprintf(&file, "%s%s%s", path, slash, entries[i]->d_name) < 0)
            abort();
        if (read_file(l, file, false))
            result = -1;
        free(file);
        free(entries[i]);
    }
    free(entries);
    return result;
}

int
rule_list_read(struct rule_list *l, const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return unreadable(l, path, strerror(errno));
    int result = S_ISDIR(st.st_mode) ? read_folder(l, path) : read_file(l, path, true);
    rule_list_finish(l);
    if (result == 0 && rule_list_cnt(l) == 0) {
        struct rule_place place = { .file = path };
        rule_list_say(l, RULE_ERROR, &place, 0, "no rule is defined here");
        result = -1;
    }
    return result;
}
