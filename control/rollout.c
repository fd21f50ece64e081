#include "control/rollout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/rollout_private.h"

static const char *const state_names[GENERATION_STATE_CNT] = {
    [GENERATION_DRAFT] = "DRAFT",         [GENERATION_COMPILED] = "COMPILED",
    [GENERATION_PREFLIGHT] = "PREFLIGHT", [GENERATION_STAGED] = "STAGED",
    [GENERATION_SHADOW] = "SHADOW",       [GENERATION_CANARY] = "CANARY",
    [GENERATION_PROBATION] = "PROBATION", [GENERATION_LIVE] = "LIVE",
    [GENERATION_RETIRED] = "RETIRED",     [GENERATION_HELD] = "HELD",
    [GENERATION_REJECTED] = "REJECTED",   [GENERATION_ROLLED_BACK] = "ROLLED_BACK",
    [GENERATION_QUARANTINED] = "QUARANTINED",
};

const char *
generation_state_name(enum generation_state s)
{
    return (unsigned)s < GENERATION_STATE_CNT ? state_names[s] : "?";
}

bool
generation_state_parse(const char *name, enum generation_state *s)
{
    for (int i = 0; i < GENERATION_STATE_CNT; i++) {
        if (!strcmp(name, state_names[i])) {
            *s = (enum generation_state)i;
            return true;
        }
    }
    return false;
}

/* What may follow, as bits. Down within the stages: the data plane knows better (rollout_state). */
bool
rollout_may(enum generation_state from, enum generation_state to)
{
#define S(name) (1u << GENERATION_##name)
    static const unsigned next[GENERATION_STATE_CNT] = {
        [GENERATION_DRAFT] = S(COMPILED) | S(HELD) | S(REJECTED),
        [GENERATION_COMPILED] = S(PREFLIGHT) | S(HELD) | S(REJECTED) | S(LIVE) /* a copy of what was live */,
        [GENERATION_PREFLIGHT] = S(STAGED) | S(HELD) | S(REJECTED) | S(LIVE) /* held before, and live there by then */,
        [GENERATION_STAGED] = S(SHADOW) | S(CANARY) | S(PROBATION) | S(LIVE) | S(HELD) | S(REJECTED) | S(QUARANTINED),
        [GENERATION_SHADOW] = S(STAGED) | S(CANARY) | S(PROBATION) | S(LIVE) | S(HELD) | S(QUARANTINED),
        [GENERATION_CANARY] = S(STAGED) | S(SHADOW) | S(PROBATION) | S(LIVE) | S(HELD) | S(ROLLED_BACK),
        [GENERATION_PROBATION] = S(STAGED) | S(SHADOW) | S(CANARY) | S(LIVE) | S(HELD) | S(ROLLED_BACK),
        [GENERATION_LIVE] = S(STAGED) | S(SHADOW) | S(CANARY) | S(PROBATION) | S(RETIRED) | S(HELD) | S(ROLLED_BACK),
        [GENERATION_RETIRED] = S(LIVE) | S(QUARANTINED),
        [GENERATION_HELD] = S(DRAFT) | S(COMPILED) | S(PREFLIGHT) | S(STAGED) | S(SHADOW) | S(CANARY) | S(PROBATION) |
                            S(LIVE) | S(REJECTED) | S(ROLLED_BACK) | S(QUARANTINED) | S(HELD),
        [GENERATION_REJECTED] = S(QUARANTINED),
        [GENERATION_ROLLED_BACK] = S(QUARANTINED) | S(LIVE),
        [GENERATION_QUARANTINED] = S(RETIRED) | S(LIVE) /* by somebody past us: the data plane's truth */,
    };
#undef S
    return next[from] >> to & 1;
}

int
rollout_init(struct rollout *r, const struct settings *s, const struct rollout_hands *hands)
{
    *r = (struct rollout){.settings = s, .hands = *hands, .next_number = 1};
    r->list = calloc(ROLLOUT_GENERATIONS_MAX, sizeof(*r->list));
    r->quarantine = calloc(ROLLOUT_QUARANTINE_MAX, sizeof(*r->quarantine));
    if (r->list && r->quarantine)
        return 0;
    rollout_fini(r);
    return -ENOMEM;
}

