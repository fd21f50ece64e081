#include "scan/html.h"

#include <emmintrin.h>
#include <string.h>

#include "scan/entity.h"
#include "scan/html_tag.h"
#include "scan/octet.h"

/* ---- output ---- */

/* Octets that are written after one look at the room. */
enum { STEP_MAX = 48 };

static void
put(struct html *h, uint8_t c, bool is_invisible)
{
    if (h->queue_len || (h->out_len && is_invisible != h->is_invisible)) {
        h->queue[h->queue_len] = c;
        h->queue_invisible[h->queue_len++] = is_invisible;
        return;
    }
    h->is_invisible = is_invisible;
    h->out[h->out_len++] = c;
}

/* May STEP_MAX octets be written? What was queued for a change of visibility goes first. */
static bool
is_ready(struct html *h)
{
    if (h->queue_len && !h->out_len) {
        uint8_t n = h->queue_len, i = 0;
        h->is_invisible = h->queue_invisible[0];
        while (i < n && h->queue_invisible[i] == h->is_invisible)
            h->out[h->out_len++] = h->queue[i++];
        h->queue_len = (uint8_t)(n - i);
        memmove(h->queue, h->queue + i, h->queue_len);
        memmove(h->queue_invisible, h->queue_invisible + i, h->queue_len);
    }
    return !h->queue_len && h->out_cap - h->out_len >= STEP_MAX;
}

static bool
is_wide_space(uint32_t last3)
{
    uint32_t two = last3 & 0xffff;
    return two == 0xc2a0 || two == 0xc285 || last3 == 0xe19a80 ||
           (last3 >= 0xe28080 && last3 <= 0xe2808a) || last3 == 0xe280a8 || last3 == 0xe280a9 ||
           last3 == 0xe280af || last3 == 0xe2819f || last3 == 0xe38080;
}

static void
count_slowly(struct html *h, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h->facts.html_length += (p[i] & 0xc0) != 0x80;
        h->space_ascii += octet_is_space(p[i]) && p[i] != '\f';
        h->space_wide += octet_is_space(p[i]);
        h->last3 = (h->last3 << 8 | p[i]) & 0xffffff;
        h->space_wide += p[i] >= 0x80 && is_wide_space(h->last3);
        h->has_wide |= p[i] >= 0xc4;
    }
}

/* Characters and white space of what goes out. */
static void
count(struct html *h, const uint8_t *p, size_t n)
{
    const __m128i blank = _mm_set1_epi8(' '), newline = _mm_set1_epi8('\n');
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        if (_mm_movemask_epi8(v)) {
            count_slowly(h, p + i, 16);
            continue;
        }
        __m128i is = _mm_or_si128(_mm_cmpeq_epi8(v, blank), _mm_cmpeq_epi8(v, newline));
        uint32_t spaces = (uint32_t)__builtin_popcount((unsigned)_mm_movemask_epi8(is));
        h->facts.html_length += 16;
        h->space_ascii += spaces;
        h->space_wide += spaces;
        h->last3 = 0;
    }
    count_slowly(h, p + i, n - i);
}

/* ---- text ---- */

/* What is written down besides: titles, anchors. */
static void
tap(struct html *h, const uint8_t *p, size_t n)
{
    struct html_facts *f = &h->facts;

    if (f->inside[HTML_TAG_TITLE] > 0) {
        for (size_t i = 0; i < n; i++) {
            uint32_t is_char = (p[i] & 0xc0) != 0x80;
            h->title_len += is_char;
            h->title_line = p[i] == '\n' ? 0 : h->title_line + is_char;
            f->title_line_max =
                h->title_line > f->title_line_max ? h->title_line : f->title_line_max;
        }
        f->title_len_max = h->title_len > f->title_len_max ? h->title_len : f->title_len_max;
    }
    if (f->inside[HTML_TAG_A] > 0 && h->has_anchor) {
        size_t room = HTML_ANCHOR_TEXT_MAX - h->anchor_len, k = n < room ? n : room;
        f->is_anchor_capped |= k < n;
        memcpy(h->anchor_text + h->anchor_len, p, k);
        h->anchor_len += (uint32_t)k;
    }
}

static bool
is_word_ascii(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == 0x7f ||
           (c < ' ' && !octet_is_space(c));
}

