/* The data plane's truth. Called with a STATUS that is newer than every request. */
#include <stdio.h>
#include <string.h>

#include "control/rollout_private.h"

static bool
is_role(const struct link_role *role, const struct generation *g)
{
    return role->generation == g->number && *g->digest && !strcmp(role->digest, g->digest);
}

static bool
is_on_its_way(enum generation_state s)
{
    return s >= GENERATION_STAGED && s <= GENERATION_PROBATION;
}

static void
note_reconciled(struct rollout *r, uint32_t generation, const char *text)
{
    rollout_note(r, "reconciled", generation, rollout_fields(NULL, text));
}

/* Somebody's rule set is live that we have no entry for: `weirctl push --link`, or [rules] image. */
static void
adopt_live(struct rollout *r, const struct link_role *role)
{
    struct generation *g = rollout_get(r, role->generation);
    if (!g && role->generation < ROLLOUT_FOLLOW_MAX && (g = rollout_add(r, role->generation))) {
        snprintf(g->digest, sizeof(g->digest), "%s", role->digest);
        g->state = GENERATION_COMPILED;
        snprintf(g->by, sizeof(g->by), "data plane");
        rollout_set(r, g, GENERATION_LIVE, ROLLOUT_BACK, NULL, "found in the data plane");
        rollout_note(r, "acknowledged", g->number, NULL);
        r->live = g->number;
        r->candidate = r->candidate == g->number ? 0 : r->candidate;
        g->was_live = true;
        r->is_foreign = false;
        return;
    }
    if (!r->is_foreign)
        note_reconciled(r, role->generation, "the data plane has another rule set under this number");
    r->is_foreign = true;
    r->live = 0;
}

/* The data plane's last trip as harm; false: it does not tell of g, or of something that was looked at before: who went
 * back once may have come again. */
static bool
trip_of(const struct rollout *r, const struct link_state *s, const struct generation *g, struct rollout_harm *harm,
        char text[ROLLOUT_TEXT_MAX])
{
    const struct link_trip *t = &s->trip;
    if (t->seq <= r->trip_seq || t->generation != g->number)
        return false;
    snprintf(text, ROLLOUT_TEXT_MAX, "%s%s: %u of %u%s%.80s; %.100s",
             t->by_data_plane ? "the data plane returned alone" : "returned",
             t->reason == LINK_REASON_LEASE ? " (its lease ran out)" : "", t->k, t->n, *t->name ? " in " : "", t->name,
             t->text);
    *harm = (struct rollout_harm){.reason = (enum link_reason)t->reason,
                                  .kind = t->kind < LINK_KIND_CNT ? (enum link_kind)t->kind : LINK_KIND_ALL,
                                  .name = t->name,
                                  .n = t->n,
                                  .k = t->k,
                                  .back_to = t->back_to,
                                  .text = text,
                                  .last_worker_us = t->last_worker_us,
                                  .time_ms = t->time_ms,
                                  .is_done = true};
    return true;
}

/* The candidate that we know of is not there any more. */
static void
candidate_gone(struct rollout *r, struct generation *g, const struct link_state *s, bool is_restarted)
{
    struct rollout_harm harm;
    char text[ROLLOUT_TEXT_MAX];
    bool is_told = trip_of(r, s, g, &harm, text);
    /* With a folder it knows how it ended, and tells of a crash; without one each new beginning may have been one. */
    bool has_died = is_restarted && (!s->persisted || (is_told && harm.reason == LINK_REASON_CRASHES));
    g->is_resident = false;
    if (has_died && ++g->crashes >= ROLLOUT_CRASHES_MAX) {
        harm = (struct rollout_harm){.reason = LINK_REASON_CRASHES, .name = "", .is_done = true,
                                     .back_to = s->live.generation, .text = "the data plane ended twice with it"};
        rollout_go_back(r, g, &harm, NULL);
    } else if (is_restarted) {
        rollout_hold_for(r, g, NULL, "the data plane was restarted and has it no more");
    } else if (is_told && harm.reason != LINK_REASON_LEASE && harm.reason != LINK_REASON_NONE) {
        rollout_go_back(r, g, &harm, NULL);
    } else {
        rollout_hold_for(r, g, NULL, "%s", is_told ? text : "the data plane has it no more");
    }
}

