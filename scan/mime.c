/* See mime.h. */
#include <string.h>

#include "scan/mime_private.h"

void
mime_init(struct mime *m, struct mime_budget *budget, uint8_t *header_buf)
{
    memset(m, 0, offsetof(struct mime, hold)); /* hold and frames are read as far as written */
    m->budget = budget;
    m->header.buf = header_buf;
    m->is_bol = true;
}

static void
start_header(struct mime *m, unsigned garbage_max)
{
    header_init(&m->header, m->header.buf, PART_HEADER_LEN_MAX, garbage_max);
    m->state = MIME_HEADER;
}

void
mime_start_message(struct mime *m)
{
    start_header(m, HEADER_GARBAGE_MESSAGE);
}

/* ---- the stack ---- */

static bool
push(struct mime *m, const uint8_t *boundary, size_t len, bool is_digest)
{
    if (m->budget->depth >= MIME_DEPTH_MAX) {
        mime_raise(m, EVENT_MIME_DEPTH_CAP);
        return false;
    }
    m->budget->depth++;
    struct mime_frame *f = &m->frames[m->frames_cnt++];
    f->len = (uint16_t)len;
    f->is_digest = is_digest;
    if (len) {
        memcpy(f->boundary, boundary, len);
        m->boundaries_cnt++;
    }
    return true;
}

static void
pop_to(struct mime *m, unsigned cnt)
{
    while (m->frames_cnt > cnt) {
        m->budget->depth--;
        if (m->frames[--m->frames_cnt].len)
            m->boundaries_cnt--;
    }
}

/* Frames above `cnt` end without their close delimiter. */
static void
pop_unclosed(struct mime *m, unsigned cnt)
{
    for (unsigned i = cnt; i < m->frames_cnt; i++) {
        if (m->frames[i].len)
            mime_raise(m, EVENT_MIME_BOUNDARY);
    }
    pop_to(m, cnt);
}

static bool
push_multipart(struct mime *m, struct span type)
{
    uint8_t b[BOUNDARY_LEN_MAX + 1];
    size_t len;

    if (!param_get_any(type, "boundary", b, sizeof(b), &len))
        len = 0;
    while (len && len <= sizeof(b) && (b[len - 1] == ' ' || b[len - 1] == '\t'))
        len--; /* RFC 2046 5.1.1: added on the way */
    if (!len || len > BOUNDARY_LEN_MAX) {
        mime_raise(m, EVENT_MIME_BOUNDARY);
        return false;
    }
    return push(m, b, len, !strcmp(m->part.type, "multipart/digest"));
}

/* ---- a header is over ---- */

static void
start_rest(struct mime *m, const struct header *h)
{
    mime_raise(m, EVENT_MIME_PART_CAP);
    m->part = (struct mime_part){.type = "text/plain"};
    m->is_rest = true;
    pop_to(m, 0);
    m->replay = (struct span){h->buf, h->len + h->rest.len};
}

static void
start_leaf(struct mime *m)
{
    m->state = MIME_BODY;
    m->part_due = true;
}

/* What stands before the first delimiter: a leaf, if anybody wants it. */
static void
start_preamble(struct mime *m)
{
    m->is_epilogue = false;
    m->state = MIME_SKIP;
    if (!m->budget->wants_preamble)
        return;
    m->part = (struct mime_part){.type = "text/plain", .is_typed = true, .is_preamble = true};
    start_leaf(m);
}

/* Whether the header's first line is "Name:", as SpamAssassin wants it after a delimiter. */
static bool
begins_with_field(const struct header *h)
{
    for (size_t i = 0; i < h->len; i++) {
        if (h->buf[i] == ':')
            return i > 0;
        if (h->buf[i] < 33 || h->buf[i] > 126)
            return false;
    }
    return false;
}

static void
note_flaws(struct mime *m, const struct header *h)
{
    bool has_line = h->len || h->rest.len || h->has_end;

    if (has_line && !begins_with_field(h))
        m->budget->flaws |= MIME_FLAW_NO_HEADER;
    if (h->rest.len)
        m->budget->flaws |= MIME_FLAW_NO_SEPARATOR;
}

