/* rule_header: what `header` and `mimeheader` look at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan/expr.h"
#include "scan/rule_line.h"

/* Where a pattern looks. */
struct place {
    char *name; /* malloc */
    enum header_part part;
    const char *unsupported; /* right in SpamAssassin, not honoured here; else NULL */
};

static bool
is_header_char(char ch)
{
    return ch == '.' || ch == '-' || expr_name_len(&ch, 1) || (ch >= '0' && ch <= '9');
}

/* Some pseudo-headers are told by their case: in SpamAssassin `exists:MessageID` asks for a field of that name
 * and nothing else (its own rules do). Such a field cannot have the pseudo-header's name among the targets, so it
 * gets one that no field has and reads as absent. */
static char *
keep_from_pseudo(struct rule_cursor *c, size_t off, char *name)
{
    static const char *const pseudo[] = { "ALL",          "MESSAGEID",    "ALL-TRUSTED",
                                          "ALL-INTERNAL", "ALL-EXTERNAL", "ALL-UNTRUSTED" };
    for (unsigned i = 0; i < sizeof(pseudo) / sizeof(*pseudo); i++) {
        size_t len = strlen(pseudo[i]);
        if (strcasecmp(name, pseudo[i]) || !memcmp(c->line->text + off, pseudo[i], len))
            continue;
        rule_list_say(c->list, RULE_WARNING, &c->line->place, c->line->columns[off],
                      "not the pseudo-header %s, for its case: it reads as a field that is absent", pseudo[i]);
        char *other = NULL;
        if (asprintf(&other, "%s:", name) < 0)
            abort();
        free(name);
        return other;
    }
    return name;
}

/* ":addr", ":raw:first": the cursor is at the first colon, and behind them afterwards. */
static bool
modifiers(struct rule_cursor *c, struct place *p)
{
    static const struct {
        const char *name;
        enum header_part part;
        const char *unsupported;
    } known[] = {
        { "", HEADER_WHOLE, NULL },
        { "addr", HEADER_ADDR, NULL },
        { "name", HEADER_NAME, NULL },
        { "raw", HEADER_RAW, NULL },
        { "host", HEADER_WHOLE, "the header modifier :host is not honoured" },
        { "domain", HEADER_WHOLE, "the header modifier :domain is not honoured" },
        { "ip", HEADER_WHOLE, "the header modifier :ip is not honoured" },
        { "revip", HEADER_WHOLE, "the header modifier :revip is not honoured" },
        { "first", HEADER_WHOLE, "the header modifier :first is not honoured" },
        { "last", HEADER_WHOLE, "the header modifier :last is not honoured" },
    };
    const char *text = c->line->text;
    for (unsigned cnt = 0; c->off < c->line->len && text[c->off] == ':'; cnt++) {
        size_t start = ++c->off;
        while (c->off < c->line->len && text[c->off] >= 'a' && text[c->off] <= 'z')
            c->off++;
        size_t len = c->off - start;
        size_t i = 0;
        while (i < sizeof(known) / sizeof(*known) &&
               (strlen(known[i].name) != len || memcmp(known[i].name, text + start, len)))
            i++;
        if (i == sizeof(known) / sizeof(*known) || cnt == 2) {
            rule_say(c, RULE_ERROR, start, "a header modifier that SpamAssassin has not");
            return false;
        }
        if (known[i].unsupported)
            p->unsupported = known[i].unsupported;
        else if (len && p->part != HEADER_WHOLE && p->part != known[i].part)
            p->unsupported = "two header modifiers at once are not honoured";
        if (known[i].part != HEADER_WHOLE)
            p->part = known[i].part;
    }
    return true;
}

/* "Name", "Name:", "Name:addr". False: said. */
static bool
header_place(struct rule_cursor *c, struct place *p)
{
    const char *text = c->line->text;
    size_t start = c->off;
    *p = (struct place){ .part = HEADER_WHOLE };
    while (c->off < c->line->len && is_header_char(text[c->off]))
        c->off++;
    if (c->off == start) {
        rule_say(c, RULE_ERROR, start, "a header name is expected here");
        return false;
    }
    p->name = rule_must(strndup(text + start, c->off - start));
    for (char *at = p->name; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at);
    p->name = keep_from_pseudo(c, start, p->name);
    if (modifiers(c, p))
        return true;
    free(p->name);
    return false;
}

