#include "appliance/cfgfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
cfgfile_complain(struct cfgfile *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(f->errors, "%s:%d: ", f->name, f->line);
    vfprintf(f->errors, format, args);
    fputc('\n', f->errors);
    va_end(args);
    f->error_cnt++;
    f->error_line = f->line;
}

/* ---- lines ---- */

char *
cfgfile_next(struct cfgfile *f, char *text, int size, struct cfgfile_line *l)
{
    int len = 0, octet;
    *l = (struct cfgfile_line){0};
    while ((octet = getc(f->from)) != EOF && octet != '\n') {
        l->has_nul = l->has_nul || octet == '\0';
        if (len < size - 2)
            text[len++] = (char)octet;
        else
            l->is_long = true;
    }
    if (octet == EOF && len == 0)
        return NULL;
    f->line++;
    text[len] = '\0';
    f->is_continuation = text[0] == ' ' || text[0] == '\t';
    return text;
}

const char *
cfgfile_skip(const char *text)
{
    return text + strspn(text, " \t\xef\xbb\xbf");
}

bool
cfgfile_section(struct cfgfile *f, const char *text, char name[CFGFILE_SECTION_MAX])
{
    size_t len = strcspn(++text, "]\r\n");
    if (text[len] != ']' || len >= CFGFILE_SECTION_MAX) {
        cfgfile_complain(f, "a section without its ]");
        return false;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    return true;
}

bool
cfgfile_is_control(const char *section)
{
    return strcmp(section, "control") == 0 || strncmp(section, "control.", 8) == 0;
}

void
cfgfile_parse(struct cfgfile *f, ini_reader reader, ini_handler take, void *user)
{
    int bad_line = ini_parse_stream(reader, user, take, user);
    if (bad_line != 0 && (f->error_cnt == 0 || f->error_line != bad_line)) {
        int last = f->line;
        f->line = bad_line > 0 ? bad_line : f->line;
        cfgfile_complain(f, "neither a section, nor a comment, nor key = value");
        f->line = last;
    }
}

FILE *
cfgfile_open(const char *path, FILE *errors)
{
    FILE *from = fopen(path, "re");
    if (!from)
        fprintf(errors, "%s: %s\n", path, strerror(errno));
    return from;
}

/* ---- values ---- */

bool
cfgfile_number(const char *text, uint64_t *n, const char **rest)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

bool
cfgfile_time(const char *text, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};
    const char *rest;
    if (!cfgfile_number(text, ms, &rest))
        return false;
    rest += strspn(rest, " \t");
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(*ms, units[i].ms, ms);
    }
    return false;
}