static void
tell(struct mime *m, const struct header *h, unsigned depth, bool is_leaf)
{
    if (m->budget->node)
        m->budget->node(m->budget->node_ctx, h, depth, is_leaf);
}

/* h is the part's or message's header; what follows its empty line comes next. */
static void
header_over(struct mime *m, const struct header *h)
{
    struct mime_part *p = &m->part;
    struct span type = {NULL, 0};

    if (h->is_capped)
        mime_raise(m, EVENT_HEADER_CAP);
    if (h->garbage_cnt)
        mime_raise(m, EVENT_HEADER_GARBAGE);
    if (m->is_part)
        note_flaws(m, h);
    m->is_part = false;
    m->replay = h == &m->header ? h->rest : (struct span){NULL, 0};
    m->is_bol = true;
    if (m->budget->parts++ >= MIME_PART_MAX && h == &m->header) {
        start_rest(m, h);
        start_leaf(m);
        return;
    }
    bool has_type = mime_part_read(m, h, &type);
    if (!has_type && m->frames_cnt && m->frames[m->frames_cnt - 1].is_digest) {
        strcpy(p->type, "message/rfc822"); /* RFC 2046 5.1.5 */
        p->is_typed = true;
    }
    unsigned depth = m->frames_cnt;
    if (!strncmp(p->type, "multipart/", 10)) {
        if (push_multipart(m, type)) {
            tell(m, h, depth, false);
            start_preamble(m);
            return;
        }
        *p = (struct mime_part){.type = "text/plain"};
    } else if (!strcmp(p->type, "message/rfc822") || !strcmp(p->type, "message/global")) {
        if (p->encoding != ENCODING_IDENTITY) {
            p->is_message = true;
        } else if (push(m, NULL, 0, false)) {
            tell(m, h, depth, false);
            start_header(m, HEADER_GARBAGE_MESSAGE);
            return;
        }
    }
    tell(m, h, depth, !p->is_message);
    start_leaf(m);
}

void
mime_start(struct mime *m, const struct header *h)
{
    header_over(m, h);
}

/* ---- lines ---- */

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Frame whose delimiter `line` is, or -1. */
static int
find_delimiter(const struct mime *m, const uint8_t *line, size_t len, bool *is_close)
{
    while (len && is_blank(line[len - 1]))
        len--;
    if (len < 3 || line[0] != '-' || line[1] != '-')
        return -1;
    line += 2;
    len -= 2;
    for (unsigned i = m->frames_cnt; i-- > 0;) {
        const struct mime_frame *f = &m->frames[i];
        if (!f->len || len < f->len || memcmp(line, f->boundary, f->len))
            continue;
        *is_close = len == (size_t)f->len + 2 && line[f->len] == '-' && line[f->len + 1] == '-';
        if (*is_close || len == f->len)
            return (int)i;
    }
    return -1;
}

/* False: the part cap was reached here, so the line in hold is no delimiter any more. */
static bool
delimiter(struct mime *m, unsigned frame, bool is_close)
{
    if (m->state == MIME_HEADER) { /* a part that is header only */
        if (m->is_part && !m->header.len)
            m->budget->flaws |= MIME_FLAW_NO_HEADER;
        header_end(&m->header);
        header_over(m, &m->header);
        if (m->is_rest)
            return false;
        m->replay = (struct span){NULL, 0};
    }
    m->end_due = m->state == MIME_BODY;
    if (m->end_due && m->part.is_preamble && frame + 1 == m->frames_cnt)
        *(is_close ? &m->part.is_closed : &m->part.is_void) = true;
    pop_unclosed(m, frame + 1);
    m->hold_len = m->eol_len = 0;
    m->is_bol = true;
    if (is_close) {
        pop_to(m, frame);
        m->state = MIME_SKIP;
        m->is_epilogue = true;
    } else {
        start_header(m, HEADER_GARBAGE_PART);
        m->is_part = true;
    }
    return true;
}

static void
take(struct span *in, size_t n)
{
    in->ptr += n;
    in->len -= n;
}

/* The header is over inside octets that will not come again: keeps those behind its rest with it.
 * There is room (MIME_HEADER_BUF), and what is moved never lies before its new place. */
