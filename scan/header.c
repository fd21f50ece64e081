#include "scan/header.h"

#include <string.h>

#include "scan/octet.h"

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool
is_name(uint8_t c)
{
    return c >= 33 && c <= 126 && c != ':';
}

void
header_init(struct header *h, uint8_t *buf, size_t cap, unsigned garbage_max)
{
    *h = (struct header){.buf = buf, .cap = cap, .garbage_max = garbage_max};
}

static void
keep(struct header *h, const uint8_t *octets, size_t len)
{
    size_t room = h->cap - h->len;
    if (len > room) {
        h->is_capped = true;
        len = room;
    }
    memmove(h->buf + h->len, octets, len); /* a part's rest may lie in the same buffer */
    h->len += len;
}

/* The line being read is not of the header: hand it out as rest. */
static void
end_at_line(struct header *h)
{
    h->rest = (struct span){h->buf + h->line_off, h->len - h->line_off};
    h->len = h->line_off;
    h->is_done = true;
}

static void
garbage(struct header *h, uint8_t c)
{
    /* Past the cap the line is not kept, so it cannot be given to the body: only an empty line ends. */
    if (++h->garbage_cnt > h->garbage_max && !h->is_capped) {
        end_at_line(h);
        return;
    }
    h->state = c == '\n' ? HEADER_LINE_START : HEADER_LINE_REST;
}

static void
empty_line(struct header *h)
{
    if (!h->is_capped)
        h->len = h->line_off;
    h->has_end = true;
    h->is_done = true;
}

static void
line_start(struct header *h, uint8_t c)
{
    if (c == '\n')
        empty_line(h);
    else if (c == '\r')
        h->state = HEADER_LINE_CR;
    else if (is_blank(c))
        h->state = HEADER_LINE_REST;
    else if (is_name(c))
        h->state = HEADER_LINE_NAME;
    else
        garbage(h, c);
}

static void
line_name(struct header *h, uint8_t c)
{
    bool is_second = h->len - h->line_off == 2;

    if (c == ':')
        h->state = HEADER_LINE_REST;
    else if (c == '-' && is_second && h->garbage_max && !h->is_capped && h->buf[h->line_off] == '-')
        end_at_line(h);
    else if (is_blank(c))
        h->state = HEADER_LINE_BLANK;
    else if (!is_name(c))
        garbage(h, c);
}

static void
line_octet(struct header *h, uint8_t c)
{
    switch (h->state) {
    case HEADER_LINE_START:
        h->line_off = h->len;
        keep(h, &c, 1);
        line_start(h, c);
        break;
    case HEADER_LINE_CR:
        keep(h, &c, 1);
        if (c == '\n')
            empty_line(h);
        else
            garbage(h, c);
        break;
    case HEADER_LINE_NAME:
        keep(h, &c, 1);
        line_name(h, c);
        break;
    case HEADER_LINE_BLANK:
        keep(h, &c, 1);
        if (c == ':')
            h->state = HEADER_LINE_REST;
        else if (!is_blank(c))
            garbage(h, c);
        break;
    case HEADER_LINE_REST:
        break;
    }
}

size_t
header_feed(struct header *h, const uint8_t *octets, size_t len, enum header_next *next)
{
    size_t i = 0;

    while (i < len && !h->is_done) {
        if (h->state == HEADER_LINE_NAME && h->len - h->line_off >= 2 && !h->is_capped) {
            /* From the third octet on a name has no special octet: the run at once. */
            size_t run = i;
            while (run < len && is_name(octets[run]))
                run++;
            keep(h, octets + i, run - i);
            i = run;
            if (i == len)
                break;
        }
        if (h->state != HEADER_LINE_REST) {
            line_octet(h, octets[i++]);
            continue;
        }
        const uint8_t *lf = memchr(octets + i, '\n', len - i);
        size_t n = lf ? (size_t)(lf - octets) + 1 - i : len - i;
        keep(h, octets + i, n);
        i += n;
        if (lf)
            h->state = HEADER_LINE_START;
    }
    *next = h->is_done ? HEADER_DONE : HEADER_MORE;
    return i;
}

void
header_end(struct header *h)
{
    h->is_done = true;
}

/* End of the logical line at `off`: behind the first line end not followed by a blank. */
static size_t
line_end(const struct header *h, size_t off)
{
    for (;;) {
        const uint8_t *lf = memchr(h->buf + off, '\n', h->len - off);
        if (!lf)
            return h->len;
        off = (size_t)(lf - h->buf) + 1;
        if (off == h->len || !is_blank(h->buf[off]))
            return off;
    }
}

/* Splits buf[off, end); false when it is no field. */
static bool
split_field(const uint8_t *line, size_t len, struct header_field *f)
{
    size_t name_len = 0;
    while (name_len < len && is_name(line[name_len]))
        name_len++;
    size_t i = name_len;
    while (i < len && is_blank(line[i]))
        i++;
    if (!name_len || i == len || line[i] != ':')
        return false;
    i++;
    size_t end = len;
    if (end > i && line[end - 1] == '\n')
        end--;
    if (end > i && end < len && line[end - 1] == '\r')
        end--;
    f->name = (struct span){line, name_len};
    f->value = (struct span){line + i, end - i};
    f->line = (struct span){line, len};
    return true;
}

bool
header_field(const struct header *h, size_t *off, struct header_field *f)
{
    while (*off < h->len) {
        size_t start = *off;
        *off = line_end(h, start);
        if (split_field(h->buf + start, *off - start, f))
            return true;
    }
    return false;
}

bool
header_name_is(const struct header_field *f, const char *lower)
{
    size_t i;
    for (i = 0; i < f->name.len; i++) {
        uint8_t c = f->name.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 32);
        if (c != (uint8_t)lower[i]) /* a NUL in lower differs from every name octet */
            return false;
    }
    return lower[i] == '\0';
}

bool
header_find(const struct header *h, const char *name, struct header_field *f)
{
    for (size_t off = 0; header_field(h, &off, f);) {
        if (header_name_is(f, name))
            return true;
    }
    return false;
}

size_t
header_raw(struct span value, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n')
            continue;
        out[n++] = value.ptr[i];
    }
    out[n++] = '\n';
    return n;
}

size_t
header_unfold(struct span value, uint8_t *out)
{
    const uint8_t *p = value.ptr;
    size_t i = 0, n = 0, end = value.len;

    while (end > 0 && octet_is_space(p[end - 1]))
        end--;
    while (i < end && octet_is_space(p[i]))
        i++;
    while (i < end) {
        const uint8_t *lf = memchr(p + i, '\n', end - i);
        size_t run = lf ? (size_t)(lf - p) - i : end - i;
        run -= run > 0 && p[i + run - 1] == '\r' && lf;
        memmove(out + n, p + i, run);
        i += run;
        n += run;
        if (i == end)
            break;
        if (p[i] == '\r' && i + 1 < end && p[i + 1] == '\n') {
            i++;
        } else if (p[i] == '\n') {
            for (i++; i < end && is_blank(p[i]);)
                i++;
            out[n++] = ' ';
        } else {
            out[n++] = p[i++];
        }
    }
    out[n++] = '\n';
    return n;
}
