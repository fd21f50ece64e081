#include "scan/html_token.h"

#include <emmintrin.h>
#include <string.h>

#include "scan/entity.h"

/* What follows is cut by these classes (HTML::Parser's hctype, Perl's \s on octets). */
static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_alpha(uint8_t c)
{
    uint8_t low = c | 0x20;
    return low >= 'a' && low <= 'z';
}

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool
is_name(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-' || c == ':';
}

/* ---- input: replacements made on the way into buf ---- */

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
        t->norm_tag = is_alpha(c) || is_digit(c) || c == '_' ? NORM_WORD : NORM_OUT;
        break;
    case NORM_WORD:
    case NORM_SPACE:
        if (c == '/') {
            t->norm_tag = NORM_SLASH;
            return;
        }
        if (is_space(c))
            t->norm_tag = NORM_SPACE;
        else if (t->norm_tag == NORM_SPACE || !(is_alpha(c) || is_digit(c) || c == '_'))
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

/* ---- the octets to read ---- */

struct source {
    const uint8_t *p;
    size_t len;
    bool is_last; /* nothing follows them */
};

static struct source
source(struct html_token *t)
{
    if (t->is_from_hold && t->hold_len - t->hold_off <= HTML_HEADROOM) {
        /* The rest goes in front of buf: a name may be cut between them. */
        uint32_t n = t->hold_len - t->hold_off;
        t->rd -= n;
        memcpy(t->buf + t->rd, t->hold + t->hold_off, n);
        t->is_from_hold = false;
        t->is_blind = t->is_blind && t->is_ended;
        t->hold_len = t->hold_off = 0;
    }
    if (t->is_from_hold)
        return (struct source){t->hold + t->hold_off, t->hold_len - t->hold_off, false};
    return (struct source){t->buf + t->rd, t->wr - t->rd, t->is_ended};
}

static void
skip(struct html_token *t, size_t n)
{
    if (t->is_from_hold)
        t->hold_off += (uint32_t)n;
    else
        t->rd += (uint32_t)n;
}

/* Keeps octets to be read again. While hold itself is being read, they go to before where it is
 * read: what is kept is always a part of what was read. Returns how many fitted. */
static size_t
keep(struct html_token *t, const uint8_t *p, size_t n)
{
    size_t room = HTML_HOLD_MAX - t->kept;
    size_t k = n < room ? n : room;

    memmove(t->hold + t->kept, p, k);
    t->kept += (uint32_t)k;
    return k;
}

static void
reread(struct html_token *t)
{
    t->hold_off = 0;
    t->hold_len = t->kept;
    t->kept = 0;
    t->is_from_hold = true;
}

/* ---- steps: one for each state ---- */

enum step {
    STEP_AGAIN,
    STEP_WANT, /* more octets */
    STEP_TOKEN /* t->queued is set */
};

static enum step
go(struct html_token *t, size_t used, enum html_token_state state)
{
    skip(t, used);
    t->state = state;
    return STEP_AGAIN;
}

static enum step
token(struct html_token *t, size_t used, enum html_token_kind kind)
{
    skip(t, used);
    t->state = HTML_IN_TEXT;
    t->queued = kind;
    t->queued_tag = t->tag;
    t->queued_hash = t->tag_hash;
    t->queued_namespace = t->is_namespace;
    t->is_queued_title = false;
    return STEP_TOKEN;
}

static void
pop_section(struct html_token *t)
{
    if (t->section_cnt)
        t->section_cnt--;
    t->section = 0;
    for (unsigned i = 0; i < t->section_cnt; i++)
        t->section = t->sections[i] > t->section ? t->sections[i] : t->section;
}

enum { SECTION_NONE, SECTION_INCLUDE, SECTION_RCDATA, SECTION_CDATA, SECTION_IGNORE };

static uint8_t
section_of(const uint8_t *p, size_t len)
{
    static const char *const names[] = {"include", "rcdata", "cdata", "ignore"};
    for (uint8_t i = 0; i < 4; i++) {
        size_t k = 0;
        while (k < len && names[i][k] && (p[k] | 0x20) == (uint8_t)names[i][k])
            k++;
        if (k == len && !names[i][k])
            return i + 1;
    }
    return SECTION_NONE;
}

