/* rule_line: one line of rule text becomes a definition, an attribute or a diagnostic. A keyword is a row in
 * the table at the end; what has no row is a list (rule_sets.c), a directive that is not honoured
 * (rule_directive.c) or an error. */
#include "scan/rule_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"

void
rule_say(const struct rule_cursor *c, enum rule_severity severity, size_t off, const char *text)
{
    rule_list_say(c->list, severity, &c->line->place, c->line->columns[off], "%s", text);
}

bool
rule_is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\f' || ch == '\v';
}

void
rule_skip_blanks(struct rule_cursor *c)
{
    while (c->off < c->line->len && rule_is_blank(c->line->text[c->off]))
        c->off++;
}

const char *
rule_word(struct rule_cursor *c, size_t *len)
{
    const char *text = c->line->text + c->off;
    size_t start = c->off;
    while (c->off < c->line->len && !rule_is_blank(c->line->text[c->off]))
        c->off++;
    *len = c->off - start;
    rule_skip_blanks(c);
    return text;
}

const char *
rule_rest(const struct rule_cursor *c, size_t *len)
{
    *len = c->line->len - c->off;
    return c->line->text + c->off;
}

bool
rule_begins(const struct rule_cursor *c, const char *prefix)
{
    size_t len = strlen(prefix);
    return c->line->len - c->off >= len && !memcmp(c->line->text + c->off, prefix, len);
}

const char *
rule_name(struct rule_cursor *c, size_t *len)
{
    size_t start = c->off;
    const char *name = rule_word(c, len);
    if (*len == 0)
        rule_say(c, RULE_ERROR, start, "a rule name is missing");
    else if (expr_name_len(name, *len) != *len)
        rule_say(c, RULE_ERROR, start + expr_name_len(name, *len),
                 "a rule name has letters, digits and _ only and begins with no digit");
    else if (*len > RULE_NAME_MAX)
        rule_say(c, RULE_ERROR, start, "a rule name longer than 100 octets");
    else
        return name;
    return NULL;
}

struct rule *
rule_entry_of(struct rule_cursor *c, const char *name, size_t len)
{
    struct rule *r = rule_list_entry(c->list, name, len);
    if (!r)
        rule_say(c, RULE_ERROR, (size_t)(name - c->line->text), "more than 65535 rules");
    return r;
}

struct rule *
rule_define(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind)
{
    size_t at = (size_t)(name - c->line->text);
    struct rule *r = rule_entry_of(c, name, len);
    if (!r)
        return NULL;
    /* A later file is there to replace what an earlier one says; in one file it is a slip. */
    if (r->kind != RULE_NONE && r->place.file == c->line->place.file)
        rule_list_say(c->list, RULE_WARNING, &c->line->place, c->line->columns[at],
                      "%s replaces its definition at %s:%u", r->name, r->place.file, r->place.line);
    rule_clear(r);
    r->kind = kind;
    rule_place_set(&r->place, &c->line->place, c->line->columns[at]);
    return r;
}

struct rule *
rule_define_off(struct rule_cursor *c, const char *name, size_t len, enum rule_kind kind, const char *what)
{
    struct rule *r = rule_define(c, name, len, RULE_OFF);
    if (!r)
        return NULL;
    r->off_kind = kind;
    r->off_reason = rule_must(strdup(what));
    return r;
}

void
rule_set_text(struct rule *r, const struct rule_line *line, size_t off, size_t len)
{
    r->text = rule_must(strndup(line->text + off, len));
    r->text_columns = rule_must(malloc((len + 1) * sizeof(*r->text_columns)));
    memcpy(r->text_columns, line->columns + off, (len + 1) * sizeof(*r->text_columns));
    r->text_len = len;
}

bool
rule_regex(struct rule_cursor *c, size_t off, size_t len, struct regex_literal *out)
{
    size_t error_off;
    const char *error;
    if (regex_literal_parse(c->line->text + off, len, out, &error_off, &error)) {
        out->off += off;
        return true;
    }
    rule_say(c, RULE_ERROR, off + error_off, error);
    return false;
}

