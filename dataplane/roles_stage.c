/* Stages, and the ways back that are asked for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/log.h"
#include "dataplane/roles_private.h"

enum { PPM = 1000000, PERMILLE = 1000 };

/* ---- STAGE ---- */

static const char *
check_values(const struct link_stage *s)
{
    if (s->stage < LINK_STAGE_SHADOW || s->stage > LINK_STAGE_LIVE)
        return "a stage that is none (SHADOW to LIVE)";
    if (s->share_ppm > PPM)
        return "a share of more than all";
    if (s->budget_permille > PERMILLE)
        return "a budget of more than all the time";
    if (s->lease_ms > LEASE_MAX_MS)
        return "a lease of more than a day";
    if (s->stage < LINK_STAGE_LIVE && s->lease_ms == 0)
        return "a stage before LIVE without a lease";
    if (s->exempt_cnt > LINK_EXEMPT_MAX)
        return "more exempt strata than there can be";
    for (uint32_t i = 0; i < s->exempt_cnt; i++) {
        if (s->exempt[i].kind >= LINK_KIND_CNT || !memchr(s->exempt[i].name, '\0', LINK_NAME_MAX))
            return "an exempt stratum that is none";
    }
    return NULL;
}

/* Why the stage cannot be entered now; NULL: it can. */
static const char *
check_stage(const struct roles *r, const struct link_stage *s)
{
    const struct books *b = &r->now;
    const char *why = check_values(s);
    if (why)
        return why;
    if (b->candidate.rs && s->generation == b->candidate.id.generation) {
        if (s->stage < b->stage)
            return "that stage was left behind: stages only go up";
        return NULL;
    }
    if (!b->live.rs || s->generation != b->live.id.generation)
        return b->candidate.rs ? "another generation is the candidate" : "there is no candidate of that number";
    if (s->stage != LINK_STAGE_LIVE)
        return "that generation is live already";
    return b->previous.rs ? NULL : "there is no previous rule set to compare it with";
}

static void
next_books(const struct books *now, const struct link_stage *s, struct books *next)
{
    *next = *now;
    if (s->stage != LINK_STAGE_LIVE) {
        next->stage = (enum link_stage_id)s->stage;
        next->values = *s;
        return;
    }
    next->watched = *s;
    next->is_watched = true;
    if (s->generation != now->candidate.id.generation || !now->candidate.rs)
        return; /* it is live; how it is watched changes */
    next->previous = now->live;
    next->live = now->candidate;
    next->candidate = (struct set){0};
    next->stage = LINK_STAGE_NONE;
    next->is_watched = next->previous.rs != NULL;
}

static void
enter(struct roles *r, struct order *o)
{
    static const char *const names[] = {"NONE", "STAGED", "SHADOW", "CANARY", "PROBATION", "LIVE"};
    struct books next;
    next_books(&r->now, &o->stage, &next);
    int ret = roles_publish(r, &next);
    if (ret == -EAGAIN)
        return; /* it is being told of a return: again in the next round, after that was looked at */
    if (ret) {
        roles_disk_changed(r);
        roles_done(o, false, "%s", ret == -EBUSY ? "the cores have not taken up earlier plans" : "no memory");
        return;
    }
    LOG_AT(NOTICE, "generation %u: %s\n", o->stage.generation, names[o->stage.stage]);
    snprintf(o->why, sizeof(o->why), "%s", names[o->stage.stage]);
    roles_settle(r, o);
}

void
roles_step_stage(struct roles *r, struct order *o)
{
    const char *why = check_stage(r, &o->stage);
    if (why) {
        roles_done(o, false, "%s", why);
        return;
    }
    bool is_new = r->now.candidate.rs && o->stage.generation == r->now.candidate.id.generation;
    if (o->stage.stage == LINK_STAGE_LIVE && is_new && r->persist) {
        o->state = ORDER_DISK;
        roles_disk_changed(r);
        o->disk_version = r->disk_version;
        return;
    }
    enter(r, o);
}

