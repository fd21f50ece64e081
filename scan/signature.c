#include "scan/signature.h"

#include <dirent.h>
#include <errno.h>
#include <hs/hs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan/signature_private.h"

/* Fields of a line that are told apart: one more than any format has, so that too many are seen. */
enum { FIELDS_MAX = 8 };

void *
signature_must(void *p)
{
    if (!p)
        abort();
    return p;
}

struct signature_list *
signature_list_new(struct rule_list *says)
{
    struct signature_list *l = signature_must(calloc(1, sizeof(*l)));
    l->says = says;
    l->score_milli = SIGNATURE_SCORE_MILLI;
    return l;
}

void
signature_list_free(struct signature_list *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->patterns_cnt; i++) {
        free((void *)(uintptr_t)l->patterns[i].name);
        free((void *)(uintptr_t)l->patterns[i].rule_name);
        free((void *)(uintptr_t)l->patterns[i].regex);
    }
    for (size_t i = 0; i < l->files_cnt; i++)
        free(l->files[i]);
    free(l->hashes);
    free(l->names);
    free(l->patterns);
    free(l->slots);
    free(l->repeats);
    free(l->files);
    free(l);
}

void
signature_list_score(struct signature_list *l, int32_t score_milli)
{
    l->score_milli = score_milli;
}

size_t
signature_list_hash_cnt(const struct signature_list *l)
{
    return l->hashes_cnt;
}

size_t
signature_list_pattern_cnt(const struct signature_list *l)
{
    return l->patterns_cnt;
}

size_t
signature_list_refused_cnt(const struct signature_list *l)
{
    return l->refused_cnt;
}

size_t
signature_list_skipped_cnt(const struct signature_list *l)
{
    return l->skipped_cnt;
}

const struct signature_pattern *
signature_list_pattern(const struct signature_list *l, size_t idx)
{
    return &l->patterns[idx];
}

void
signature_say(const struct signature_line *line, enum rule_severity severity, uint32_t column,
              const char *format, ...)
{
    struct signature_list *l = line->list;
    /* One more place is kept for an error, so that a file full of warnings cannot hide it. */
    unsigned max = SIGNATURE_SAYS_MAX + (severity == RULE_ERROR ? SIGNATURE_SAYS_MAX : 0);
    if (l->said >= max) {
        l->unsaid++;
        return;
    }
    l->said++;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rule_list_say(l->says, severity, &line->place, column, "%s", text);
}

bool
signature_number(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return len > 0;
}

/* Names */

static bool
is_name_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void
signature_rule_name(const char *name, size_t len, char *out, size_t size)
{
    size_t at = 0;
    if (len == 0 || !is_name_octet(name[0]) || (name[0] >= '0' && name[0] <= '9'))
        out[at++] = 'S';
    for (size_t i = 0; i < len && at + 1 < size; i++)
        out[at++] = is_name_octet(name[i]) ? name[i] : '_';
    out[at] = 0;
}

static uint32_t *
find_slot(const struct signature_list *l, const char *rule_name)
{
    uint32_t h = 2166136261u; /* FNV-1a; the names are the operator's own */
    for (const char *c = rule_name; *c; c++)
        h = (h ^ (unsigned char)*c) * 16777619u;
    for (size_t i = h;; i++) {
        uint32_t *s = &l->slots[i & (l->slots_cnt - 1)];
        if (*s == 0 || !strcmp(l->patterns[*s - 1].rule_name, rule_name))
            return s;
    }
}

static void
grow_patterns(struct signature_list *l)
{
    l->patterns_max = l->patterns_max ? l->patterns_max * 2 : 64;
    l->patterns = signature_must(reallocarray(l->patterns, l->patterns_max, sizeof(*l->patterns)));
    l->repeats = signature_must(reallocarray(l->repeats, l->patterns_max, sizeof(*l->repeats)));
    free(l->slots);
    l->slots_cnt = l->patterns_max * 4;
    l->slots = signature_must(calloc(l->slots_cnt, sizeof(*l->slots)));
    for (size_t i = 0; i < l->patterns_cnt; i++)
        *find_slot(l, l->patterns[i].rule_name) = (uint32_t)i + 1;
}

/* Names that differ only in what becomes _, and names given twice, get a number: _2, _3 ... */
static void
make_unique(struct signature_list *l, char *name, size_t size)
{
    uint32_t first = *find_slot(l, name);
    if (first == 0)
        return;
    size_t len = strlen(name);
    while (*find_slot(l, name)) {
        char number[16];
        int digits = snprintf(number, sizeof(number), "_%u", ++l->repeats[first - 1] + 1);
        size_t at = len + (size_t)digits < size ? len : size - 1 - (size_t)digits;
        memcpy(name + at, number, (size_t)digits + 1);
    }
}

