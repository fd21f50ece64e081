/* What jobs and the data plane say, and ways back. */
#include <stdio.h>
#include <string.h>

#include "control/rollout_private.h"

/* ---- jobs ---- */

bool
rollout_start(struct rollout *r, enum rollout_job job, struct generation *g)
{
    if (job == ROLLOUT_PREFLIGHT)
        g->against = r->live;
    return r->hands.start(r->hands.owner, job, g);
}

bool
rollout_is_proved(const struct rollout *r, const struct generation *g)
{
    return g->is_proved && (g->force & FORCE_PREFLIGHT || g->copy_of || g->against == r->live);
}

static void
begin_job(struct rollout *r, struct generation *g, enum rollout_job job)
{
    if (!rollout_start(r, job, g))
        rollout_hold_for(r, g, NULL, "%s could not be started", job == ROLLOUT_COMPILE ? "compiling" : "pre-flight");
}

void
rollout_prove(struct rollout *r, struct generation *g)
{
    g->is_proved = false;
    begin_job(r, g, ROLLOUT_PREFLIGHT);
}

static void
begin_preflight(struct rollout *r, struct generation *g)
{
    bool is_forced = g->force & FORCE_PREFLIGHT;
    g->is_proved = is_forced;
    g->against = r->live;
    if (!rollout_set(r, g, GENERATION_PREFLIGHT, ROLLOUT_UP, NULL,
                     is_forced ? "left out: forced by %s" : "begun", g->by))
        rollout_hold_for(r, g, NULL, "the journal cannot be written");
    else if (!is_forced)
        begin_job(r, g, ROLLOUT_PREFLIGHT);
}

/* What is live already would take the place of what is good to return to, and if it went back live's content with it. Of
 * what somebody else made live the rules are not kept here: pushed, they are. */
static bool
is_live_already(const struct rollout *r, const struct generation *g)
{
    const struct generation *live = rollout_find(r, r->live);
    return live && live->is_proved && !strcmp(live->digest, g->digest);
}

void
rollout_compiled(struct rollout *r, uint32_t number, bool ok, const char *digest, const char *golden, const char *text)
{
    struct generation *g = rollout_get(r, number);
    if (!g || g->state != GENERATION_DRAFT)
        return;
    snprintf(g->digest, sizeof(g->digest), "%s", digest);
    snprintf(g->golden, sizeof(g->golden), "%s", golden);
    if (!ok)
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "%s", text);
    else if (rollout_is_quarantined(r, g->digest))
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL,
                    "this content (%.16s) went back before and is quarantined: release it first", g->digest);
    else if (is_live_already(r, g))
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "it is the same as generation %u, which is live",
                    r->live);
    else if (!rollout_set(r, g, GENERATION_COMPILED, ROLLOUT_UP, NULL, "%s", text))
        rollout_hold_for(r, g, NULL, "the journal cannot be written");
    else
        begin_preflight(r, g);
}

void
rollout_proved(struct rollout *r, uint32_t number, bool ok, const char *text)
{
    struct generation *g = rollout_get(r, number);
    if (!g || g->state != GENERATION_PREFLIGHT || g->is_proved)
        return;
    cJSON *f = rollout_fields(NULL, text);
    cJSON_AddBoolToObject(f, "ok", ok);
    int ret = rollout_note(r, "preflight", number, f);
    if (!ok) {
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "%s", text);
    } else if (ret < 0) {
        rollout_hold_for(r, g, NULL, "the journal cannot be written");
    } else {
        g->is_proved = true;
        g->since_ms = r->now_ms;
        snprintf(g->text, sizeof(g->text), "%s", text);
        r->hands.told(r->hands.owner, g);
    }
}

void
rollout_begin(struct rollout *r, uint64_t now_ms, uint64_t wall_ms)
{
    r->now_ms = now_ms;
    r->wall_ms = wall_ms;
    for (uint32_t i = 0; i < r->list_cnt; i++)
        r->list[i].since_ms = now_ms;
    struct generation *g = rollout_get(r, r->candidate);
    if (!g)
        return;
    if (g->copy_of && g->state <= GENERATION_PREFLIGHT)
        ; /* whether it is live, STATUS tells */
    else if (g->state == GENERATION_DRAFT)
        begin_job(r, g, ROLLOUT_COMPILE);
    else if (g->state == GENERATION_COMPILED)
        begin_preflight(r, g);
    else if (g->state == GENERATION_PREFLIGHT && !g->is_proved)
        begin_job(r, g, ROLLOUT_PREFLIGHT);
}