static void
see_start(struct html_token *t, bool is_dashed)
{
    t->seen = (struct html_comment_seen){0};
    t->is_line_open = true;
    t->is_after_bang = !is_dashed;
    t->near = 0;
    t->match = is_dashed ? 0 : 255;
    t->prev = '!';
    t->dash = 0;
}

/* One more octet of a comment. */
static void
see(struct html_token *t, uint8_t c)
{
    static const char saved[] = " saved from url=(0000)";

    if (t->match < sizeof saved - 1) {
        bool fits = saved[t->match] == '0' ? is_digit(c) : c == (uint8_t)saved[t->match];
        t->match = fits ? t->match + 1 : 255;
        t->seen.has_saved_url |= t->match == sizeof saved - 1;
    }
    if (c == '\n') {
        t->is_line_open = t->is_after_bang = false;
        t->near = 0;
    } else {
        if (c == '>') {
            t->seen.has_closed |= t->is_line_open;
            t->seen.has_short |= t->near || t->is_after_bang;
        }
        t->near = (uint8_t)(t->near << 1 & 0x7f);
        if (t->is_after_bang && c != '-')
            t->near |= 2;
        t->is_after_bang = c == '!' && t->prev == '<';
        t->is_line_open |= t->is_after_bang;
    }
    t->prev = c;
}

static enum step
in_comment(struct html_token *t, struct source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        see(t, c);
        if (c == '>' && t->dash >= 2) {
            t->kept = 0;
            return token(t, i + 1, HTML_TOKEN_COMMENT);
        }
        if (c == '-')
            t->dash = t->dash == 0 || t->dash == 3 ? 1 : 2;
        else
            t->dash = t->dash >= 2 && is_space(c) ? 3 : 0;
    }
    t->is_hold_cut |= keep(t, s.p, s.len) < s.len;
    skip(t, s.len);
    return STEP_WANT;
}

static enum step
in_short_comment(struct html_token *t, struct source s)
{
    for (size_t i = 0; i < s.len; i++) {
        see(t, s.p[i]);
        if (s.p[i] == '>')
            return token(t, i + 1, HTML_TOKEN_COMMENT);
    }
    skip(t, s.len);
    return STEP_WANT;
}

static enum step
start_bogus(struct html_token *t, struct source s, size_t used)
{
    see_start(t, false);
    for (size_t i = 2; i < used; i++)
        see(t, s.p[i]);
    return go(t, used, HTML_IN_SHORT_COMMENT);
}

