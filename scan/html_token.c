/* Text, raw elements and titles; what is read again; the steps put together. See html_token.h. */
#include <string.h>

#include "scan/html_token_private.h"

/* The rest of hold goes in front of buf: a name may be cut between them. */
static void
join_hold(struct html_token *t)
{
    uint32_t n = t->hold_len - t->hold_off;

    t->rd -= n;
    memcpy(t->buf + t->rd, t->hold + t->hold_off, n);
    t->is_from_hold = false;
    t->is_blind = t->is_blind && t->is_ended;
    t->hold_len = t->hold_off = 0;
}

static inline struct html_source
source(struct html_token *t)
{
    if (t->is_from_hold && t->hold_len - t->hold_off <= HTML_HEADROOM)
        join_hold(t);
    if (t->is_from_hold)
        return (struct html_source){t->hold + t->hold_off, t->hold_len - t->hold_off, false};
    return (struct html_source){t->buf + t->rd, t->wr - t->rd, t->is_ended};
}

static void
reread(struct html_token *t)
{
    t->hold_off = 0;
    t->hold_len = t->kept;
    t->kept = 0;
    t->is_from_hold = true;
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

static enum html_step
text(struct html_token *t, const uint8_t *p, size_t len, bool is_last)
{
    t->text = (struct span){p, len};
    t->is_first = !t->is_text_open;
    t->is_last = is_last;
    t->is_eof_text = false;
    t->queued = HTML_TOKEN_TEXT;
    return HTML_STEP_TOKEN;
}

void
html_token_took(struct html_token *t, size_t len)
{
    if (t->state == HTML_IN_TITLE_TEXT)
        t->kept_off += (uint32_t)len;
    else
        html_token_skip(t, len);
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
    while (i < max && octet_is_space(p[i]))
        i++;
    if (i >= len && len < HTML_LOOKAHEAD)
        return SIZE_MAX;
    return i < max && p[i] == '>' ? i + 1 : 0;
}

/* Octets up to the raw element's end, or all, or up to what may be one (*is_short then). */
static size_t
raw_len(const struct html_token *t, struct html_source s, size_t *end)
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

static enum html_step
raw_end_tag(struct html_token *t, size_t used)
{
    t->tag = (enum html_tag)t->raw;
    t->is_namespace = false;
    t->is_cdata = false;
    return html_token_token(t, used, HTML_TOKEN_END);
}

static enum html_step
in_raw(struct html_token *t, struct html_source s)
{
    size_t end, n = raw_len(t, s, &end);

    if (end && end != SIZE_MAX)
        return raw_end_tag(t, n + end);
    html_token_skip(t, n);
    return HTML_STEP_WANT;
}

static enum html_step
in_raw_text(struct html_token *t, struct html_source s)
{
    size_t end, n = raw_len(t, s, &end);
    bool is_end = end && end != SIZE_MAX;

    if (is_end && !n && !t->is_text_open)
        return raw_end_tag(t, end);
    if (!n && !is_end && !(s.is_last && t->is_text_open))
        return HTML_STEP_WANT;
    return text(t, s.p, n, is_end || s.is_last);
}

static enum html_step
in_title(struct html_token *t, struct html_source s)
{
    size_t end, n = raw_len(t, s, &end);
    size_t k = html_token_keep(t, s.p, n);

    html_token_skip(t, k);
    if (k < n) { /* no title is that long: it never ends */
        t->is_hold_capped = t->is_blind = t->has_pending_end = true;
        t->state = HTML_IN_TEXT;
        reread(t);
        return HTML_STEP_AGAIN;
    }
    if (!end || end == SIZE_MAX)
        return HTML_STEP_WANT;
    t->kept_off = 0;
    t->state = t->kept ? HTML_IN_TITLE_TEXT : HTML_IN_RAW_TEXT;
    return HTML_STEP_AGAIN;
}

static enum html_step
in_title_text(struct html_token *t)
{
    if (t->kept_off < t->kept)
        return text(t, t->hold + t->kept_off, t->kept - t->kept_off, true);
    t->state = HTML_IN_RAW_TEXT;
    return HTML_STEP_AGAIN;
}

/* Octets before "]]>" or what may be its beginning; *is_end: it is there. */
static size_t
section_len(struct html_source s, size_t max, bool *is_end)
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

static enum html_step
start_markup(struct html_token *t, struct html_source s)
{
    if (s.len < 2)
        return HTML_STEP_WANT;
    uint8_t c = s.p[1];
    if (octet_is_alpha(c))
        return html_token_go(t, 1, HTML_IN_TAG_NAME);
    if (c == '!')
        return html_token_start_bang(t, s);
    if (c == '?')
        return html_token_go(t, 2, HTML_IN_PROCESS);
    if (s.len < 3)
        return HTML_STEP_WANT;
    bool is_name = s.p[2] != '>' && !octet_is_space(s.p[2]);
    t->quote = 0;
    t->prev = ' ';
    t->seen = (struct html_comment_seen){0};
    return html_token_go(t, 2, is_name ? HTML_IN_END_NAME : HTML_IN_BOGUS_END);
}

static enum html_step
in_text(struct html_token *t, struct html_source s)
{
    bool is_raw = t->section == HTML_SECTION_RCDATA || t->section == HTML_SECTION_CDATA,
         is_end = false;
    size_t from = 0;

    t->is_cdata = t->section == HTML_SECTION_CDATA;
    if (!s.len && !(s.is_last && t->is_text_open))
        return HTML_STEP_WANT;
    if (!is_raw && !t->is_text_open && s.p[0] == '<') {
        uint8_t c = s.len > 1 ? s.p[1] : '!';
        if (octet_is_alpha(c) || c == '/' || c == '!' || c == '?')
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
            return html_token_token(t, 3, HTML_TOKEN_MORE);
        }
        if (!n && !is_last)
            return HTML_STEP_WANT;
    }
    text(t, s.p, n, is_last);
    t->is_eof_text = is_last && !lt && !is_end;
    return HTML_STEP_TOKEN;
}

