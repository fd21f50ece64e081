/* lint: what the rule text says of itself, read in a child; and the intents that it declares. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/preflight_check.h"
#include "scan/rule_list.h"
#include "scan/suffix.h"

enum {
    LINT_MS = 120 * 1000,
    LINT_MIB = 4096,
    DIAGNOSTICS_MAX = 100, /* lines handed over */
    INTENTS_MAX = 4096
};

static const char DUPLICATE[] = " replaces its definition at ";

static bool
is_intended(const struct rule *r, const char *suffix)
{
    for (unsigned i = 0; i < r->intents_cnt; i++) {
        if (preflight_covers(r->intents[i], suffix))
            return true;
    }
    return false;
}

/* Does this rule, which counts, ask for nothing but a public suffix, and not say so? A pattern like /\.exe$/ looks
 * the same and is about files. */
static bool
is_claim(const struct suffix_set *set, const struct rule *r, char *suffix, size_t size)
{
    if (rule_is_sub(r) || rule_is_switched_off(r) || rule_score_milli(r) <= 0 || !rule_suffix_claim(r, suffix, size))
        return false;
    const char *dot = strrchr(suffix, '.');
    const char *tld = dot ? dot + 1 : suffix;
    return suffix_is_tld(set, (struct span){(const uint8_t *)tld, strlen(tld)}) && !is_intended(r, suffix);
}

static void
add_claims(cJSON *j, const struct rule_list *l, const struct suffix_set *set)
{
    cJSON *claims = cJSON_AddArrayToObject(j, "claims"), *intents = cJSON_AddArrayToObject(j, "intents");
    char suffix[256];
    unsigned cnt = 0;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (is_claim(set, r, suffix, sizeof(suffix)) && cJSON_GetArraySize(claims) < PREFLIGHT_LISTED_MAX) {
            cJSON *claim = cJSON_CreateObject();
            cJSON_AddStringToObject(claim, "rule", r->name);
            cJSON_AddStringToObject(claim, "suffix", suffix);
            cJSON_AddItemToArray(claims, claim);
        }
        for (unsigned k = 0; k < r->intents_cnt && cnt < INTENTS_MAX; k++, cnt++) {
            cJSON *intent = cJSON_CreateObject();
            cJSON_AddStringToObject(intent, "rule", r->name);
            cJSON_AddStringToObject(intent, "suffix", r->intents[k]);
            cJSON_AddItemToArray(intents, intent);
        }
    }
}

/* Names defined twice in one file, each with a blank behind it, in one text. */
static char *
duplicates_of(const char *diagnostics)
{
    char *names = calloc(1, strlen(diagnostics) + 2);
    for (const char *at = diagnostics; names && (at = strstr(at, DUPLICATE)); at++) {
        const char *begin = at;
        while (begin > diagnostics && begin[-1] != ' ' && begin[-1] != '\n')
            begin--;
        strncat(names, begin, (size_t)(at - begin));
        strcat(names, " ");
    }
    return names;
}

/* How many of the names in `ours` are not in `theirs`. SpamAssassin's own rules have three: what live has is borne. */
static unsigned
new_duplicates(const char *ours, const char *theirs)
{
    unsigned cnt = 0;
    for (const char *at = ours; *at;) {
        size_t len = strcspn(at, " ") + 1;
        const void *same = memmem(theirs, strlen(theirs), at, len);
        cnt += !same;
        at += len;
    }
    return cnt;
}

static void
add_duplicates(cJSON *j, const struct rule_list *l, const char *live_rules)
{
    struct rule_list *live = live_rules ? rule_list_new() : NULL;
    char *ours = duplicates_of(rule_list_diagnostics(l)), *theirs = NULL;
    if (live) {
        rule_list_read(live, live_rules);
        theirs = duplicates_of(rule_list_diagnostics(live));
    }
    cJSON_AddNumberToObject(j, "duplicates", ours ? new_duplicates(ours, "") : 0);
    cJSON_AddNumberToObject(j, "new_duplicates", ours && theirs ? new_duplicates(ours, theirs) : 0);
}

static void
add_diagnostics(cJSON *j, const char *text)
{
    cJSON *lines = cJSON_AddArrayToObject(j, "diagnostics");
    unsigned cnt = 0;
    while (*text) {
        size_t len = strcspn(text, "\n");
        char *line = strndup(text, len);
        if (line && *line != ' ') {
            preflight_clean(line);
            if (cnt++ < DIAGNOSTICS_MAX)
                cJSON_AddItemToArray(lines, cJSON_CreateString(line));
        }
        free(line);
        text += len + (text[len] == '\n');
    }
}