void
rollout_fini(struct rollout *r)
{
    free(r->list);
    free(r->quarantine);
    r->list = NULL;
    r->quarantine = NULL;
}

/* ---- the table ---- */

struct generation *
rollout_get(struct rollout *r, uint32_t number)
{
    for (uint32_t i = r->list_cnt; number && i-- > 0;) {
        if (r->list[i].number == number)
            return &r->list[i];
    }
    return NULL;
}

const struct generation *
rollout_find(const struct rollout *r, uint32_t number)
{
    return rollout_get((struct rollout *)(uintptr_t)r, number);
}

bool
rollout_is_settled(const struct generation *g)
{
    return !g->pending && (g->state == GENERATION_LIVE || g->state == GENERATION_RETIRED ||
                           g->state == GENERATION_HELD || g->state == GENERATION_REJECTED ||
                           g->state == GENERATION_QUARANTINED);
}

static bool
is_in_use(const struct rollout *r, const struct generation *g)
{
    return g->number == r->live || g->number == r->candidate || g->number == r->plane.previous.generation ||
           g->number == r->plane.live.generation || g->number == r->plane.candidate.generation || g->pending;
}

/* Of those that wait for a person the newest ones: an image may be 40 MB. */
static bool
is_held_and_new(const struct rollout *r, const struct generation *g)
{
    unsigned newer = 0;
    for (uint32_t i = r->list_cnt; i-- > 0 && r->list[i].number > g->number;)
        newer += r->list[i].state == GENERATION_HELD;
    return g->state == GENERATION_HELD && newer < ROLLOUT_HELD_KEPT;
}

bool
rollout_keeps(const struct rollout *r, uint32_t number)
{
    const struct generation *g = rollout_find(r, number);
    return g && (is_in_use(r, g) || is_held_and_new(r, g) || !rollout_is_settled(g));
}

/* The oldest that is done goes; of those only HELD the oldest, if all others are in use. */
static bool
forget_one(struct rollout *r)
{
    for (int held = 0; held <= 1; held++) {
        for (uint32_t i = 0; i < r->list_cnt; i++) {
            const struct generation *g = &r->list[i];
            if (is_in_use(r, g) || (g->state == GENERATION_HELD) > held || !rollout_is_settled(g))
                continue;
            memmove(&r->list[i], &r->list[i + 1], (--r->list_cnt - i) * sizeof(*r->list));
            r->forgotten_cnt++;
            return true;
        }
    }
    return false;
}

struct generation *
rollout_add(struct rollout *r, uint32_t number)
{
    if (r->list_cnt == ROLLOUT_GENERATIONS_MAX && !forget_one(r))
        return NULL;
    uint32_t at = r->list_cnt++;
    for (; at > 0 && r->list[at - 1].number > number; at--)
        r->list[at] = r->list[at - 1];
    r->list[at] = (struct generation){.number = number, .until = GENERATION_LIVE, .since_ms = r->now_ms};
    if (number >= r->next_number && number < UINT32_MAX)
        r->next_number = number + 1;
    return &r->list[at];
}

/* ---- quarantine ---- */

bool
rollout_is_quarantined(const struct rollout *r, const char *digest)
{
    for (uint32_t i = 0; i < r->quarantine_cnt; i++) {
        if (!strcmp(r->quarantine[i], digest))
            return true;
    }
    return false;
}

bool
rollout_release_digest(struct rollout *r, const char *digest)
{
    for (uint32_t i = 0; i < r->quarantine_cnt; i++) {
        if (!strcmp(r->quarantine[i], digest)) {
            memmove(&r->quarantine[i], &r->quarantine[i + 1], (--r->quarantine_cnt - i) * sizeof(*r->quarantine));
            return true;
        }
    }
    return false;
}

void
rollout_quarantine_digest(struct rollout *r, const char *digest)
{
    if (!*digest || rollout_is_quarantined(r, digest))
        return;
    if (r->quarantine_cnt == ROLLOUT_QUARANTINE_MAX)
        memmove(&r->quarantine[0], &r->quarantine[1], --r->quarantine_cnt * sizeof(*r->quarantine));
    snprintf(r->quarantine[r->quarantine_cnt++], LINK_DIGEST_LEN, "%s", digest);
}

/* ---- the journal, and the one writer of states ---- */