/* "<![name name[" */
static enum step
start_section(struct html_token *t, struct source s)
{
    size_t max = s.len < HTML_LOOKAHEAD ? s.len : HTML_LOOKAHEAD, i = 3;
    uint8_t strongest = SECTION_NONE;
    bool any = false;

    while (i < max && is_space(s.p[i]))
        i++;
    while (i < max && is_name(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '-') {
        size_t from = i;
        while (i < max && is_name(s.p[i]))
            i++;
        uint8_t section = section_of(s.p + from, i - from);
        strongest = section > strongest ? section : strongest;
        any = true;
        while (i < max && is_space(s.p[i]))
            i++;
    }
    if (i == s.len && i < HTML_LOOKAHEAD)
        return STEP_WANT;
    if (i == max || s.p[i] != '[')
        return start_bogus(t, s, 2);
    if (t->section_cnt < sizeof t->sections) {
        t->sections[t->section_cnt++] = any ? strongest : SECTION_INCLUDE;
        t->section = strongest > t->section ? strongest : t->section;
        if (!any && !t->section)
            t->section = SECTION_INCLUDE;
    }
    return token(t, i + 1, HTML_TOKEN_MORE);
}

static bool
is_word(const uint8_t *p, size_t len, const char *word)
{
    size_t k = 0;
    while (k < len && word[k] && (p[k] | 0x20) == (uint8_t)word[k])
        k++;
    return k == len && !word[k];
}

/* "<!" and a letter: DOCTYPE and ENTITY are declarations, all others are comments. */
static enum step
start_declaration(struct html_token *t, struct source s)
{
    size_t max = s.len < HTML_LOOKAHEAD ? s.len : HTML_LOOKAHEAD, i = 2;

    while (i < max && is_name(s.p[i]))
        i++;
    if (i == s.len && i < HTML_LOOKAHEAD)
        return STEP_WANT;
    bool is_doctype = is_word(s.p + 2, i - 2, "doctype");
    if (!is_doctype && !is_word(s.p + 2, i - 2, "entity"))
        return start_bogus(t, s, i);
    t->tag = is_doctype ? HTML_TAG_DOCTYPE : HTML_TAG_UNKNOWN;
    return go(t, i, HTML_IN_DECL);
}

static enum step
start_bang(struct html_token *t, struct source s)
{
    if (s.len < 3)
        return STEP_WANT;
    if (s.p[2] == '[')
        return start_section(t, s);
    if (is_alpha(s.p[2]))
        return start_declaration(t, s);
    if (s.p[2] != '-')
        return start_bogus(t, s, 2);
    if (s.len < 4)
        return STEP_WANT;
    if (s.p[3] != '-')
        return start_bogus(t, s, 3);
    see_start(t, true);
    t->kept = 0;
    t->is_hold_cut = false;
    return go(t, 4, t->is_short ? HTML_IN_SHORT_COMMENT : HTML_IN_COMMENT);
}

static enum step
in_declaration(struct html_token *t, struct source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        switch ((int)t->state) {
        case HTML_IN_DECL_QUOTE:
            t->state = c == t->quote ? HTML_IN_DECL : t->state;
            break;
        case HTML_IN_DECL_DASH:
            if (c != '-') { /* not a comment in it: it is one */
                see_start(t, false);
                t->is_after_bang = false;
                return go(t, i, HTML_IN_SHORT_COMMENT);
            }
            t->state = HTML_IN_DECL_COMMENT;
            t->dash = 0;
            break;
        case HTML_IN_DECL_COMMENT:
            if (c == '-' && t->dash)
                t->state = HTML_IN_DECL;
            t->dash = c == '-' && !t->dash;
            break;
        default:
            if (c == '>')
                return token(t, i + 1,
                             t->tag == HTML_TAG_DOCTYPE ? HTML_TOKEN_DOCTYPE : HTML_TOKEN_MORE);
            if (is_space(c)) {
                t->state = HTML_IN_DECL;
            } else if (t->state == HTML_IN_DECL && (c == '"' || c == '\'')) {
                t->quote = c;
                t->state = HTML_IN_DECL_QUOTE;
            } else {
                t->state =
                    t->state == HTML_IN_DECL && c == '-' ? HTML_IN_DECL_DASH : HTML_IN_DECL_WORD;
            }
        }
    }
    skip(t, s.len);
    return STEP_WANT;
}

/* ---- tags ---- */

static bool
is_namespace(const uint8_t *p, size_t len)
{
    size_t i = 0;

    if (len > 2 && (p[0] | 0x20) == 'o' && p[1] == ':')
        i = 2;
    else if (len > 4 && (p[0] | 0x20) == 's' && (p[1] | 0x20) == 't' && is_digit(p[2]) &&
             p[3] == ':')
        i = 4;
    if (!i)
        return false;
    size_t from = i;
    while (i < len && (is_alpha(p[i]) || is_digit(p[i]) || p[i] == '_' || p[i] == '-'))
        i++;
    return i > from && (i == len || (i + 1 == len && p[i] == '/'));
}

static void
name_tag(struct html_token *t, const uint8_t *p, size_t len)
{
    t->tag = html_tag_find(p, len);
    t->is_namespace = false;
    t->tag_hash = 0;
    if (t->tag != HTML_TAG_UNKNOWN)
        return;
    t->is_namespace = is_namespace(p, len);
    uint64_t h = len;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (is_alpha(p[i]) ? p[i] | 0x20u : p[i])) * UINT64_C(0x9e3779b97f4a7c15);
    t->tag_hash = h ^ h >> 29;
}

