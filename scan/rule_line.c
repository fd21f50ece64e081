/* rule_line: one line of rule text becomes a definition, a score or a diagnostic. A keyword is a row in
 * the table at the end; what has no row is a directive of SpamAssassin's, reported as not honoured, or an error. */
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan/expr.h"
#include "scan/limits.h"
#include "scan/rule_list.h"

/* A read position in a line. */
struct cursor {
    struct rule_list *list;
    const struct rule_line *line;
    size_t off;
};

static void
say(const struct cursor *c, enum rule_severity severity, size_t off, const char *text)
{
    rule_list_say(c->list, severity, &c->line->place, c->line->columns[off], "%s", text);
}

static bool
is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\f' || ch == '\v';
}

static void
skip_blanks(struct cursor *c)
{
    while (c->off < c->line->len && is_blank(c->line->text[c->off]))
        c->off++;
}

/* The next run of non-blanks; blanks after it are skipped, too. Length 0 at the end of the line. */
static const char *
word(struct cursor *c, size_t *len)
{
    const char *text = c->line->text + c->off;
    size_t start = c->off;
    while (c->off < c->line->len && !is_blank(c->line->text[c->off]))
        c->off++;
    *len = c->off - start;
    skip_blanks(c);
    return text;
}

/* Reads the rule's name. NULL when there is no good one (said). */
static const char *
rule_name(struct cursor *c, size_t *len)
{
    size_t start = c->off;
    const char *name = word(c, len);
    if (*len == 0)
        say(c, RULE_ERROR, start, "a rule name is missing");
    else if (expr_name_len(name, *len) != *len)
        say(c, RULE_ERROR, start + expr_name_len(name, *len),
            "a rule name has letters, digits and _ only and begins with no digit");
    else if (*len > RULE_NAME_MAX)
        say(c, RULE_ERROR, start, "a rule name longer than 100 octets");
    else
        return name;
    return NULL;
}

/* The entry of this name, which lies in the line; NULL, with an error said: there is no room for it. */
static struct rule *
entry_of(struct cursor *c, const char *name, size_t len)
{
    struct rule *r = rule_list_entry(c->list, name, len);
    if (!r)
        say(c, RULE_ERROR, (size_t)(name - c->line->text), "more than 65535 rules");
    return r;
}

/* Begins a definition: the entry of this name with what an earlier definition left removed. The caller has
 * checked the rest of the line, so that a wrong line does not undo a right one. */
static struct rule *
define(struct cursor *c, const char *name, size_t len, enum rule_kind kind)
{
    size_t at = (size_t)(name - c->line->text);
    struct rule *r = entry_of(c, name, len);
    if (!r)
        return NULL;
    if (r->kind != RULE_NONE)
        rule_list_say(c->list, RULE_WARNING, &c->line->place, c->line->columns[at],
                      "%s replaces its definition at %s:%u", r->name, r->place.file, r->place.line);
    r->kind = kind;
    r->is_negated = false;
    free(r->header);
    free(r->unset);
    free(r->text);
    free(r->text_columns);
    r->header = r->unset = r->text = NULL;
    r->text_columns = NULL;
    r->text_len = 0;
    rule_place_set(&r->place, &c->line->place, c->line->columns[at]);
    return r;
}

/* A definition that is right in SpamAssassin but not honoured here: known by name, never hits. */
static void
define_off(struct cursor *c, const char *name, size_t len, size_t off, const char *what)
{
    rule_list_say(c->list, RULE_WARNING, &c->line->place, c->line->columns[off],
                  "%s is not honoured yet: %.*s never hits", what, (int)len, name);
    define(c, name, len, RULE_OFF);
}

static void
set_text(struct rule *r, const struct rule_line *line, size_t off, size_t len)
{
    r->text = strndup(line->text + off, len);
    r->text_columns = malloc((len + 1) * sizeof(*r->text_columns));
    if (!r->text || !r->text_columns)
        abort();
    memcpy(r->text_columns, line->columns + off, (len + 1) * sizeof(*r->text_columns));
    r->text_len = len;
}