cJSON *
rollout_fields(const struct rollout_who *who, const char *text)
{
    cJSON *f = cJSON_CreateObject();
    if (who) {
        cJSON_AddStringToObject(f, "by", who->name);
        cJSON_AddNumberToObject(f, "uid", who->uid);
    }
    if (text && *text)
        cJSON_AddStringToObject(f, "text", text);
    return f;
}

int
rollout_note(struct rollout *r, const char *event, uint32_t generation, cJSON *fields)
{
    int ret = r->hands.journal(r->hands.owner, event, generation, fields);
    r->is_journal_failed = ret < 0;
    return ret;
}

/* All that a replay needs of a generation is in each record of it, so that any one of them may be the last. */
static cJSON *
state_fields(const struct generation *g, enum generation_state to, const struct rollout_who *who, const char *text)
{
    cJSON *f = rollout_fields(who, text);
    cJSON_AddStringToObject(f, "state", generation_state_name(to));
    cJSON_AddStringToObject(f, "from", generation_state_name(g->state));
    if (to == GENERATION_HELD)
        cJSON_AddStringToObject(f, "held_in", generation_state_name(rollout_effective(g)));
    if (g->until != GENERATION_LIVE)
        cJSON_AddStringToObject(f, "until", generation_state_name(g->until));
    cJSON_AddNumberToObject(f, "force", g->force);
    if (g->copy_of)
        cJSON_AddNumberToObject(f, "copy_of", g->copy_of);
    if (g->crashes)
        cJSON_AddNumberToObject(f, "crashes", g->crashes);
    cJSON_AddBoolToObject(f, "proved", g->is_proved);
    if (g->against)
        cJSON_AddNumberToObject(f, "against", g->against);
    if (g->is_resident)
        cJSON_AddBoolToObject(f, "resident", true);
    if (*g->digest)
        cJSON_AddStringToObject(f, "digest", g->digest);
    if (*g->golden)
        cJSON_AddStringToObject(f, "golden", g->golden);
    if (*g->by) {
        cJSON_AddStringToObject(f, "pushed_by", g->by);
        cJSON_AddNumberToObject(f, "pushed_uid", g->uid);
    }
    return f;
}

static bool
set_state(struct rollout *r, struct generation *g, enum generation_state to, enum rollout_way way,
          const struct rollout_who *who, const char *text)
{
    if (!rollout_may(g->state, to)) {
        fprintf(stderr, "rollout: generation %u: %s -> %s is no way\n", g->number, generation_state_name(g->state),
                generation_state_name(to));
        abort();
    }
    if (rollout_note(r, "state", g->number, state_fields(g, to, who, text)) < 0 && way == ROLLOUT_UP)
        return false;
    g->from = to == GENERATION_HELD ? rollout_effective(g) : g->state;
    g->state = to;
    g->unasked_ms = 0;
    g->since_ms = r->now_ms;
    g->wall_ms = r->wall_ms;
    snprintf(g->text, sizeof(g->text), "%s", text);
    if (to == GENERATION_QUARANTINED)
        rollout_quarantine_digest(r, g->digest);
    bool is_on_its_way = to <= GENERATION_PROBATION || (to == GENERATION_HELD && g->is_resident) ||
                         (to == GENERATION_LIVE && r->candidate == g->number && r->live != g->number);
    if (!is_on_its_way && r->candidate == g->number)
        r->candidate = 0;
    r->hands.told(r->hands.owner, g);
    return true;
}