static void
check_stage(struct rollout *r, struct generation *g, const struct link_state *s)
{
    enum generation_state there = rollout_stage_state(s->stage);
    enum generation_state here = rollout_effective(g);
    if (there == here || there == GENERATION_LIVE)
        return;
    char text[ROLLOUT_TEXT_MAX];
    snprintf(text, sizeof(text), "the data plane has it in %s, not %s", generation_state_name(there),
             generation_state_name(here));
    if (g->state == GENERATION_HELD) {
        note_reconciled(r, g->number, text);
        g->from = there;
    } else if (rollout_may(g->state, there)) {
        rollout_set(r, g, there, ROLLOUT_BACK, NULL, "%s", text);
    }
    rollout_begin_stage(r, g);
}

static void
check_candidate(struct rollout *r, const struct link_state *s, bool is_restarted)
{
    struct generation *g = rollout_get(r, r->candidate);
    const struct link_role *role = &s->candidate;
    if (g && is_role(role, g) &&
        (is_on_its_way(rollout_effective(g)) || rollout_effective(g) == GENERATION_LIVE)) {
        g->is_resident = true;
        check_stage(r, g, s);
        return;
    }
    if (role->generation) {
        struct generation known = {.number = role->generation};
        struct generation *other = rollout_get(r, role->generation);
        struct rollout_ask drop = {.type = LINK_DROP, .generation = role->generation, .text = "not known here"};
        note_reconciled(r, role->generation, "a candidate that is not ours, or not any more: dropped");
        rollout_ask(r, other ? other : &known, &drop);
    }
    if (g && is_role(&s->live, g) && g->number != r->live) {
        /* A journal that broke in its middle may know it from before it was even proved. */
        if (!rollout_may(g->state, GENERATION_LIVE))
            rollout_hold_for(r, g, NULL, "the journal does not tell how it went live");
        rollout_became_live(r, g, "the data plane has it live");
    } else if (g && g->copy_of && g->state == GENERATION_COMPILED)
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "the data plane did not get it: try again");
    else if (g && (g->is_resident || is_on_its_way(g->state) || g->state == GENERATION_LIVE))
        candidate_gone(r, g, s, is_restarted);
}

/* The data plane has nothing, we know what was live: it lost its disk. Ungated, because byte-identical. */
static void
restore(struct rollout *r, struct generation *g)
{
    if (r->restored_ms && r->now_ms - r->restored_ms < ROLLOUT_RESTORE_MS)
        return;
    r->restored_ms = r->now_ms;
    rollout_load(r, g, true);
    rollout_note(r, "restore", g->number, rollout_fields(NULL, "the data plane has no rule set: ours again"));
}

static void
live_differs(struct rollout *r, struct generation *ours, struct generation *theirs, const struct link_state *s,
             bool is_restarted)
{
    struct rollout_harm harm;
    char text[ROLLOUT_TEXT_MAX];
    if (ours && ours->state == GENERATION_ROLLED_BACK) {
        rollout_gone_back(r, ours, s->live.generation, s->trip.last_worker_us, ours->text);
    } else if (ours && trip_of(r, s, ours, &harm, text)) {
        harm.back_to = s->live.generation;
        rollout_go_back(r, ours, &harm, NULL);
    } else if (ours && ours->state == GENERATION_LIVE) {
        rollout_set(r, ours, GENERATION_RETIRED, ROLLOUT_BACK, NULL, "the data plane %s generation %u",
                    is_restarted ? "began with" : "has", s->live.generation);
        ours->is_watched = false;
        r->live = 0;
    }
    if (!theirs) {
        adopt_live(r, &s->live);
    } else if (r->live != theirs->number) {
        if (theirs->state != GENERATION_LIVE && rollout_may(theirs->state, GENERATION_LIVE))
            rollout_set(r, theirs, GENERATION_LIVE, ROLLOUT_BACK, NULL, "the data plane has it live");
        r->live = theirs->number;
        r->is_foreign = theirs->state != GENERATION_LIVE;
    }
}