static void
header_over_keeping(struct mime *m, const uint8_t *left, size_t len)
{
    struct span *rest = &m->header.rest;

    if (len) {
        uint8_t *to = m->header.buf + m->header.len + rest->len;
        memmove(to, left, len);
        *rest = (struct span){m->header.buf + m->header.len, rest->len + len};
    }
    header_over(m, &m->header);
}

/* Length of the line end at the end of `len` octets; a CR alone may become one. */
static size_t
eol_len(const uint8_t *octets, size_t len)
{
    if (!len)
        return 0;
    if (octets[len - 1] == '\r')
        return 1;
    if (octets[len - 1] != '\n')
        return 0;
    return len > 1 && octets[len - 2] == '\r' ? 2 : 1;
}

static bool
emit_hold(struct mime *m, size_t len, struct span *data)
{
    m->hold_out = (uint16_t)len;
    *data = (struct span){m->hold, len};
    return len > 0;
}

/* Octets behind a close delimiter that mean nothing: blanks and dots. */
static void
note_epilogue(struct mime *m, const uint8_t *octets, size_t len)
{
    if (!m->is_epilogue || m->budget->flaws & MIME_FLAW_EPILOGUE)
        return;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = octets[i];
        if (c != ' ' && c != '.' && !(c >= '\t' && c <= '\r')) {
            m->budget->flaws |= MIME_FLAW_EPILOGUE;
            return;
        }
    }
}

/* The line in hold is no delimiter. True: *data is set. */
static bool
refuse_line(struct mime *m, struct span *data)
{
    const uint8_t *line = m->hold + m->eol_len;
    size_t len = (size_t)m->hold_len - m->eol_len;
    enum header_next next;

    m->is_bol = len && line[len - 1] == '\n';
    switch (m->state) {
    case MIME_HEADER: {
        size_t used = header_feed(&m->header, line, len, &next);
        m->hold_len = m->eol_len = 0;
        if (next == HEADER_DONE)
            header_over_keeping(m, line + used, len - used);
        return false;
    }
    case MIME_BODY: {
        size_t eol = eol_len(line, len);
        m->eol_len = (uint16_t)eol;
        return emit_hold(m, m->hold_len - eol, data);
    }
    case MIME_SKIP:
        note_epilogue(m, m->hold, m->hold_len);
        m->hold_len = m->eol_len = 0;
        break;
    }
    return false;
}

/* At the start of a line, with delimiters to look for: holds it until it is known. */
static bool
read_line(struct mime *m, struct span *in, struct span *data)
{
    while (in->len) {
        uint8_t c = *in->ptr;
        bool is_close;

        m->hold[m->hold_len++] = c;
        take(in, 1);
        size_t len = (size_t)m->hold_len - m->eol_len;
        if ((len <= 2 && c != '-') || (c != '\n' && m->hold_len == MIME_HOLD_MAX))
            return refuse_line(m, data);
        if (c != '\n')
            continue;
        int frame = find_delimiter(m, m->hold + m->eol_len, len, &is_close);
        if (frame < 0)
            return refuse_line(m, data);
        (void)delimiter(m, (unsigned)frame, is_close);
        return false;
    }
    return false;
}

/* Inside a line of a leaf with delimiters to look for: data runs over the lines that start
 * otherwise. */
static bool
read_body(struct mime *m, struct span *in, struct span *data)
{
    const uint8_t *p = in->ptr, *end = p + in->len, *lf = NULL;

    if (m->hold_len) { /* a CR at the end of the octets before */
        if (*p != '\n')
            return emit_hold(m, m->hold_len, data);
        m->hold[m->hold_len++] = '\n';
        m->eol_len = m->hold_len;
        m->is_bol = true;
        take(in, 1);
        return false;
    }
    while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) && lf + 1 < end && lf[1] != '-')
        p = lf + 1;
    size_t len = lf ? (size_t)(lf - in->ptr) + 1 : in->len;
    size_t eol = eol_len(in->ptr, len);
    m->is_bol = lf != NULL;
    memcpy(m->hold, in->ptr + len - eol, eol);
    m->hold_len = m->eol_len = (uint16_t)eol;
    *data = (struct span){in->ptr, len - eol};
    take(in, len);
    return data->len > 0;
}