/* The octets are at their end. */
static enum html_step
finish(struct html_token *t, struct html_source s)
{
    switch ((int)t->state) {
    case HTML_IN_TEXT:
        if (s.len)
            break; /* "<", "<!", "</": what never ends is a comment */
        return html_token_token(t, 0, HTML_TOKEN_EOF);
    case HTML_IN_RAW_TEXT:
        return html_token_token(t, s.len, HTML_TOKEN_EOF);
    case HTML_IN_RAW:
        return raw_end_tag(t, s.len);
    case HTML_IN_TITLE:
        t->has_pending_end = t->is_blind = t->kept > 0;
        t->state = HTML_IN_TEXT;
        reread(t);
        return HTML_STEP_AGAIN;
    case HTML_IN_COMMENT:
        t->is_hold_capped |= t->is_hold_cut;
        if (t->is_hold_cut)
            break;
        t->is_short = true;
        html_token_see_start(t, true);
        t->state = HTML_IN_SHORT_COMMENT;
        reread(t);
        return HTML_STEP_AGAIN;
    case HTML_IN_SHORT_COMMENT:
        break;
    default:
        t->seen = (struct html_comment_seen){0};
        break;
    }
    return html_token_token(t, s.len, HTML_TOKEN_COMMENT);
}

static enum html_step
step(struct html_token *t, const struct html_source *s)
{
    switch (t->state) {
    case HTML_IN_TEXT:
        return in_text(t, *s);
    case HTML_IN_TAG_NAME:
    case HTML_IN_TAG_NAME_REST:
    case HTML_BEFORE_ATTR:
    case HTML_IN_ATTR_NAME:
    case HTML_IN_ATTR_NAME_REST:
    case HTML_AFTER_ATTR_NAME:
    case HTML_BEFORE_VALUE:
    case HTML_IN_VALUE:
    case HTML_IN_QUOTED_VALUE:
    case HTML_IN_END_NAME:
    case HTML_IN_END_NAME_REST:
    case HTML_IN_END_REST:
    case HTML_IN_BOGUS_END:
        return html_token_tag_step(t, s);
    case HTML_IN_COMMENT:
    case HTML_IN_SHORT_COMMENT:
    case HTML_IN_DECL:
    case HTML_IN_DECL_WORD:
    case HTML_IN_DECL_QUOTE:
    case HTML_IN_DECL_DASH:
    case HTML_IN_DECL_COMMENT:
    case HTML_IN_PROCESS:
        return html_token_comment_step(t, s);
    case HTML_IN_RAW:
        return in_raw(t, *s);
    case HTML_IN_RAW_TEXT:
        return in_raw_text(t, *s);
    case HTML_IN_TITLE:
        return in_title(t, *s);
    case HTML_IN_TITLE_TEXT:
        return in_title_text(t);
    }
    return HTML_STEP_WANT;
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
            bool is_ignored = t->section == HTML_SECTION_IGNORE && t->queued != HTML_TOKEN_EOF;
            enum html_token_kind kind = give(t);
            if (is_ignored && kind == HTML_TOKEN_TEXT)
                html_token_took(t, t->text.len);
            if (kind == HTML_TOKEN_MORE || is_ignored)
                continue;
            return kind;
        }
        struct html_source s = source(t);
        enum html_step next = step(t, &s);
        if (next == HTML_STEP_WANT) {
            s = source(t);
            if (t->is_from_hold)
                continue;
            if (!s.is_last)
                return HTML_TOKEN_MORE;
            next = finish(t, s);
        }
        t->is_queued = next == HTML_STEP_TOKEN;
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
