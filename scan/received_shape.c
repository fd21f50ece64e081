/* The shape of a Received line: first word, groups, by. See received_private.h. */
#include <string.h>
#include <strings.h>

#include "scan/ip_text.h"
#include "scan/received_private.h"

/* "[ip]", "[ip:port]", "[ip.port]" at s; the length up to behind "]", 0 when it is something else.
 */
static size_t
bracketed_ip(struct span s, struct span *ip, bool *has_port)
{
    const uint8_t *close = s.len == 0 || s.ptr[0] != '[' ? NULL : memchr(s.ptr, ']', s.len);
    struct span inner;
    size_t len, i;

    if (close == NULL)
        return 0;
    inner = span_cut(s, 1, (size_t)(close - s.ptr) - 1);
    len = inner.len == 0 ? 0 : ip_text_at(inner, 0);
    if (len == 0)
        return 0;
    *ip = span_cut(inner, 0, len);
    *has_port = len < inner.len;
    if (*has_port && inner.ptr[len] != ':' && inner.ptr[len] != '.')
        return 0;
    for (i = len + 1; i < inner.len; i++) {
        if (inner.ptr[i] < '0' || inner.ptr[i] > '9')
            return 0;
    }
    return inner.len + 2;
}

/* "ip" or "[ip..]" at s, what follows in g->extra. */
static bool
read_ip(struct span s, struct group *g)
{
    size_t len = bracketed_ip(s, &g->ip, &g->has_port);

    g->is_bracketed = len > 0;
    if (len == 0) {
        len = s.len == 0 ? 0 : ip_text_at(s, 0);
        g->ip = span_cut(s, 0, len);
    }
    g->extra = span_from(s, len);
    return len > 0;
}

static bool
is_ip_group(struct group *g)
{
    struct span s = g->text;
    size_t word = span_word_len(s);
    const uint8_t *at = word == 0 ? NULL : memrchr(s.ptr, '@', word);

    g->is_spaced = s.len > 0 && s.ptr[0] == ' ';
    if (g->is_spaced)
        return read_ip(span_from(s, 1), g);
    if (read_ip(s, g))
        return true;
    if (at == NULL)
        return false;
    g->has_ident = true;
    g->ident = span_cut(s, 0, (size_t)(at - s.ptr));
    return read_ip(span_from(s, g->ident.len + 1), g);
}

/* "name [ip]extra" */
static bool
is_name_group(struct group *g)
{
    g->name = span_cut(g->text, 0, span_word_len(g->text));
    return g->name.len > 0 && read_ip(span_from(g->text, g->name.len + 1), g) && g->is_bracketed;
}

/* "name[ip]" */
static bool
is_tight_group(struct group *g)
{
    size_t word = span_word_len(g->text);
    const uint8_t *open = word == 0 ? NULL : memrchr(g->text.ptr, '[', word);

    if (open == NULL || open == g->text.ptr)
        return false;
    g->name = span_cut(g->text, 0, (size_t)(open - g->text.ptr));
    return read_ip(span_from(g->text, g->name.len), g) && g->is_bracketed && g->extra.len == 0;
}

static void
read_group(struct group *g)
{
    g->kind = GROUP_OTHER;
    if (span_starts(g->text, "HELO ") || span_starts(g->text, "EHLO ")) {
        g->kind = GROUP_HELO;
        g->name = span_from(g->text, 5);
    } else if (span_starts(g->text, "LHLO ")) {
        g->kind = GROUP_LHLO;
        g->name = span_from(g->text, 5);
    } else if (is_name_group(g)) {
        g->kind = GROUP_NAME_IP;
    } else if (is_ip_group(g)) {
        g->kind = GROUP_IP;
    } else if (is_tight_group(g)) {
        g->kind = GROUP_TIGHT;
        g->has_ident = false;
    }
}

/* The length of "( .. )" at s, inner parentheses included; 0 when it never closes. */
static size_t
paren_len(struct span s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        depth += s.ptr[i] == '(';
        if (s.ptr[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

static size_t
add_group(struct shape *s, struct span at)
{
    struct group *g = &s->group[s->cnt];
    bool is_square = at.ptr[0] == '[';
    size_t len = is_square ? span_word_len(at) : paren_len(at);

    if (len == 0)
        return 0;
    memset(g, 0, sizeof *g);
    if (is_square) {
        g->text = span_cut(at, 0, len);
        g->kind = read_ip(g->text, g) && g->is_bracketed ? GROUP_SQUARE : GROUP_OTHER;
    } else {
        g->text = span_cut(at, 1, len - 2);
        read_group(g);
    }
    s->cnt++;
    return len;
}

static void
read_by(struct shape *s, size_t off)
{
    struct span word = span_from(s->text, off + 3);

    s->by = span_cut(word, 0, span_word_len(word));
    s->after = span_from(word, s->by.len);
    s->is_after_paren = off >= 2 && s->text.ptr[off - 2] == ')';
}

void
received_shape(struct span text, struct shape *s)
{
    bool has_groups = true; /* until one does not close: looking again would be quadratic */
    size_t off;

    memset(s, 0, sizeof *s);
    s->text = text;
    s->is_by_next = true;
    if (text.len > 0 && text.ptr[0] != '(')
        s->first = span_cut(text, 0, span_word_len(text));
    off = s->first.len;
    while (off < text.len) {
        struct span rest;
        size_t len = 0;

        off += text.ptr[off] == ' ';
        rest = span_from(text, off);
        if (rest.len > 3 && span_starts(rest, "by ")) {
            read_by(s, off);
            return;
        }
        if (has_groups && rest.len > 0 && (rest.ptr[0] == '(' || rest.ptr[0] == '[')) {
            len = add_group(s, rest);
            has_groups = len > 0 && s->cnt < RECEIVED_GROUPS_MAX;
        }
        off += len;
        if (len == 0 || (off < text.len && text.ptr[off] != ' ')) {
            s->is_by_next = false;
            off += span_word_len(span_from(text, off));
        }
    }
    s->is_by_next = false;
}