/* The name's length; 0: not all of it is here. */
static size_t
name_len(struct source s, size_t from, bool stops_at_equals)
{
    size_t i = from;
    while (i < s.len && i < HTML_LOOKAHEAD && s.p[i] != '>' && !is_space(s.p[i]) &&
           !(stops_at_equals && s.p[i] == '='))
        i++;
    return i == s.len && i < HTML_LOOKAHEAD ? 0 : i;
}

static enum step
in_tag_name(struct html_token *t, struct source s)
{
    size_t n = name_len(s, 0, false);

    if (!n)
        return STEP_WANT;
    name_tag(t, s.p, n);
    if (t->state == HTML_IN_END_NAME) {
        t->quote = 0;
        t->prev = ' ';
        return go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_END_NAME_REST : HTML_IN_END_REST);
    }
    t->has_value = 0;
    t->store_len = 0;
    return go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_TAG_NAME_REST : HTML_BEFORE_ATTR);
}

/* The rest of an overlong name. */
static enum step
in_name_rest(struct html_token *t, struct source s, enum html_token_state next)
{
    size_t i = 0;
    while (i < s.len && s.p[i] != '>' && !is_space(s.p[i]) &&
           !(t->state == HTML_IN_ATTR_NAME_REST && s.p[i] == '='))
        i++;
    if (i < s.len)
        return go(t, i, next);
    skip(t, i);
    return STEP_WANT;
}

static void
append(struct html_token *t, const uint8_t *p, size_t n)
{
    if (!t->is_wanted)
        return;
    size_t room = HTML_STORE_MAX - t->store_len, used = t->store_len - t->cur_off;
    if (room > HTML_VALUE_MAX - used)
        room = HTML_VALUE_MAX - used;
    if (n > room) {
        t->is_store_capped = true;
        n = room;
    }
    memcpy(t->store + t->store_len, p, n);
    t->store_len += (uint32_t)n;
}

static enum html_attr
override_of(const struct html_token *t, const uint8_t *p, size_t len)
{
    bool is_href = t->tag == HTML_TAG_A || t->tag == HTML_TAG_AREA || t->tag == HTML_TAG_LINK;
    bool is_src = t->tag == HTML_TAG_IMG || t->tag == HTML_TAG_FRAME || t->tag == HTML_TAG_IFRAME ||
                  t->tag == HTML_TAG_EMBED || t->tag == HTML_TAG_SCRIPT ||
                  t->tag == HTML_TAG_BGSOUND;
    if (!is_href && !is_src)
        return HTML_ATTR_CNT;
    const char *word = is_href ? "href" : "src";
    size_t n = is_href ? 4 : 3;
    for (size_t i = 1; i + 1 + n <= len; i++)
        if (p[i] == '/' && (is_alpha(p[i - 1]) || is_digit(p[i - 1]) || p[i - 1] == '_') &&
            is_word(p + i + 1, n, word))
            return is_href ? HTML_ATTR_HREF : HTML_ATTR_SRC;
    return HTML_ATTR_CNT;
}

static enum step
in_attr_name(struct html_token *t, struct source s)
{
    size_t n = s.len ? name_len(s, 1, true) : 0;

    if (!n)
        return STEP_WANT;
    t->cur_attr = html_attr_find(s.p, n);
    t->is_wanted = t->cur_attr < HTML_ATTR_CNT && !(t->has_value >> t->cur_attr & 1);
    if (n > 4 && memchr(s.p, '/', n) && override_of(t, s.p, n) < HTML_ATTR_CNT) {
        t->cur_attr = override_of(t, s.p, n);
        t->is_wanted = true;
    }
    t->cur_off = t->store_len;
    append(t, s.p, n); /* the value of an attribute without one */
    return go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_ATTR_NAME_REST : HTML_AFTER_ATTR_NAME);
}

