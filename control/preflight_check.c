#include "control/preflight_check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A scanner, its tables and a message, beside the rule set: 60 MiB; streams and PCRE2 take a little. */
    BESIDE_MIB = 512
};

void
preflight_judging_init(const struct preflight *p, struct preflight_judging *g, bool is_live)
{
    *g = (struct preflight_judging){.image = is_live ? p->job->live_image : p->job->candidate_image,
                                    .thresholds = p->job->thresholds,
                                    .jobs = p->jobs,
                                    .memory_max = (uint64_t)(p->s->memory_mib + p->s->image_mib + BESIDE_MIB) << 20,
                                    .intents = is_live ? NULL : &p->intents};
}

int
preflight_judge_both(const struct preflight *p, struct preflight_judging *g, uint32_t cnt,
                     struct preflight_verdicts *live, struct preflight_verdicts *candidate, char *text)
{
    struct preflight_judging how = *g;
    char why[PREFLIGHT_WHY_MAX];
    *live = *candidate = (struct preflight_verdicts){0};
    if (!preflight_verdicts_init(live, cnt) || !preflight_verdicts_init(candidate, cnt)) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "no memory, or too many mails");
        return -1;
    }
    for (int is_live = 1; is_live >= 0; is_live--) {
        preflight_judging_init(p, g, is_live);
        g->cnt = cnt;
        g->make = how.make;
        g->name_item = how.name_item;
        g->owner = how.owner;
        g->total_ms = how.total_ms;
        for (uint32_t i = 0; !g->image && i < cnt; i++)
            live->cells[i].flags = PREFLIGHT_JUDGED;
        if (g->image && preflight_judge(g, is_live ? live : candidate, why, sizeof(why))) {
            snprintf(text, PREFLIGHT_TEXT_MAX, "%s: %s", is_live ? "live" : "the rule set", why);
            return -1;
        }
    }
    return 0;
}

bool
preflight_is_new(const struct preflight_cell *live, const struct preflight_cell *candidate)
{
    return preflight_rejects(candidate) && !preflight_rejects(live);
}

bool
preflight_is_near(const struct preflight *p, const struct preflight_cell *live,
                  const struct preflight_cell *candidate)
{
    int64_t jump = (int64_t)candidate->score_milli - live->score_milli;
    int32_t threshold = p->job->thresholds.refuse_milli;
    return threshold > 0 && threshold < INT32_MAX && jump > threshold / 2;
}

cJSON *
preflight_rules_json(const struct preflight_verdicts *v, const struct preflight_cell *c)
{
    cJSON *a = cJSON_CreateArray();
    for (unsigned i = 0; i < c->rules_cnt && i < PREFLIGHT_RULES_MAX; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(preflight_rule_name(v, c->rules[i])));
    if (c->cause != EVENT_NONE)
        cJSON_AddItemToArray(a, cJSON_CreateString(event_name((enum event)c->cause)));
    return a;
}

void
preflight_warn(cJSON *found, const char *format, ...)
{
    char text[PREFLIGHT_TEXT_MAX];
    va_list args;
    cJSON *warnings = cJSON_GetObjectItem(found, "warnings");
    if (!warnings)
        warnings = cJSON_AddArrayToObject(found, "warnings");
    if (cJSON_GetArraySize(warnings) >= PREFLIGHT_LISTED_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    preflight_clean(text);
    cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
}

void
preflight_tell(const struct preflight *p, const char *format, ...)
{
    va_list args;
    if (!p->job->progress)
        return;
    va_start(args, format);
    vfprintf(p->job->progress, format, args);
    va_end(args);
    fprintf(p->job->progress, "\n");
    fflush(p->job->progress);
}

int
preflight_need_corpus(struct preflight *p, char *text)
{
    char why[PREFLIGHT_WHY_MAX];
    if (p->has_corpus)
        return 0;
    preflight_corpus_free(&p->ham);
    preflight_corpus_free(&p->spam);
    if (preflight_corpus_read(&p->ham, p->s->ham, "ham", why, sizeof(why)) ||
        preflight_corpus_read(&p->spam, p->s->spam, "spam", why, sizeof(why))) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "corpus: %s", why);
        return -1;
    }
    p->has_corpus = true;
    return 0;
}