/* Reads line[off..off+len) as a regex literal. */
static bool
regex(struct cursor *c, size_t off, size_t len, struct regex_literal *out)
{
    size_t error_off;
    const char *error;
    if (regex_literal_parse(c->line->text + off, len, out, &error_off, &error)) {
        out->off += off;
        return true;
    }
    say(c, RULE_ERROR, off + error_off, error);
    return false;
}

static void
set_regex(struct rule *r, const struct rule_line *line, const struct regex_literal *literal)
{
    set_text(r, line, literal->off, literal->len);
    r->flags = literal->flags;
    r->is_extended = literal->is_extended;
}

static bool
begins(const struct cursor *c, const char *prefix)
{
    size_t len = strlen(prefix);
    return c->line->len - c->off >= len && !memcmp(c->line->text + c->off, prefix, len);
}

/* body, rawbody, full, attachment */
static void
parse_pattern_rule(struct cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    if (begins(c, "eval:")) {
        define_off(c, name, len, c->off, "`eval:`");
        return;
    }
    struct regex_literal literal;
    if (!regex(c, c->off, c->line->len - c->off, &literal))
        return;
    struct rule *r = define(c, name, len, kind);
    if (r)
        set_regex(r, c->line, &literal);
}

/* header */

static bool
is_header_char(char ch)
{
    return ch == '.' || ch == '-' || expr_name_len(&ch, 1) || (ch >= '0' && ch <= '9');
}

/* Pseudo-headers are told by their case: in SpamAssassin `exists:MessageID` asks for a field of that name and
 * nothing else (its own rules do). Such a field cannot have the pseudo-header's name among the targets, so it
 * gets one that no field has and reads as absent. */