bool
rollout_set(struct rollout *r, struct generation *g, enum generation_state to, enum rollout_way way,
            const struct rollout_who *who, const char *format, ...)
{
    char text[ROLLOUT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return set_state(r, g, to, way, who, text);
}

void
rollout_hold_for(struct rollout *r, struct generation *g, const struct rollout_who *who, const char *format, ...)
{
    char text[ROLLOUT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->hands.stop(r->hands.owner, g->number);
    set_state(r, g, GENERATION_HELD, ROLLOUT_BACK, who, text);
    rollout_notice(r, ROLLOUT_IS_HELD, g, NULL);
}

void
rollout_notice(struct rollout *r, enum rollout_notice_kind what, const struct generation *g,
               const struct rollout_harm *harm)
{
    enum generation_state at = rollout_effective(g);
    struct rollout_notice n = {.what = what, .generation = g->number, .name = "", .text = g->text,
                               .stage = at <= GENERATION_LIVE ? rollout_stage_id(at) : LINK_STAGE_NONE,
                                .time_ms = r->wall_ms};
    if (harm) {
        if (harm->time_ms)
            n.time_ms = harm->time_ms;
        n.back_to = harm->back_to;
        n.reason = harm->reason;
        n.kind = harm->kind;
        n.name = harm->name ? harm->name : "";
        n.n = harm->n;
        n.k = harm->k;
        n.text = harm->text;
        n.last_worker_us = harm->last_worker_us;
        if (harm->stage)
            n.stage = harm->stage;
    }
    r->hands.notice(r->hands.owner, &n);
}

/* ---- stages ---- */

enum generation_state
rollout_effective(const struct generation *g)
{
    return g->state == GENERATION_HELD ? g->from : g->state;
}

enum link_stage_id
rollout_stage_id(enum generation_state s)
{
    return s >= GENERATION_STAGED && s <= GENERATION_LIVE
               ? (enum link_stage_id)(LINK_STAGE_STAGED + (s - GENERATION_STAGED))
               : LINK_STAGE_NONE;
}

enum generation_state
rollout_stage_state(uint32_t stage)
{
    return stage >= LINK_STAGE_STAGED && stage <= LINK_STAGE_LIVE
               ? (enum generation_state)(GENERATION_STAGED + (stage - LINK_STAGE_STAGED))
               : GENERATION_STAGED;
}

enum generation_state
rollout_next(const struct rollout *r, const struct generation *g)
{
    enum generation_state at = rollout_effective(g);
    if (at == GENERATION_STAGED && !r->live && !r->plane.live.generation)
        return GENERATION_LIVE;
    if (at == GENERATION_STAGED && !(g->force & FORCE_SHADOW))
        return GENERATION_SHADOW;
    if (at <= GENERATION_SHADOW)
        return g->force & FORCE_PROBATION ? GENERATION_LIVE : GENERATION_CANARY;
    return at == GENERATION_CANARY ? GENERATION_PROBATION : GENERATION_LIVE;
}

void
rollout_begin_stage(struct rollout *r, struct generation *g)
{
    g->since_ms = r->now_ms;
    g->units_before = r->units_of == g->number ? r->units : 0;
}

bool
rollout_ask(struct rollout *r, struct generation *g, const struct rollout_ask *ask)
{
    if (!r->is_linked || !r->hands.ask(r->hands.owner, ask))
        return false;
    if (ask->type != LINK_RENEW) {
        g->pending = ask->type;
        r->ask_seq++;
        r->asked_cnt++;
    }
    return true;
}

bool
rollout_load(struct rollout *r, struct generation *g, bool is_live)
{
    struct rollout_ask ask = {.type = LINK_LOAD, .generation = g->number, .is_live = is_live};
    return rollout_ask(r, g, &ask);
}

void
rollout_enter(struct rollout *r, struct generation *g, enum generation_state to, const struct rollout_who *who,
              const char *why)
{
    if (!rollout_set(r, g, to, ROLLOUT_UP, who, "%s", why)) {
        rollout_hold_for(r, g, NULL, "the journal cannot be written: no way up to %s", generation_state_name(to));
        return;
    }
    struct rollout_ask ask = {.type = LINK_STAGE, .generation = g->number, .stage = rollout_stage_id(to)};
    rollout_begin_stage(r, g);
    rollout_ask(r, g, &ask); /* without a link rollout_state puts it right when there is one */
}

static bool
is_stage(enum generation_state s)
{
    return s >= GENERATION_STAGED && s <= GENERATION_PROBATION;
}

void
rollout_needs(const struct rollout *r, const struct generation *g, struct rollout_needs *n)
{
    const struct settings *s = r->settings;
    enum generation_state at = rollout_effective(g);
    *n = (struct rollout_needs){.have_ms = r->now_ms - g->since_ms, .next = rollout_next(r, g)};
    if (at == GENERATION_SHADOW)
        n->need_ms = s->shadow_ms, n->need_units = s->shadow_messages, n->need_strata = s->strata;
    else if (at == GENERATION_CANARY)
        n->need_ms = s->canary_ms, n->need_units = s->canary_messages;
    else if (at == GENERATION_PROBATION)
        n->need_ms = s->probation_ms, n->need_units = s->probation_messages;
    bool is_read = r->units_of == g->number;
    n->have_units = is_read && r->units > g->units_before ? r->units - g->units_before : 0;
    n->have_strata = is_read ? r->strata : 0;
    n->is_suspect = is_read && r->is_suspect;
}

/* Why it may not go on yet; NULL: it may. */
static const char *
gate(const struct rollout_needs *n)
{
    if (n->have_ms < n->need_ms)
        return "time";
    if (n->have_units < n->need_units)
        return "messages";
    if (n->have_strata < n->need_strata)
        return "strata with evidence";
    return n->is_suspect ? "innocence" : NULL;
}

static void
tick_stage(struct rollout *r, struct generation *g)
{
    struct rollout_needs needs;
    rollout_needs(r, g, &needs);
    const char *wanting = gate(&needs);
    char why[ROLLOUT_TEXT_MAX];
    if (!wanting && g->state == g->until) {
        rollout_hold_for(r, g, NULL, "pushed to stop in %s", generation_state_name(g->state));
    } else if (!wanting) {
        snprintf(why, sizeof(why), "after %.1f s and %llu units in %s", (double)needs.have_ms / 1e3,
                 (unsigned long long)needs.have_units, generation_state_name(g->state));
        rollout_enter(r, g, needs.next, NULL, why);
    } else if (r->settings->stage_max_ms && r->now_ms - g->since_ms >= r->settings->stage_max_ms) {
        rollout_hold_for(r, g, NULL, "for %u ms in %s without enough %s", r->settings->stage_max_ms,
                         generation_state_name(g->state), wanting);
    }
}

/* Proved: to the data plane, with a record of its own, because STAGED is written after it. */
static void
tick_load(struct rollout *r, struct generation *g)
{
    /* Something under way may be another's LOAD, for one that was held meanwhile: it is dropped first. */
    if (!r->is_linked || !r->is_known || r->plane.candidate.generation || r->asked_cnt)
        return;
    if (!g->unasked_ms && rollout_note(r, "load", g->number, NULL) < 0) {
        rollout_hold_for(r, g, NULL, "the journal cannot be written: not loaded");
    } else if (rollout_load(r, g, false)) {
        g->unasked_ms = 0;
    } else if (!g->unasked_ms) {
        g->unasked_ms = r->now_ms;
    } else if (r->now_ms - g->unasked_ms >= ROLLOUT_LOAD_MS) {
        rollout_hold_for(r, g, NULL, "its image cannot be given to the data plane: if it is not kept any more, push again");
    }
}

static void
renew(struct rollout *r)
{
    struct generation *g = rollout_get(r, r->candidate);
    uint32_t every = r->settings->lease_ms / 3;
    if (!g || !g->is_resident || !is_stage(rollout_effective(g)) || r->now_ms - r->renewed_ms < every)
        return;
    struct rollout_ask ask = {.type = LINK_RENEW, .generation = g->number};
    if (rollout_ask(r, g, &ask))
        r->renewed_ms = r->now_ms;
}

void
rollout_tick(struct rollout *r, uint64_t now_ms, uint64_t wall_ms)
{
    r->now_ms = now_ms;
    r->wall_ms = wall_ms;
    struct generation *g = rollout_get(r, r->candidate);
    if (!g)
        return;
    renew(r);
    if (g->pending)
        return;
    if (g->state == GENERATION_PREFLIGHT && g->is_proved && !rollout_is_proved(r, g))
        rollout_prove(r, g); /* live went back meanwhile, with what the two may have in common */
    else if (g->state == GENERATION_PREFLIGHT && g->is_proved)
        tick_load(r, g);
    else if (is_stage(g->state) && r->is_linked && r->is_known)
        tick_stage(r, g);
}

bool
rollout_is_watching(const struct rollout *r)
{
    const struct generation *c = rollout_find(r, r->candidate);
    if (c && c->is_resident && rollout_effective(c) >= GENERATION_SHADOW)
        return true;
    const struct generation *l = rollout_find(r, r->live);
    return l && l->is_watched;
}