static enum step
commit(struct html_token *t, size_t used, bool is_decoded)
{
    if (t->is_wanted) {
        uint32_t len = t->store_len - t->cur_off;
        if (is_decoded)
            len = (uint32_t)entity_value(t->store + t->cur_off, len);
        t->value_off[t->cur_attr] = t->cur_off;
        t->value_len[t->cur_attr] = len;
        t->store_len = t->cur_off + len;
        t->has_value |= 1u << t->cur_attr;
    }
    return go(t, used, HTML_BEFORE_ATTR);
}

static size_t
space_len(struct source s)
{
    size_t i = 0;
    while (i < s.len && is_space(s.p[i]))
        i++;
    return i;
}

/* Some elements turn off tags until their own end. */
static enum html_token_state
state_behind(struct html_token *t)
{
    t->raw = (uint8_t)t->tag;
    t->is_cdata = false;
    switch ((int)t->tag) {
    case HTML_TAG_SCRIPT:
    case HTML_TAG_STYLE:
        return HTML_IN_RAW;
    case HTML_TAG_XMP:
    case HTML_TAG_IFRAME:
    case HTML_TAG_PLAINTEXT:
        t->is_cdata = true;
        return HTML_IN_RAW_TEXT;
    case HTML_TAG_TEXTAREA:
        return HTML_IN_RAW_TEXT;
    case HTML_TAG_TITLE:
        if (t->is_blind)
            break;
        t->kept = 0;
        return HTML_IN_TITLE;
    default:
        break;
    }
    return HTML_IN_TEXT;
}

static enum step
end_start_tag(struct html_token *t, size_t used)
{
    token(t, used, HTML_TOKEN_START);
    t->is_queued_title = t->tag == HTML_TAG_TITLE && t->is_blind;
    t->state = state_behind(t);
    return STEP_TOKEN;
}

static enum step
before_attr(struct html_token *t, struct source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        skip(t, i);
        return STEP_WANT;
    }
    return s.p[i] == '>' ? end_start_tag(t, i + 1) : go(t, i, HTML_IN_ATTR_NAME);
}

static enum step
after_attr_name(struct html_token *t, struct source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        skip(t, i);
        return STEP_WANT;
    }
    if (s.p[i] != '=')
        return commit(t, i, false);
    t->store_len = t->cur_off;
    return go(t, i + 1, HTML_BEFORE_VALUE);
}

static enum step
before_value(struct html_token *t, struct source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        skip(t, i);
        return STEP_WANT;
    }
    if (s.p[i] == '>')
        return commit(t, i, true);
    if (s.p[i] != '"' && s.p[i] != '\'')
        return go(t, i, HTML_IN_VALUE);
    t->quote = s.p[i];
    return go(t, i + 1, HTML_IN_QUOTED_VALUE);
}

static enum step
in_value(struct html_token *t, struct source s)
{
    size_t i = 0;

    if (t->state == HTML_IN_QUOTED_VALUE) {
        const uint8_t *q = s.len ? memchr(s.p, t->quote, s.len) : NULL;
        i = q ? (size_t)(q - s.p) : s.len;
    } else {
        while (i < s.len && s.p[i] != '>' && !is_space(s.p[i]))
            i++;
    }
    append(t, s.p, i);
    if (i < s.len)
        return commit(t, i + (t->state == HTML_IN_QUOTED_VALUE), true);
    skip(t, i);
    return STEP_WANT;
}

/* Up to a '>' outside quotes; they only open behind a blank or '='. */
static enum step
in_end_rest(struct html_token *t, struct source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        if (!t->quote && c == '>')
            return token(t, i + 1,
                         t->state == HTML_IN_BOGUS_END ? HTML_TOKEN_COMMENT : HTML_TOKEN_END);
        if (c == '"' || c == '\'') {
            if (c == t->quote)
                t->quote = 0;
            else if (!t->quote && (t->prev == ' ' || t->prev == '='))
                t->quote = c;
        }
        t->prev = c;
    }
    skip(t, s.len);
    return STEP_WANT;
}

