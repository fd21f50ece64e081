/* What operators ask for. Each is journaled with who it was, and refused with a sentence. */
#include <stdio.h>
#include <string.h>

#include "control/rollout_private.h"

#define REFUSE(...) (snprintf(err, ROLLOUT_TEXT_MAX, __VA_ARGS__), -1)

static struct generation *
find_or_say(struct rollout *r, uint32_t number, char *err)
{
    struct generation *g = rollout_get(r, number);
    if (!g)
        snprintf(err, ROLLOUT_TEXT_MAX, number && number < r->next_number ? "generation %u is in the journal only"
                                                                          : "there is no generation %u", number);
    return g;
}

/* One candidate at a time. */
static int
check_free(const struct rollout *r, char *err)
{
    const struct generation *c = rollout_find(r, r->candidate);
    if (c && c->state == GENERATION_HELD)
        return REFUSE("generation %u is held in %s: resume, promote or quarantine it", c->number,
                      generation_state_name(c->from));
    if (c)
        return REFUSE("generation %u is in %s: wait, hold or quarantine it", c->number,
                      generation_state_name(c->state));
    return 0;
}

static cJSON *
push_fields(const struct rollout_push *p)
{
    cJSON *f = rollout_fields(&p->who, NULL);
    cJSON_AddStringToObject(f, "path", p->path);
    if (*p->comment)
        cJSON_AddStringToObject(f, "comment", p->comment);
    cJSON_AddNumberToObject(f, "force", p->force);
    cJSON_AddStringToObject(f, "until", generation_state_name(p->until));
    cJSON *expect = p->expect_cnt ? cJSON_AddArrayToObject(f, "expect") : NULL;
    for (uint32_t i = 0; i < p->expect_cnt; i++) {
        cJSON *e = cJSON_CreateObject();
        cJSON_AddNumberToObject(e, "kind", p->expect[i].kind);
        cJSON_AddStringToObject(e, "name", p->expect[i].name);
        cJSON_AddNumberToObject(e, "rate", p->expect[i].rate);
        cJSON_AddItemToArray(expect, e);
    }
    return f;
}

int
rollout_push(struct rollout *r, const struct rollout_push *p, uint32_t *number, char *err)
{
    if (check_free(r, err))
        return -1;
    if (!r->is_known)
        return REFUSE("the data plane does not answer: nothing can be pushed");
    if (p->until != GENERATION_LIVE && (p->until < GENERATION_STAGED || p->until > GENERATION_PROBATION))
        return REFUSE("a push can stop in STAGED, SHADOW, CANARY or PROBATION, not in %s",
                      generation_state_name(p->until));
    struct generation *g = r->next_number < UINT32_MAX ? rollout_add(r, r->next_number) : NULL;
    if (!g)
        return REFUSE("%d generations are in use", ROLLOUT_GENERATIONS_MAX);
    g->until = p->until;
    g->force = p->force;
    g->uid = p->who.uid;
    snprintf(g->by, sizeof(g->by), "%s", p->who.name);
    snprintf(g->path, sizeof(g->path), "%s", p->path);
    snprintf(g->comment, sizeof(g->comment), "%s", p->comment);
    g->wall_ms = r->wall_ms;
    g->expect_cnt = p->expect_cnt;
    memcpy(g->expect, p->expect, sizeof(g->expect));
    cJSON *f = push_fields(p);
    *number = g->number;
    if (rollout_note(r, "push", g->number, f) < 0) {
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "the journal cannot be written");
        return REFUSE("the journal cannot be written: nothing is pushed");
    }
    r->candidate = g->number;
    if (!r->hands.start(r->hands.owner, ROLLOUT_COMPILE, g)) {
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, NULL, "compiling could not be started");
        return REFUSE("compiling could not be started");
    }
    return 0;
}

int
rollout_hold(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err)
{
    struct generation *g = find_or_say(r, number, err);
    if (!g)
        return -1;
    if (number != r->candidate || g->state > GENERATION_PROBATION)
        return REFUSE("generation %u is %s: only one on its way up can be held", number,
                      generation_state_name(g->state));
    rollout_hold_for(r, g, who, "held by %s", who->name);
    return 0;
}