/* ---- ways back ---- */

void
rollout_gone_back(struct rollout *r, struct generation *g, uint32_t back_to, uint32_t last_worker_us, const char *text)
{
    struct rollout_harm harm = {.back_to = back_to, .text = text, .last_worker_us = last_worker_us};
    bool was_live = r->live == g->number;
    g->is_resident = false;
    g->is_watched = false;
    if (g->state == GENERATION_ROLLED_BACK)
        rollout_set(r, g, GENERATION_QUARANTINED, ROLLOUT_BACK, NULL, "%s", text);
    rollout_notice(r, ROLLOUT_RETURNED, g, &harm);
    if (!was_live)
        return;
    struct generation *back = rollout_get(r, back_to);
    r->live = back ? back_to : 0;
    r->is_foreign = !back && back_to;
    if (back && back->state != GENERATION_LIVE && rollout_may(back->state, GENERATION_LIVE))
        rollout_set(r, back, GENERATION_LIVE, ROLLOUT_BACK, NULL, "live again after generation %u", g->number);
}

void
rollout_go_back(struct rollout *r, struct generation *g, const struct rollout_harm *what, const struct rollout_who *who)
{
    bool is_live = r->live == g->number;
    enum generation_state at = rollout_effective(g);
    struct rollout_harm with_stage = *what, *harm = &with_stage;
    harm->stage = rollout_stage_id(at);
    struct rollout_ask ask = {.type = is_live ? LINK_RETURN : LINK_DROP,
                              .generation = g->number,
                              .reason = harm->reason,
                              .text = harm->text};
    if (!harm->is_done)
        rollout_ask(r, g, &ask); /* first of all; without a link rollout_state asks again */
    rollout_notice(r, ROLLOUT_TRIPPED, g, harm);
    cJSON *f = rollout_fields(who, harm->text);
    cJSON_AddNumberToObject(f, "reason", harm->reason);
    cJSON_AddNumberToObject(f, "kind", harm->kind);
    cJSON_AddStringToObject(f, "name", harm->name ? harm->name : "");
    cJSON_AddNumberToObject(f, "n", (double)harm->n);
    cJSON_AddNumberToObject(f, "k", (double)harm->k);
    cJSON_AddNumberToObject(f, "back_to", harm->back_to);
    cJSON_AddBoolToObject(f, "by_data_plane", harm->is_done);
    cJSON_AddStringToObject(f, "in", generation_state_name(at));
    rollout_note(r, "trip", g->number, f);
    bool is_harmless = at == GENERATION_STAGED || at == GENERATION_SHADOW;
    rollout_set(r, g, is_harmless ? GENERATION_QUARANTINED : GENERATION_ROLLED_BACK, ROLLOUT_BACK, who, "%s",
                harm->text);
    if (harm->kind != LINK_KIND_ALL && harm->name && *harm->name)
        rollout_notice(r, ROLLOUT_LOCALISED, g, harm);
    if (harm->is_done)
        rollout_gone_back(r, g, harm->back_to, harm->last_worker_us, harm->text);
}

/* A candidate that did no harm goes, HELD for a person. */
void
rollout_drop_candidate(struct rollout *r, const struct rollout_who *who, const char *why)
{
    struct generation *g = rollout_get(r, r->candidate);
    if (!g)
        return;
    struct rollout_ask ask = {.type = LINK_DROP, .generation = g->number, .text = why};
    if (g->is_resident)
        rollout_ask(r, g, &ask);
    g->is_resident = false;
    rollout_hold_for(r, g, who, "%s", why);
}

/* ---- evidence ---- */

