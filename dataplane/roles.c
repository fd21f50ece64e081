#include "dataplane/roles_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/log.h"

struct roles *
roles_new(struct swap *swap, unsigned threads_cnt, struct golden_run *golden, const char *state,
          const struct roles_hooks *hooks)
{
    struct roles *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->swap = swap;
    r->threads_cnt = threads_cnt;
    r->golden = golden;
    if (hooks)
        r->hooks = *hooks;
    r->loader = errand_new();
    r->disk = errand_new();
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++)
        r->orders[i].fd = -1;
    if (r->loader && r->disk && roles_disk_open(r, state ? state : "") == 0)
        return r;
    roles_free(r, false);
    return NULL;
}

struct image *
image_hold(struct image *i)
{
    if (i)
        i->refs++;
    return i;
}

void
image_drop(struct image *i)
{
    if (!i || --i->refs > 0)
        return;
    munmap(i->octets, i->len);
    free(i);
}

static void
close_order(struct order *o)
{
    if (o->fd >= 0)
        close(o->fd);
    if (o->set.rs) /* it never got a role, and no core is at it */
        ruleset_free(o->set.rs);
    image_drop(o->set.image);
    memset(o, 0, sizeof(*o));
    o->fd = -1;
}

void
roles_free(struct roles *r, bool is_clean)
{
    if (!r)
        return;
    errand_free(r->loader);
    if (r->disk && r->persist && is_clean) { /* what is wanted now, and not what a former try left */
        while (!errand_is_idle(r->disk) && !errand_is_done(r->disk))
            usleep(200);
        r->disk_retry_ms = 0;
        roles_disk_step(r);
    }
    errand_free(r->disk);
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++)
        close_order(&r->orders[i]);
    for (unsigned i = 0; i < 3; i++)
        image_drop(r->job.write[i]);
    image_drop(r->now.live.image);
    image_drop(r->now.candidate.image);
    image_drop(r->now.previous.image);
    if (r->persist && is_clean)
        persist_end(r->persist);
    persist_close(r->persist);
    free(r);
}

/* ---- asking and answering ---- */

static struct order *
take_order(struct roles *r, uint16_t type, uint64_t peer, uint32_t request)
{
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        struct order *o = &r->orders[i];
        if (o->state != ORDER_FREE)
            continue;
        o->state = ORDER_QUEUED;
        o->type = type;
        o->peer = peer;
        o->request = request;
        o->serial = ++r->serial;
        return o;
    }
    return NULL;
}

bool
roles_ask_load(struct roles *r, uint64_t peer, uint32_t request, const struct link_load *load, int fd)
{
    struct order *o = take_order(r, LINK_LOAD, peer, request);
    if (!o)
        return false;
    o->load = *load;
    o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (o->fd < 0)
        roles_done(o, false, "the descriptor: %s", strerror(errno));
    return true;
}

bool
roles_ask_stage(struct roles *r, uint64_t peer, uint32_t request, const struct link_stage *stage)
{
    struct order *o = take_order(r, LINK_STAGE, peer, request);
    if (o)
        o->stage = *stage;
    return o != NULL;
}

static bool
ask_what(struct roles *r, uint16_t type, uint64_t peer, uint32_t request, const struct link_return *what)
{
    struct order *o = take_order(r, type, peer, request);
    if (!o)
        return false;
    o->what = *what;
    o->what.text[sizeof(o->what.text) - 1] = '\0';
    return true;
}

bool
roles_ask_drop(struct roles *r, uint64_t peer, uint32_t request, const struct link_return *what)
{
    return ask_what(r, LINK_DROP, peer, request, what);
}

bool
roles_ask_return(struct roles *r, uint64_t peer, uint32_t request, const struct link_return *what)
{
    return ask_what(r, LINK_RETURN, peer, request, what);
}

