#include "control/preflight.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/preflight_check.h"

static const struct step {
    const char *name;
    preflight_check *check;
    bool is_proof;    /* also when only suffixes are asked for */
    bool wants_image; /* runs the rule set, so only when it loads */
} steps[] = {
    {"lint", preflight_check_lint, true, false},   {"limits", preflight_check_limits, false, false},
    {"load", preflight_check_load, true, false},   {"golden", preflight_check_golden, true, true},
    {"cost", preflight_check_cost, false, true},   {"suffixes", preflight_check_suffixes, true, true},
    {"corpora", preflight_check_corpora, false, true}, {"clocks", preflight_check_clocks, false, true},
};

enum { STEPS_CNT = sizeof(steps) / sizeof(*steps) };

/* The first noon of this month. Verdicts of live are kept by it, so it must not be of each day; and a rule that
 * becomes true with the month or the year meets it at once. */
static double
month_begin(void)
{
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    tm.tm_mday = 1;
    tm.tm_hour = 12;
    tm.tm_min = tm.tm_sec = 0;
    return (double)timegm(&tm);
}

static unsigned
jobs_of(const struct preflight_settings *s)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs = s->jobs ? s->jobs : (unsigned)(processors < 1 ? 1 : processors);
    return jobs < PREFLIGHT_JOBS_MAX ? jobs : PREFLIGHT_JOBS_MAX;
}

static bool
take_step(struct preflight *p, const struct step *step, bool is_loadable, cJSON *checks)
{
    char text[PREFLIGHT_TEXT_MAX] = "";
    cJSON *found = cJSON_CreateObject();
    double begin = clock_seconds();
    bool ok = false;
    cJSON_AddStringToObject(found, "name", step->name);
    cJSON_AddFalseToObject(found, "ok");
    cJSON_AddStringToObject(found, "text", "");
    if (step->wants_image && !is_loadable)
        snprintf(text, sizeof(text), "not checked: the rule set does not load");
    else
        ok = step->check(p, found, text);
    if (!ok && p->job->is_return && step->check == preflight_check_lint) {
        char told[PREFLIGHT_TEXT_MAX + 64];
        snprintf(told, sizeof(told), "told only, it was let in with this: %s", text);
        snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, told);
        ok = true;
    }
    preflight_clean(text);
    cJSON_ReplaceItemInObject(found, "ok", cJSON_CreateBool(ok));
    cJSON_ReplaceItemInObject(found, "text", cJSON_CreateString(text));
    cJSON_AddNumberToObject(found, "seconds", clock_seconds() - begin);
    cJSON_AddItemToArray(checks, found);
    preflight_tell(p, "%s: %s%s", step->name, ok ? "" : "NOT OK: ", text);
    return ok;
}

static void
summarise(cJSON *report, bool ok, unsigned failed, const char *first, double seconds)
{
    char text[PREFLIGHT_TEXT_MAX];
    if (ok)
        snprintf(text, sizeof(text), "every check passed");
    else
        snprintf(text, sizeof(text), "%u check%s failed, first: %s", failed, failed == 1 ? "" : "s", first);
    cJSON_ReplaceItemInObject(report, "ok", cJSON_CreateBool(ok));
    cJSON_ReplaceItemInObject(report, "text", cJSON_CreateString(text));
    cJSON_ReplaceItemInObject(report, "seconds", cJSON_CreateNumber(seconds));
}

cJSON *
preflight_run(const struct preflight_settings *s, const struct preflight_job *job)
{
    struct preflight p = {.s = s, .job = job, .jobs = jobs_of(s), .date = month_begin()};
    double begin = clock_seconds();
    bool is_loadable = true;
    unsigned failed = 0;
    const char *first = "";
    p.report = cJSON_CreateObject();
    if (!p.report)
        return NULL;
    cJSON_AddFalseToObject(p.report, "ok");
    cJSON_AddNumberToObject(p.report, "seconds", 0);
    cJSON_AddStringToObject(p.report, "text", "");
    cJSON *checks = cJSON_AddArrayToObject(p.report, "checks");
    p.predicted = cJSON_AddObjectToObject(p.report, "predicted");
    p.declared = cJSON_AddArrayToObject(p.report, "declared");
    p.changed = cJSON_AddArrayToObject(p.report, "changed");
    for (unsigned i = 0; i < STEPS_CNT; i++) {
        if (job->suffixes_only && !steps[i].is_proof)
            continue;
        bool ok = take_step(&p, &steps[i], is_loadable, checks);
        if (!ok && steps[i].check == preflight_check_load)
            is_loadable = false;
        if (!ok && !failed++)
            first = steps[i].name;
    }
    summarise(p.report, !failed, failed, first, clock_seconds() - begin);
    free(p.intents.list);
    preflight_corpus_free(&p.ham);
    preflight_corpus_free(&p.spam);
    return p.report;
}