static int
resume_early(struct rollout *r, struct generation *g, const struct rollout_who *who, char *err)
{
    /* Its image is on the disk from COMPILED on, so what was lost in a stage begins with LOAD. */
    enum generation_state to = !*g->digest ? GENERATION_DRAFT : GENERATION_PREFLIGHT;
    if (check_free(r, err))
        return -1;
    if (rollout_is_quarantined(r, g->digest))
        return REFUSE("its content is quarantined: release it first");
    if (!rollout_set(r, g, to, ROLLOUT_UP, who, "resumed by %s", who->name))
        return REFUSE("the journal cannot be written");
    r->candidate = g->number;
    enum rollout_job job = to == GENERATION_DRAFT ? ROLLOUT_COMPILE : ROLLOUT_PREFLIGHT;
    g->is_proved = rollout_is_proved(r, g);
    if ((to == GENERATION_DRAFT || !g->is_proved) && !rollout_start(r, job, g)) {
        rollout_hold_for(r, g, NULL, "its job could not be started");
        return REFUSE("its job could not be started");
    }
    return 0;
}

int
rollout_resume(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err)
{
    struct generation *g = find_or_say(r, number, err);
    if (!g)
        return -1;
    if (g->state != GENERATION_HELD)
        return REFUSE("generation %u is %s, not held", number, generation_state_name(g->state));
    if (g->until != GENERATION_LIVE && g->from == g->until)
        g->until = GENERATION_LIVE; /* it has stopped where it should: on */
    if (!g->is_resident)
        return resume_early(r, g, who, err);
    enum link_type pending = g->pending;
    if (!rollout_set(r, g, g->from, ROLLOUT_UP, who, "resumed by %s", who->name))
        return REFUSE("the journal cannot be written");
    g->pending = pending;
    rollout_begin_stage(r, g);
    return 0;
}

int
rollout_promote(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err)
{
    struct generation *g = find_or_say(r, number, err);
    if (!g)
        return -1;
    enum generation_state at = rollout_effective(g);
    if (number != r->candidate || at < GENERATION_STAGED || at > GENERATION_PROBATION || !g->is_resident)
        return REFUSE("generation %u is %s%s: only one in STAGED to PROBATION can be promoted", number,
                      generation_state_name(g->state), g->state == GENERATION_HELD ? " without being loaded" : "");
    if (g->pending || !r->is_linked)
        return REFUSE("generation %u waits for the data plane: try again", number);
    if (g->until == at)
        g->until = GENERATION_LIVE;
    char why[ROLLOUT_TEXT_MAX];
    snprintf(why, sizeof(why), "promoted by %s", who->name);
    rollout_enter(r, g, rollout_next(r, g), who, why);
    return g->state == GENERATION_HELD ? REFUSE("%s", g->text) : 0;
}

/* ---- ways back ---- */

static struct rollout_harm
by_operator(const struct rollout *r, const struct generation *g, char text[ROLLOUT_TEXT_MAX], const char *what,
            const struct rollout_who *who)
{
    snprintf(text, ROLLOUT_TEXT_MAX, "%s by %s", what, who->name);
    return (struct rollout_harm){.reason = LINK_REASON_OPERATOR,
                                 .name = "",
                                 .text = text,
                                 .back_to = r->live == g->number ? r->plane.previous.generation : r->live};
}

static int
return_to_previous(struct rollout *r, const struct rollout_who *who, uint32_t *number, char *err)
{
    struct generation *g = rollout_get(r, r->live);
    const struct link_role *to = &r->plane.previous;
    if (!g)
        return REFUSE("what is live is none of ours: nothing is known to return to");
    if (!r->is_linked)
        return REFUSE("the data plane does not answer");
    if (g->pending || g->state != GENERATION_LIVE)
        return REFUSE("generation %u is %s already on its way", g->number, generation_state_name(g->state));
    if (!to->generation)
        return REFUSE("the data plane has no previous rule set: rollback to one by its number");
    if (rollout_is_quarantined(r, to->digest))
        return REFUSE("generation %u, the previous one, is quarantined: release it, or rollback to another by its number",
                      to->generation);
    if (r->candidate)
        rollout_drop_candidate(r, who, "its live generation was rolled back");
    char text[ROLLOUT_TEXT_MAX];
    struct rollout_harm harm = by_operator(r, g, text, "rolled back", who);
    *number = g->number;
    rollout_go_back(r, g, &harm, who);
    return 0;
}