void
rule_set_regex(struct rule_cursor *c, struct rule *r, const struct regex_literal *literal)
{
    rule_set_text(r, c->line, literal->off, literal->len);
    r->flags = literal->flags;
    r->is_extended = literal->is_extended;
    if (regex_has_template(r->text, r->text_len))
        rule_turn_off_quietly(r, "its pattern holds %{NAME}, which another rule fills for each message");
}

/* body, rawbody, full, uri, attachment */
static void
parse_pattern_rule(struct rule_cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    if (kind != RULE_URI && kind != RULE_ATTACHMENT && rule_begins(c, "eval:")) {
        c->off += strlen("eval:");
        rule_parse_eval(c, name, len, kind);
        return;
    }
    struct regex_literal literal;
    if (!rule_regex(c, c->off, c->line->len - c->off, &literal))
        return;
    struct rule *r = rule_define(c, name, len, kind);
    if (r)
        rule_set_regex(c, r, &literal);
}

static void
parse_meta(struct rule_cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    uint32_t code[EXPR_CODE_MAX];
    struct expr_error error;
    size_t cnt = expr_parse(c->line->text + c->off, c->line->len - c->off, code, EXPR_CODE_MAX, &error);
    if (cnt == 0 && !error.is_unsupported) {
        rule_say(c, RULE_ERROR, c->off + error.off, error.text);
        return;
    }
    size_t at = c->off + error.off;
    struct rule *r = rule_define(c, name, len, kind);
    if (!r)
        return;
    rule_set_text(r, c->line, c->off, c->line->len - c->off);
    if (cnt > 0)
        return;
    rule_list_say(c->list, RULE_WARNING, &c->line->place, c->line->columns[at], "%s never hits: %s", r->name,
                  error.text);
    rule_turn_off_quietly(r, error.text);
}

/* Rules of SpamAssassin's that look at what is not here. */
static void
parse_other_rule(struct rule_cursor *c, enum rule_kind kind)
{
    size_t len;
    const char *name = rule_name(c, &len);
    if (!name)
        return;
    char what[96];
    snprintf(what, sizeof(what), kind == RULE_NONE ? "`%s` needs the network" : "`%s` is not honoured",
             c->keyword);
    rule_define_off(c, name, len, kind, what);
}

static void
parse_include(struct rule_cursor *c, enum rule_kind kind)
{
    (void)kind;
    size_t len;
    const char *path = rule_rest(c, &len);
    struct rule_place at = c->line->place;
    at.column = c->line->columns[c->off];
    if (len == 0) {
        rule_say(c, RULE_ERROR, c->off, "a file name is missing");
        return;
    }
    char *copy = rule_must(strndup(path, len));
    rule_list_include(c->reader, &at, copy);
    free(copy);
}

/* Keywords */

static const struct keyword {
    const char *name;
    void (*parse)(struct rule_cursor *c, enum rule_kind kind);
    enum rule_kind kind;
} keywords[] = {
    { "meta", parse_meta, RULE_META },
    { "header", rule_parse_header, RULE_HEADER },
    { "body", parse_pattern_rule, RULE_BODY },
    { "describe", rule_parse_describe, RULE_NONE },
    { "score", rule_parse_score, RULE_NONE },
    { "tflags", rule_parse_tflags, RULE_NONE },
    { "uri", parse_pattern_rule, RULE_URI },
    { "rawbody", parse_pattern_rule, RULE_RAWBODY },
    { "full", parse_pattern_rule, RULE_FULL },
    { "mimeheader", rule_parse_mimeheader, RULE_MIMEHEADER },
    { "attachment", parse_pattern_rule, RULE_ATTACHMENT },
    { "reuse", rule_parse_reuse, RULE_NONE },
    { "intent", rule_parse_intent, RULE_NONE },
    { "uri_detail", parse_other_rule, RULE_URI },
    { "include", parse_include, RULE_NONE },
    { "required_score", rule_parse_required_score, RULE_NONE },
    { "required_hits", rule_parse_required_score, RULE_NONE },
    { "replace_tag", rule_parse_replace, RULE_NONE },
    { "replace_pre", rule_parse_replace, RULE_NONE },
    { "replace_inter", rule_parse_replace, RULE_NONE },
    { "replace_post", rule_parse_replace, RULE_NONE },
    { "replace_rules", rule_parse_replace, RULE_NONE },
    { "replace_start", rule_parse_replace, RULE_NONE },
    { "replace_end", rule_parse_replace, RULE_NONE },
};