static char *
keep_from_pseudo(struct cursor *c, size_t off, char *name)
{
    static const char *const pseudo[] = { "ALL", "ToCc", "EnvelopeFrom", "MESSAGEID" };
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

/* "Name", "Name:", "Name:addr". Returns a lower-case copy, or NULL (said). *unsupported names what is
 * right in SpamAssassin but not known here. */
static char *
header_name(struct cursor *c, enum header_part *part, const char **unsupported)
{
    const char *text = c->line->text;
    size_t start = c->off;
    while (c->off < c->line->len && is_header_char(text[c->off]))
        c->off++;
    if (c->off == start) {
        say(c, RULE_ERROR, start, "a header name is expected here");
        return NULL;
    }
    char *name = strndup(text + start, c->off - start);
    if (!name)
        abort();
    for (char *p = name; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
    name = keep_from_pseudo(c, start, name);
    *part = HEADER_WHOLE;
    *unsupported = NULL;
    if (!strncmp(name, "x-spam-relays-", 14) || !strncmp(name, "all-", 4))
        *unsupported = "this pseudo-header";
    if (c->off == c->line->len || text[c->off] != ':')
        return name;
    size_t modifier = ++c->off;
    while (c->off < c->line->len && ((text[c->off] >= 'a' && text[c->off] <= 'z') || text[c->off] == ':'))
        c->off++;
    size_t modifier_len = c->off - modifier;
    static const char *const parts[] = { [HEADER_WHOLE] = "", [HEADER_ADDR] = "addr",
                                         [HEADER_NAME] = "name", [HEADER_RAW] = "raw" };
    for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (strlen(parts[i]) == modifier_len && !memcmp(parts[i], text + modifier, modifier_len)) {
            *part = (enum header_part)i;
            return name;
        }
    }
    *unsupported = "this header modifier";
    return name;
}

static void
parse_exists(struct cursor *c, const char *name, size_t len)
{
    c->off += strlen("exists:");
    enum header_part part;
    const char *unsupported;
    size_t start = c->off;
    char *header = header_name(c, &part, &unsupported);
    if (!header)
        return;
    if (c->off != c->line->len || part != HEADER_WHOLE) {
        say(c, RULE_ERROR, c->off, "exists: takes one header name");
    } else if (unsupported) {
        define_off(c, name, len, start, unsupported);
    } else {
        struct rule *r = define(c, name, len, RULE_EXISTS);
        if (r) {
            r->header = header;
            r->part = part;
            return;
        }
    }
    free(header);
}

/* Takes "[if-unset: X]" off the end of the line: returns the length that is left of `len` octets from
 * `off`, and X in *unset (malloc). As SpamAssassin's  s/\s+\[if-unset:\s+(.+)\]$//  */
static size_t
take_unset(const struct cursor *c, size_t off, size_t len, char **unset)
{
    static const char mark[] = "[if-unset:";
    const char *text = c->line->text + off;
    *unset = NULL;
    if (len == 0 || text[len - 1] != ']')
        return len;
    for (size_t i = 1; i + sizeof(mark) < len; i++) {
        size_t value = i + sizeof(mark) - 1;
        if (!is_blank(text[i - 1]) || memcmp(text + i, mark, sizeof(mark) - 1) || !is_blank(text[value]))
            continue;
        while (value < len - 2 && is_blank(text[value]))
            value++;
        if (value >= len - 1)
            continue;
        *unset = strndup(text + value, len - 1 - value);
        while (i > 0 && is_blank(text[i - 1]))
            i--;
        return i;
    }
    return len;
}

static void
parse_header_pattern(struct cursor *c, const char *name, size_t len)
{
    enum header_part part;
    const char *unsupported;
    size_t start = c->off;
    char *header = header_name(c, &part, &unsupported);
    if (!header)
        return;
    char *unset = NULL;
    skip_blanks(c);
    bool is_negated = begins(c, "!~");
    struct regex_literal literal;
    if (!is_negated && !begins(c, "=~")) {
        say(c, RULE_ERROR, c->off, "`=~` or `!~` is expected here");
        goto out;
    }
    c->off += 2;
    skip_blanks(c);
    if (unsupported) {
        define_off(c, name, len, start, unsupported);
        goto out;
    }
    if (!regex(c, c->off, take_unset(c, c->off, c->line->len - c->off, &unset), &literal))
        goto out;
    struct rule *r = define(c, name, len, RULE_HEADER);
    if (r) {
        set_regex(r, c->line, &literal);
        r->header = header;
        r->part = part;
        r->is_negated = is_negated;
        r->unset = unset;
        return;
    }
out:
    free(header);
    free(unset);
}

static void
parse_header(struct cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    if (begins(c, "eval:") || begins(c, "rbleval:"))
        define_off(c, name, len, c->off, "`eval:`");
    else if (begins(c, "exists:"))
        parse_exists(c, name, len);
    else
        parse_header_pattern(c, name, len);
}

static void
parse_meta(struct cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    uint32_t code[EXPR_CODE_MAX];
    struct expr_error error;
    if (!expr_parse(c->line->text + c->off, c->line->len - c->off, code, EXPR_CODE_MAX, &error)) {
        rule_list_say(c->list, error.is_unsupported ? RULE_WARNING : RULE_ERROR, &c->line->place,
                      c->line->columns[c->off + error.off],
                      error.is_unsupported ? "%s: %.*s never hits" : "%s", error.text, (int)len, name);
        if (error.is_unsupported)
            define(c, name, len, RULE_OFF);
        return;
    }
    struct rule *r = define(c, name, len, kind);
    if (r)
        set_text(r, c->line, c->off, c->line->len - c->off);
}

/* uri, mimeheader and the like: rules of SpamAssassin that are not honoured yet. */
static void
parse_other_rule(struct cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    char what[32];
    size_t keyword_len = strcspn(c->line->text, " \t");
    snprintf(what, sizeof(what), "`%.*s`", (int)keyword_len, c->line->text);
    define_off(c, name, len, 0, what);
}

/* score, describe */

/* -?[0-9]+(\.[0-9]+)? in thousandths, half up. */
static bool
parse_score_value(const char *text, size_t len, int32_t *milli)
{
    size_t i = len > 0 && text[0] == '-';
    size_t digits = 0;
    int64_t value = 0;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++, digits++) {
        value = value * 10 + (text[i] - '0') * 1000;
        if (value > RULE_SCORE_MAX_MILLI)
            return false;
    }
    if (digits == 0)
        return false;
    if (i < len && text[i] == '.') {
        int unit = 100;
        size_t point = i++;
        for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            if (i - point == 4 && text[i] >= '5')
                value++;
            value += (text[i] - '0') * unit;
            unit /= 10;
        }
        if (i == point + 1)
            return false;
    }
    *milli = (int32_t)(text[0] == '-' ? -value : value);
    return i == len;
}