/* A generation of its own with N's image, live at once. */
static int
return_to_older(struct rollout *r, struct generation *to, const struct rollout_who *who, uint32_t *number, char *err)
{
    if (!to->was_live || !*to->digest)
        return REFUSE("generation %u was never live: push it", to->number);
    if (rollout_is_quarantined(r, to->digest))
        return REFUSE("generation %u went back itself: release it first", to->number);
    if (!r->is_linked)
        return REFUSE("the data plane does not answer");
    const struct generation *live = rollout_find(r, r->live), *c = rollout_find(r, r->candidate);
    if (live && !strcmp(live->digest, to->digest))
        return REFUSE("generation %u, which is live, is the same as generation %u", live->number, to->number);
    if (c && c->copy_of && c->pending)
        return REFUSE("generation %u is live in a moment: a return to generation %u", c->number, c->copy_of);
    uint32_t from = to->number;
    char digest[LINK_DIGEST_LEN], golden[LINK_DIGEST_LEN];
    memcpy(digest, to->digest, sizeof(digest));
    memcpy(golden, to->golden, sizeof(golden));
    int ret = r->hands.copy(r->hands.owner, from, r->next_number);
    if (ret < 0)
        return REFUSE("the image of generation %u is not kept any more: %s", from, strerror(-ret));
    if (r->candidate)
        rollout_drop_candidate(r, who, "a return to an older generation was asked for");
    struct generation *g = rollout_add(r, r->next_number);
    if (!g)
        return REFUSE("%d generations are in use", ROLLOUT_GENERATIONS_MAX);
    g->copy_of = from;
    g->instead_of = r->live;
    g->uid = who->uid;
    g->is_proved = true;
    snprintf(g->by, sizeof(g->by), "%s", who->name);
    memcpy(g->digest, digest, sizeof(digest));
    memcpy(g->golden, golden, sizeof(golden));
    r->candidate = *number = g->number;
    rollout_load(r, g, true);
    rollout_set(r, g, GENERATION_COMPILED, ROLLOUT_BACK, who, "return to generation %u by %s", from, who->name);
    return 0;
}

int
rollout_rollback(struct rollout *r, uint32_t to, const struct rollout_who *who, uint32_t *number, char *err)
{
    struct generation *c = rollout_get(r, r->candidate);
    if (to && to == r->live)
        return REFUSE("generation %u is live", to);
    if (to && to != r->plane.previous.generation) {
        struct generation *older = find_or_say(r, to, err);
        return older ? return_to_older(r, older, who, number, err) : -1;
    }
    bool decides = c && c->is_resident && rollout_effective(c) >= GENERATION_CANARY;
    if (to || !decides)
        return return_to_previous(r, who, number, err);
    char text[ROLLOUT_TEXT_MAX];
    struct rollout_harm harm = by_operator(r, c, text, "rolled back", who);
    *number = c->number;
    rollout_go_back(r, c, &harm, who);
    return 0;
}

int
rollout_quarantine(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err)
{
    struct generation *g = find_or_say(r, number, err);
    if (!g)
        return -1;
    if (g->state == GENERATION_QUARANTINED)
        return 0;
    if (number == r->live)
        return return_to_previous(r, who, &number, err);
    if (g->copy_of && g->pending)
        return REFUSE("generation %u is live in a moment: try again", number);
    const struct generation *live = rollout_find(r, r->live);
    if (live && *g->digest && !strcmp(live->digest, g->digest) && number != r->candidate)
        return REFUSE("generation %u, which is live, is the same: roll that one back", live->number);
    char text[ROLLOUT_TEXT_MAX];
    struct rollout_harm harm = by_operator(r, g, text, "quarantined", who);
    if (number == r->candidate && g->is_resident) {
        rollout_go_back(r, g, &harm, who);
    } else if (g->state < GENERATION_STAGED) {
        r->hands.stop(r->hands.owner, number);
        rollout_set(r, g, GENERATION_REJECTED, ROLLOUT_BACK, who, "%s", text);
        rollout_set(r, g, GENERATION_QUARANTINED, ROLLOUT_BACK, who, "%s", text);
    } else if (rollout_may(g->state, GENERATION_QUARANTINED)) {
        rollout_set(r, g, GENERATION_QUARANTINED, ROLLOUT_BACK, who, "%s", text);
    } else {
        return REFUSE("generation %u is %s: try again", number, generation_state_name(g->state));
    }
    return r->is_journal_failed ? REFUSE("done, but the journal cannot be written") : 0;
}

int
rollout_release(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err)
{
    struct generation *g = find_or_say(r, number, err);
    if (!g)
        return -1;
    if (!*g->digest || !rollout_is_quarantined(r, g->digest))
        return REFUSE("the content of generation %u is not quarantined", number);
    cJSON *f = rollout_fields(who, NULL);
    cJSON_AddStringToObject(f, "digest", g->digest);
    if (rollout_note(r, "release", number, f) < 0)
        return REFUSE("the journal cannot be written");
    rollout_release_digest(r, g->digest);
    if (g->state == GENERATION_QUARANTINED)
        rollout_set(r, g, GENERATION_RETIRED, ROLLOUT_BACK, who, "released by %s", who->name);
    return 0;
}
