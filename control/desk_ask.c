/* Questions: those that take long go to a child, those to the index are bounded (impact.h). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/desk_private.h"
#include "control/impact.h"
#include "control/work.h"

/* ---- what a child answers ---- */

static void
query_done(void *owner, uint64_t tag, const cJSON *result, const char *why)
{
    struct controller *c = owner;
    c->queries--;
    if (result)
        admin_say(c->admin, tag, cJSON_Duplicate(result, true), true);
    else
        admin_refuse(c->admin, tag, 1, why);
}

static void
query_line(void *owner, uint64_t tag, const char *progress)
{
    struct controller *c = owner;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "progress", "prove");
    cJSON_AddStringToObject(o, "text", progress);
    admin_say(c->admin, tag, o, false);
}

static void
ask_child(const struct request *q, job_work_fn *work, struct work *w)
{
    struct controller *c = q->c;
    w->settings = c->settings;
    w->store = &c->store;
    w->journal = c->journal_path;
    struct job_how how = {.name = q->verb, .work = work, .arg = w, .tag = q->peer, .limit_ms = 300000,
                          .done = query_done, .line = query_line, .owner = c};
    if (c->queries >= CONTROLLER_QUERIES_MAX || !jobs_begin(&c->jobs, &how, c->now_ms))
        desk_refuse(q, 3, "too many ask at once: try again");
    else
        c->queries++;
}

void
desk_ask_show(const struct request *q)
{
    const struct generation *g = desk_generation(q);
    if (!g)
        return;
    cJSON *o = desk_ok();
    desk_role(q->c, g, o);
    cJSON *force = cJSON_AddArrayToObject(o, "force");
    static const char *const names[] = {"preflight", "shadow", "probation"};
    for (unsigned i = 0; i < 3; i++) {
        if (g->force & 1u << i)
            cJSON_AddItemToArray(force, cJSON_CreateString(names[i]));
    }
    if (g->until != GENERATION_LIVE)
        cJSON_AddStringToObject(o, "stage", generation_state_name(g->until));
    const struct link_trip *trip = &q->c->rollout.plane.trip;
    bool is_judged = q->c->evidence_of == g->number; /* not the set that it was compared with */
    cJSON_AddItemToObject(o, "evidence", is_judged ? desk_evidence(q->c, g->number) : cJSON_CreateNull());
    cJSON_AddItemToObject(o, "trip", trip->generation == g->number ? desk_trip(trip) : cJSON_CreateNull());
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    struct work w = {.generation = g->number, .text = text};
    ask_child(q, work_show, &w);
    cJSON_free(text);
}

/* ---- the index ---- */

void
desk_ask_affected(const struct request *q)
{
    struct controller *c = q->c;
    char err[64];
    struct impact_question ask = {.limit = 100, .verdict = desk_text(q->o, "verdict")};
    if (!desk_number(q->o, "generation", UINT32_MAX, &ask.generation) || !ask.generation ||
        !desk_number(q->o, "limit", IMPACT_MESSAGES_MAX, &ask.limit)) {
        desk_refuse(q, 2, "affected wants a `generation`, and a `limit` of 0..1000");
        return;
    }
    if (ask.generation >= c->rollout.next_number) {
        snprintf(err, sizeof(err), "there is no generation %u", ask.generation);
        desk_refuse(q, 1, err);
        return;
    }
    if (c->uplink.pages.ring.page)
        ask.lost = ring_dropped(&c->uplink.pages.ring);
    cJSON *o = c->index ? impact_affected(c->index, &ask) : NULL;
    if (o)
        desk_answer(q, o);
    else
        desk_refuse(q, 1, "the index cannot be asked");
}

/* rules.json of the two generations that were asked about last. */
struct sets {
    const struct controller *c;
    uint32_t generation[2];
    cJSON *rules[2]; /* NULL: there is none */
    unsigned next;
};

