#include "scan/text.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/octet.h"

void
lines_init(struct lines *l)
{
    memset(l, 0, offsetof(struct lines, buf));
}

static void
enqueue(struct lines *l, uint8_t c)
{
    l->queue[l->queue_len++] = c;
}

/* The white space read so far is over. */
static void
end_space(struct lines *l)
{
    if (l->has_cr) {
        *(l->line_ends ? &l->has_trail : &l->has_lead) = true;
        l->has_cr = false;
    }
    if (l->line_ends < 2) {
        enqueue(l, ' ');
    } else {
        if (l->has_lead)
            enqueue(l, ' ');
        enqueue(l, '\n');
        if (l->has_trail)
            enqueue(l, ' ');
    }
    l->is_space = l->has_lead = l->has_trail = false;
    l->line_ends = 0;
}

static void
add_space(struct lines *l, uint8_t c)
{
    l->is_space = true;
    if (c == '\n') {
        l->has_cr = false; /* the CR of this CRLF */
        l->line_ends = l->line_ends ? 2 : 1;
        l->has_trail = false;
        return;
    }
    if (l->has_cr || c != '\r')
        *(l->line_ends ? &l->has_trail : &l->has_lead) = true;
    l->has_cr = c == '\r';
}

void
lines_part(struct lines *l)
{
    if (l->has_text)
        add_space(l, '\n');
}

/* Drops what was handed out; then whether another unit is complete in buf. */
static bool
unit_ready(struct lines *l, struct span *unit)
{
    if (l->out) {
        l->len -= l->out;
        memmove(l->buf, l->buf + l->out, l->len);
        l->out = 0;
    }
    if (l->len > BODY_LINE_MAX) {
        const uint8_t *sp = memrchr(l->buf, ' ', BODY_LINE_MAX + 1); /* rindex takes one at the limit, too */
        l->out = sp ? (uint32_t)(sp - l->buf) + 1 : BODY_LINE_MAX;
    } else if (l->len && l->buf[l->len - 1] == '\n') {
        l->out = l->len;
    } else {
        return false;
    }
    *unit = (struct span){l->buf, l->out};
    return true;
}

static bool
drain_queue(struct lines *l, struct span *unit)
{
    while (l->queue_len) {
        l->buf[l->len++] = l->queue[0];
        l->queue_len--;
        memmove(l->queue, l->queue + 1, l->queue_len);
        if (unit_ready(l, unit))
            return true;
    }
    return false;
}

/* Copies words with single blanks between them, 16 octets at a time; returns how many. Stops at whatever may
 * be something else, a blank whose next octet is not at hand included. A word is too short for a loop of its
 * own: octet by octet this was a third of what a mail costs without rules. */
static size_t
copy_words(uint8_t *out, const uint8_t *p, size_t len)
{
    size_t n = 0;
#ifdef __SSE2__
    const __m128i blank = _mm_set1_epi8(' ');

    while (len - n >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + n));
        unsigned low = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, blank), v));
        unsigned blanks = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, blank));
        unsigned stop = low & ~(blanks & ~(low >> 1) & 0x7fff); /* bit 15: its next octet is not in v */

        _mm_storeu_si128((__m128i *)(void *)(out + n), v);
        if (stop == 0)
            n += 16;
        else if (stop == 0x8000)
            n += 15; /* a blank is looked at once more, as the first octet */
        else
            return n + (size_t)__builtin_ctz(stop);
    }
#else
    (void)out;
    (void)p;
    (void)len;
#endif
    return n;
}

/* Appends the run of ordinary octets at *in, as far as there is room. */
static void
append_run(struct lines *l, struct span *in)
{
    size_t room = sizeof(l->buf) - l->len;
    const uint8_t *p = in->ptr;

    if (room > in->len)
        room = in->len;
    size_t n = copy_words(l->buf + l->len, p, room);
    while (n < room && (p[n] > ' ' || (p[n] && !octet_is_space(p[n])))) {
        l->buf[l->len + n] = p[n];
        n++;
    }
    l->len += (uint32_t)n;
    in->ptr += n;
    in->len -= n;
}

/* Octets of the white space at *in when it stands between two words and becomes one blank; 0: it may not, or
 * may not yet be known to. */
