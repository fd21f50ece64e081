/* Names, attributes and their values, up to the '>' of a tag. See html_token_private.h. */
#include <string.h>

#include "scan/entity.h"
#include "scan/html_token_private.h"

static bool
is_namespace(const uint8_t *p, size_t len)
{
    size_t i = 0;

    if (len > 2 && (p[0] | 0x20) == 'o' && p[1] == ':')
        i = 2;
    else if (len > 4 && (p[0] | 0x20) == 's' && (p[1] | 0x20) == 't' && octet_is_digit(p[2]) &&
             p[3] == ':')
        i = 4;
    if (!i)
        return false;
    size_t from = i;
    while (i < len && (octet_is_word(p[i]) || p[i] == '-'))
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
        h = (h ^ (octet_is_alpha(p[i]) ? p[i] | 0x20u : p[i])) * UINT64_C(0x9e3779b97f4a7c15);
    t->tag_hash = h ^ h >> 29;
}

/* The name's length; 0: not all of it is here. */
static size_t
name_len(struct html_source s, size_t from, bool stops_at_equals)
{
    size_t i = from;
    while (i < s.len && i < HTML_LOOKAHEAD && s.p[i] != '>' && !octet_is_space(s.p[i]) &&
           !(stops_at_equals && s.p[i] == '='))
        i++;
    return i == s.len && i < HTML_LOOKAHEAD ? 0 : i;
}

static enum html_step
in_tag_name(struct html_token *t, struct html_source s)
{
    size_t n = name_len(s, 0, false);

    if (!n)
        return HTML_STEP_WANT;
    name_tag(t, s.p, n);
    if (t->state == HTML_IN_END_NAME) {
        t->quote = 0;
        t->prev = ' ';
        return html_token_go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_END_NAME_REST : HTML_IN_END_REST);
    }
    t->has_value = 0;
    t->store_len = 0;
    return html_token_go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_TAG_NAME_REST : HTML_BEFORE_ATTR);
}

/* The rest of an overlong name. */
static enum html_step
in_name_rest(struct html_token *t, struct html_source s, enum html_token_state next)
{
    size_t i = 0;
    while (i < s.len && s.p[i] != '>' && !octet_is_space(s.p[i]) &&
           !(t->state == HTML_IN_ATTR_NAME_REST && s.p[i] == '='))
        i++;
    if (i < s.len)
        return html_token_go(t, i, next);
    html_token_skip(t, i);
    return HTML_STEP_WANT;
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
        if (p[i] == '/' && octet_is_word(p[i - 1]) && html_token_is_word(p + i + 1, n, word))
            return is_href ? HTML_ATTR_HREF : HTML_ATTR_SRC;
    return HTML_ATTR_CNT;
}

static enum html_step
in_attr_name(struct html_token *t, struct html_source s)
{
    size_t n = s.len ? name_len(s, 1, true) : 0;

    if (!n)
        return HTML_STEP_WANT;
    t->cur_attr = html_attr_find(s.p, n);
    t->is_wanted = t->cur_attr < HTML_ATTR_CNT && !(t->has_value >> t->cur_attr & 1);
    if (n > 4 && memchr(s.p, '/', n) && override_of(t, s.p, n) < HTML_ATTR_CNT) {
        t->cur_attr = override_of(t, s.p, n);
        t->is_wanted = true;
    }
    t->cur_off = t->store_len;
    append(t, s.p, n); /* the value of an attribute without one */
    return html_token_go(t, n, n == HTML_LOOKAHEAD ? HTML_IN_ATTR_NAME_REST : HTML_AFTER_ATTR_NAME);
}

static enum html_step
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
    return html_token_go(t, used, HTML_BEFORE_ATTR);
}

static size_t
space_len(struct html_source s)
{
    size_t i = 0;
    while (i < s.len && octet_is_space(s.p[i]))
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

static enum html_step
end_start_tag(struct html_token *t, size_t used)
{
    html_token_token(t, used, HTML_TOKEN_START);
    t->is_queued_title = t->tag == HTML_TAG_TITLE && t->is_blind;
    t->state = state_behind(t);
    return HTML_STEP_TOKEN;
}

static enum html_step
before_attr(struct html_token *t, struct html_source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        html_token_skip(t, i);
        return HTML_STEP_WANT;
    }
    return s.p[i] == '>' ? end_start_tag(t, i + 1) : html_token_go(t, i, HTML_IN_ATTR_NAME);
}

static enum html_step
after_attr_name(struct html_token *t, struct html_source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        html_token_skip(t, i);
        return HTML_STEP_WANT;
    }
    if (s.p[i] != '=')
        return commit(t, i, false);
    t->store_len = t->cur_off;
    return html_token_go(t, i + 1, HTML_BEFORE_VALUE);
}

static enum html_step
before_value(struct html_token *t, struct html_source s)
{
    size_t i = space_len(s);
    if (i == s.len) {
        html_token_skip(t, i);
        return HTML_STEP_WANT;
    }
    if (s.p[i] == '>')
        return commit(t, i, true);
    if (s.p[i] != '"' && s.p[i] != '\'')
        return html_token_go(t, i, HTML_IN_VALUE);
    t->quote = s.p[i];
    return html_token_go(t, i + 1, HTML_IN_QUOTED_VALUE);
}

static enum html_step
in_value(struct html_token *t, struct html_source s)
{
    size_t i = 0;

    if (t->state == HTML_IN_QUOTED_VALUE) {
        const uint8_t *q = s.len ? memchr(s.p, t->quote, s.len) : NULL;
        i = q ? (size_t)(q - s.p) : s.len;
    } else {
        while (i < s.len && s.p[i] != '>' && !octet_is_space(s.p[i]))
            i++;
    }
    append(t, s.p, i);
    if (i < s.len)
        return commit(t, i + (t->state == HTML_IN_QUOTED_VALUE), true);
    html_token_skip(t, i);
    return HTML_STEP_WANT;
}

/* Up to a '>' outside quotes; they only open behind a blank or '='. */
static enum html_step
in_end_rest(struct html_token *t, struct html_source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        if (!t->quote && c == '>')
            return html_token_token(
                t, i + 1, t->state == HTML_IN_BOGUS_END ? HTML_TOKEN_COMMENT : HTML_TOKEN_END);
        if (c == '"' || c == '\'') {
            if (c == t->quote)
                t->quote = 0;
            else if (!t->quote && (t->prev == ' ' || t->prev == '='))
                t->quote = c;
        }
        t->prev = c;
    }
    html_token_skip(t, s.len);
    return HTML_STEP_WANT;
}

enum html_step
html_token_tag_step(struct html_token *t, const struct html_source *from)
{
    struct html_source s = *from;

    switch ((int)t->state) {
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
    default:
        return in_tag_name(t, s);
    }
}