static void
read_header(struct mime *m, struct span *in)
{
    size_t len = in->len;
    enum header_next next;

    if (m->boundaries_cnt) {
        const uint8_t *lf = memchr(in->ptr, '\n', len);
        if (lf)
            len = (size_t)(lf - in->ptr) + 1;
        m->is_bol = lf != NULL;
    }
    size_t used = header_feed(&m->header, in->ptr, len, &next);
    take(in, used);
    if (next != HEADER_DONE)
        return;
    if (in == &m->replay)
        header_over_keeping(m, in->ptr, in->len);
    else
        header_over(m, &m->header);
}

static void
read_skip(struct mime *m, struct span *in)
{
    const uint8_t *lf = m->boundaries_cnt ? memchr(in->ptr, '\n', in->len) : NULL;

    size_t len = lf ? (size_t)(lf - in->ptr) + 1 : in->len;

    m->is_bol = lf != NULL;
    note_epilogue(m, in->ptr, len);
    take(in, len);
}

/* Reads some octets; true: *data is set. */
static bool
read_some(struct mime *m, struct span *in, struct span *data)
{
    if (m->is_bol && m->boundaries_cnt)
        return read_line(m, in, data);
    switch (m->state) {
    case MIME_HEADER:
        read_header(m, in);
        return false;
    case MIME_SKIP:
        read_skip(m, in);
        return false;
    case MIME_BODY:
        break;
    }
    if (m->boundaries_cnt)
        return read_body(m, in, data);
    if (in != &m->replay && m->hold_len)
        return emit_hold(m, m->hold_len, data);
    *data = *in;
    take(in, in->len);
    return true;
}

/* The octets are used up and none follow. True: *data is set. */
static bool
finish(struct mime *m, struct span *data)
{
    size_t len = (size_t)m->hold_len - m->eol_len;
    bool is_close;

    if (len && m->boundaries_cnt) {
        int frame = find_delimiter(m, m->hold + m->eol_len, len, &is_close);
        if (frame >= 0) {
            (void)delimiter(m, (unsigned)frame, is_close);
            return false;
        }
    }
    if (m->state == MIME_HEADER) {
        if (len) {
            (void)refuse_line(m, data);
            return false;
        }
        header_end(&m->header);
        header_over(m, &m->header);
        return false;
    }
    if (m->hold_len && m->state == MIME_BODY)
        return emit_hold(m, m->hold_len, data);
    if (m->state == MIME_SKIP)
        note_epilogue(m, m->hold, m->hold_len);
    m->end_due = m->state == MIME_BODY;
    pop_unclosed(m, 0);
    m->is_finished = true;
    return false;
}

void
mime_feed(struct mime *m, const uint8_t *octets, size_t len)
{
    m->in = (struct span){octets, len};
}

void
mime_end(struct mime *m)
{
    m->is_at_end = true;
}

static void
drop_emitted(struct mime *m)
{
    m->hold_len = (uint16_t)(m->hold_len - m->hold_out);
    memmove(m->hold, m->hold + m->hold_out, m->hold_len);
    m->eol_len = m->hold_len;
    m->hold_out = 0;
}

static enum event
next_event(struct mime *m)
{
    enum event e = (enum event)__builtin_ctzll(m->events);
    m->events &= m->events - 1;
    return e;
}

enum mime_next
mime_next(struct mime *m, struct span *data, enum event *event)
{
    if (m->hold_out)
        drop_emitted(m);
    for (;;) {
        if (m->events) {
            *event = next_event(m);
            return MIME_EVENT;
        }
        if (m->part_due) {
            m->part_due = false;
            return MIME_PART;
        }
        if (m->end_due) {
            m->end_due = false;
            return MIME_END;
        }
        struct span *in = m->replay.len ? &m->replay : &m->in;
        if (in->len) {
            if (read_some(m, in, data))
                return MIME_DATA;
        } else if (!m->is_at_end || m->is_finished) {
            return MIME_MORE;
        } else if (finish(m, data)) {
            return MIME_DATA;
        }
    }
}
