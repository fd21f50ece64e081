#include "scan/address.h"

#include <stdbool.h>
#include <string.h>

#include "scan/octet.h"

/* One address of a list: offsets into the value. The angle brackets are left out of [angle, angle_end). */
struct element {
    size_t start, end;
    size_t angle, angle_end;
    bool has_angle;
};

struct reader {
    struct span v;
    size_t off;
    /* Nothing of the kind is closed from here on: the sign is an ordinary octet. Keeps time linear. */
    bool no_quote, no_comment, no_angle;
};

/* Behind the quoted string that opens at i; i if it is never closed. */
static size_t
skip_quoted(struct span v, size_t i)
{
    for (size_t j = i + 1; j < v.len; j++) {
        if (v.ptr[j] == '\\')
            j++;
        else if (v.ptr[j] == '"')
            return j + 1;
    }
    return i;
}

static size_t
skip_comment(struct span v, size_t i)
{
    size_t depth = 0;
    for (size_t j = i; j < v.len; j++) {
        if (v.ptr[j] == '\\')
            j++;
        else if (v.ptr[j] == '(')
            depth++;
        else if (v.ptr[j] == ')' && --depth == 0)
            return j + 1;
    }
    return i;
}

/* Behind a quoted string, comment or <...> at i; i if there is none. */
static size_t
skip_group(struct reader *r, size_t i, struct element *e)
{
    size_t j = i;

    switch (r->v.ptr[i]) {
    case '"':
        if (!r->no_quote)
            r->no_quote = (j = skip_quoted(r->v, i)) == i;
        break;
    case '(':
        if (!r->no_comment)
            r->no_comment = (j = skip_comment(r->v, i)) == i;
        break;
    case '<': {
        if (r->no_angle)
            break;
        const uint8_t *gt = memchr(r->v.ptr + i, '>', r->v.len - i);
        r->no_angle = !gt;
        if (!gt)
            break;
        j = (size_t)(gt - r->v.ptr) + 1;
        e->has_angle = true;
        e->angle = i + 1;
        e->angle_end = j - 1;
        break;
    }
    default:
        break;
    }
    return j;
}

static bool
next_element(struct reader *r, struct element *e)
{
    size_t i = r->off;

    if (i >= r->v.len)
        return false;
    *e = (struct element){.start = i};
    while (i < r->v.len) {
        uint8_t c = r->v.ptr[i];
        size_t j = skip_group(r, i, e);
        if (j > i) {
            i = j;
            continue;
        }
        if (c == ',' || c == ';')
            break;
        if (c == ':' && !e->has_angle)
            e->start = i + 1; /* the name of a group */
        i++;
    }
    e->end = i;
    r->off = i + 1;
    return true;
}

/* Copies [i, end): quotes undone, comments left out. */
static size_t
copy_plain(struct span v, size_t i, size_t end, uint8_t *out)
{
    struct span part = {v.ptr, end};
    bool no_quote = false, no_comment = false;
    size_t n = 0;

    while (i < end) {
        size_t j = i;
        if (v.ptr[i] == '"' && !no_quote) {
            no_quote = (j = skip_quoted(part, i)) == i;
            if (j > end)
                j = end;
            for (size_t k = i + 1; k + 1 < j; k++) {
                if (v.ptr[k] == '\\' && k + 2 < j)
                    k++;
                out[n++] = v.ptr[k];
            }
        } else if (v.ptr[i] == '(' && !no_comment) {
            no_comment = (j = skip_comment(part, i)) == i;
        }
        if (j == i)
            out[n++] = v.ptr[j++];
        i = j;
    }
    return n;
}

/* Folds white space, trims it, and takes off single quotes around. In place. */
static size_t
tidy(uint8_t *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!octet_is_space(p[i]))
            p[n++] = p[i];
        else if (n && p[n - 1] != ' ')
            p[n++] = ' ';
    }
    if (n && p[n - 1] == ' ')
        n--;
    if (n >= 2 && p[0] == '\'' && p[n - 1] == '\'') {
        n -= 2;
        memmove(p, p + 1, n);
    }
    return n;
}

static size_t
drop_spaces(uint8_t *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!octet_is_space(p[i]))
            p[n++] = p[i];
    }
    return n;
}

static size_t
write_addr(struct span v, const struct element *e, uint8_t *out)
{
    size_t n = 0, i = e->has_angle ? e->angle : e->start, end = e->has_angle ? e->angle_end : e->end;
    bool no_comment = false;
    struct span part = {v.ptr, end};

    while (i < end) { /* a quoted local part stays quoted */
        if (v.ptr[i] == '(' && !no_comment) {
            size_t j = skip_comment(part, i);
            no_comment = j == i;
            i = j;
            if (!no_comment)
                continue;
        }
        out[n++] = v.ptr[i++];
    }
    n = drop_spaces(out, n);
    if (n && out[0] == '<') /* never closed */
        memmove(out, out + 1, --n);
    return memchr(out, '@', n) ? n : 0;
}

/* The text of the first comment in the element. */
static size_t
write_comment(struct span v, const struct element *e, uint8_t *out)
{
    struct span part = {v.ptr, e->end};
    bool no_quote = false;
    size_t n = 0;

    for (size_t i = e->start; i < e->end; i++) {
        size_t j = i;
        if (v.ptr[i] == '"' && !no_quote)
            no_quote = (j = skip_quoted(part, i)) == i;
        if (j > i) {
            i = j - 1;
            continue;
        }
        if (v.ptr[i] != '(')
            continue;
        j = skip_comment(part, i);
        for (size_t k = i + 1; k + 1 < j; k++) {
            if (v.ptr[k] == '\\' && k + 2 < j)
                k++;
            out[n++] = v.ptr[k];
        }
        break;
    }
    return tidy(out, n);
}

static size_t
write_name(struct span v, const struct element *e, uint8_t *out)
{
    size_t end = e->has_angle ? e->angle - 1 : e->end;
    size_t n = tidy(out, copy_plain(v, e->start, end, out));

    if (!e->has_angle && memchr(out, '@', n))
        n = 0; /* that is the address */
    if (n && e->has_angle && n == e->angle_end - e->angle && !memcmp(out, v.ptr + e->angle, n))
        n = 0; /* the address repeated */
    return n ? n : write_comment(v, e, out);
}

size_t
address_write(struct span value, enum address_what what, uint8_t *out)
{
    struct reader r = {.v = value};
    struct element e;
    size_t n = 0;

    while (next_element(&r, &e)) {
        size_t at = n ? n + 1 : 0;
        size_t len = what == ADDRESS_ADDR ? write_addr(value, &e, out + at)
                                          : write_name(value, &e, out + at);
        if (!len)
            continue;
        if (n)
            out[n] = '\n';
        n = at + len;
    }
    return n;
}