static void
parse_score(struct cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t name_off = c->off;
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    size_t first = c->off;
    unsigned cnt = 0;
    int32_t column_0 = 0;
    while (c->off < c->line->len) {
        size_t start = c->off;
        size_t value_len;
        const char *value = word(c, &value_len);
        int32_t milli = 0;
        if (value[0] == '(') {
            say(c, RULE_WARNING, start, "a relative score is not honoured yet");
            return;
        }
        if (!parse_score_value(value, value_len, &milli)) {
            say(c, RULE_ERROR, start, "a score is a number from -100000 to 100000");
            return;
        }
        if (cnt++ == 0)
            column_0 = milli;
    }
    if (cnt != 1 && cnt != 4) {
        say(c, RULE_ERROR, first, "a rule has 1 score or 4");
        return;
    }
    struct rule *r = entry_of(c, name, len);
    if (!r)
        return;
    r->has_score = true;
    r->score_milli = column_0;
    rule_place_set(&r->score_place, &c->line->place, c->line->columns[name_off]);
}

static void
parse_describe(struct cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    struct rule *r = entry_of(c, name, len);
    if (!r)
        return;
    free(r->describe);
    r->describe = strndup(c->line->text + c->off, c->line->len - c->off);
}

/* Keywords */

static const struct keyword {
    const char *name;
    void (*parse)(struct cursor *c, enum rule_kind kind);
    enum rule_kind kind;
} keywords[] = {
    { "header", parse_header, RULE_HEADER },
    { "body", parse_pattern_rule, RULE_BODY },
    { "rawbody", parse_pattern_rule, RULE_RAWBODY },
    { "full", parse_pattern_rule, RULE_FULL },
    { "attachment", parse_pattern_rule, RULE_ATTACHMENT },
    { "meta", parse_meta, RULE_META },
    { "score", parse_score, RULE_NONE },
    { "describe", parse_describe, RULE_NONE },
    { "uri", parse_other_rule, RULE_OFF },
    { "mimeheader", parse_other_rule, RULE_OFF },
    { "uri_detail", parse_other_rule, RULE_OFF },
    { "askdns", parse_other_rule, RULE_OFF },
};

/* if, ifplugin, else, endif. True when the line was one of them or lies in a skipped block. */
static bool
parse_conditional(struct rule_reader *reader, const struct cursor *c, size_t at, const char *keyword,
                  size_t len)
{
    if (rule_keyword_is(keyword, len, "if") || rule_keyword_is(keyword, len, "ifplugin")) {
        if (reader->skip_depth++ == 0) {
            rule_list_say(reader->list, RULE_WARNING, &c->line->place, c->line->columns[at],
                          "`%.*s` is not honoured yet: everything up to its `endif` is skipped",
                          (int)len, keyword);
            rule_place_set(&reader->if_place, &c->line->place, c->line->columns[at]);
        }
        return true;
    }
    if (rule_keyword_is(keyword, len, "endif") || rule_keyword_is(keyword, len, "else")) {
        if (reader->skip_depth == 0)
            rule_list_say(reader->list, RULE_ERROR, &c->line->place, c->line->columns[at],
                          "`%.*s` without `if`", (int)len, keyword);
        else if (rule_keyword_is(keyword, len, "endif"))
            reader->skip_depth--;
        return true;
    }
    return reader->skip_depth > 0;
}

void
rule_line_parse(struct rule_reader *reader, const struct rule_line *line)
{
    struct cursor c = { .list = reader->list, .line = line };
    skip_blanks(&c);
    size_t at = c.off;
    size_t len;
    const char *keyword = word(&c, &len);
    if (len == 0 || parse_conditional(reader, &c, at, keyword, len))
        return;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
        if (rule_keyword_is(keyword, len, keywords[i].name)) {
            keywords[i].parse(&c, keywords[i].kind);
            return;
        }
    }
    int shown = len < 40 ? (int)len : 40;
    bool is_known = rule_directive_is_known(keyword, len);
    rule_list_say(c.list, is_known ? RULE_WARNING : RULE_ERROR, &line->place, line->columns[at],
                  is_known ? "`%.*s` is not honoured yet" : "unknown keyword `%.*s`", shown, keyword);
}
