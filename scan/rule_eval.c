/* rule_eval: `eval:function('argument', 2)`. Whether the function exists is the image builder's question. */
#include <stdlib.h>
#include <string.h>

#include "scan/rule_line.h"

static bool
is_word(char ch)
{
    return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
}

/* What may stand in an argument without quotes: numbers, addresses, domains. */
static bool
is_bare(char ch)
{
    return (is_word(ch) && ch != '_') || ch == '.' || ch == ':' || ch == '-';
}

/* The offset behind blanks and one comma, when an argument may end at `at`; else 0. */
static size_t
argument_end(const char *text, size_t len, size_t at)
{
    while (at < len && rule_is_blank(text[at]))
        at++;
    if (at == len)
        return at;
    if (text[at] != ',')
        return 0;
    at++;
    while (at < len && rule_is_blank(text[at]))
        at++;
    return at;
}

/* Reads the argument at text[at]: what is in it, and where the next one begins. False when there is none. A quote
 * inside quotes is text unless an argument may end there, as in SpamAssassin. */
static bool
argument(const char *text, size_t len, size_t at, size_t *off, size_t *arg_len, size_t *next)
{
    char quote = text[at];
    if (quote == '\'' || quote == '"') {
        *off = at + 1;
        for (size_t i = at + 1; i < len; i++) {
            *next = text[i] == quote ? argument_end(text, len, i + 1) : 0;
            *arg_len = i - *off;
            if (*next)
                return true;
        }
        return false;
    }
    size_t end = at;
    while (end < len && is_bare(text[end]))
        end++;
    *off = at;
    *arg_len = end - at;
    *next = end > at ? argument_end(text, len, end) : 0;
    return *next > 0;
}

/* Every argument of text[from..to); false: said. Puts copies into r when it is not NULL. */
static bool
arguments(struct rule_cursor *c, size_t from, size_t to, struct rule *r)
{
    const char *text = c->line->text + from;
    size_t len = to - from;
    size_t at = 0;
    while (at < len && rule_is_blank(text[at]))
        at++;
    for (unsigned cnt = 0; at < len; cnt++) {
        size_t off;
        size_t arg_len;
        size_t next;
        if (!argument(text, len, at, &off, &arg_len, &next)) {
            rule_say(c, RULE_ERROR, from + at, "an argument in quotes, a number or a domain is expected here");
            return false;
        }
        if (cnt == RULE_EVAL_ARGS_MAX) {
            rule_say(c, RULE_ERROR, from + at, "more than 16 arguments");
            return false;
        }
        if (r)
            r->eval_args[r->eval_args_cnt++] = rule_must(strndup(text + off, arg_len));
        at = next;
    }
    return true;
}

/* As SpamAssassin tells blocklist lookups from other functions. */
static bool
is_lookup(const char *function, size_t len)
{
    return (len >= 9 && !memcmp(function, "check_rbl", 9)) || (len >= 9 && !memcmp(function, "check_dns", 9));
}

void
rule_parse_eval(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind)
{
    const char *text = c->line->text;
    size_t start = c->off;
    size_t end = start;
    while (end < c->line->len && is_word(text[end]))
        end++;
    if (end == start) {
        rule_say(c, RULE_ERROR, start, "a function name is expected here");
        return;
    }
    if (end == c->line->len || text[end] != '(') {
        rule_say(c, RULE_ERROR, end, "`(` is expected here");
        return;
    }
    if (text[c->line->len - 1] != ')') {
        rule_say(c, RULE_ERROR, c->line->len, "`)` is expected at the end");
        return;
    }
    if (!arguments(c, end + 1, c->line->len - 1, NULL))
        return;
    struct rule *r = rule_define(c, name, len, RULE_EVAL);
    if (!r)
        return;
    r->eval_kind = kind;
    r->eval_name = rule_must(strndup(text + start, end - start));
    arguments(c, end + 1, c->line->len - 1, r);
    if (kind == RULE_HEADER && is_lookup(text + start, end - start)) {
        rule_turn_off_quietly(r, "a look-up in the DNS");
        r->off_kind = RULE_NONE;
    }
}