static void
parse_exists(struct rule_cursor *c, const char *name, size_t len)
{
    c->off += strlen("exists:");
    struct place p;
    if (!header_place(c, &p))
        return;
    if (c->off != c->line->len || p.part != HEADER_WHOLE || p.unsupported) {
        rule_say(c, RULE_ERROR, c->off, "exists: takes one header name");
        free(p.name);
        return;
    }
    struct rule *r = rule_define(c, name, len, RULE_EXISTS);
    if (r)
        r->header = p.name;
    else
        free(p.name);
}

/* Takes "[if-unset: X]" off the end of the line: returns the length that is left of `len` octets from
 * `off`, and X in *unset (malloc). As SpamAssassin's  s/\s+\[if-unset:\s+(.+)\]$//  */
static size_t
take_unset(const struct rule_cursor *c, size_t off, size_t len, char **unset)
{
    static const char mark[] = "[if-unset:";
    const char *text = c->line->text + off;
    *unset = NULL;
    if (len == 0 || text[len - 1] != ']')
        return len;
    for (size_t i = 1; i + sizeof(mark) < len; i++) {
        size_t value = i + sizeof(mark) - 1;
        if (!rule_is_blank(text[i - 1]) || memcmp(text + i, mark, sizeof(mark) - 1) ||
            !rule_is_blank(text[value]))
            continue;
        while (value < len - 2 && rule_is_blank(text[value]))
            value++;
        if (value >= len - 1)
            continue;
        *unset = rule_must(strndup(text + value, len - 1 - value));
        while (i > 0 && rule_is_blank(text[i - 1]))
            i--;
        return i;
    }
    return len;
}

/* `=~ /re/ [if-unset: X]`. Takes what p owns. */
static void
parse_match(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind, struct place *p)
{
    char *unset = NULL;
    rule_skip_blanks(c);
    bool is_negated = rule_begins(c, "!~");
    struct regex_literal literal;
    struct rule *r = NULL;
    if (!is_negated && !rule_begins(c, "=~")) {
        rule_say(c, RULE_ERROR, c->off, "`=~` or `!~` is expected here");
        goto out;
    }
    c->off += 2;
    rule_skip_blanks(c);
    if (!rule_regex(c, c->off, take_unset(c, c->off, c->line->len - c->off, &unset), &literal))
        goto out;
    r = rule_define(c, name, len, kind);
    if (!r)
        goto out;
    rule_set_regex(c, r, &literal);
    r->header = p->name;
    r->part = p->part;
    r->is_negated = is_negated;
    r->unset = unset;
    if (p->unsupported)
        rule_turn_off(c->list, r, p->unsupported);
    return;
out:
    free(p->name);
    free(unset);
}

void
rule_parse_header(struct rule_cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    struct place p;
    if (!name)
        return;
    if (rule_begins(c, "eval:") || rule_begins(c, "rbleval:")) {
        c->off += rule_begins(c, "eval:") ? strlen("eval:") : strlen("rbleval:");
        rule_parse_eval(c, name, len, kind);
    } else if (rule_begins(c, "exists:")) {
        parse_exists(c, name, len);
    } else if (header_place(c, &p)) {
        parse_match(c, name, len, kind, &p);
    }
}

/* Any field name up to a colon, and no modifier but :raw. `ALL` is told by its case. */
void
rule_parse_mimeheader(struct rule_cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    const char *text = c->line->text;
    size_t start = c->off;
    while (c->off < c->line->len && text[c->off] != ':' && !rule_is_blank(text[c->off]) &&
           !rule_begins(c, "=~") && !rule_begins(c, "!~"))
        c->off++;
    if (c->off == start) {
        rule_say(c, RULE_ERROR, start, "a header name is expected here");
        return;
    }
    struct place p = { .name = rule_must(strndup(text + start, c->off - start)), .part = HEADER_WHOLE };
    bool is_all = !strcmp(p.name, "ALL");
    for (char *at = p.name; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at);
    if (!is_all && !strcmp(p.name, "all"))
        p.name = keep_from_pseudo(c, start, p.name);
    if (rule_begins(c, ":raw")) {
        p.part = HEADER_RAW;
        c->off += strlen(":raw");
    } else if (rule_begins(c, ":")) {
        c->off++;
    }
    parse_match(c, name, len, kind, &p);
}
