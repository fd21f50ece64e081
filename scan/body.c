#include "scan/body.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "scan/limits.h"

static const uint8_t held_cr[1] = {'\r'};

void
body_init(struct body *b, bool is_chunked)
{
    memset(b, 0, sizeof(*b));
    b->is_chunked = is_chunked;
    b->strict = is_chunked ? BODY_TEXT : BODY_BOL;
    b->loose = is_chunked ? BODY_IN_LINE : BODY_AFTER_LF;
}

/* The first CR, LF or NUL, or end. One pass: three memchr calls for each line cost three times more. */
static const uint8_t *
find_special(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r'), nul = _mm_setzero_si128();

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr)),
                                   _mm_cmpeq_epi8(v, nul));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);

        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '\n' && *p != '\r' && *p != 0)
        p++;
    return p;
}

/* What follows a CRLF leaves both readings in the middle of a line, or is another CRLF: an empty line
 * is read the same from the middle of a line. `p` is before `end`. */
static bool
is_plain(const uint8_t *p, const uint8_t *end)
{
    if (*p == '\r')
        return end - p >= 2 && p[1] == '\n';
    return *p != '.' && *p != '\n' && *p != 0;
}

/* Adds text octets to the line; true when this makes it too long. */
static bool
count_text(struct body *b, size_t n)
{
    b->line_len = n > TEXT_LINE_MAX ? TEXT_LINE_MAX + 1 : b->line_len + (uint32_t)n;
    if (b->line_len <= TEXT_LINE_MAX)
        return false;
    b->line_len = TEXT_LINE_MAX + 1;
    return true;
}

/* Reads on from octets[i] while the state can stay (BODY_TEXT, BODY_IN_LINE): whole lines of ordinary
 * text. Returns where it stopped; *too_long: octet before that is the 999th of its line. */
static size_t
read_text(struct body *b, const uint8_t *octets, size_t i, size_t len, bool *too_long)
{
    const uint8_t *end = octets + len;
    bool check_len = !(b->raised & EVENT_BIT(EVENT_LINE_TOO_LONG));

    *too_long = false;
    while (i < len) {
        const uint8_t *q = find_special(octets + i, end);
        size_t n = (size_t)(q - (octets + i));
        uint32_t before = b->line_len;

        if (count_text(b, n) && check_len) {
            *too_long = true;
            return i + (TEXT_LINE_MAX + 1 - before);
        }
        i += n;
        if (q == end)
            return i;
        if (*q == 0 && (b->raised & EVENT_BIT(EVENT_NUL)) &&
            (b->line_len < TEXT_LINE_MAX || !check_len)) {
            count_text(b, 1);
            i++;
            continue;
        }
        if (end - q < 3 || q[0] != '\r' || q[1] != '\n')
            return i;
        if (!is_plain(q + 2, end) && !b->is_chunked)
            return i;
        b->line_len = 0;
        i += 2;
    }
    return i;
}

/* The loose reading of one octet; true when it completes a look-alike of the end of data. */
static bool
loose_octet(struct body *b, uint8_t c)
{
    enum body_loose was = b->loose;
    bool is_lookalike = false;

    if (was == BODY_CR_DOT)
        is_lookalike = c == '\r' || c == '\n';
    else if (was == BODY_LF_DOT)
        is_lookalike = c == '\n';
    else if (was == BODY_LF_DOT_CR)
        is_lookalike = c != '\n' || b->is_tainted;

    if (c == '\n') {
        b->loose = BODY_AFTER_LF;
        b->is_tainted = b->strict != BODY_CR || b->has_cr_cr;
    } else if (c == '\r') {
        b->loose = was == BODY_LF_DOT ? BODY_LF_DOT_CR : BODY_AFTER_CR;
    } else if (c == 0 && was != BODY_IN_LINE) {
        b->is_tainted = true;
        if (was == BODY_LF_DOT_CR)
            b->loose = BODY_AFTER_CR;
    } else if (c == '.' && was == BODY_AFTER_LF) {
        b->loose = BODY_LF_DOT;
    } else if (c == '.' && (was == BODY_AFTER_CR || was == BODY_LF_DOT_CR)) {
        b->loose = BODY_CR_DOT;
    } else {
        b->loose = BODY_IN_LINE;
    }
    return is_lookalike;
}