static cJSON *
lint(void *owner, struct preflight_pulse *pulse)
{
    const struct preflight *p = owner;
    struct rule_list *l = rule_list_new();
    struct suffix_set *set;
    if (suffix_new(&set)) {
        snprintf(pulse->why, sizeof(pulse->why), "no Public Suffix List");
        return NULL;
    }
    int result = rule_list_read(l, p->job->rules);
    cJSON *j = cJSON_CreateObject();
    cJSON_AddBoolToObject(j, "read", result == 0);
    cJSON_AddNumberToObject(j, "rules", rule_list_cnt(l));
    cJSON_AddNumberToObject(j, "errors", rule_list_errors(l));
    cJSON_AddNumberToObject(j, "lint_warnings", rule_list_warnings(l));
    add_claims(j, l, set);
    add_duplicates(j, l, p->job->live_rules);
    add_diagnostics(j, rule_list_diagnostics(l));
    return j;
}

/* What the child says of intents becomes ours. */
static void
take_intents(struct preflight *p, const cJSON *list)
{
    int cnt = cJSON_GetArraySize(list);
    const cJSON *j;
    p->intents.list = calloc((size_t)cnt + 1, sizeof(*p->intents.list));
    cJSON_ArrayForEach(j, list)
    {
        const char *rule = cJSON_GetStringValue(cJSON_GetObjectItem(j, "rule"));
        const char *suffix = cJSON_GetStringValue(cJSON_GetObjectItem(j, "suffix"));
        struct preflight_intent *to = &p->intents.list[p->intents.cnt];
        if (!rule || !suffix || (int)p->intents.cnt == cnt)
            continue;
        snprintf(to->rule, sizeof(to->rule), "%s", rule);
        snprintf(to->suffix, sizeof(to->suffix), "%s", suffix);
        p->intents.cnt++;
    }
}

static double
number(const cJSON *j, const char *name)
{
    const cJSON *n = cJSON_GetObjectItem(j, name);
    return cJSON_IsNumber(n) ? n->valuedouble : -1;
}

static bool
conclude(const cJSON *j, char *text)
{
    const cJSON *claims = cJSON_GetObjectItem(j, "claims");
    const cJSON *claim = cJSON_GetArrayItem(claims, 0);
    double errors = number(j, "errors"), duplicates = number(j, "new_duplicates");
    if (!cJSON_IsTrue(cJSON_GetObjectItem(j, "read")) || errors != 0) {
        const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(j, "diagnostics"), 0));
        snprintf(text, PREFLIGHT_TEXT_MAX, "%.0f errors: %.300s", errors, first ? first : "the rules cannot be read");
        return false;
    }
    if (duplicates > 0) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "%.0f rules are defined twice in one file, and are not in live", duplicates);
        return false;
    }
    if (claim) {
        const char *rule = cJSON_GetStringValue(cJSON_GetObjectItem(claim, "rule"));
        const char *suffix = cJSON_GetStringValue(cJSON_GetObjectItem(claim, "suffix"));
        snprintf(text, PREFLIGHT_TEXT_MAX, "%s hits everything under .%s and does not say `intent %s suffix %s`",
                 rule ? rule : "?", suffix ? suffix : "?", rule ? rule : "?", suffix ? suffix : "?");
        return false;
    }
    snprintf(text, PREFLIGHT_TEXT_MAX, "%.0f rules, no errors, %.0f warnings, %.0f names twice in a file", number(j, "rules"),
             number(j, "lint_warnings"), number(j, "duplicates"));
    return true;
}

bool
preflight_check_lint(struct preflight *p, cJSON *found, char *text)
{
    struct preflight_question q = {
        .memory_max = (uint64_t)LINT_MIB << 20, .total_ms = LINT_MS, .make = lint, .owner = p};
    if (!p->job->rules) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "an image was pushed: there is no text to check");
        return true;
    }
    cJSON *j = preflight_ask(&q, text, PREFLIGHT_TEXT_MAX);
    if (!j)
        return false;
    bool ok = conclude(j, text);
    take_intents(p, cJSON_GetObjectItem(j, "intents"));
    while (j->child) {
        cJSON *item = cJSON_DetachItemViaPointer(j, j->child);
        cJSON_AddItemToObject(found, item->string, item);
    }
    cJSON_Delete(j);
    return ok;
}