static void
harm_from_reading(const struct evidence_reading *e, struct rollout_harm *harm, char text[ROLLOUT_TEXT_MAX])
{
    static const char *const family[LINK_KIND_CNT] = {[LINK_KIND_MIRROR] = "mail that was refused is accepted: ",
                                                      [LINK_KIND_ERROR] = "scan errors: "};
    const char *what = (unsigned)e->family < LINK_KIND_CNT && family[e->family] ? family[e->family] : "";
    double log_e = e->family == LINK_KIND_MIRROR ? e->log_mirror : e->family == LINK_KIND_ERROR ? e->log_error : e->log_m;
    *harm = (struct rollout_harm){.reason = LINK_REASON_EVIDENCE, .kind = e->family, .name = "", .n = e->n, .k = e->k,
                                  .text = text};
    const struct evidence_stratum *w = NULL;
    for (uint32_t i = 0; i < e->worst_cnt && !w && e->family == LINK_KIND_ALL; i++)
        w = e->worst[i].is_localised && e->worst[i].kind != LINK_KIND_ALL ? &e->worst[i] : NULL;
    if (w) {
        harm->kind = w->kind;
        harm->name = w->name;
        harm->n = w->n;
        harm->k = w->k;
        snprintf(text, ROLLOUT_TEXT_MAX, "evidence e^%.1f; in %s: %llu of %llu newly refused", log_e,
                 strcmp(w->name, "?") ? w->name : "what has no known suffix",
                 (unsigned long long)w->k, (unsigned long long)w->n);
    } else {
        snprintf(text, ROLLOUT_TEXT_MAX, "evidence e^%.1f: %s%llu of %llu", log_e, what, (unsigned long long)e->k,
                 (unsigned long long)e->n);
    }
}

static bool
is_suspect(double log_e, double limit)
{
    return limit > 0 && log_e > limit / ROLLOUT_SUSPECT;
}

void
rollout_read(struct rollout *r, const struct rollout_reading *reading)
{
    struct generation *g = rollout_get(r, reading->generation);
    const struct evidence_reading *e = &reading->e;
    if (!g || (g->number != r->candidate && g->number != r->live))
        return;
    if (r->units_of != g->number || e->n < r->units)
        g->units_before = 0; /* counts began anew */
    r->units_of = g->number;
    r->units = e->n;
    r->strata = reading->strata;
    r->is_suspect = is_suspect(e->log_m, e->limit_m) || is_suspect(e->log_mirror, e->limit_mirror) ||
                    is_suspect(e->log_error, e->limit_error);
    enum generation_state at = rollout_effective(g);
    bool may_go = at >= GENERATION_STAGED && at <= GENERATION_LIVE && g->pending != LINK_DROP &&
                  g->pending != LINK_RETURN;
    if (!may_go)
        return;
    struct rollout_harm harm;
    char text[ROLLOUT_TEXT_MAX];
    uint32_t permille = r->settings->reject_permille;
    if (e->trips) {
        harm_from_reading(e, &harm, text);
    } else if (permille && e->k >= 1 && e->n >= ROLLOUT_GUARD_UNITS && e->worst_cnt && e->family == LINK_KIND_ALL &&
               e->k * 1000 > e->n * permille) {
        snprintf(text, sizeof(text), "guard rail: %llu of %llu newly refused", (unsigned long long)e->k,
                 (unsigned long long)e->n);
        harm = (struct rollout_harm){.reason = LINK_REASON_EVIDENCE, .n = e->n, .k = e->k, .name = "", .text = text};
    } else {
        return;
    }
    harm.back_to = r->live == g->number ? r->plane.previous.generation : r->live;
    rollout_go_back(r, g, &harm, NULL);
}

/* ---- answers ---- */

