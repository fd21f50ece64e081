/* rule_finish: what can only be done and said when every file is read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/limits.h"
#include "scan/rule_list.h"

/* rules_matching(GLOB) */

static bool
matches(const char *glob, size_t glob_len, const char *name)
{
    size_t star = SIZE_MAX; /* where the last * stands, and what it has taken so far */
    size_t taken = 0;
    size_t g = 0;
    size_t n = 0;
    while (name[n]) {
        if (g < glob_len && glob[g] == '*') {
            star = g++;
            taken = n;
        } else if (g < glob_len && (glob[g] == '?' || glob[g] == name[n])) {
            g++;
            n++;
        } else if (star != SIZE_MAX) {
            g = star + 1;
            n = ++taken;
        } else {
            return false;
        }
    }
    while (g < glob_len && glob[g] == '*')
        g++;
    return g == glob_len;
}

/* Text and columns that grow. */
struct text {
    char *octets;
    uint32_t *columns;
    size_t len;
    size_t max;
};

static void
add(struct text *t, const char *octets, size_t len, const uint32_t *columns, uint32_t column)
{
    if (t->len + len + 1 > t->max) {
        t->max = (t->len + len + 1) * 2;
        t->octets = rule_must(realloc(t->octets, t->max));
        t->columns = rule_must(reallocarray(t->columns, t->max, sizeof(*t->columns)));
    }
    memcpy(t->octets + t->len, octets, len);
    for (size_t i = 0; i < len; i++)
        t->columns[t->len + i] = columns ? columns[i] : column;
    t->len += len;
    t->octets[t->len] = 0;
    t->columns[t->len] = columns ? columns[len] : column;
}

/* "(A+B+C)": every rule that has a definition or a score, but the one that asks. */
static void
add_matching(struct text *t, const struct rule_list *l, const struct rule *self, const char *glob, size_t glob_len,
             uint32_t column)
{
    bool is_first = true;
    for (uint32_t i = 0; i < l->rules_cnt && t->len <= RULE_PATTERN_MAX; i++) {
        const struct rule *r = &l->rules[i];
        if (r == self || (r->kind == RULE_NONE && !r->has_score) || !matches(glob, glob_len, r->name))
            continue;
        add(t, is_first ? "(" : "+", 1, NULL, column);
        add(t, r->name, strlen(r->name), NULL, column);
        is_first = false;
    }
    if (is_first)
        add(t, "(0", 2, NULL, column);
    add(t, ")", 1, NULL, column);
}

static void
expand(struct rule_list *l, struct rule *r)
{
    static const char call[] = "rules_matching(";
    r->is_expanded = true;
    if (!strstr(r->text, call))
        return;
    struct text t = { 0 };
    size_t from = 0;
    for (const char *at = r->text; (at = strstr(at, call));) {
        size_t off = (size_t)(at - r->text);
        const char *glob = at + strlen(call);
        at = glob;
        bool is_longer_name = off > 0 && (r->text[off - 1] == '_' || expr_name_len(r->text + off - 1, 1));
        if (is_longer_name)
            continue;
        glob += strspn(glob, " \t");
        size_t glob_len = strcspn(glob, " \t)");
        add(&t, r->text + from, off - from, r->text_columns + from, 0);
        add_matching(&t, l, r, glob, glob_len, r->text_columns[off]);
        from = (size_t)(strchr(glob, ')') - r->text) + 1;
    }
    add(&t, r->text + from, r->text_len - from, r->text_columns + from, 0);
    free(r->text);
    free(r->text_columns);
    r->text = t.octets;
    r->text_columns = t.columns;
    r->text_len = t.len;
    uint32_t code[EXPR_CODE_MAX];
    struct expr_error error;
    if (!expr_parse(r->text, r->text_len, code, EXPR_CODE_MAX, &error))
        rule_turn_off(l, r, error.text);
}

/* SpamAssassin leaves out functions that need the network or Bayes; patterns and metas with these flags it runs. */
static void
apply_tflags(struct rule *r)
{
    if (r->kind != RULE_EVAL && r->kind != RULE_MIMEHEADER)
        return;
    if (r->tflags & RULE_NET)
        rule_turn_off_quietly(r, "`tflags net`: it needs the network");
    else if (r->tflags & RULE_LEARN)
        rule_turn_off_quietly(r, "`tflags learn`: it needs Bayes");
}

/* What is said */

/* A name counts 0 whether a rule is off or not there at all; the latter is a slip. */
static void
say_undefined(struct rule_list *l, const struct rule *r)
{
    for (size_t i = 0; i < r->text_len;) {
        size_t len = expr_name_len(r->text + i, r->text_len - i);
        if (len == 0) {
            i++;
            continue;
        }
        const char *name = r->text + i;
        bool is_word = (len == 16 && !memcmp(name, "local_tests_only", 16));
        if (!is_word && !rule_list_find(l, name, len))
            rule_list_say(l, RULE_WARNING, &r->place, rule_column(r, i), "%s: no rule is named %.*s; it counts 0",
                          r->name, (int)len, name);
        i += len;
    }
}

static bool
is_intended(const struct rule *r, const char *suffix)
{
    for (unsigned i = 0; i < r->intents_cnt; i++) {
        if (!strcmp(r->intents[i], suffix))
            return true;
    }
    return false;
}

/* A file's extension looks the same in a pattern: when the rules name the top-level domains, one of these. */
static bool
is_domain(const struct rule_list *l, const char *suffix)
{
    const char *dot = strrchr(suffix, '.');
    const char *tld = dot ? dot + 1 : suffix;
    for (uint32_t i = 0; i < l->lists_cnt; i++) {
        const struct rule_set_list *s = &l->lists[i];
        if (strcmp(s->name, "util_rb_tld") || s->entries_cnt == 0)
            continue;
        for (uint32_t k = 0; k < s->entries_cnt; k++) {
            if (!strcmp(s->entries[k], tld))
                return true;
        }
        return false;
    }
    return true;
}

static void
check(struct rule_list *l, struct rule *r)
{
    char suffix[256];
    if (r->is_checked)
        return;
    r->is_checked = true;
    if (r->kind == RULE_NONE && r->has_score && !r->is_mentioned)
        rule_list_say(l, RULE_WARNING, &r->score_place, 0, "a score for %s, which no rule defines", r->name);
    if (r->kind == RULE_META)
        say_undefined(l, r);
    if (rule_suffix_claim(r, suffix, sizeof(suffix)) && is_domain(l, suffix) && !is_intended(r, suffix))
        rule_list_say(l, RULE_WARNING, &r->place, rule_column(r, 0),
                      "%s hits every address under .%s; say `intent %s suffix %s` if it is meant", r->name, suffix,
                      r->name, suffix);
}

static void
say_ignored(struct rule_list *l)
{
    for (uint32_t i = 0; i < l->ignored_cnt; i++) {
        struct rule_ignored *g = &l->ignored[i];
        if (g->cnt > 0)
            rule_list_say(l, RULE_WARNING, &g->place, 0, "`%s` is not honoured (%u line%s)", g->name, g->cnt,
                          g->cnt == 1 ? "" : "s");
        g->cnt = 0;
    }
}

void
rule_list_finish(struct rule_list *l)
{
    rule_tags_replace(l);
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        if (r->kind == RULE_META && !r->is_expanded)
            expand(l, r);
        apply_tflags(r);
    }
    for (uint32_t i = 0; i < l->rules_cnt; i++)
        check(l, &l->rules[i]);
    say_ignored(l);
}
