#include "control/scanprint.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* A hit of scan/explain.h, and the copies of what it only lent. */
struct explained {
    struct explain_hit hit;
    char target[64];
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
    e->hit.target = NULL; /* the array moves as it grows: never point into it */
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

/* File names are octets, JSON is UTF-8: what is not, is shown as `?`. */
static void
add_path(cJSON *object, const char *path)
{
    char *copy = strdup(path);
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
    cJSON_AddStringToObject(object, "file", copy);
    free(copy);
}

/* ---- JSON ---- */

static void
add_name(cJSON *array, const char *name)
{
    cJSON_AddItemToArray(array, cJSON_CreateString(name));
}

static void
add_rules(cJSON *object, const struct judgement *j, const struct ruleset *rs)
{
    cJSON *rules = cJSON_AddArrayToObject(object, "rules");
    for (unsigned i = 0; i < j->rules_cnt; i++)
        add_name(rules, ruleset_rule_name(rs, j->rules[i]));
    if (j->rules_total > j->rules_cnt) /* more than a judgement lists */
        cJSON_AddNumberToObject(object, "rules_total", j->rules_total);
}

static cJSON *
explained_json(const struct explained *e, const struct ruleset *rs)
{
    char shown[SHOWN_MAX];
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "rule", ruleset_rule_name(rs, e->hit.rule));
    cJSON_AddNumberToObject(object, "score", ruleset_rule_score_milli(rs, e->hit.rule) / 1000.0);
    cJSON_AddStringToObject(object, "confirmed", confirm_name(e->hit.confirmed));
    if (e->hit.confirmed == EXPLAIN_COMPUTED)
        return object;
    cJSON_AddStringToObject(object, "target", e->target);
    cJSON_AddNumberToObject(object, "unit", e->hit.unit_no);
    if (e->hit.part_no)
        cJSON_AddNumberToObject(object, "part", e->hit.part_no);
    if (e->hit.from != EXPLAIN_FROM_UNKNOWN)
        cJSON_AddNumberToObject(object, "from", (double)e->hit.from);
    cJSON_AddNumberToObject(object, "to", (double)e->hit.to);
    show_octets(e->excerpt, e->hit.excerpt.len, shown);
    cJSON_AddStringToObject(object, "excerpt", shown);
    cJSON_AddNumberToObject(object, "excerpt_off", (double)e->hit.excerpt_off);
    return object;
}

static void
add_explanation(cJSON *object, const struct explanation *x, const struct ruleset *rs)
{
    cJSON *array = cJSON_AddArrayToObject(object, "explain");
    for (unsigned i = 0; i < x->hits_cnt; i++)
        cJSON_AddItemToArray(array, explained_json(&x->hits[i], rs));
    if (x->lost_cnt)
        cJSON_AddNumberToObject(object, "explain_lost", x->lost_cnt);
}

static void
print_json(FILE *out, const char *path, const struct judgement *j, const struct ruleset *rs,
           const struct explanation *x)
{
    cJSON *object = cJSON_CreateObject();
    add_path(object, path);
    cJSON_AddStringToObject(object, "verdict", verdict_name(j->verdict));
    cJSON_AddNumberToObject(object, "score", j->score_milli / 1000.0);
    add_rules(object, j, rs);
    cJSON *events = cJSON_AddArrayToObject(object, "events");
    for (unsigned e = 1; e < EVENT_CNT; e++) {
        if (j->events & EVENT_BIT(e))
            add_name(events, event_name((enum event)e));
    }
    if (x)
        add_explanation(object, x, rs);
    char *text = cJSON_PrintUnformatted(object);
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(object);
}

/* ---- text ---- */

static void
print_explained(FILE *out, const struct explained *e, const struct ruleset *rs)
{
    char shown[SHOWN_MAX];
    fprintf(out, "    %-6g %s: ", ruleset_rule_score_milli(rs, e->hit.rule) / 1000.0,
            ruleset_rule_name(rs, e->hit.rule));
    if (e->hit.confirmed == EXPLAIN_COMPUTED) {
        fprintf(out, "%s\n", confirm_name(e->hit.confirmed));
        return;
    }
    fprintf(out, "%s %u", e->target, e->hit.unit_no);
    if (e->hit.part_no)
        fprintf(out, " of part %u", e->hit.part_no);
    if (e->hit.from == EXPLAIN_FROM_UNKNOWN)
        fprintf(out, ", octets up to %lu", (unsigned long)e->hit.to);
    else
        fprintf(out, ", octets %lu to %lu", (unsigned long)e->hit.from, (unsigned long)e->hit.to);
    show_octets(e->excerpt, e->hit.excerpt.len, shown);
    fprintf(out, ", %s: \"%s\"\n", confirm_name(e->hit.confirmed), shown);
}

static void
print_text(FILE *out, const char *path, const struct judgement *j, const struct ruleset *rs,
           const struct explanation *x)
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
    for (unsigned i = 0; x && i < x->hits_cnt; i++)
        print_explained(out, &x->hits[i], rs);
    if (x && x->lost_cnt)
        fprintf(out, "    and %u matches more\n", x->lost_cnt);
}

void
scan_print(FILE *out, const struct scan_print *how, const char *path, const struct message *m,
           const struct judgement *j, const struct explanation *x)
{
    (how->wants_json ? print_json : print_text)(out, path, j, message_ruleset(m), x);
}