/* Lines */

static void
split(const char *text, size_t len, struct signature_field *fields, size_t *cnt)
{
    *cnt = 0;
    size_t from = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != ':')
            continue;
        if (*cnt == FIELDS_MAX) /* one more than any line has: the caller sees too many */
            return;
        fields[(*cnt)++] = (struct signature_field){ text + from, i - from, (uint32_t)from + 1 };
        from = i + 1;
    }
}

/* Fields behind the `needed` ones: [MINFL[:MAXFL]]. 1: for our level; 0: not; -1: wrong, and said. */
static int
check_level(const struct signature_line *line, const struct signature_field *fields, size_t cnt, size_t needed)
{
    uint64_t levels[2] = { 0, UINT32_MAX };
    for (size_t i = needed; i < cnt; i++) {
        if (i - needed >= 2) {
            signature_say(line, RULE_ERROR, fields[i].column, "a field too many");
            return -1;
        }
        if (fields[i].len > 0 &&
            !signature_number(fields[i].text, fields[i].len, UINT32_MAX, &levels[i - needed])) {
            signature_say(line, RULE_ERROR, fields[i].column, "an engine level is a number");
            return -1;
        }
    }
    return levels[0] <= SIGNATURE_LEVEL && levels[1] >= SIGNATURE_LEVEL;
}

