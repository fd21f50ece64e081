/* Operators who wait for what becomes of a generation, and what they are told meanwhile. */
#include <stdio.h>

#include "control/crash.h"
#include "control/desk_private.h"
#include "control/work.h"

void
desk_wait_for(const struct request *q, uint32_t generation, bool is_push, bool is_rollback)
{
    struct controller *c = q->c;
    for (unsigned i = 0; i < CONTROLLER_WAITERS_MAX; i++) {
        if (c->waiters[i].peer)
            continue;
        c->waiters[i] = (struct waiter){.peer = q->peer,
                                        .generation = generation,
                                        .is_push = is_push,
                                        .is_rollback = is_rollback,
                                        .live_before = c->rollout.live,
                                        .end_ms = is_push ? 0 : c->now_ms + CONTROLLER_ANSWER_MS};
        return;
    }
    desk_refuse(q, 3, "too many wait already; what you asked for was done");
}

static cJSON *
progress_line(const struct controller *c, const struct generation *g, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "progress", generation_state_name(g->state));
    cJSON_AddNumberToObject(o, "generation", g->number);
    cJSON_AddStringToObject(o, "text", text);
    if (c->evidence_of == g->number && c->reading.n) {
        cJSON_AddNumberToObject(o, "n", (double)c->reading.n);
        cJSON_AddNumberToObject(o, "k", (double)c->reading.k);
        cJSON_AddNumberToObject(o, "log_m", c->reading.log_m);
    }
    return o;
}

void
desk_progress(struct controller *c, uint32_t generation, const char *text)
{
    const struct generation *g = rollout_find(&c->rollout, generation);
    for (unsigned i = 0; g && i < CONTROLLER_WAITERS_MAX; i++) {
        const struct waiter *w = &c->waiters[i];
        if (w->peer && w->is_push && w->generation == generation)
            admin_say(c->admin, w->peer, progress_line(c, g, text), false);
    }
}

void
desk_told(struct controller *c, const struct generation *g)
{
    desk_progress(c, g->number, g->text);
}

static void
answer_waiter(struct controller *c, struct waiter *w, const struct generation *g)
{
    cJSON *o = cJSON_CreateObject();
    bool stopped = g->state == GENERATION_HELD && g->from == g->until;
    bool ok = !w->is_push || g->state == GENERATION_LIVE || stopped;
    if (w->is_rollback)
        ok = g->state == GENERATION_QUARANTINED || (g->copy_of && g->state == GENERATION_LIVE);
    cJSON_AddBoolToObject(o, "ok", ok);
    cJSON_AddNumberToObject(o, "generation", g->number);
    cJSON_AddStringToObject(o, "state", generation_state_name(g->state));
    cJSON_AddStringToObject(o, "text", g->text);
    if (w->is_rollback && ok) {
        cJSON_AddNumberToObject(o, "from", g->copy_of ? w->live_before : g->number);
        if (g->copy_of)
            cJSON_AddNumberToObject(o, "copy_of", g->copy_of);
        cJSON_AddNumberToObject(o, "live", c->rollout.live);
        cJSON_AddNumberToObject(o, "last_worker_us", c->last_worker_us);
    }
    if (!ok) {
        char text[ROLLOUT_TEXT_MAX + 64];
        snprintf(text, sizeof(text), "generation %u is %s: %s%s", g->number, generation_state_name(g->state), g->text,
                 g->state == GENERATION_ROLLED_BACK ? "; the data plane has not answered" : "");
        cJSON_AddStringToObject(o, "error", text);
        cJSON_AddNumberToObject(o, "code", 1);
        cJSON *report = g->state == GENERATION_REJECTED ? work_report_summary(&c->store, g->number) : NULL;
        if (report)
            cJSON_AddItemToObject(o, "report", report);
    }
    crash_here("answer", w->is_push ? "push" : "other");
    admin_say(c->admin, w->peer, o, true);
}

void
desk_tick(struct controller *c)
{
    for (unsigned i = 0; i < CONTROLLER_WAITERS_MAX; i++) {
        struct waiter *w = &c->waiters[i];
        if (!w->peer)
            continue;
        const struct generation *g = rollout_find(&c->rollout, w->generation);
        bool is_there = admin_has(c->admin, w->peer);
        bool is_done = !g || (w->is_push ? rollout_is_settled(g)
                                         : !g->pending && g->state != GENERATION_ROLLED_BACK &&
                                               !(g->copy_of && g->state == GENERATION_COMPILED));
        if (w->end_ms && c->now_ms >= w->end_ms)
            is_done = true;
        if (is_there && g && is_done)
            answer_waiter(c, w, g);
        else if (is_there && is_done)
            admin_refuse(c->admin, w->peer, 1, "it is known to the journal only");
        if (!is_there || is_done)
            *w = (struct waiter){0};
    }
}

