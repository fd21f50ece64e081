/* The evidence page, read and judged. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/controller.h"
#include "control/work.h"

enum { STRATA_KEPT = 512 };

static const char *const kind_names[LINK_KIND_CNT] = {
    [LINK_KIND_ALL] = "all",           [LINK_KIND_SENDER_SUFFIX] = "sender-suffix",
    [LINK_KIND_RCPT_SUFFIX] = "rcpt-suffix", [LINK_KIND_RCPT_DOMAIN] = "rcpt-domain",
    [LINK_KIND_RULE] = "rule",         [LINK_KIND_MIRROR] = "mirror",
    [LINK_KIND_ERROR] = "error",
};

const char *
watch_kind_name(enum link_kind kind)
{
    return (unsigned)kind < LINK_KIND_CNT ? kind_names[kind] : "?";
}

bool
watch_kind_parse(const char *name, enum link_kind *kind)
{
    for (int i = 0; i < LINK_KIND_CNT; i++) {
        if (!strcmp(name, kind_names[i])) {
            *kind = (enum link_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- what is known beforehand ---- */

void
watch_keep_strata(struct controller *c, uint32_t generation)
{
    struct evidence_stratum *list = calloc(STRATA_KEPT, sizeof(*list));
    char path[GENERATIONS_PATH_MAX], err[GENERATIONS_ERR_MAX];
    uint32_t cnt = list && c->evidence && c->evidence_of != generation
                       ? evidence_strata(c->evidence, list, STRATA_KEPT)
                       : 0;
    cJSON *known = cnt ? cJSON_CreateArray() : NULL;
    for (uint32_t i = 0; i < cnt; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "kind", watch_kind_name(list[i].kind));
        cJSON_AddStringToObject(o, "name", list[i].name);
        cJSON_AddItemToArray(known, o);
    }
    char *text = known ? cJSON_PrintUnformatted(known) : NULL;
    if (text && generations_write(&c->store, generation, "strata.json", text, strlen(text), err))
        controller_log("%s: %s", generations_path(&c->store, generation, "strata.json", path), err);
    cJSON_free(text);
    cJSON_Delete(known);
    free(list);
}

static void
know(struct controller *c, uint32_t generation)
{
    char path[GENERATIONS_PATH_MAX];
    cJSON *known = work_read_json(generations_path(&c->store, generation, "strata.json", path));
    const cJSON *o;
    cJSON_ArrayForEach (o, known) {
        const char *kind_name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "kind"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "name"));
        enum link_kind kind;
        if (kind_name && name && watch_kind_parse(kind_name, &kind) && kind >= LINK_KIND_SENDER_SUFFIX &&
            kind <= LINK_KIND_RCPT_DOMAIN)
            evidence_know(c->evidence, kind, name);
    }
    cJSON_Delete(known);
}

/* What pre-flight saw (three times that is still good), what the rules declare, what the operator expects. */
static void
declare(struct controller *c, const struct generation *g)
{
    char path[GENERATIONS_PATH_MAX];
    cJSON *report = work_read_json(generations_path(&c->store, g->number, "report.json", path));
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(report, "predicted"), "all");
    if (cJSON_IsNumber(all) && all->valuedouble > 0)
        evidence_declare(c->evidence, LINK_KIND_ALL, "", 3 * all->valuedouble);
    const cJSON *o;
    cJSON_ArrayForEach (o, cJSON_GetObjectItemCaseSensitive(report, "declared")) {
        const char *kind_name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "kind"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "name"));
        const cJSON *rate = cJSON_GetObjectItemCaseSensitive(o, "rate");
        enum link_kind kind;
        if (kind_name && name && watch_kind_parse(kind_name, &kind))
            evidence_declare(c->evidence, kind, name, cJSON_IsNumber(rate) ? rate->valuedouble : 1);
    }
    cJSON_Delete(report);
    for (uint32_t i = 0; i < g->expect_cnt; i++)
        evidence_declare(c->evidence, g->expect[i].kind, g->expect[i].name, g->expect[i].rate);
}

struct evidence *
watch_evidence(struct controller *c, const struct generation *g)
{
    if (c->evidence && c->evidence_of == g->number)
        return c->evidence;
    evidence_free(c->evidence);
    c->evidence = evidence_new(&c->settings->evidence);
    if (!c->evidence)
        abort();
    c->evidence_of = g->number;
    memset(c->seen, 0, sizeof(c->seen));
    memset(&c->reading, 0, sizeof(c->reading));
    know(c, g->number);
    declare(c, g);
    return c->evidence;
}

/* ---- reading ---- */

/* Whether anything was counted since the last reading. */
static bool
has_changed(struct controller *c, const struct link_evidence *t)
{
    uint64_t now[6] = {__atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE),     __atomic_load_n(&t->nk_all, __ATOMIC_RELAXED),
                       __atomic_load_n(&t->nk_mirror, __ATOMIC_RELAXED), __atomic_load_n(&t->nk_error, __ATOMIC_RELAXED),
                       __atomic_load_n(&t->strata_cnt, __ATOMIC_RELAXED), __atomic_load_n(&t->repeats, __ATOMIC_RELAXED)};
    if (!memcmp(now, c->seen, sizeof(now)))
        return false;
    memcpy(c->seen, now, sizeof(now));
    return true;
}

/* Evidence of which generation: a candidate's as b, the live one's with previous as a. */
static const struct generation *
watched(const struct controller *c, const struct link_evidence *t)
{
    const struct rollout *r = &c->rollout;
    uint32_t b = __atomic_load_n(&t->generation_b, __ATOMIC_RELAXED);
    uint32_t is_window = __atomic_load_n(&t->window, __ATOMIC_RELAXED);
    bool is_candidate = b && b == r->candidate;
    bool is_live = b && b == r->live && is_window;
    return is_candidate || is_live ? rollout_find(r, b) : NULL;
}

void
watch_read(struct controller *c)
{
    const struct link_evidence_page *page = c->uplink.pages.evidence;
    const struct generation *g =
        page ? rollout_find(&c->rollout, __atomic_load_n(&page->table.generation_b, __ATOMIC_RELAXED)) : NULL;
    struct evidence_reading reading;
    if (g && evidence_read(watch_evidence(c, g), &page->table, &reading))
        c->reading = reading;
}

void
watch_tick(struct controller *c)
{
    const struct link_evidence_page *page = c->uplink.pages.evidence;
    if (!page)
        return;
    uint64_t seq = __atomic_load_n(&page->trip_seq, __ATOMIC_ACQUIRE);
    if (seq != c->trip_seq)
        uplink_look(&c->uplink);
    c->trip_seq = seq;
    if (!rollout_is_watching(&c->rollout) || c->now_ms - c->watched_ms < c->settings->poll_ms)
        return;
    c->watched_ms = c->now_ms;
    const struct generation *g = watched(c, &page->table);
    if (!g)
        return;
    struct evidence *e = watch_evidence(c, g);
    if (!has_changed(c, &page->table))
        return;
    struct rollout_reading reading = {.generation = g->number};
    if (!evidence_read(e, &page->table, &reading.e)) {
        memset(c->seen, 0, sizeof(c->seen));
        return;
    }
    reading.strata = evidence_with_units(e, LINK_KIND_SENDER_SUFFIX, c->settings->strata_units);
    c->reading = reading.e;
    rollout_read(&c->rollout, &reading);
}