enum octet_is { OCTET_TEXT, OCTET_DOT, OCTET_HELD, OCTET_END };

/* The strict reading of one octet. */
static enum octet_is
strict_octet(struct body *b, uint8_t c)
{
    enum body_strict was = b->strict;

    if (was == BODY_DOT_CR && c == '\n')
        return OCTET_END;
    if (was == BODY_DOT && c == '\r') {
        b->strict = BODY_DOT_CR;
        b->has_cr_cr = false;
        b->is_held = true;
        return OCTET_HELD;
    }
    if (was == BODY_BOL && c == '.') {
        b->strict = BODY_DOT;
        return OCTET_DOT;
    }
    if (c == '\r') {
        b->has_cr_cr = was == BODY_CR || was == BODY_DOT_CR;
        b->strict = BODY_CR;
    } else if (c == '\n' && was == BODY_CR && !b->is_chunked) {
        b->strict = BODY_BOL;
    } else {
        b->strict = BODY_TEXT;
    }
    return OCTET_TEXT;
}

static uint64_t
octet_events(struct body *b, uint8_t c)
{
    bool after_cr = b->strict == BODY_CR || b->strict == BODY_DOT_CR;
    uint64_t e = 0;
    size_t text = 0;

    if (c == '\n') {
        if (!after_cr)
            e |= EVENT_BIT(EVENT_BARE_LF);
        b->line_len = 0;
    } else {
        if (after_cr) {
            e |= EVENT_BIT(EVENT_BARE_CR);
            text++;
        }
        if (c == 0)
            e |= EVENT_BIT(EVENT_NUL);
        if (c != '\r' && !(c == '.' && b->strict == BODY_BOL))
            text++;
        if (text > 0 && count_text(b, text))
            e |= EVENT_BIT(EVENT_LINE_TOO_LONG);
    }
    return e;
}

static enum octet_is
read_octet(struct body *b, uint8_t c, uint64_t *events)
{
    uint64_t e = octet_events(b, c);

    if (!b->is_chunked && loose_octet(b, c))
        e |= EVENT_BIT(EVENT_SMUGGLED_EOD);
    *events = e & ~b->raised;
    b->raised |= e;
    return strict_octet(b, c);
}

size_t
body_data(struct body *b, const uint8_t *octets, size_t len, struct body_step *step)
{
    size_t start = 0, i = 0;

    *step = (struct body_step){.run = {NULL, 0}};
    while (i < len && step->events == 0) {
        enum octet_is is;

        if (b->strict == BODY_BOL && b->loose == BODY_AFTER_LF && octets[i] != '.' &&
            octets[i] != '\n' && octets[i] != 0) {
            b->strict = BODY_TEXT; /* where this octet would lead, or is read as it is here */
            b->loose = BODY_IN_LINE;
        }
        if (b->strict == BODY_TEXT && b->loose == BODY_IN_LINE) {
            bool too_long;

            i = read_text(b, octets, i, len, &too_long);
            if (too_long) {
                b->raised |= EVENT_BIT(EVENT_LINE_TOO_LONG);
                step->events = EVENT_BIT(EVENT_LINE_TOO_LONG);
            }
            if (too_long || i == len)
                break;
        }
        if (b->is_held && octets[i] != '\n') {
            /* The CR after a dot was text. It is always the first thing of a run: DOT before it. */
            b->is_held = false;
            step->run = (struct span){held_cr, 1};
            return i;
        }
        is = read_octet(b, octets[i], &step->events);
        i++;
        if (is == OCTET_TEXT)
            continue;
        step->is_end = is == OCTET_END;
        if (step->is_end || i - 1 > start) {
            step->run = (struct span){octets + start, i - 1 - start};
            return i;
        }
        start = i;
    }
    step->run = (struct span){octets + start, i - start};
    return i;
}

size_t
body_chunk(struct body *b, const uint8_t *octets, size_t len, struct body_step *step)
{
    const uint64_t all = EVENT_BIT(EVENT_BARE_LF) | EVENT_BIT(EVENT_BARE_CR) | EVENT_BIT(EVENT_NUL) |
                         EVENT_BIT(EVENT_LINE_TOO_LONG);

    if ((b->raised & all) != all)
        return body_data(b, octets, len, step);
    *step = (struct body_step){.run = {octets, len}};
    return len;
}