static enum step
in_process(struct html_token *t, struct source s)
{
    const uint8_t *gt = s.len ? memchr(s.p, '>', s.len) : NULL;
    if (gt)
        return token(t, (size_t)(gt - s.p) + 1, HTML_TOKEN_MORE);
    skip(t, s.len);
    return STEP_WANT;
}

/* ---- text ---- */

static enum step
text(struct html_token *t, const uint8_t *p, size_t len, bool is_last)
{
    t->text = (struct span){p, len};
    t->is_first = !t->is_text_open;
    t->is_last = is_last;
    t->is_eof_text = false;
    t->queued = HTML_TOKEN_TEXT;
    return STEP_TOKEN;
}

void
html_token_took(struct html_token *t, size_t len)
{
    if (t->state == HTML_IN_TITLE_TEXT)
        t->kept_off += (uint32_t)len;
    else
        skip(t, len);
    t->is_text_open = len == t->text.len && t->is_last ? false : t->is_text_open || len;
}

/* The end of a raw element at p[0] == '<': its length; 0: it is none; SIZE_MAX: more is needed. */
static size_t
raw_end(const struct html_token *t, const uint8_t *p, size_t len)
{
    const char *name = html_tag_name((enum html_tag)t->raw);
    size_t max = len < HTML_LOOKAHEAD ? len : HTML_LOOKAHEAD, i = 1;

    if (t->raw == HTML_TAG_PLAINTEXT || (len > 1 && p[1] != '/'))
        return 0;
    for (i = 2; i < max && name[i - 2]; i++)
        if ((p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]) != (uint8_t)name[i - 2])
            return 0;
    while (i < max && is_space(p[i]))
        i++;
    if (i >= len && len < HTML_LOOKAHEAD)
        return SIZE_MAX;
    return i < max && p[i] == '>' ? i + 1 : 0;
}

/* Octets up to the raw element's end, or all, or up to what may be one (*is_short then). */
static size_t
raw_len(const struct html_token *t, struct source s, size_t *end)
{
    size_t i = 0;

    *end = 0;
    while (i < s.len) {
        const uint8_t *lt = memchr(s.p + i, '<', s.len - i);
        if (!lt)
            return s.len;
        i = (size_t)(lt - s.p);
        *end = raw_end(t, lt, s.len - i);
        if (*end == SIZE_MAX && s.is_last)
            *end = 0;
        if (*end)
            return i;
        i++;
    }
    return i;
}

static enum step
raw_end_tag(struct html_token *t, size_t used)
{
    t->tag = (enum html_tag)t->raw;
    t->is_namespace = false;
    t->is_cdata = false;
    return token(t, used, HTML_TOKEN_END);
}

static enum step
in_raw(struct html_token *t, struct source s)
{
    size_t end, n = raw_len(t, s, &end);

    if (end && end != SIZE_MAX)
        return raw_end_tag(t, n + end);
    skip(t, n);
    return STEP_WANT;
}

static enum step
in_raw_text(struct html_token *t, struct source s)
{
    size_t end, n = raw_len(t, s, &end);
    bool is_end = end && end != SIZE_MAX;

    if (is_end && !n && !t->is_text_open)
        return raw_end_tag(t, end);
    if (!n && !is_end && !(s.is_last && t->is_text_open))
        return STEP_WANT;
    return text(t, s.p, n, is_end || s.is_last);
}

static enum step
in_title(struct html_token *t, struct source s)
{
    size_t end, n = raw_len(t, s, &end);
    size_t k = keep(t, s.p, n);

    skip(t, k);
    if (k < n) { /* no title is that long: it never ends */
        t->is_hold_capped = t->is_blind = t->has_pending_end = true;
        t->state = HTML_IN_TEXT;
        reread(t);
        return STEP_AGAIN;
    }
    if (!end || end == SIZE_MAX)
        return STEP_WANT;
    t->kept_off = 0;
    t->state = t->kept ? HTML_IN_TITLE_TEXT : HTML_IN_RAW_TEXT;
    return STEP_AGAIN;
}

