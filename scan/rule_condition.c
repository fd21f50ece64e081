/* rule_condition: `if`, `ifplugin`, `else`, `endif` as SpamAssassin 4.0.1 with Debian's plugins decides them.
 *
 * A condition is rewritten: every plugin(X), can(X) and has(X) becomes 1 or 0, `version` its number; what is left is
 * an arithmetic expression for expr.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/rule_line.h"

#define SA_VERSION "4.000001"
#define PERL_VERSION "5.036000"
/* The rewritten condition, and where each octet of it stands in the line. */
struct rewritten {
    char *text;
    size_t *offs;
    size_t len;
    size_t max;
};

static void
put(struct rewritten *w, const char *text, size_t len, size_t off, bool is_copy)
{
    if (w->len + len + 1 > w->max) {
        w->max = (w->len + len + 1) * 2;
        w->text = rule_must(realloc(w->text, w->max));
        w->offs = rule_must(reallocarray(w->offs, w->max, sizeof(*w->offs)));
    }
    memcpy(w->text + w->len, text, len);
    for (size_t i = 0; i < len; i++)
        w->offs[w->len + i] = is_copy ? off + i : off;
    w->len += len;
    w->offs[w->len] = is_copy ? off + len : off + 1;
}

static bool
is_name_char(char ch)
{
    return expr_name_len(&ch, 1) || (ch >= '0' && ch <= '9') || ch == ':';
}

/* "(Module::Name)" at the cursor: a copy of the name; NULL, said, when it is none. */
static char *
argument(struct rule_cursor *c)
{
    const char *text = c->line->text;
    rule_skip_blanks(c);
    if (!rule_begins(c, "(")) {
        rule_say(c, RULE_ERROR, c->off, "`(` is expected here");
        return NULL;
    }
    c->off++;
    rule_skip_blanks(c);
    size_t start = c->off;
    while (c->off < c->line->len && is_name_char(text[c->off]))
        c->off++;
    size_t len = c->off - start;
    rule_skip_blanks(c);
    if (len == 0 || !rule_begins(c, ")")) {
        rule_say(c, RULE_ERROR, c->off, len ? "`)` is expected here" : "a name is expected here");
        return NULL;
    }
    c->off++;
    return rule_must(strndup(text + start, len));
}

/* plugin(X), can(X), has(X), version, perl_version, local_tests_only. False: said. */
static bool
rewrite_word(struct rule_cursor *c, struct rewritten *w)
{
    const char *text = c->line->text;
    size_t start = c->off;
    while (c->off < c->line->len && is_name_char(text[c->off]))
        c->off++;
    size_t len = c->off - start;
    static const struct {
        const char *word;
        const char *value; /* NULL: a function */
    } words[] = { { "version", SA_VERSION }, { "perl_version", PERL_VERSION }, { "local_tests_only", "1" },
                  { "plugin", NULL },        { "can", NULL },                  { "has", NULL } };
    for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strlen(words[i].word) != len || memcmp(words[i].word, text + start, len))
            continue;
        const char *value = words[i].value;
        if (!value) {
            char *name = argument(c);
            if (!name)
                return false;
            if (text[start] != 'p' && !strstr(name, "::")) {
                rule_say(c, RULE_ERROR, start, "a function is named Module::function");
                free(name);
                return false;
            }
            value = (text[start] == 'p' ? rule_plugin_is_loaded(c->list, name) : rule_plugin_can(c->list, name)) ? "1" : "0";
            free(name);
        }
        put(w, value, strlen(value), start, false);
        return true;
    }
    rule_say(c, RULE_ERROR, start,
             "version, perl_version, local_tests_only, plugin(), can() or has() is expected here");
    return false;
}

static bool
evaluate(struct rule_cursor *c, const struct rewritten *w, bool *value)
{
    uint32_t code[EXPR_CODE_MAX];
    struct expr_error error;
    size_t cnt = expr_parse(w->text, w->len, code, EXPR_CODE_MAX, &error);
    if (cnt > 0) {
        *value = expr_eval(code, cnt, NULL) != 0;
        return true;
    }
    rule_say(c, RULE_ERROR, error.off < w->len ? w->offs[error.off] : c->line->len, error.text);
    return false;
}

/* The rest of the line as a condition. One that cannot be read is an error, and counts as false. */
static bool
condition(struct rule_cursor *c)
{
    struct rewritten w = { 0 };
    bool value = false;
    bool is_good = true;
    put(&w, "", 0, c->off, true);
    while (is_good && c->off < c->line->len) {
        char ch = c->line->text[c->off];
        if (expr_name_len(&ch, 1)) {
            is_good = rewrite_word(c, &w);
        } else {
            put(&w, &ch, 1, c->off, true);
            c->off++;
        }
    }
    bool is_true = is_good && evaluate(c, &w, &value) && value;
    free(w.text);
    free(w.offs);
    return is_true;
}