void
rollout_became_live(struct rollout *r, struct generation *g, const char *text)
{
    struct generation *old = rollout_get(r, r->live);
    if (g->copy_of && old && old != g && old->state == GENERATION_LIVE && strcmp(old->digest, g->digest) &&
        (!g->instead_of || g->instead_of == old->number)) {
        /* Who returned to an older one said that this one is bad; not one that was returned to meanwhile. */
        struct rollout_harm harm = {.reason = LINK_REASON_OPERATOR, .name = "", .back_to = g->number,
                                    .text = "a return to an older generation", .is_done = true};
        rollout_go_back(r, old, &harm, NULL);
    }
    g->is_resident = false;
    r->hands.stop(r->hands.owner, g->number);
    if (g->state != GENERATION_LIVE)
        rollout_set(r, g, GENERATION_LIVE, ROLLOUT_BACK, NULL, "%s", text);
    if (old && old != g && old->state == GENERATION_LIVE)
        rollout_set(r, old, GENERATION_RETIRED, ROLLOUT_BACK, NULL, "generation %u is live", g->number);
    if (old && old != g)
        old->is_watched = false;
    r->live = g->number;
    r->is_foreign = false;
    g->was_live = true;
    if (r->candidate == g->number)
        r->candidate = 0;
    rollout_note(r, "acknowledged", g->number, rollout_fields(NULL, text));
    rollout_notice(r, ROLLOUT_IS_LIVE, g, NULL);
}

/* The data plane has just said so; the next STATUS is not there yet, and what is asked meanwhile must not go by the
 * one before: `rollback N` would take what was previous then for what is previous now. */
static void
plane_became_live(struct rollout *r, const struct generation *g)
{
    struct link_state *p = &r->plane;
    if (p->live.generation == g->number)
        return;
    p->previous = p->live;
    if (p->candidate.generation == g->number) {
        p->live = p->candidate;
        p->candidate = (struct link_role){0};
        return;
    }
    p->live = (struct link_role){.generation = g->number}; /* its rule_cnt is told by the next STATUS */
    memcpy(p->live.digest, g->digest, sizeof(p->live.digest));
}

static void
plane_returned(struct rollout *r, uint32_t to)
{
    struct link_state *p = &r->plane;
    if (to && p->previous.generation == to) {
        p->live = p->previous;
        p->previous = (struct link_role){0};
    }
}

/* "IMAGE GOLDEN" as the data plane computed them, against the child's. */
static bool
is_same_set(const struct generation *g, const char *text, char err[ROLLOUT_TEXT_MAX])
{
    char image[LINK_DIGEST_LEN] = "", golden[LINK_DIGEST_LEN] = "";
    int cnt = sscanf(text, "%64s %64s", image, golden);
    if (cnt < 1 || strcmp(image, g->digest))
        snprintf(err, ROLLOUT_TEXT_MAX, "the data plane loaded image %.16s, not %.16s", image, g->digest);
    else if (*g->golden && strcmp(golden, g->golden))
        snprintf(err, ROLLOUT_TEXT_MAX, "verdicts on the golden set differ: %.16s in the data plane, %.16s in the child",
                 golden, g->golden);
    else
        return true;
    return false;
}

static void
answered_load(struct rollout *r, struct generation *g, bool ok, const char *text)
{
    char err[ROLLOUT_TEXT_MAX];
    if (g->state != GENERATION_PREFLIGHT) { /* held or quarantined meanwhile */
        struct rollout_ask drop = {.type = LINK_DROP, .generation = g->number, .text = "not wanted any more"};
        if (ok)
            rollout_ask(r, g, &drop);
    } else if (!ok && g->from == GENERATION_HELD) { /* acknowledged before, perhaps, and its messages are not through */
        rollout_hold_for(r, g, NULL, "refused by the data plane: %s", text);
    } else if (!ok) {
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "refused by the data plane: %s", text);
    } else if (!is_same_set(g, text, err)) {
        struct rollout_ask drop = {.type = LINK_DROP, .generation = g->number, .text = err};
        rollout_ask(r, g, &drop);
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "%s", err);
    } else {
        g->is_resident = true;
        r->renewed_ms = r->now_ms;
        if (!rollout_set(r, g, GENERATION_STAGED, ROLLOUT_UP, NULL, "acknowledged by every worker")) {
            /* Not STAGED without a record: out again, and HELD where it was. */
            rollout_drop_candidate(r, NULL, "the journal cannot be written");
        }
    }
}