void
roles_done(struct order *o, bool is_ack, const char *format, ...)
{
    char text[LINK_TEXT_MAX]; /* the arguments may be of the order */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(o->answer.text, text, sizeof(text));
    o->is_ack = is_ack;
    o->state = ORDER_DONE;
}

bool
roles_answered(struct roles *r, struct roles_answer *answer)
{
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        struct order *o = &r->orders[i];
        if (o->state != ORDER_DONE)
            continue;
        bool is_asked = o->type != ORDER_PREVIOUS;
        *answer = (struct roles_answer){o->peer, o->request, o->is_ack, o->answer};
        answer->body.generation = roles_live(r);
        close_order(o);
        if (is_asked)
            return true;
    }
    return false;
}

/* ---- publishing ---- */

static void
drop_images(const struct books *old, const struct books *next)
{
    const struct set *sets[] = {&old->live, &old->candidate, &old->previous};
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        const struct ruleset *rs = sets[i]->rs;
        if (rs != next->live.rs && rs != next->candidate.rs && rs != next->previous.rs)
            image_drop(sets[i]->image);
    }
}

/* What the books say becomes the plan. The images of sets that lose their role are let go of. */
int
roles_publish(struct roles *r, const struct books *next)
{
    const struct books *n = next;
    struct swap_roles roles = {.live = n->live.rs, .candidate = n->candidate.rs, .previous = n->previous.rs};
    if (n->candidate.rs) {
        roles.stage = n->stage;
        roles.values = &n->values;
        roles.watched = n->is_watched ? &n->watched : NULL;
        if (n->values.lease_ms)
            roles.lease_tsc = rte_rdtsc() + rte_get_tsc_hz() / 1000 * n->values.lease_ms;
    } else {
        roles.stage = n->is_watched ? LINK_STAGE_LIVE : LINK_STAGE_NONE;
        roles.values = n->is_watched ? &n->watched : NULL;
    }
    int ret = swap_publish(r->swap, &roles);
    if (ret)
        return ret;
    r->lease_ms = roles.lease_tsc ? r->now_ms + n->values.lease_ms : 0;
    drop_images(&r->now, next);
    r->now = *next;
    roles_begin_pair(r);
    roles_disk_changed(r);
    return 0;
}

void
roles_settle(struct roles *r, struct order *o)
{
    o->state = ORDER_SETTLING;
    o->deadline_ms = r->now_ms + ROLES_SETTLE_MS;
}

/* Published: answered when each core has it. */
static void
step_settling(struct roles *r, struct order *o)
{
    bool is_settled = swap_is_settled(r->swap);
    if (!is_settled && r->now_ms < o->deadline_ms)
        return;
    o->answer.swap_us = swap_last_worker_us(r->swap);
    if (o->answer.swap_us == 0)
        o->answer.swap_us = 1; /* something was swapped; no core was awake to see it */
    const struct set *live = &r->now.live;
    bool is_live = (o->type == LINK_LOAD && !(o->load.flags & LINK_LOAD_STAGE)) ||
                   (o->type == LINK_STAGE && o->stage.stage == LINK_STAGE_LIVE);
    if (is_live && live->rs)
        LOG_AT(NOTICE, "generation %u is live: %u rules, %s, swapped in %u us%s\n", live->id.generation,
               ruleset_rule_cnt(live->rs), ruleset_digest(live->rs), o->answer.swap_us,
               is_settled ? "" : "; a core has not reported yet");
    roles_done(o, true, "%s", o->why);
}

/* ---- the round ---- */

static void
step_order(struct roles *r, struct order *o)
{
    switch (o->state) {
    case ORDER_QUEUED:
        if (o->type == LINK_LOAD || o->type == ORDER_PREVIOUS)
            roles_step_load(r, o);
        else if (o->type == LINK_STAGE)
            roles_step_stage(r, o);
        else if (o->type == LINK_DROP)
            roles_step_drop(r, o);
        else
            roles_step_return(r, o);
        break;
    case ORDER_LOADING:
        roles_step_load(r, o);
        break;
    case ORDER_NOTING:
    case ORDER_GOLDEN:
        roles_step_golden(r, o);
        break;
    case ORDER_PLACE:
        roles_step_place(r, o);
        break;
    case ORDER_DISK:
        roles_step_live(r, o);
        break;
    case ORDER_SETTLING:
        step_settling(r, o);
        break;
    case ORDER_FREE:
    case ORDER_DONE:
        break;
    }
}