static void
open_if(struct rule_cursor *c)
{
    struct rule_reader *reader = c->reader;
    if (reader->ifs_cnt == RULE_IF_MAX) {
        rule_say(c, RULE_ERROR, c->keyword_off, "more than 64 open `if`");
        return;
    }
    reader->ifs[reader->ifs_cnt].was_skipping = reader->is_skipping;
    struct rule_place *place = &reader->ifs[reader->ifs_cnt++].place;
    *place = (struct rule_place){ 0 };
    rule_place_set(place, &c->line->place, c->line->columns[c->keyword_off]);
    if (c->off == c->line->len) {
        rule_say(c, RULE_ERROR, c->off, "a condition is missing");
        return;
    }
    if (reader->is_skipping)
        return;
    if (!strcmp(c->keyword, "if")) {
        reader->is_skipping = !condition(c);
        return;
    }
    size_t len;
    const char *rest = rule_rest(c, &len);
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(rest[i])) {
            rule_say(c, RULE_ERROR, c->off + i, "the name of a plugin is expected here");
            return;
        }
    }
    char *name = rule_must(strndup(rest, len));
    reader->is_skipping = !rule_plugin_is_loaded(c->list, name);
    free(name);
}

static void
close_if(struct rule_cursor *c)
{
    struct rule_reader *reader = c->reader;
    if (reader->ifs_cnt == 0) {
        rule_list_say(c->list, RULE_ERROR, &c->line->place, c->line->columns[c->keyword_off],
                      "`%s` without `if`", c->keyword);
        return;
    }
    if (c->off < c->line->len)
        rule_say(c, RULE_ERROR, c->off, "nothing is expected here");
    if (!strcmp(c->keyword, "endif")) {
        reader->is_skipping = reader->ifs[--reader->ifs_cnt].was_skipping;
        free(reader->ifs[reader->ifs_cnt].place.source);
        return;
    }
    reader->is_skipping = reader->ifs[reader->ifs_cnt - 1].was_skipping || !reader->is_skipping;
}

/* Another version than ours: as in SpamAssassin the rest of the file is left out. */
static void
require_version(struct rule_cursor *c)
{
    size_t len;
    const char *rest = rule_rest(c, &len);
    bool is_any = len == 11 && !memcmp(rest, "@@VERSION@@", 11);
    bool is_ours = len == strlen(SA_VERSION) && !memcmp(rest, SA_VERSION, len);
    if (len == 0)
        rule_say(c, RULE_ERROR, c->off, "a version is missing");
    else if (!is_any && !is_ours) {
        rule_say(c, RULE_WARNING, c->off, "this is " SA_VERSION ": the rest of the file is left out");
        c->reader->is_skipping = true;
    }
}

static void
load_plugin(struct rule_cursor *c)
{
    struct rule_list *l = c->list;
    size_t len;
    const char *name = rule_word(c, &len);
    if (len == 0) {
        rule_say(c, RULE_ERROR, c->off, "the name of a plugin is missing");
        return;
    }
    l->plugins = rule_must(reallocarray(l->plugins, l->plugins_cnt + 1, sizeof(*l->plugins)));
    l->plugins[l->plugins_cnt++] = rule_must(strndup(name, len));
}

/* A definition that is left out makes its name known all the same: a score for it is no slip. */
static void
mention(struct rule_cursor *c)
{
    static const char *const keywords[] = { "header", "body",       "rawbody",    "full",  "uri",
                                            "meta",   "mimeheader", "uri_detail", "askdns" };
    bool is_definition = false;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
        is_definition = is_definition || !strcmp(keywords[i], c->keyword);
    if (!is_definition)
        return;
    size_t len;
    const char *name = rule_word(c, &len);
    if (len == 0 || len > RULE_NAME_MAX || expr_name_len(name, len) != len)
        return;
    struct rule *r = rule_list_entry(c->list, name, len);
    if (r)
        r->is_mentioned = true;
}

bool
rule_parse_condition(struct rule_cursor *c)
{
    if (!strcmp(c->keyword, "if") || !strcmp(c->keyword, "ifplugin")) {
        open_if(c);
        return true;
    }
    if (!strcmp(c->keyword, "endif") || !strcmp(c->keyword, "else")) {
        close_if(c);
        return true;
    }
    if (c->reader->is_skipping) {
        mention(c);
        return true;
    }
    if (!strcmp(c->keyword, "require_version")) {
        require_version(c);
        return true;
    }
    if (!strcmp(c->keyword, "loadplugin") || !strcmp(c->keyword, "tryplugin")) {
        load_plugin(c);
        return true;
    }
    return false;
}