/* No white space, no ASCII punctuation. `p` ends in a whole character. */
static bool
ends_in_word(const struct html *h, const uint8_t *p, size_t n)
{
    uint32_t last3 = 0;

    if (p[n - 1] < 0x80)
        return is_word_ascii(p[n - 1]);
    for (size_t i = n > 3 ? n - 3 : 0; i < n; i++)
        last3 = (last3 << 8 | p[i]) & 0xffffff;
    bool is_latin = (last3 & 0xff00) <= 0xc300 && (last3 & 0xc000) == 0xc000;
    return (h->is_ascii && is_latin) || !is_wide_space(last3);
}

static size_t
char_len(uint8_t c)
{
    return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static void
see_first(struct html *h, bool is_word)
{
    if (h->has_first)
        return;
    h->has_first = true;
    if (is_word && h->is_after_word)
        h->facts.obfuscation++;
}

static void
flush_blank(struct html *h)
{
    if (h->has_blank)
        put(h, ' ', h->is_blank_invisible);
    h->has_blank = false;
}

/* The text has more than white space: how does it look? */
static void
resolve(struct html *h)
{
    enum html_look look = html_style_look(&h->styles);

    h->facts.font_low_contrast |= look == HTML_LOOK_LOW_CONTRAST;
    h->facts.font_invalid_color |= look == HTML_LOOK_INVALID_COLOR;
    h->is_event_invisible = look != HTML_LOOK_SHOWN;
    flush_blank(h);
    if (h->has_lead && (h->is_event_invisible || !h->is_after_space))
        put(h, ' ', h->is_event_invisible);
    h->has_lead = false;
    h->is_resolved = true;
}

static void
give_space(struct html *h)
{
    h->is_last_word = false;
    if (!h->is_resolved && !h->has_lead) {
        h->has_lead = true;
        return;
    }
    if (!h->is_resolved)
        resolve(h);
    flush_blank(h);
    h->has_blank = true;
    h->is_blank_invisible = h->is_event_invisible;
}

static void
give(struct html *h, const uint8_t *p, size_t n)
{
    if (!h->is_resolved)
        resolve(h);
    flush_blank(h);
    h->is_in_space = false;
    for (size_t i = 0; i < n; i++)
        put(h, p[i], h->is_event_invisible);
    h->is_last_word = ends_in_word(h, p, n);
}

static void
flush_acirc(struct html *h)
{
    static const uint8_t acirc[] = {0xc3, 0x82};
    if (h->has_acirc)
        give(h, acirc, 2);
    h->has_acirc = false;
}

/* One character, decoded. */
static void
give_char(struct html *h, const uint8_t *p, size_t n)
{
    tap(h, p, n);
    see_first(h, ends_in_word(h, p, n));
    if (octet_is_space(p[0])) {
        flush_acirc(h);
        if (!h->is_in_space)
            give_space(h);
        h->is_in_space = true;
        return;
    }
    if (h->has_acirc && n == 2 && p[0] == 0xc2 && p[1] == 0xa0) {
        h->has_acirc = h->is_in_space = false;
        give_space(h);
        return;
    }
    flush_acirc(h);
    if (n == 2 && p[0] == 0xc3 && p[1] == 0x82)
        h->has_acirc = true;
    else
        give(h, p, n);
}

/* Octets up to the next that needs a look: '&', white space that is no single blank, 0xc3. They are
 * copied, as 16 at a time fit in `room`. */
static size_t
copy_run(uint8_t *out, const uint8_t *p, size_t n, size_t room)
{
    const __m128i amp = _mm_set1_epi8('&'), c3 = _mm_set1_epi8((char)0xc3);
    const __m128i blank = _mm_set1_epi8(' '), low = _mm_set1_epi8(0x20);
    unsigned before = 1; /* a blank right at the beginning was not seen to be single */
    size_t i = 0;

    for (; i + 16 <= n && i + 16 <= room; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        unsigned blanks = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, blank));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, amp), _mm_cmpeq_epi8(v, c3));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_sub_epi8(low, _mm_set1_epi8(1))), v);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, control)) |
                        (blanks & (blanks << 1 | before));
        _mm_storeu_si128((__m128i *)(void *)(out + i), v);
        if (mask) {
            i += (unsigned)__builtin_ctz(mask);
            break;
        }
        before = blanks >> 15;
    }
    /* Not in the middle of a character, and not behind a blank: it may have to go. */
    while (i && (p[i] & 0xc0) == 0x80)
        i--;
    while (i && p[i - 1] == ' ')
        i--;
    return i;
}

