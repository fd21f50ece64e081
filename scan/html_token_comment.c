/* "<!..>" and "<?..>": comments, declarations, marked sections. See html_token_private.h. */
#include "scan/html_token_private.h"

static uint8_t
section_of(const uint8_t *p, size_t len)
{
    static const char *const names[] = {"include", "rcdata", "cdata", "ignore"};
    for (uint8_t i = 0; i < 4; i++)
        if (html_token_is_word(p, len, names[i]))
            return i + 1;
    return HTML_SECTION_NONE;
}

void
html_token_see_start(struct html_token *t, bool is_dashed)
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
        bool fits = saved[t->match] == '0' ? octet_is_digit(c) : c == (uint8_t)saved[t->match];
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

static enum html_step
in_comment(struct html_token *t, struct html_source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        see(t, c);
        if (c == '>' && t->dash >= 2) {
            t->kept = 0;
            return html_token_token(t, i + 1, HTML_TOKEN_COMMENT);
        }
        if (c == '-')
            t->dash = t->dash == 0 || t->dash == 3 ? 1 : 2;
        else
            t->dash = t->dash >= 2 && octet_is_space(c) ? 3 : 0;
    }
    t->is_hold_cut |= html_token_keep(t, s.p, s.len) < s.len;
    html_token_skip(t, s.len);
    return HTML_STEP_WANT;
}

static enum html_step
in_short_comment(struct html_token *t, struct html_source s)
{
    for (size_t i = 0; i < s.len; i++) {
        see(t, s.p[i]);
        if (s.p[i] == '>')
            return html_token_token(t, i + 1, HTML_TOKEN_COMMENT);
    }
    html_token_skip(t, s.len);
    return HTML_STEP_WANT;
}

static enum html_step
start_bogus(struct html_token *t, struct html_source s, size_t used)
{
    html_token_see_start(t, false);
    for (size_t i = 2; i < used; i++)
        see(t, s.p[i]);
    return html_token_go(t, used, HTML_IN_SHORT_COMMENT);
}

/* "<![name name[" */
static enum html_step
start_section(struct html_token *t, struct html_source s)
{
    size_t max = s.len < HTML_LOOKAHEAD ? s.len : HTML_LOOKAHEAD, i = 3;
    uint8_t strongest = HTML_SECTION_NONE;
    bool any = false;

    while (i < max && octet_is_space(s.p[i]))
        i++;
    while (i < max && html_token_is_name(s.p[i]) && !octet_is_digit(s.p[i]) && s.p[i] != '.' &&
           s.p[i] != '-') {
        size_t from = i;
        while (i < max && html_token_is_name(s.p[i]))
            i++;
        uint8_t section = section_of(s.p + from, i - from);
        strongest = section > strongest ? section : strongest;
        any = true;
        while (i < max && octet_is_space(s.p[i]))
            i++;
    }
    if (i == s.len && i < HTML_LOOKAHEAD)
        return HTML_STEP_WANT;
    if (i == max || s.p[i] != '[')
        return start_bogus(t, s, 2);
    if (t->section_cnt < sizeof t->sections) {
        t->sections[t->section_cnt++] = any ? strongest : HTML_SECTION_INCLUDE;
        t->section = strongest > t->section ? strongest : t->section;
        if (!any && !t->section)
            t->section = HTML_SECTION_INCLUDE;
    }
    return html_token_token(t, i + 1, HTML_TOKEN_MORE);
}

/* "<!" and a letter: DOCTYPE and ENTITY are declarations, all others are comments. */
static enum html_step
start_declaration(struct html_token *t, struct html_source s)
{
    size_t max = s.len < HTML_LOOKAHEAD ? s.len : HTML_LOOKAHEAD, i = 2;

    while (i < max && html_token_is_name(s.p[i]))
        i++;
    if (i == s.len && i < HTML_LOOKAHEAD)
        return HTML_STEP_WANT;
    bool is_doctype = html_token_is_word(s.p + 2, i - 2, "doctype");
    if (!is_doctype && !html_token_is_word(s.p + 2, i - 2, "entity"))
        return start_bogus(t, s, i);
    t->tag = is_doctype ? HTML_TAG_DOCTYPE : HTML_TAG_UNKNOWN;
    return html_token_go(t, i, HTML_IN_DECL);
}

enum html_step
html_token_start_bang(struct html_token *t, struct html_source s)
{
    if (s.len < 3)
        return HTML_STEP_WANT;
    if (s.p[2] == '[')
        return start_section(t, s);
    if (octet_is_alpha(s.p[2]))
        return start_declaration(t, s);
    if (s.p[2] != '-')
        return start_bogus(t, s, 2);
    if (s.len < 4)
        return HTML_STEP_WANT;
    if (s.p[3] != '-')
        return start_bogus(t, s, 3);
    html_token_see_start(t, true);
    t->kept = 0;
    t->is_hold_cut = false;
    return html_token_go(t, 4, t->is_short ? HTML_IN_SHORT_COMMENT : HTML_IN_COMMENT);
}

static enum html_step
in_declaration(struct html_token *t, struct html_source s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        switch ((int)t->state) {
        case HTML_IN_DECL_QUOTE:
            t->state = c == t->quote ? HTML_IN_DECL : t->state;
            break;
        case HTML_IN_DECL_DASH:
            if (c != '-') { /* not a comment in it: it is one */
                html_token_see_start(t, false);
                t->is_after_bang = false;
                return html_token_go(t, i, HTML_IN_SHORT_COMMENT);
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
                return html_token_token(
                    t, i + 1, t->tag == HTML_TAG_DOCTYPE ? HTML_TOKEN_DOCTYPE : HTML_TOKEN_MORE);
            if (octet_is_space(c)) {
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
    html_token_skip(t, s.len);
    return HTML_STEP_WANT;
}

static enum html_step
in_process(struct html_token *t, struct html_source s)
{
    const uint8_t *gt = s.len ? memchr(s.p, '>', s.len) : NULL;
    if (gt)
        return html_token_token(t, (size_t)(gt - s.p) + 1, HTML_TOKEN_MORE);
    html_token_skip(t, s.len);
    return HTML_STEP_WANT;
}

enum html_step
html_token_comment_step(struct html_token *t, const struct html_source *from)
{
    struct html_source s = *from;

    switch ((int)t->state) {
    case HTML_IN_COMMENT:
        return in_comment(t, s);
    case HTML_IN_SHORT_COMMENT:
        return in_short_comment(t, s);
    case HTML_IN_PROCESS:
        return in_process(t, s);
    default:
        return in_declaration(t, s);
    }
}