static size_t
one_blank(const struct span *in)
{
    const uint8_t *p = in->ptr;
    size_t n = 1;

    if (*p == '\r' && in->len > 1 && p[1] == '\n')
        n = 2;
    else if (*p != ' ' && *p != '\n')
        return 0;
    return in->len > n && p[n] > ' ' ? n : 0;
}

bool
lines_next(struct lines *l, struct span *in, struct span *unit)
{
    if (unit_ready(l, unit) || drain_queue(l, unit))
        return true;
    while (in->len) {
        uint8_t c = *in->ptr;
        size_t blank = l->is_space ? 0 : one_blank(in);
        l->has_text = true;
        if (blank) {
            l->buf[l->len++] = ' '; /* the common case */
            in->ptr += blank;
            in->len -= blank;
        } else if (octet_is_space(c)) {
            add_space(l, c);
            in->ptr++;
            in->len--;
            continue;
        }
        if (l->is_space)
            end_space(l);
        if (!c) {
            enqueue(l, '\n');
            in->ptr++;
            in->len--;
        }
        if (l->len > BODY_LINE_MAX && unit_ready(l, unit))
            return true;
        if (l->queue_len && drain_queue(l, unit))
            return true;
        append_run(l, in);
        if (l->len > BODY_LINE_MAX && unit_ready(l, unit))
            return true;
    }
    return false;
}

bool
lines_subject(struct lines *l, struct span *in, struct span *unit)
{
    if (unit_ready(l, unit))
        return true;
    while (in->len) {
        l->buf[l->len++] = *in->ptr++;
        in->len--;
        if (unit_ready(l, unit))
            return true;
    }
    return false;
}

bool
lines_end(struct lines *l, struct span *unit)
{
    if (l->is_space)
        end_space(l);
    if (unit_ready(l, unit) || drain_queue(l, unit))
        return true;
    l->out = l->len;
    *unit = (struct span){l->buf, l->len};
    return l->len > 0;
}

void
chunks_init(struct chunks *c)
{
    memset(c, 0, offsetof(struct chunks, buf));
}

/* Where to cut buf, which is full: octets of the chunk. */
static uint32_t
chunk_len(const struct chunks *c)
{
    static const char after[] = {'\n', '>', ' '};
    const uint32_t half = RAWBODY_CHUNK_MAX / 2;

    for (size_t i = 0; i < sizeof(after); i++) {
        const uint8_t *p = memchr(c->buf + half, after[i], half);
        if (p)
            return (uint32_t)(p - c->buf) + 1;
    }
    return half + 1;
}

static void
chunk_append(struct chunks *c, struct span *in)
{
    size_t n = sizeof(c->buf) - c->len;

    if (c->has_cr) {
        c->has_cr = false;
        if (*in->ptr != '\n') {
            c->buf[c->len++] = '\r';
            return;
        }
    }
    if (n > in->len)
        n = in->len;
    const uint8_t *cr = memchr(in->ptr, '\r', n);
    if (cr) {
        n = (size_t)(cr - in->ptr);
        c->has_cr = true;
    }
    memcpy(c->buf + c->len, in->ptr, n);
    c->len += (uint32_t)n;
    n += cr ? 1 : 0;
    in->ptr += n;
    in->len -= n;
}

static void
chunk_drop(struct chunks *c)
{
    c->len -= c->out;
    memmove(c->buf, c->buf + c->out, c->len);
    c->out = 0;
}

bool
chunks_next(struct chunks *c, struct span *in, struct span *unit)
{
    chunk_drop(c);
    for (;;) {
        if (c->len == sizeof(c->buf)) {
            c->out = chunk_len(c);
            *unit = (struct span){c->buf, c->out};
            return true;
        }
        if (!in->len)
            return false;
        chunk_append(c, in);
    }
}

bool
chunks_end(struct chunks *c, struct span *unit)
{
    chunk_drop(c);
    if (c->has_cr) { /* room: chunks_next never leaves buf full */
        c->has_cr = false;
        c->buf[c->len++] = '\r';
    }
    if (c->len == sizeof(c->buf))
        c->out = chunk_len(c);
    else
        c->out = c->len;
    *unit = (struct span){c->buf, c->out};
    return c->out > 0;
}
