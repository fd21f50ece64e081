#include "scan/rule.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan/limits.h"
#include "scan/rule_list.h"

/* Set-up code of our own process: without memory there is nothing better to do than to stop. */
static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

struct rule_list *
rule_list_new(void)
{
    struct rule_list *l = must(calloc(1, sizeof(*l)));
    l->slots_cnt = 64;
    l->slots = must(calloc(l->slots_cnt, sizeof(*l->slots)));
    l->diagnostics_max = 256;
    l->diagnostics = must(calloc(1, l->diagnostics_max));
    return l;
}

void
rule_list_free(struct rule_list *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        free(r->name);
        free(r->place.source);
        free(r->score_place.source);
        free(r->header);
        free(r->unset);
        free(r->text);
        free(r->text_columns);
        free(r->describe);
    }
    for (size_t i = 0; i < l->files_cnt; i++)
        free(l->files[i]);
    free(l->rules);
    free(l->slots);
    free(l->files);
    free(l->diagnostics);
    free(l);
}

/* Diagnostics */

static void
append(struct rule_list *l, const char *text, size_t len)
{
    if (l->diagnostics_len + len + 1 > l->diagnostics_max) {
        l->diagnostics_max = (l->diagnostics_len + len + 1) * 2;
        l->diagnostics = must(realloc(l->diagnostics, l->diagnostics_max));
    }
    memcpy(l->diagnostics + l->diagnostics_len, text, len);
    l->diagnostics_len += len;
    l->diagnostics[l->diagnostics_len] = 0;
}

/* The line and a caret below the column; of a long line the part around the column. */
static void
append_caret(struct rule_list *l, const char *source, uint32_t column)
{
    enum { BEFORE = 60, SHOWN = 100 };
    size_t len = strlen(source);
    size_t at = column - 1 < len ? column - 1 : len;
    size_t from = at > BEFORE ? at - BEFORE : 0;
    size_t shown = len - from < SHOWN ? len - from : SHOWN;
    append(l, "    ", 4);
    for (size_t i = from; i < from + shown; i++) {
        /* A control octet in a rule file must not steer the operator's terminal. */
        bool is_shown = (unsigned char)source[i] >= ' ' && source[i] != 0x7f;
        append(l, is_shown || source[i] == '\t' ? &source[i] : "?", 1);
    }
    append(l, "\n    ", 5);
    for (size_t i = from; i < at; i++)
        append(l, source[i] == '\t' ? "\t" : " ", 1);
    append(l, "^\n", 2);
}

void
rule_list_say(struct rule_list *l, enum rule_severity severity, const struct rule_place *place,
              uint32_t column, const char *format, ...)
{
    if (column == 0)
        column = place->column;
    char where[64];
    int where_len = snprintf(where, sizeof(where), ":%u:%u: %s: ", place->line, column,
                             severity == RULE_ERROR ? "error" : "warning");
    append(l, place->file, strlen(place->file));
    append(l, where, (size_t)where_len);
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int text_len = vasprintf(&text, format, args);
    va_end(args);
    if (text_len < 0)
        abort();
    for (int i = 0; i < text_len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) /* as in append_caret() */
            text[i] = '?';
    }
    append(l, text, (size_t)text_len);
    append(l, "\n", 1);
    free(text);
    if (place->source && column)
        append_caret(l, place->source, column);
    if (severity == RULE_ERROR)
        l->errors++;
    else
        l->warnings++;
}

const char *
rule_list_diagnostics(const struct rule_list *l)
{
    return l->diagnostics;
}

unsigned
rule_list_errors(const struct rule_list *l)
{
    return l->errors;
}

unsigned
rule_list_warnings(const struct rule_list *l)
{
    return l->warnings;
}

/* Rules by name */

static uint32_t
hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a; the names are the operator's own */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

/* The slot of this name, or the empty one where it belongs. */
static uint32_t *
slot(const struct rule_list *l, const char *name, size_t len)
{
    for (uint32_t i = hash(name, len);; i++) {
        uint32_t *s = &l->slots[i & (l->slots_cnt - 1)];
        if (*s == 0)
            return s;
        const char *there = l->rules[*s - 1].name;
        if (strlen(there) == len && !memcmp(there, name, len))
            return s;
    }
}

