#include "control/scanprint.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* A hit of scan/explain.h, and the copies of what it only lent. */
struct explained {
    struct explain_hit hit;
    char target[64];
    char detail[128];
    uint8_t excerpt[EXPLAIN_EXCERPT_MAX];
};

/* ---- gathering ---- */

static void
gather(void *owner, const struct explain_hit *hit)
{
    struct explanation *x = owner;
    if (x->hits_cnt == EXPLANATION_MAX) {
        x->lost_cnt++;
        return;
    }
    if (x->hits_cnt == x->hits_max) {
        unsigned max = x->hits_max ? 2 * x->hits_max : 64;
        struct explained *more = reallocarray(x->hits, max, sizeof(*more));
        if (!more)
            abort();
        x->hits = more;
        x->hits_max = max;
    }
    struct explained *e = &x->hits[x->hits_cnt++];
    e->hit = *hit;
    snprintf(e->target, sizeof(e->target), "%s", hit->target ? hit->target : "");
    snprintf(e->detail, sizeof(e->detail), "%s", hit->detail ? hit->detail : "");
    e->hit.target = e->hit.detail = NULL; /* the array moves as it grows: never point into it */
    if (e->hit.excerpt.len > sizeof(e->excerpt))
        e->hit.excerpt.len = sizeof(e->excerpt);
    if (e->hit.excerpt.len)
        memcpy(e->excerpt, hit->excerpt.ptr, e->hit.excerpt.len);
    e->hit.excerpt.ptr = NULL;
}

void
explanation_init(struct explanation *x)
{
    *x = (struct explanation){ .hook = { .hit = gather, .owner = x } };
}

void
explanation_clear(struct explanation *x)
{
    x->hits_cnt = 0;
    x->lost_cnt = 0;
    x->hook.unconfirmed_cnt = 0;
}

void
explanation_fini(struct explanation *x)
{
    free(x->hits);
}

/* ---- rules with a name of their own ---- */

struct named {
    const char *name;
    uint32_t idx;
};

static int
by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->idx < y->idx ? -1 : x->idx > y->idx;
}

void
scan_print_init(struct scan_print *how, const struct ruleset *rs)
{
    uint32_t cnt = rs ? ruleset_rule_cnt(rs) : 0;
    struct named *order = calloc((size_t)cnt + 1, sizeof(*order));
    how->is_rule = calloc((size_t)cnt + 1, sizeof(*how->is_rule));
    if (!order || !how->is_rule)
        abort();
    for (uint32_t i = 0; i < cnt; i++)
        order[i] = (struct named){ ruleset_rule_name(rs, i), i };
    qsort(order, cnt, sizeof(*order), by_name);
    for (uint32_t i = 0; i < cnt; i++)
        how->is_rule[order[i].idx] = i == 0 || strcmp(order[i].name, order[i - 1].name);
    free(order);
}

void
scan_print_fini(struct scan_print *how)
{
    free(how->is_rule);
}

/* ---- what a line is made of ---- */

enum { SHOWN_MAX = 4 * EXPLAIN_EXCERPT_MAX + 1 };

/* Nothing that a terminal or a log obeys: printable ASCII, the rest as \xNN. */
static void
show_octets(const uint8_t *octets, size_t len, char shown[SHOWN_MAX])
{
    char *to = shown;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = octets[i];
        if (c == '\n' || c == '\t' || c == '\r' || c == '\\')
            to += sprintf(to, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : '\\');
        else if (c >= 0x20 && c < 0x7f)
            *to++ = (char)c;
        else
            to += sprintf(to, "\\x%02x", c);
    }
    *to = '\0';
}

static const char *
confirm_name(enum explain_confirm c)
{
    switch (c) {
    case EXPLAIN_NATIVE:
        return "hyperscan";
    case EXPLAIN_CONFIRMED:
        return "hyperscan+pcre2";
    case EXPLAIN_PCRE2:
        return "pcre2";
    case EXPLAIN_COMPUTED:
        break;
    }
    return "computed";
}

/* File names and descriptions are octets, JSON is UTF-8: what is not, is shown as `?`. */
static void
add_text(cJSON *object, const char *key, const char *text)
{
    char *copy = strdup(text);
    for (unsigned char *p = (unsigned char *)copy; *p;) {
        unsigned tail = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2
                                    : *p >= 0xf0 && *p < 0xf5 ? 3 : 4;
        unsigned good = 0;
        while (good < tail && tail < 4 && (p[good + 1] & 0xc0) == 0x80)
            good++;
        if (good == tail) {
            p += tail + 1;
        } else {
            *p++ = '?';
        }
    }
    cJSON_AddStringToObject(object, key, copy);
    free(copy);
}