static const cJSON *
rules_of(struct sets *s, uint32_t generation)
{
    char path[GENERATIONS_PATH_MAX];
    for (unsigned i = 0; i < 2; i++) {
        if (s->generation[i] == generation)
            return s->rules[i];
    }
    unsigned at = s->next++ % 2;
    cJSON_Delete(s->rules[at]);
    s->generation[at] = generation;
    s->rules[at] = work_read_json(generations_path(&s->c->store, generation, "rules.json", path));
    return s->rules[at];
}

static bool
rule_of(void *owner, uint32_t generation, const char *rule, int32_t *score_milli, char *describe, size_t describe_size)
{
    const cJSON *said = cJSON_GetObjectItemCaseSensitive(rules_of(owner, generation), rule);
    const cJSON *score = cJSON_GetArrayItem(said, 0), *text = cJSON_GetArrayItem(said, 1);
    if (!cJSON_IsNumber(score) || !cJSON_IsString(text))
        return false;
    *score_milli = score->valueint;
    snprintf(describe, describe_size, "%s", text->valuestring);
    return true;
}

void
desk_ask_trace(const struct request *q)
{
    const char *id = desk_text(q->o, "id");
    if (!id) {
        desk_refuse(q, 2, "`id` wants a text");
        return;
    }
    struct sets sets = {.c = q->c};
    cJSON *o = q->c->index ? impact_trace(q->c->index, id, rule_of, &sets) : NULL;
    cJSON_Delete(sets.rules[0]);
    cJSON_Delete(sets.rules[1]);
    if (o)
        desk_answer(q, o);
    else
        desk_refuse(q, 1, "the index cannot be asked");
}

void
desk_ask_report(const struct request *q)
{
    const struct generation *g = desk_generation(q);
    struct work w = {.generation = g ? g->number : 0};
    if (g)
        ask_child(q, work_report, &w);
}

/* What a return is proved against: what was live before it, as its pre-flight was; of the first of all what came after it.
 * What both do is as it was: a rule set that refuses a suffix on purpose is none the worse for it. */
static uint32_t
compared_with(const struct rollout *r, uint32_t number)
{
    uint32_t before = 0, after = 0;
    for (uint32_t i = 0; i < r->list_cnt; i++) {
        const struct generation *g = &r->list[i];
        if (!g->was_live || g->copy_of)
            continue;
        if (g->number < number && g->state != GENERATION_QUARANTINED)
            before = g->number;
        else if (g->number > number && !after)
            after = g->number;
    }
    return before ? before : after;
}

/* The generation that a copy was pushed as: its rules lie there, and what they declare. The copy itself, which has but the
 * image, when those are not kept any more. */
static uint32_t
pushed_as(const struct controller *c, const struct generation *g)
{
    char path[GENERATIONS_PATH_MAX];
    uint32_t number = g->number;
    while (g && g->copy_of && g->copy_of < g->number) {
        uint32_t from = g->copy_of;
        if (access(generations_path(&c->store, from, "image", path), R_OK) == 0)
            number = from;
        g = rollout_find(&c->rollout, from);
    }
    return number;
}

void
desk_ask_prove(const struct request *q)
{
    uint32_t n = q->c->rollout.live;
    if (!desk_number(q->o, "generation", UINT32_MAX, &n)) {
        desk_refuse(q, 2, "`generation` wants a number");
        return;
    }
    const struct generation *g = rollout_find(&q->c->rollout, n);
    if (!g) {
        desk_refuse(q, 1, n ? "there is no such generation in memory" : "nothing that is known here is live");
        return;
    }
    watch_read(q->c);
    cJSON *o = cJSON_CreateObject();
    desk_role(q->c, g, o);
    cJSON_AddItemToObject(o, "evidence", desk_evidence(q->c, n));
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    uint32_t own = pushed_as(q->c, g);
    struct work w = {.generation = own, .live = compared_with(&q->c->rollout, own), .text = text};
    ask_child(q, work_prove, &w);
    cJSON_free(text);
}

void
desk_ask_journal(const struct request *q)
{
    struct work w = {.limit = 20};
    if (!desk_number(q->o, "n", 10000, &w.limit))
        desk_refuse(q, 2, "`n` wants a number of 0..10000");
    else
        ask_child(q, !strcmp(q->verb, "journal-tail") ? work_journal_tail : work_journal_verify, &w);
}