/* STAGE LIVE when the folder is right, or cannot be made so. */
void
roles_step_live(struct roles *r, struct order *o)
{
    if (!roles_disk_is_done(r, o))
        return;
    const char *why = check_stage(r, &o->stage); /* the candidate may have gone meanwhile */
    if (why || r->disk_ret != 0) {
        char text[LINK_TEXT_MAX];
        snprintf(text, sizeof(text), "%s", why ? why : r->disk_err);
        LOG_AT(WARNING, "generation %u does not go live: %s\n", o->stage.generation, text);
        roles_done(o, false, "%s", text);
        roles_disk_changed(r); /* the links as they were */
        return;
    }
    enter(r, o);
}

/* ---- DROP and RETURN ---- */

static struct link_trip
trip_of(const struct link_return *what)
{
    struct link_trip t = {.reason = what->reason > LINK_REASON_NONE && what->reason <= LINK_REASON_CRASHES
                                        ? what->reason : (uint32_t)LINK_REASON_OPERATOR};
    snprintf(t.text, sizeof(t.text), "%s", what->text);
    return t;
}

/* One step back, told in the books. False: a core was faster, or it cannot be told yet. */
static bool
go_back(struct roles *r, const struct link_trip *why)
{
    const struct plan *p = swap_plan(r->swap);
    return p->number == swap_known(r->swap)->number && swap_return(r->swap, p, why) && roles_take_returns(r);
}

static void
refuse(struct roles *r, struct order *o)
{
    if (r->trip.seq && r->trip.generation == o->what.generation)
        roles_done(o, false, "generation %u went back already", o->what.generation);
    else
        roles_done(o, false, "generation %u is neither live nor the candidate", o->what.generation);
}

/* Nobody shall return to it, a start after two crashes neither. What messages began under it ends as after a return. With a
 * candidate its lease begins anew: who asks this is alive. */
static void
drop_previous(struct roles *r, struct order *o)
{
    struct books next = r->now;
    struct ruleset *leaving = next.previous.rs;
    next.previous = (struct set){0};
    next.is_watched = false; /* live was compared with it */
    int ret = roles_publish(r, &next);
    if (ret == -EAGAIN)
        return; /* as in enter */
    if (ret) {
        roles_done(o, false, "%s", ret == -EBUSY ? "the cores have not taken up earlier plans" : "no memory");
        return;
    }
    ruleset_mark_returned(leaving);
    LOG_AT(NOTICE, "generation %u is let go of: there is no previous one now: %s\n", o->what.generation, o->what.text);
    snprintf(o->why, sizeof(o->why), "there is no previous one now");
    roles_settle(r, o);
}

void
roles_step_drop(struct roles *r, struct order *o)
{
    struct link_trip why = trip_of(&o->what);
    if (r->now.previous.rs && r->now.previous.id.generation == o->what.generation) {
        drop_previous(r, o);
        return;
    }
    if (!r->now.candidate.rs || r->now.candidate.id.generation != o->what.generation) {
        if (r->now.live.rs && r->now.live.id.generation == o->what.generation)
            roles_done(o, false, "generation %u is live: RETURN, not DROP", o->what.generation);
        else
            refuse(r, o);
        return;
    }
    if (go_back(r, &why))
        roles_settle(r, o);
}

void
roles_step_return(struct roles *r, struct order *o)
{
    struct link_trip why = trip_of(&o->what);
    struct books *b = &r->now;
    if (b->candidate.rs && b->candidate.id.generation == o->what.generation) {
        roles_step_drop(r, o);
        return;
    }
    if (!b->live.rs || b->live.id.generation != o->what.generation) {
        refuse(r, o);
        return;
    }
    if (!b->previous.rs) {
        roles_done(o, false, "there is no previous rule set to return to");
        return;
    }
    /* A candidate was compared with what goes: it goes first. */
    if (b->candidate.rs && !go_back(r, &why))
        return;
    if (go_back(r, &why))
        roles_settle(r, o);
}