/* A run of text straight to the output. 0: take it by characters. */
static size_t
give_run(struct html *h, const uint8_t *p, size_t n)
{
    if (!h->is_resolved || h->has_acirc || h->queue_len || n < 32 || p[0] <= ' ')
        return 0;
    if (h->out_len && h->is_event_invisible != h->is_invisible)
        return 0;
    flush_blank(h);
    if (h->queue_len)
        return 0;
    size_t k = copy_run(h->out + h->out_len, p, n - 1, h->out_cap - h->out_len);
    if (!k)
        return 0;
    h->is_invisible = h->is_event_invisible;
    h->is_in_space = false;
    h->out_len += k;
    h->is_last_word = ends_in_word(h, p, k);
    tap(h, p, k);
    return k;
}

static void
begin_text(struct html *h)
{
    h->is_in_event = true;
    h->is_resolved = h->has_lead = h->has_first = false;
    h->is_in_space = h->is_last_word = false;
}

static void
end_text(struct html *h)
{
    flush_acirc(h);
    if (!h->is_resolved) {
        flush_blank(h);
        h->has_blank = h->has_lead && !h->is_after_space;
        h->is_blank_invisible = false;
    }
    if (h->is_eof_text)
        h->is_blank_invisible = false; /* SpamAssassin has it as a text of its own */
    h->is_after_word = h->is_resolved && !h->has_blank && h->is_last_word;
    h->is_after_space = h->is_in_event = h->is_end_due = false;
}

/* Octets of the character at p; 0: some are still to come. */
static size_t
whole_char(const uint8_t *p, size_t n, bool is_last)
{
    size_t want = char_len(p[0]), k = 1;

    while (k < want && k < n && (p[k] & 0xc0) == 0x80)
        k++;
    return k == n && k < want && !is_last ? 0 : k;
}

/* Octets of the reference or what looks like one; 0: more needed. */
static size_t
give_reference(struct html *h, const uint8_t *p, size_t n, bool is_last)
{
    struct entity e;
    size_t k = entity_read(p, n, is_last, true, &e);

    if (e.code)
        give_char(h, e.utf8, e.len);
    else
        for (size_t i = 0; i < k; i++)
            give_char(h, p + i, 1);
    return k;
}

/* Renders the piece of text at hand. False: no room, or more of it is needed. */
static bool
text(struct html *h)
{
    struct html_token *t = &h->token;
    const uint8_t *p = t->text.ptr;
    size_t n = t->text.len, i = 0, k = 1;

    if (!h->is_in_event)
        begin_text(h);
    while (i < n && k && is_ready(h)) {
        k = give_run(h, p + i, n - i);
        if (!k && p[i] == '&' && !t->is_cdata) {
            k = give_reference(h, p + i, n - i, t->is_last);
        } else if (!k) {
            k = whole_char(p + i, n - i, t->is_last);
            if (k)
                give_char(h, p + i, k);
        }
        i += k;
    }
    h->is_end_due = i == n && t->is_last;
    h->is_eof_text = t->is_eof_text;
    html_token_took(t, i);
    return i == n;
}

/* White space that an element makes. A space at the end of the text before it goes. */
static void
element_space(struct html *h, unsigned flags)
{
    if (!(flags & (HTML_IS_LINE | HTML_IS_BLANK | HTML_IS_PARAGRAPH)))
        return;
    if (h->has_blank && h->is_blank_invisible)
        put(h, ' ', true);
    h->has_blank = false;
    put(h, flags & HTML_IS_BLANK ? ' ' : '\n', false);
    if (flags & HTML_IS_PARAGRAPH)
        put(h, '\n', false);
    h->is_after_space = true;
    h->is_after_word = false;
}

static void
tag(struct html *h, bool is_start)
{
    if (!html_tag_count(h, is_start))
        return;
    if (!html_tag_style(h, is_start)) {
        h->facts.is_aborted = true;
        h->is_dead = !h->goes_on;
        if (h->is_dead)
            return;
    }
    element_space(h, html_tag_flags(h->token.tag));
    if (is_start)
        html_tag_start(h);
}

static void
comment(struct html *h)
{
    h->facts.comment.has_closed |= h->token.seen.has_closed;
    h->facts.comment.has_short |= h->token.seen.has_short;
    h->facts.comment.has_saved_url |= h->token.seen.has_saved_url;
}