static bool
check_name(const struct signature_line *line, const struct signature_field *name)
{
    if (name->len == 0) {
        signature_say(line, RULE_ERROR, name->column, "a signature without a name");
        return false;
    }
    for (size_t i = 0; i < name->len; i++) {
        if ((unsigned char)name->text[i] <= ' ' || (unsigned char)name->text[i] == 0x7f) {
            signature_say(line, RULE_ERROR, name->column + (uint32_t)i, "a blank or control octet in a name");
            return false;
        }
    }
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_hash(const struct signature_line *line, const struct signature_field *field, struct signature_hash *out)
{
    if (field->len != 32 && field->len != 40 && field->len != 64) {
        signature_say(line, RULE_ERROR, field->column,
                      "a hash has 32 (MD5), 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, this one %zu",
                      field->len);
        return false;
    }
    for (size_t i = 0; i < field->len; i++) {
        int digit = hex_digit(field->text[i]);
        if (digit < 0) {
            signature_say(line, RULE_ERROR, field->column + (uint32_t)i, "not a hexadecimal digit");
            return false;
        }
        out->octets[i / 2] = (uint8_t)(out->octets[i / 2] << 4 | digit);
    }
    out->len = (uint8_t)(field->len / 2);
    return true;
}

static bool
parse_size(const struct signature_line *line, const struct signature_field *field, struct signature_hash *out)
{
    uint64_t size = SIGNATURE_SIZE_ANY;
    bool is_any = field->len == 1 && field->text[0] == '*';
    if (!is_any && !signature_number(field->text, field->len, SIGNATURE_SIZE_ANY - 1, &size)) {
        signature_say(line, RULE_ERROR, field->column, "a size is * or a number below 4294967295");
        return false;
    }
    out->size = (uint32_t)size;
    return true;
}

static void
add_hash(struct signature_list *l, struct signature_hash *h, const struct signature_field *name)
{
    if (l->hashes_cnt == l->hashes_max) {
        l->hashes_max = l->hashes_max ? l->hashes_max * 2 : 1024;
        l->hashes = signature_must(reallocarray(l->hashes, l->hashes_max, sizeof(*l->hashes)));
    }
    if (l->names_len + name->len + 1 > l->names_max) {
        l->names_max = (l->names_len + name->len + 1) * 2;
        l->names = signature_must(realloc(l->names, l->names_max));
    }
    h->name_off = (uint32_t)l->names_len;
    memcpy(l->names + l->names_len, name->text, name->len);
    l->names_len += name->len;
    l->names[l->names_len++] = 0;
    l->hashes[l->hashes_cnt++] = *h;
}

static void
hash_line(const struct signature_line *line, const struct signature_field *fields, size_t cnt, bool is_allowed)
{
    struct signature_list *l = line->list;
    struct signature_hash h = { .is_allowed = is_allowed };
    if (cnt < 3) {
        signature_say(line, RULE_ERROR, 1, "HASH:SIZE:NAME is wanted");
        return;
    }
    if (!parse_hash(line, &fields[0], &h) || !parse_size(line, &fields[1], &h) || !check_name(line, &fields[2]))
        return;
    int level = check_level(line, fields, cnt, 3);
    if (level <= 0) {
        l->skipped_cnt += level == 0;
        return;
    }
    if (l->hashes_cnt == SIGNATURE_HASH_MAX || l->names_len + fields[2].len >= UINT32_MAX) {
        signature_say(line, RULE_ERROR, 1, "more than %d hashes, or 4 GiB of their names", SIGNATURE_HASH_MAX);
        return;
    }
    add_hash(l, &h, &fields[2]);
}

static bool
parse_target(const struct signature_line *line, const struct signature_field *field,
             enum signature_target *target)
{
    uint64_t number;
    if (!signature_number(field->text, field->len, 99, &number)) {
        signature_say(line, RULE_ERROR, field->column, "a target is a number");
        return false;
    }
    if (number > SIGNATURE_JAVA || number == 8) {
        signature_say(line, RULE_WARNING, field->column, "refused: no target has the number %u",
                      (unsigned)number);
        line->list->refused_cnt++;
        return false;
    }
    *target = (enum signature_target)number;
    return true;
}

static void
add_pattern(struct signature_list *l, struct signature_pattern *p, const struct signature_field *name)
{
    if (l->patterns_cnt == l->patterns_max)
        grow_patterns(l);
    char rule_name[RULE_NAME_MAX + 1];
    signature_rule_name(name->text, name->len, rule_name, sizeof(rule_name));
    make_unique(l, rule_name, sizeof(rule_name));
    p->name = signature_must(strndup(name->text, name->len));
    p->rule_name = signature_must(strdup(rule_name));
    l->repeats[l->patterns_cnt] = 0;
    *find_slot(l, rule_name) = (uint32_t)l->patterns_cnt + 1;
    l->patterns[l->patterns_cnt++] = *p;
}

static void
pattern_line(const struct signature_line *line, const struct signature_field *fields, size_t cnt)
{
    struct signature_list *l = line->list;
    struct signature_pattern p = { .file = line->place.file, .line = line->place.line };
    if (cnt < 4) {
        signature_say(line, RULE_ERROR, 1, "NAME:TARGET:OFFSET:HEX is wanted");
        return;
    }
    int level = check_name(line, &fields[0]) ? check_level(line, fields, cnt, 4) : -1;
    if (level <= 0) {
        l->skipped_cnt += level == 0;
        return;
    }
    if (l->patterns_cnt == SIGNATURE_PATTERN_MAX) {
        signature_say(line, RULE_ERROR, 1, "more than %d patterns", SIGNATURE_PATTERN_MAX);
        return;
    }
    if (parse_target(line, &fields[1], &p.target) &&
        signature_pattern_translate(line, &fields[2], &fields[3], &p))
        add_pattern(l, &p, &fields[0]);
}

static void
parse_line(struct signature_line *line, enum signature_format format, const char *text, size_t len)
{
    while (len > 0 && strchr(" \t\r", text[len - 1]) && text[len - 1])
        len--;
    if (len == 0 || text[0] == '#')
        return;
    if (len > SIGNATURE_LINE_MAX) {
        signature_say(line, RULE_ERROR, 1, "a line longer than %d octets", SIGNATURE_LINE_MAX);
        return;
    }
    const char *nul = memchr(text, 0, len);
    if (nul) {
        signature_say(line, RULE_ERROR, (uint32_t)(nul - text) + 1, "a NUL");
        return;
    }
    struct signature_field fields[FIELDS_MAX];
    size_t cnt;
    split(text, len, fields, &cnt);
    if (format == SIGNATURE_NDB)
        pattern_line(line, fields, cnt);
    else
        hash_line(line, fields, cnt, format == SIGNATURE_FP);
}

/* The source line is wanted only where something is said, so rather than copying each of ten million lines this
 * ends it in place: `text` is our own copy. */
static void
parse_text(struct signature_list *l, const char *file, enum signature_format format, char *text, size_t len)
{
    uint32_t line_number = 0;
    for (size_t at = 0; at < len;) {
        char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - text) - at : len - at;
        text[at + line_len] = 0; /* the line end, or the octet behind the text, which is ours */
        struct signature_line line = {
            .list = l,
            .place = { .file = file, .line = ++line_number, .column = 1, .source = text + at },
        };
        parse_line(&line, format, text + at, line_len);
        at += line_len + 1;
    }
}

/* As signature_list_parse, with the octet text[len] free for use. */
static int
parse_owned(struct signature_list *l, const char *name, enum signature_format format, char *text, size_t len)
{
    unsigned errors = rule_list_errors(l->says);
    l->files = signature_must(reallocarray(l->files, l->files_cnt + 1, sizeof(*l->files)));
    const char *file = l->files[l->files_cnt++] = signature_must(strdup(name));
    l->said = 0;
    l->unsaid = 0;
    parse_text(l, file, format, text, len);
    struct rule_place place = { .file = file };
    if (l->unsaid > 0)
        rule_list_say(l->says, RULE_WARNING, &place, 0, "%u more errors and warnings of this file are not shown",
                      l->unsaid);
    return rule_list_errors(l->says) > errors ? -1 : 0;
}