/* LOAD(live): a copy of an older generation, or ours again for a data plane that had lost it. */
static void
answered_load_live(struct rollout *r, struct generation *g, bool ok, const char *text)
{
    if (ok && strncmp(text, g->digest, strlen(g->digest)))
        rollout_note(r, "alarm", g->number, rollout_fields(NULL, "the data plane loaded another image than was asked"));
    if (ok) {
        plane_became_live(r, g);
        rollout_became_live(r, g, r->live == g->number && !g->copy_of ? "restored" : "live by a return");
    } else if (r->live == g->number) {
        rollout_note(r, "alarm", g->number, rollout_fields(NULL, text));
    } else if (rollout_may(g->state, GENERATION_REJECTED)) {
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "refused by the data plane: %s", text);
    }
}

static void
answered_stage(struct rollout *r, struct generation *g, enum link_stage_id stage, bool ok, const char *text)
{
    if (!ok && rollout_effective(g) == rollout_stage_state(stage) && g->state != GENERATION_HELD) {
        if (r->live == g->number) {
            g->is_watched = false; /* LIVE as it was, without reverse shadow */
            r->unwatched = g->number;
            rollout_note(r, "alarm", g->number, rollout_fields(NULL, text));
        } else {
            rollout_hold_for(r, g, NULL, "refused by the data plane: %s", text);
        }
        return;
    }
    /* Gone back meanwhile, with a DROP that came too late for the candidate: with the next STATUS it is RETURNed. */
    if (!ok || rollout_effective(g) != rollout_stage_state(stage))
        return;
    if (stage == LINK_STAGE_LIVE && r->live == g->number) {
        g->is_watched = true; /* again */
        return;
    }
    rollout_begin_stage(r, g);
    r->renewed_ms = r->now_ms;
    if (stage == LINK_STAGE_LIVE) {
        g->is_watched = r->plane.live.generation != 0;
        plane_became_live(r, g);
        rollout_became_live(r, g, "live");
    }
}

static void
answered_back(struct rollout *r, struct generation *g, const struct rollout_ask *ask, bool ok,
              const struct link_answer *a)
{
    char text[ROLLOUT_TEXT_MAX];
    g->pending = 0;
    if (ask->is_previous) {
        r->undropped = ok ? 0 : g->number;
    } else if (ok) {
        snprintf(text, sizeof(text), "%.200s (taken up by all in %u us)", g->text, a->swap_us);
        g->is_resident = false;
        if (ask->type == LINK_RETURN)
            plane_returned(r, a->generation);
        if (g->state == GENERATION_ROLLED_BACK || g->state == GENERATION_QUARANTINED)
            rollout_gone_back(r, g, a->generation, a->swap_us, text);
    } else if (ask->type == LINK_RETURN && g->state == GENERATION_ROLLED_BACK && a->generation == g->number) {
        rollout_note(r, "alarm", g->number, rollout_fields(NULL, a->text));
        rollout_set(r, g, GENERATION_LIVE, ROLLOUT_BACK, NULL, "cannot go back: %.200s", a->text);
    } /* what is not there any more has gone already, by somebody who was faster: STATUS tells */
}

void
rollout_answered(struct rollout *r, const struct rollout_ask *ask, bool ok, const struct link_answer *a)
{
    if (ask->type == LINK_RENEW)
        return;
    r->asked_cnt -= r->asked_cnt > 0;
    struct generation *g = rollout_get(r, ask->generation);
    if (!g)
        return;
    if (g->pending == ask->type)
        g->pending = 0;
    if (ask->type == LINK_LOAD && ask->is_live)
        answered_load_live(r, g, ok, a->text);
    else if (ask->type == LINK_LOAD)
        answered_load(r, g, ok, a->text);
    else if (ask->type == LINK_STAGE)
        answered_stage(r, g, ask->stage, ok, a->text);
    else
        answered_back(r, g, ask, ok, a);
}

void
rollout_link_down(struct rollout *r)
{
    r->is_linked = r->is_known = false;
    r->undropped = r->unwatched = 0;
    r->restored_ms = 0;
    r->asked_cnt = 0;
    r->ask_seq++; /* what was asked for before is not what will be answered */
    for (uint32_t i = 0; i < r->list_cnt; i++)
        r->list[i].pending = 0;
}