/* The longest waiting first. */
static struct order *
next_order(struct roles *r, uint64_t after)
{
    struct order *next = NULL;
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        struct order *o = &r->orders[i];
        if (o->state != ORDER_FREE && o->serial > after && (!next || o->serial < next->serial))
            next = o;
    }
    return next;
}

void
roles_step(struct roles *r, uint64_t now_ms)
{
    r->now_ms = now_ms;
    roles_watch(r);
    roles_disk_step(r);
    uint64_t after = 0;
    for (struct order *o; (o = next_order(r, after));) {
        enum order_state was;
        after = o->serial;
        do { /* through all states that need no waiting */
            was = o->state;
            step_order(r, o);
        } while (o->state != was && o->state != ORDER_DONE);
    }
    roles_take_returns(r); /* what the orders did */
    roles_disk_step(r);
    swap_reap(r->swap);
}

/* ---- looking ---- */

bool
roles_is_busy(const struct roles *r)
{
    for (unsigned i = 0; i < ROLES_ORDERS_MAX; i++) {
        if (r->orders[i].state != ORDER_FREE)
            return true;
    }
    return r->is_trip_settling || swap_plan(r->swap)->live != r->now.live.rs;
}

bool
roles_is_watching(const struct roles *r)
{
    return r->now.candidate.rs || r->now.is_watched;
}

uint32_t
roles_live(const struct roles *r)
{
    return r->now.live.rs ? r->now.live.id.generation : 0;
}

static void
fill_role(struct link_role *role, const struct set *set)
{
    if (!set->rs)
        return;
    role->generation = set->id.generation;
    role->rule_cnt = ruleset_rule_cnt(set->rs);
    snprintf(role->digest, sizeof(role->digest), "%s", ruleset_digest(set->rs));
}

void
roles_state(struct roles *r, struct link_state *s)
{
    const struct books *b = &r->now;
    fill_role(&s->live, &b->live);
    fill_role(&s->candidate, &b->candidate);
    fill_role(&s->previous, &b->previous);
    s->stage = b->candidate.rs ? b->stage : b->is_watched ? LINK_STAGE_LIVE : LINK_STAGE_NONE;
    s->share_ppm = b->candidate.rs ? b->values.share_ppm : b->is_watched ? b->watched.share_ppm : 0;
    s->lease_left_ms = r->lease_ms > r->now_ms ? (uint32_t)(r->lease_ms - r->now_ms) : 0;
    s->persisted = r->persisted;
    s->resident = swap_reap(r->swap) + (r->loading && r->loading->state != ORDER_LOADING && r->loading->set.rs);
    s->trip = r->trip;
}

int
roles_renew(struct roles *r, const struct link_renew *renew, char *err, size_t err_size)
{
    if (!r->now.candidate.rs || r->now.candidate.id.generation != renew->generation) {
        snprintf(err, err_size, "generation %u is not the candidate", renew->generation);
        return -1;
    }
    if (renew->lease_ms == 0) {
        snprintf(err, err_size, "a lease of nothing");
        return -1;
    }
    if (renew->lease_ms > LEASE_MAX_MS) {
        snprintf(err, err_size, "a lease of more than a day");
        return -1;
    }
    r->now.values.lease_ms = renew->lease_ms;
    r->lease_ms = r->now_ms + renew->lease_ms;
    swap_lease(r->swap, rte_rdtsc() + rte_get_tsc_hz() / 1000 * renew->lease_ms);
    return 0;
}