static enum step
in_title_text(struct html_token *t)
{
    if (t->kept_off < t->kept)
        return text(t, t->hold + t->kept_off, t->kept - t->kept_off, true);
    t->state = HTML_IN_RAW_TEXT;
    return STEP_AGAIN;
}

/* Octets before "]]>" or what may be its beginning; *is_end: it is there. */
static size_t
section_len(struct source s, size_t max, bool *is_end)
{
    *is_end = false;
    for (size_t i = 0; i < max; i++) {
        if (s.p[i] != ']')
            continue;
        size_t left = s.len - i;
        if ((left > 1 && s.p[i + 1] != ']') || (left > 2 && s.p[i + 2] != '>') ||
            (left < 3 && s.is_last))
            continue;
        *is_end = left > 2;
        return i;
    }
    return max;
}

static enum step
start_markup(struct html_token *t, struct source s)
{
    if (s.len < 2)
        return STEP_WANT;
    uint8_t c = s.p[1];
    if (is_alpha(c))
        return go(t, 1, HTML_IN_TAG_NAME);
    if (c == '!')
        return start_bang(t, s);
    if (c == '?')
        return go(t, 2, HTML_IN_PROCESS);
    if (s.len < 3)
        return STEP_WANT;
    bool is_name = s.p[2] != '>' && !is_space(s.p[2]);
    t->quote = 0;
    t->prev = ' ';
    t->seen = (struct html_comment_seen){0};
    return go(t, 2, is_name ? HTML_IN_END_NAME : HTML_IN_BOGUS_END);
}

static enum step
in_text(struct html_token *t, struct source s)
{
    bool is_raw = t->section == SECTION_RCDATA || t->section == SECTION_CDATA, is_end = false;
    size_t from = 0;

    t->is_cdata = t->section == SECTION_CDATA;
    if (!s.len && !(s.is_last && t->is_text_open))
        return STEP_WANT;
    if (!is_raw && !t->is_text_open && s.p[0] == '<') {
        uint8_t c = s.len > 1 ? s.p[1] : '!';
        if (is_alpha(c) || c == '/' || c == '!' || c == '?')
            return start_markup(t, s);
        from = 1;
    }
    const uint8_t *lt = is_raw || s.len == from ? NULL : memchr(s.p + from, '<', s.len - from);
    size_t n = lt ? (size_t)(lt - s.p) : s.len;
    bool is_last = lt || s.is_last;
    if (t->section) {
        size_t k = section_len(s, n, &is_end);
        is_last = is_end || (k == n && is_last);
        n = k;
        if (is_end && !n && !t->is_text_open) {
            pop_section(t);
            return token(t, 3, HTML_TOKEN_MORE);
        }
        if (!n && !is_last)
            return STEP_WANT;
    }
    text(t, s.p, n, is_last);
    t->is_eof_text = is_last && !lt && !is_end;
    return STEP_TOKEN;
}

/* ---- all together ---- */

/* The octets are at their end. */
static enum step
finish(struct html_token *t, struct source s)
{
    switch ((int)t->state) {
    case HTML_IN_TEXT:
        if (s.len)
            break; /* "<", "<!", "</": what never ends is a comment */
        return token(t, 0, HTML_TOKEN_EOF);
    case HTML_IN_RAW_TEXT:
        return token(t, s.len, HTML_TOKEN_EOF);
    case HTML_IN_RAW:
        return raw_end_tag(t, s.len);
    case HTML_IN_TITLE:
        t->has_pending_end = t->is_blind = t->kept > 0;
        t->state = HTML_IN_TEXT;
        reread(t);
        return STEP_AGAIN;
    case HTML_IN_COMMENT:
        t->is_hold_capped |= t->is_hold_cut;
        if (t->is_hold_cut)
            break;
        t->is_short = true;
        see_start(t, true);
        t->state = HTML_IN_SHORT_COMMENT;
        reread(t);
        return STEP_AGAIN;
    case HTML_IN_SHORT_COMMENT:
        break;
    default:
        t->seen = (struct html_comment_seen){0};
        break;
    }
    return token(t, s.len, HTML_TOKEN_COMMENT);
}