/* It began anew: what is live came up through the stages, its predecessor is there, and nobody compares them. */
static void
watch_again(struct rollout *r, struct generation *g, const struct link_state *s)
{
    const struct generation *before = rollout_get(r, s->previous.generation);
    bool is_due = s->stage == LINK_STAGE_NONE && s->previous.generation && !s->candidate.generation &&
                  g->state == GENERATION_LIVE && g->is_proved && !g->copy_of && g->number != r->unwatched &&
                  !(before && before->state == GENERATION_QUARANTINED);
    struct rollout_ask ask = {.type = LINK_STAGE, .generation = g->number, .stage = LINK_STAGE_LIVE};
    struct generation not_pending = *g; /* no way back waits for it */
    if (is_due && rollout_ask(r, &not_pending, &ask))
        note_reconciled(r, g->number, "the data plane did not watch it: asked to, again");
}

static void
check_live(struct rollout *r, const struct link_state *s, bool is_restarted)
{
    struct generation *ours = rollout_get(r, r->live);
    struct generation *theirs = rollout_get(r, s->live.generation);
    if (theirs && !is_role(&s->live, theirs))
        theirs = NULL;
    if (theirs && theirs->state == GENERATION_ROLLED_BACK && s->previous.generation) {
        /* Asked to go without a link, and still there. */
        struct rollout_ask back = {.type = LINK_RETURN, .generation = theirs->number,
                                   .reason = LINK_REASON_EVIDENCE, .text = theirs->text};
        rollout_ask(r, theirs, &back);
        return;
    }
    if (theirs && theirs->state == GENERATION_ROLLED_BACK && !theirs->pending) {
        rollout_note(r, "alarm", theirs->number, rollout_fields(NULL, "it went back, and the data plane has no previous"));
        rollout_set(r, theirs, GENERATION_LIVE, ROLLOUT_BACK, NULL, "cannot go back: the data plane has no previous");
    }
    if (ours && theirs == ours) {
        ours->is_watched = s->stage == LINK_STAGE_LIVE || (ours->is_watched && s->candidate.generation);
        watch_again(r, ours, s);
    } else if (!s->live.generation && ours && ours->state == GENERATION_LIVE) {
        restore(r, ours);
    } else if (s->live.generation) {
        live_differs(r, ours, theirs, s, is_restarted);
    }
}

/* Went back while there was no link, and the data plane has let go of it. */
static void
check_rolled_back(struct rollout *r, const struct link_state *s)
{
    for (uint32_t i = 0; i < r->list_cnt; i++) {
        struct generation *g = &r->list[i];
        if (g->state == GENERATION_ROLLED_BACK && !g->pending && s->candidate.generation != g->number &&
            s->live.generation != g->number)
            rollout_gone_back(r, g, s->live.generation, 0, g->text);
    }
}

/* Went back, and would be returned to: by a trip of what is live, or by the start after two crashes. It itself, and not
 * another of its content: that one was judged beside what is live now, which is what this one would take the place of. */
static void
check_previous(struct rollout *r, const struct link_state *s)
{
    struct generation *g = rollout_get(r, s->previous.generation);
    if (!g || !is_role(&s->previous, g) || g->state != GENERATION_QUARANTINED || g->number == r->undropped)
        return;
    struct rollout_ask drop = {.type = LINK_DROP, .generation = g->number, .is_previous = true,
                               .reason = LINK_REASON_OPERATOR, .text = "it went back"};
    rollout_ask(r, g, &drop);
}

static void
number_above(struct rollout *r, const struct link_role *role)
{
    if (role->generation >= r->next_number && role->generation < ROLLOUT_FOLLOW_MAX)
        r->next_number = role->generation + 1;
}

void
rollout_state(struct rollout *r, const struct link_state *s, uint64_t ask_seq)
{
    if (ask_seq != r->ask_seq || r->asked_cnt)
        return;
    bool is_restarted = r->instance && r->instance != s->instance;
    if (is_restarted)
        note_reconciled(r, 0, "the data plane was restarted");
    if (r->instance != s->instance)
        r->trip_seq = 0;
    r->instance = s->instance;
    r->plane = *s;
    r->is_linked = r->is_known = true;
    number_above(r, &s->live);
    number_above(r, &s->candidate);
    number_above(r, &s->previous);
    check_candidate(r, s, is_restarted);
    if (!r->asked_cnt) {
        check_live(r, s, is_restarted);
        r->trip_seq = s->trip.seq;
    }
    check_rolled_back(r, s);
    if (!r->asked_cnt)
        check_previous(r, s);
}