/* Works off what is fed. False: all of it is done, or more must be fed. */
static bool
render(struct html *h)
{
    while (!h->is_dead && is_ready(h)) {
        if (h->is_end_due)
            end_text(h);
        switch (html_token_next(&h->token)) {
        case HTML_TOKEN_MORE:
            return false;
        case HTML_TOKEN_TEXT:
            if (!text(h))
                return h->out_len > 0 || h->queue_len;
            break;
        case HTML_TOKEN_START:
            tag(h, true);
            break;
        case HTML_TOKEN_END:
            tag(h, false);
            break;
        case HTML_TOKEN_COMMENT:
            comment(h);
            break;
        case HTML_TOKEN_DOCTYPE:
            h->facts.elements++;
            h->facts.tags++;
            h->facts.has_inside[HTML_TAG_DOCTYPE] = true;
            h->facts.inside[HTML_TAG_DOCTYPE] = 0;
            break;
        case HTML_TOKEN_EOF:
            h->is_dead = true;
            break;
        }
    }
    return h->out_len > 0 || h->queue_len;
}

static size_t
finish_out(struct html *h)
{
    count(h, h->out, h->out_len);
    if (h->is_invisible)
        h->facts.invisible_len += (uint32_t)h->out_len;
    else
        h->facts.visible_len += (uint32_t)h->out_len;
    return h->out_len;
}

static uint32_t
count_chars(const uint8_t *p, size_t n)
{
    const __m128i first = _mm_set1_epi8((char)0xc0);
    size_t i = 0, chars = 0;

    for (; i + 16 <= n; i += 16) { /* continuation octets are the signed ones below 0xc0 */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        chars += 16u - (unsigned)__builtin_popcount(
                           (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, first)));
    }
    for (; i < n; i++)
        chars += (p[i] & 0xc0) != 0x80;
    return (uint32_t)chars;
}

size_t
html_feed(struct html *h, const uint8_t *in, size_t len, uint8_t *out, size_t cap, size_t *used)
{
    h->out = out;
    h->out_len = 0;
    h->out_cap = cap;
    *used = 0;
    do {
        size_t n = h->is_dead ? len - *used : html_token_feed(&h->token, in + *used, len - *used);
        h->facts.length += count_chars(in + *used, n);
        *used += n;
    } while (!render(h) && *used < len);
    return finish_out(h);
}

static void
finish_facts(struct html *h)
{
    struct html_facts *f = &h->facts;
    bool is_wide = !h->is_ascii || h->has_wide;

    html_tag_end_anchor(h);
    f->non_space_len = f->html_length - (is_wide ? h->space_wide : h->space_ascii);
    f->max_size = h->styles.max_size;
    f->min_size = h->styles.min_size;
    f->is_style_capped = h->styles.is_capped;
    f->is_hold_capped = h->token.is_hold_capped;
    f->is_store_capped = h->token.is_store_capped;
}

size_t
html_end(struct html *h, uint8_t *out, size_t cap)
{
    h->out = out;
    h->out_len = 0;
    h->out_cap = cap;
    if (!h->is_ended) {
        html_token_end(&h->token);
        render(h);
        if (h->is_dead && is_ready(h)) {
            if (h->has_blank)
                put(h, ' ', h->is_blank_invisible);
            h->has_blank = false;
            h->is_ended = true;
        }
    }
    (void)is_ready(h);
    size_t n = finish_out(h);
    if (!n)
        finish_facts(h);
    return n;
}

void
html_setup(void)
{
    entity_setup();
    html_name_setup();
    html_style_setup();
}

void
html_init(struct html *h, bool is_ascii, const struct html_sink *sink)
{
    memset(h, 0, offsetof(struct html, styles));
    h->is_ascii = is_ascii;
    h->facts.html = true;
    if (sink)
        h->sink = *sink;
    html_style_init(&h->styles);
    html_token_init(&h->token);
}

static double
ratio(uint32_t part, uint32_t all)
{
    return all ? (double)part / all : -1;
}

double
html_closed_extra_ratio(const struct html_facts *f)
{
    return ratio(f->closed_extra, f->tags);
}

double
html_bad_tag_ratio(const struct html_facts *f)
{
    return f->elements ? ratio(f->tags - f->elements, f->tags) : -1;
}

double
html_non_element_ratio(const struct html_facts *f)
{
    return f->elements_seen ? ratio(f->tags_seen - f->elements_seen, f->tags_seen) : -1;
}

double
html_obfuscation_ratio(const struct html_facts *f)
{
    return f->obfuscation ? ratio(f->obfuscation, f->tags) : -1;
}