static enum step
step(struct html_token *t, struct source s)
{
    switch (t->state) {
    case HTML_IN_TEXT:
        return in_text(t, s);
    case HTML_IN_TAG_NAME:
    case HTML_IN_END_NAME:
        return in_tag_name(t, s);
    case HTML_IN_TAG_NAME_REST:
        return in_name_rest(t, s, HTML_BEFORE_ATTR);
    case HTML_BEFORE_ATTR:
        return before_attr(t, s);
    case HTML_IN_ATTR_NAME:
        return in_attr_name(t, s);
    case HTML_IN_ATTR_NAME_REST:
        return in_name_rest(t, s, HTML_AFTER_ATTR_NAME);
    case HTML_AFTER_ATTR_NAME:
        return after_attr_name(t, s);
    case HTML_BEFORE_VALUE:
        return before_value(t, s);
    case HTML_IN_VALUE:
    case HTML_IN_QUOTED_VALUE:
        return in_value(t, s);
    case HTML_IN_END_NAME_REST:
        return in_name_rest(t, s, HTML_IN_END_REST);
    case HTML_IN_END_REST:
    case HTML_IN_BOGUS_END:
        return in_end_rest(t, s);
    case HTML_IN_COMMENT:
        return in_comment(t, s);
    case HTML_IN_SHORT_COMMENT:
        return in_short_comment(t, s);
    case HTML_IN_DECL:
    case HTML_IN_DECL_WORD:
    case HTML_IN_DECL_QUOTE:
    case HTML_IN_DECL_DASH:
    case HTML_IN_DECL_COMMENT:
        return in_declaration(t, s);
    case HTML_IN_PROCESS:
        return in_process(t, s);
    case HTML_IN_RAW:
        return in_raw(t, s);
    case HTML_IN_RAW_TEXT:
        return in_raw_text(t, s);
    case HTML_IN_TITLE:
        return in_title(t, s);
    case HTML_IN_TITLE_TEXT:
        return in_title_text(t);
    }
    return STEP_WANT;
}

/* Gives what is queued; </title> before it when that is due. */
static enum html_token_kind
give(struct html_token *t)
{
    enum html_token_kind kind = t->queued;

    if (t->has_pending_end && kind != HTML_TOKEN_TEXT && kind != HTML_TOKEN_COMMENT) {
        t->has_pending_end = false;
        t->tag = HTML_TAG_TITLE;
        t->is_namespace = false;
        return HTML_TOKEN_END;
    }
    t->tag = t->queued_tag;
    t->tag_hash = t->queued_hash;
    t->is_namespace = t->queued_namespace;
    t->has_pending_end |= kind == HTML_TOKEN_START && t->is_queued_title;
    t->queued = HTML_TOKEN_MORE;
    t->is_queued = false;
    return kind;
}

enum html_token_kind
html_token_next(struct html_token *t)
{
    for (;;) {
        if (t->is_queued) {
            bool is_ignored = t->section == SECTION_IGNORE && t->queued != HTML_TOKEN_EOF;
            enum html_token_kind kind = give(t);
            if (is_ignored && kind == HTML_TOKEN_TEXT)
                html_token_took(t, t->text.len);
            if (kind == HTML_TOKEN_MORE || is_ignored)
                continue;
            return kind;
        }
        struct source s = source(t);
        enum step next = step(t, s);
        if (next == STEP_WANT) {
            s = source(t);
            if (t->is_from_hold)
                continue;
            if (!s.is_last)
                return HTML_TOKEN_MORE;
            next = finish(t, s);
        }
        t->is_queued = next == STEP_TOKEN;
    }
}

struct span
html_token_value(const struct html_token *t, enum html_attr a)
{
    if (!(t->has_value >> a & 1))
        return (struct span){NULL, 0};
    return (struct span){t->store + t->value_off[a], t->value_len[a]};
}

void
html_token_init(struct html_token *t)
{
    memset(t, 0, offsetof(struct html_token, hold));
    t->rd = t->wr = HTML_HEADROOM;
}
