/* What is fed, on its way into buf: the three replacements. See html_token.h. */
#include <emmintrin.h>
#include <string.h>

#include "scan/html_token_private.h"

enum { NORM_NONE, NORM_AMP1, NORM_AMP5 = 5, NORM_E2, NORM_E280 }; /* AMPn: n octets of "&nbsp;" */
enum { NORM_OUT, NORM_LT, NORM_WORD, NORM_SPACE, NORM_SLASH };

static void
put(struct html_token *t, uint8_t c)
{
    t->buf[t->wr++] = c;
}

/* "<word />" loses its slash, which is held until the next octet. */
static void
norm_tag(struct html_token *t, uint8_t c)
{
    if (t->norm_tag == NORM_SLASH) {
        if (c != '>')
            put(t, '/');
        t->norm_tag = NORM_OUT;
    }
    switch (t->norm_tag) {
    case NORM_LT:
        t->norm_tag = octet_is_word(c) ? NORM_WORD : NORM_OUT;
        break;
    case NORM_WORD:
    case NORM_SPACE:
        if (c == '/') {
            t->norm_tag = NORM_SLASH;
            return;
        }
        if (octet_is_space(c))
            t->norm_tag = NORM_SPACE;
        else if (t->norm_tag == NORM_SPACE || !octet_is_word(c))
            t->norm_tag = NORM_OUT;
        break;
    default:
        break;
    }
    if (c == '<')
        t->norm_tag = NORM_LT;
    put(t, c);
}

/* Gives back what looked like "&nbsp;" or a quotation mark. */
static void
norm_undo(struct html_token *t)
{
    static const uint8_t nbsp[] = "&nbsp;", quote[] = {0xe2, 0x80};
    uint8_t at = t->norm_at;
    const uint8_t *p = at >= NORM_E2 ? quote : nbsp;
    unsigned n = at >= NORM_E2 ? at - NORM_E2 + 1u : at;

    t->norm_at = NORM_NONE;
    for (unsigned i = 0; i < n; i++)
        norm_tag(t, p[i]);
}

static void
norm(struct html_token *t, uint8_t c)
{
    if (t->norm_at == NORM_E280) {
        if (c == 0x9c || c == 0x9d) {
            t->norm_at = NORM_NONE;
            norm_tag(t, '"');
            return;
        }
    } else if (t->norm_at == NORM_E2) {
        if (c == 0x80) {
            t->norm_at = NORM_E280;
            return;
        }
    } else if (t->norm_at && c == (uint8_t) "&nbsp;"[t->norm_at]) {
        if (t->norm_at++ == NORM_AMP5) {
            t->norm_at = NORM_NONE;
            norm_tag(t, ' ');
        }
        return;
    }
    if (t->norm_at)
        norm_undo(t);
    if (c == '&')
        t->norm_at = NORM_AMP1;
    else if (c == 0xe2)
        t->norm_at = NORM_E2;
    else
        norm_tag(t, c);
}

/* Copies up to the first '<', '&' or 0xe2; *n octets fit. Returns how many. */
static size_t
copy_plain(uint8_t *out, const uint8_t *in, size_t n)
{
    const __m128i lt = _mm_set1_epi8('<'), amp = _mm_set1_epi8('&'), e2 = _mm_set1_epi8((char)0xe2);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, lt), _mm_cmpeq_epi8(v, amp)),
                                   _mm_cmpeq_epi8(v, e2));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        _mm_storeu_si128((__m128i *)(void *)(out + i), v);
        if (mask)
            return i + (unsigned)__builtin_ctz(mask);
    }
    for (; i < n && in[i] != '<' && in[i] != '&' && in[i] != 0xe2; i++)
        out[i] = in[i];
    return i;
}

/* Moves what is not read yet to the front, HTML_HEADROOM octets free before it. */
static void
compact(struct html_token *t)
{
    if (t->rd == HTML_HEADROOM)
        return;
    memmove(t->buf + HTML_HEADROOM, t->buf + t->rd, t->wr - t->rd);
    t->wr = t->wr - t->rd + HTML_HEADROOM;
    t->rd = HTML_HEADROOM;
}

size_t
html_token_feed(struct html_token *t, const uint8_t *in, size_t len)
{
    enum { END = HTML_HEADROOM + HTML_BUF_MAX };
    size_t i = 0;

    if (t->is_from_hold)
        return 0; /* buf keeps its place */
    compact(t);
    while (i < len && t->wr < END) {
        if (!t->norm_at && !t->norm_tag) {
            size_t room = END - t->wr;
            size_t n = copy_plain(t->buf + t->wr, in + i, len - i < room ? len - i : room);
            t->wr += (uint32_t)n;
            i += n;
            if (i == len || t->wr == END)
                break;
        }
        norm(t, in[i++]);
    }
    return i;
}

void
html_token_end(struct html_token *t)
{
    if (t->is_ended)
        return;
    if (t->norm_at)
        norm_undo(t);
    if (t->norm_tag == NORM_SLASH)
        put(t, '/');
    t->norm_tag = NORM_OUT;
    t->is_ended = true;
}