static void
grow(struct rule_list *l)
{
    l->rules_max = l->rules_max ? l->rules_max * 2 : 16;
    l->rules = must(reallocarray(l->rules, l->rules_max, sizeof(*l->rules)));
    free(l->slots);
    l->slots_cnt = l->rules_max * 4;
    l->slots = must(calloc(l->slots_cnt, sizeof(*l->slots)));
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        *slot(l, l->rules[i].name, strlen(l->rules[i].name)) = i + 1;
}

struct rule *
rule_list_find(const struct rule_list *l, const char *name, size_t len)
{
    uint32_t *s = slot(l, name, len);
    return *s ? &l->rules[*s - 1] : NULL;
}

struct rule *
rule_list_entry(struct rule_list *l, const char *name, size_t len)
{
    struct rule *r = rule_list_find(l, name, len);
    if (r)
        return r;
    if (l->rules_cnt == RULE_MAX)
        return NULL;
    if (l->rules_cnt == l->rules_max)
        grow(l);
    *slot(l, name, len) = l->rules_cnt + 1;
    r = &l->rules[l->rules_cnt++];
    *r = (struct rule){ .name = must(strndup(name, len)) };
    return r;
}

unsigned
rule_list_cnt(const struct rule_list *l)
{
    unsigned cnt = 0;
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        cnt += l->rules[i].kind != RULE_NONE;
    return cnt;
}

bool
rule_is_sub(const struct rule *r)
{
    return r->name[0] == '_' && r->name[1] == '_';
}

uint32_t
rule_column(const struct rule *r, size_t off)
{
    return r->text_columns[off < r->text_len ? off : r->text_len];
}

void
rule_place_set(struct rule_place *to, const struct rule_place *from, uint32_t column)
{
    char *source = must(strdup(from->source));
    free(to->source);
    *to = *from;
    to->source = source;
    to->column = column;
}

/* Lines and files */

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
    line.place.source = must(strndup(text, len));
    line.text = must(malloc(len + 1));
    line.columns = must(malloc((len + 1) * sizeof(*line.columns)));
    strip_comment(&line, len);
    if (line.len > 0)
        rule_line_parse(reader, &line);
    free(line.place.source);
    free(line.text);
    free(line.columns);
}

int
rule_list_parse(struct rule_list *l, const char *name, const char *text, size_t len)
{
    unsigned errors = l->errors;
    l->files = must(reallocarray(l->files, l->files_cnt + 1, sizeof(*l->files)));
    const char *file = l->files[l->files_cnt++] = must(strdup(name));
    struct rule_reader reader = { .list = l };
    uint32_t line_number = 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - text) - at : len - at;
        parse_line(&reader, file, ++line_number, text + at, line_len);
        at += line_len + 1;
    }
    if (reader.skip_depth > 0)
        rule_list_say(l, RULE_ERROR, &reader.if_place, 0, "without `endif`");
    free(reader.if_place.source);
    return l->errors > errors ? -1 : 0;
}

static int
unreadable(struct rule_list *l, const char *path, const char *why)
{
    struct rule_place place = { .file = path };
    rule_list_say(l, RULE_ERROR, &place, 0, "cannot be read: %s", why);
    return -1;
}

static int
read_file(struct rule_list *l, const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return unreadable(l, path, strerror(errno));
    char *text = NULL;
    size_t len = 0;
    size_t max = 0;
    do {
        max = max ? max * 2 : 65536;
        text = must(realloc(text, max));
        len += fread(text + len, 1, max - len, f);
    } while (len == max && max < RULE_FILE_MAX);
    int result;
    if (ferror(f))
        result = unreadable(l, path, strerror(errno));
    else if (len == RULE_FILE_MAX)
        result = unreadable(l, path, "64 MiB or more");
    else
        result = rule_list_parse(l, path, text, len);
    fclose(f);
    free(text);
    return result;
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
        if (read_file(l, file))
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
    int result = S_ISDIR(st.st_mode) ? read_folder(l, path) : read_file(l, path);
    if (result == 0 && rule_list_cnt(l) == 0) {
        struct rule_place place = { .file = path };
        rule_list_say(l, RULE_ERROR, &place, 0, "no rule is defined here");
        result = -1;
    }
    return result;
}