static bool
is_sub(const char *name)
{
    return name[0] == '_' && name[1] == '_';
}

/* ---- JSON ---- */

static void
add_name(cJSON *array, const char *name)
{
    cJSON_AddItemToArray(array, cJSON_CreateString(name));
}

/* Every rule that hit, also those that a judgement has no room for. */
static void
add_rules(cJSON *object, const struct scan_print *how, const struct message *m, const struct ruleset *rs)
{
    cJSON *rules = cJSON_AddArrayToObject(object, "rules");
    cJSON *subrules = how->wants_subrules ? cJSON_AddArrayToObject(object, "subrules") : NULL;
    for (uint32_t i = 0; rs && (i = message_next_hit(m, i)) < ruleset_rule_cnt(rs); i++) {
        if (!how->is_rule[i])
            continue;
        const char *name = ruleset_rule_name(rs, i);
        cJSON *array = is_sub(name) ? subrules : rules;
        if (array)
            add_name(array, name);
    }
}

static void
add_rule(cJSON *object, const struct ruleset *rs, uint32_t rule)
{
    cJSON_AddStringToObject(object, "rule", ruleset_rule_name(rs, rule));
    cJSON_AddNumberToObject(object, "score", ruleset_rule_score_milli(rs, rule) / 1000.0);
    if (*ruleset_rule_describe(rs, rule))
        add_text(object, "describe", ruleset_rule_describe(rs, rule));
}

static cJSON *
explained_json(const struct explained *e, const struct ruleset *rs)
{
    char shown[SHOWN_MAX];
    cJSON *object = cJSON_CreateObject();
    add_rule(object, rs, e->hit.rule);
    cJSON_AddStringToObject(object, "confirmed", confirm_name(e->hit.confirmed));
    if (*e->target)
        cJSON_AddStringToObject(object, "target", e->target);
    if (*e->detail)
        add_text(object, "detail", e->detail);
    if (e->hit.confirmed == EXPLAIN_COMPUTED)
        return object;
    cJSON_AddNumberToObject(object, "unit", e->hit.unit_no);
    if (e->hit.part_no)
        cJSON_AddNumberToObject(object, "part", e->hit.part_no);
    if (e->hit.from != EXPLAIN_FROM_UNKNOWN)
        cJSON_AddNumberToObject(object, "from", (double)e->hit.from);
    cJSON_AddNumberToObject(object, "to", (double)e->hit.to);
    if (!e->hit.excerpt.len)
        return object;
    show_octets(e->excerpt, e->hit.excerpt.len, shown);
    cJSON_AddStringToObject(object, "excerpt", shown);
    cJSON_AddNumberToObject(object, "excerpt_off", (double)e->hit.excerpt_off);
    return object;
}

static bool
is_explained(const struct explanation *x, uint32_t rule)
{
    for (unsigned i = 0; i < x->hits_cnt; i++) {
        if (x->hits[i].hit.rule == rule)
            return true;
    }
    return false;
}

/* Not of inner rules, which tell of the opposite, and of sub-rules only when they were asked for. */
static bool
is_told(const struct scan_print *how, const struct ruleset *rs, uint32_t rule)
{
    return how->is_rule[rule] && (how->wants_subrules || !is_sub(ruleset_rule_name(rs, rule)));
}

/* A rule of which nothing was told has its score, at least. */
static void
add_explanation(cJSON *object, const struct scan_print *how, const struct explanation *x, const struct judgement *j,
                const struct ruleset *rs)
{
    cJSON *array = cJSON_AddArrayToObject(object, "explain");
    for (unsigned i = 0; i < x->hits_cnt; i++) {
        if (is_told(how, rs, x->hits[i].hit.rule))
            cJSON_AddItemToArray(array, explained_json(&x->hits[i], rs));
    }
    for (unsigned i = 0; i < j->rules_cnt; i++) {
        if (is_explained(x, j->rules[i]))
            continue;
        cJSON *rule = cJSON_CreateObject();
        add_rule(rule, rs, j->rules[i]);
        cJSON_AddItemToArray(array, rule);
    }
    if (x->lost_cnt)
        cJSON_AddNumberToObject(object, "explain_lost", x->lost_cnt);
}