/* Notes a directive that is known and not honoured; rule_list_finish says it, once. */
static void
note_ignored(struct rule_cursor *c)
{
    struct rule_list *l = c->list;
    for (uint32_t i = 0; i < l->ignored_cnt; i++) {
        if (!strcmp(l->ignored[i].name, c->keyword)) {
            l->ignored[i].cnt++;
            return;
        }
    }
    l->ignored = rule_must(reallocarray(l->ignored, l->ignored_cnt + 1, sizeof(*l->ignored)));
    struct rule_ignored *g = &l->ignored[l->ignored_cnt++];
    *g = (struct rule_ignored){ .name = rule_must(strdup(c->keyword)), .cnt = 1 };
    rule_place_set(&g->place, &c->line->place, c->line->columns[c->keyword_off]);
}

static void
parse_directive(struct rule_cursor *c, size_t keyword_len)
{
    switch (rule_directive_find(c->keyword)) {
    case RULE_DIRECTIVE_NO_EFFECT:
        break;
    case RULE_DIRECTIVE_IGNORED:
        note_ignored(c);
        break;
    case RULE_DIRECTIVE_RULE:
        parse_other_rule(c, RULE_NONE);
        break;
    case RULE_DIRECTIVE_UNKNOWN:
        rule_list_say(c->list, RULE_ERROR, &c->line->place, c->line->columns[c->keyword_off],
                      "unknown keyword `%.*s`", keyword_len < 40 ? (int)keyword_len : 40,
                      c->line->text + c->keyword_off);
        break;
    }
}

static void
dispatch(struct rule_cursor *c, size_t keyword_len)
{
    if (rule_parse_condition(c))
        return;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
        if (!strcmp(c->keyword, keywords[i].name)) {
            keywords[i].parse(c, keywords[i].kind);
            return;
        }
    }
    if (!rule_parse_set(c))
        parse_directive(c, keyword_len);
}

/* `lang en ...`: true, and the cursor is behind it, when the line is for the language that descriptions are in.
 * SpamAssassin takes every beginning of its locale's name, which is en_US when none is set. */
static bool
is_our_language(struct rule_cursor *c)
{
    static const char ours[] = "en_US";
    size_t len;
    const char *word = rule_word(c, &len);
    return len < sizeof(ours) && !strncasecmp(word, ours, len);
}

void
rule_line_parse(struct rule_reader *reader, const struct rule_line *line)
{
    enum { KEYWORD_MAX = 64 };
    char keyword[KEYWORD_MAX];
    struct rule_cursor c = { .reader = reader, .list = reader->list, .line = line, .keyword = keyword };
    rule_skip_blanks(&c);
    for (unsigned i = 0; i < 2; i++) {
        c.keyword_off = c.off;
        size_t len;
        const char *word = rule_word(&c, &len);
        size_t kept = len < KEYWORD_MAX ? len : KEYWORD_MAX - 1; /* longer: none that is known */
        for (size_t k = 0; k < kept; k++)
            keyword[k] = (char)(word[k] == '-' ? '_' : word[k] >= 'A' && word[k] <= 'Z' ? word[k] + 32 : word[k]);
        keyword[kept] = 0;
        if (len == 0)
            return;
        if (i == 1 || len != 4 || memcmp(word, "lang", 4)) {
            dispatch(&c, len);
            return;
        }
        if (!is_our_language(&c))
            return;
    }
}