int
signature_list_parse(struct signature_list *l, const char *name, enum signature_format format,
                     const char *text, size_t len)
{
    char *copy = signature_must(malloc(len + 1));
    if (len)
        memcpy(copy, text, len);
    int result = parse_owned(l, name, format, copy, len);
    free(copy);
    return result;
}

/* Files */

static int
unreadable(struct signature_list *l, const char *path, const char *why)
{
    struct rule_place place = { .file = path };
    rule_list_say(l->says, RULE_ERROR, &place, 0, "cannot be read: %s", why);
    return -1;
}

static bool
format_of(const char *path, enum signature_format *format)
{
    static const struct {
        const char *end;
        enum signature_format format;
    } ends[] = { { ".hdb", SIGNATURE_HDB }, { ".hsb", SIGNATURE_HDB }, { ".fp", SIGNATURE_FP },
                 { ".sfp", SIGNATURE_FP },  { ".ndb", SIGNATURE_NDB } };
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end_len = strlen(ends[i].end);
        if (len > end_len && !strcmp(path + len - end_len, ends[i].end)) {
            *format = ends[i].format;
            return true;
        }
    }
    return false;
}

static int
read_file(struct signature_list *l, const char *path, off_t size)
{
    enum signature_format format;
    if (!format_of(path, &format))
        return unreadable(l, path, "its name ends in none of .hdb .hsb .fp .sfp .ndb");
    if (size >= (off_t)1 << SIGNATURE_FILE_SHIFT)
        return unreadable(l, path, "2 GiB or more");
    FILE *f = fopen(path, "rbe");
    if (!f)
        return unreadable(l, path, strerror(errno));
    char *text = signature_must(malloc((size_t)size + 1));
    size_t len = fread(text, 1, (size_t)size, f);
    int result = ferror(f) ? unreadable(l, path, strerror(errno)) : parse_owned(l, path, format, text, len);
    fclose(f);
    free(text);
    return result;
}

static int
is_signature_file(const struct dirent *e)
{
    enum signature_format format;
    return e->d_name[0] != '.' && format_of(e->d_name, &format);
}

/* Not alphasort: the order must not hang on the operator's locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
read_folder(struct signature_list *l, const char *path)
{
    struct dirent **entries;
    int cnt = scandir(path, &entries, is_signature_file, by_name);
    if (cnt < 0)
        return unreadable(l, path, strerror(errno));
    int result = 0;
    for (int i = 0; i < cnt; i++) {
        char *file = NULL;
        struct stat st;
        if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
            abort();
        if (stat(file, &st))
            result = unreadable(l, file, strerror(errno));
        else if (read_file(l, file, st.st_size))
            result = -1;
        free(file);
        free(entries[i]);
    }
    free(entries);
    return result;
}

int
signature_list_read(struct signature_list *l, const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return unreadable(l, path, strerror(errno));
    return S_ISDIR(st.st_mode) ? read_folder(l, path) : read_file(l, path, st.st_size);
}

bool
signature_target_fits(enum signature_target target, enum magic magic)
{
    enum magic_family family = magic_family(magic);
    switch (target) {
    case SIGNATURE_ANY:
        return true;
    case SIGNATURE_PE:
        return magic == MAGIC_MZ;
    case SIGNATURE_OLE2:
        return magic == MAGIC_OLE2;
    case SIGNATURE_HTML:
        return magic == MAGIC_HTML || magic == MAGIC_HTA || magic == MAGIC_XML || magic == MAGIC_SVG;
    case SIGNATURE_MAIL:
        return false;
    case SIGNATURE_GRAPHICS:
        return family == FAMILY_IMAGE && magic != MAGIC_SVG;
    case SIGNATURE_ELF:
        return magic == MAGIC_ELF;
    case SIGNATURE_TEXT:
        return family == FAMILY_TEXT || magic == MAGIC_SCRIPT || magic == MAGIC_HTA ||
               magic == MAGIC_URL_SHORTCUT || magic == MAGIC_SVG;
    case SIGNATURE_MACHO:
        return magic == MAGIC_MACHO;
    case SIGNATURE_PDF:
        return magic == MAGIC_PDF;
    case SIGNATURE_FLASH:
        return magic == MAGIC_FLASH;
    case SIGNATURE_JAVA:
        return magic == MAGIC_CLASS;
    }
    return false;
}