static void
print_json(FILE *out, const struct scan_print *how, const char *path, const struct message *m,
           const struct judgement *j, const struct explanation *x)
{
    const struct ruleset *rs = message_ruleset(m);
    cJSON *object = cJSON_CreateObject();
    add_text(object, "file", path);
    cJSON_AddStringToObject(object, "verdict", verdict_name(j->verdict));
    cJSON_AddNumberToObject(object, "score", j->score_milli / 1000.0);
    add_rules(object, how, m, rs);
    cJSON *events = cJSON_AddArrayToObject(object, "events");
    for (unsigned e = 1; e < EVENT_CNT; e++) {
        if (j->events & EVENT_BIT(e))
            add_name(events, event_name((enum event)e));
    }
    if (x && rs)
        add_explanation(object, how, x, j, rs);
    char *text = cJSON_PrintUnformatted(object);
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(object);
}

/* ---- text ---- */

static void
print_rule(FILE *out, const struct ruleset *rs, uint32_t rule)
{
    char shown[SHOWN_MAX];
    const char *describe = ruleset_rule_describe(rs, rule);
    size_t len = strlen(describe);
    fprintf(out, "    %-6g %s", ruleset_rule_score_milli(rs, rule) / 1000.0, ruleset_rule_name(rs, rule));
    show_octets((const uint8_t *)describe, len < EXPLAIN_EXCERPT_MAX ? len : EXPLAIN_EXCERPT_MAX, shown);
    if (len)
        fprintf(out, " (%s)", shown);
}

static void
print_explained(FILE *out, const struct explained *e, const struct ruleset *rs)
{
    char shown[SHOWN_MAX];
    print_rule(out, rs, e->hit.rule);
    fprintf(out, ": %s%s", e->target, *e->target ? ", " : "");
    show_octets((const uint8_t *)e->detail, strlen(e->detail), shown);
    fprintf(out, "%s%s", shown, *shown ? ", " : "");
    if (e->hit.confirmed == EXPLAIN_COMPUTED) {
        fprintf(out, "%s\n", confirm_name(e->hit.confirmed));
        return;
    }
    fprintf(out, "unit %u", e->hit.unit_no);
    if (e->hit.part_no)
        fprintf(out, " of part %u", e->hit.part_no);
    if (e->hit.from == EXPLAIN_FROM_UNKNOWN)
        fprintf(out, ", octets up to %lu", (unsigned long)e->hit.to);
    else
        fprintf(out, ", octets %lu to %lu", (unsigned long)e->hit.from, (unsigned long)e->hit.to);
    show_octets(e->excerpt, e->hit.excerpt.len, shown);
    fprintf(out, ", %s", confirm_name(e->hit.confirmed));
    fprintf(out, e->hit.excerpt.len ? ": \"%s\"\n" : "%s\n", shown);
}

static void
print_explanation(FILE *out, const struct scan_print *how, const struct judgement *j, const struct ruleset *rs,
                  const struct explanation *x)
{
    for (unsigned i = 0; i < x->hits_cnt; i++) {
        if (is_told(how, rs, x->hits[i].hit.rule))
            print_explained(out, &x->hits[i], rs);
    }
    for (unsigned i = 0; i < j->rules_cnt; i++) {
        if (is_explained(x, j->rules[i]))
            continue;
        print_rule(out, rs, j->rules[i]);
        fprintf(out, "\n");
    }
    if (x->lost_cnt)
        fprintf(out, "    and %u matches more\n", x->lost_cnt);
}

static void
print_text(FILE *out, const struct scan_print *how, const char *path, const struct judgement *j,
           const struct ruleset *rs, const struct explanation *x)
{
    fprintf(out, "%s: %s %g", path, verdict_name(j->verdict), j->score_milli / 1000.0);
    for (unsigned i = 0; i < j->rules_cnt; i++)
        fprintf(out, "%s%s", i ? "," : " ", ruleset_rule_name(rs, j->rules[i]));
    if (j->rules_total > j->rules_cnt)
        fprintf(out, " and %u more", j->rules_total - j->rules_cnt);
    const char *separator = " events=";
    for (unsigned e = 1; e < EVENT_CNT; e++) {
        if (!(j->events & EVENT_BIT(e)))
            continue;
        fprintf(out, "%s%s", separator, event_name((enum event)e));
        separator = ",";
    }
    fprintf(out, "\n");
    if (x && rs)
        print_explanation(out, how, j, rs, x);
}

void
scan_print(FILE *out, const struct scan_print *how, const char *path, const struct message *m,
           const struct judgement *j, const struct explanation *x)
{
    if (how->wants_json)
        print_json(out, how, path, m, j, x);
    else
        print_text(out, how, path, j, message_ruleset(m), x);
}
