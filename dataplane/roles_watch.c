/* Watching: leases, guards, windows; and the books about returns, whoever did them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "dataplane/log.h"
#include "dataplane/roles_private.h"

static const char *
reason_name(uint32_t reason)
{
    static const char *const names[] = {"no reason", "the operator", "evidence", "the lease", "deferrals", "time", "crashes"};
    return reason < sizeof(names) / sizeof(*names) ? names[reason] : "?";
}

static uint64_t
wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- counting ---- */

static const struct link_stage *
values_now(const struct roles *r)
{
    return r->now.candidate.rs ? &r->now.values : &r->now.watched;
}

static void
look_at_cost(struct roles *r)
{
    if (r->hooks.cost)
        r->hooks.cost(r->hooks.arg, &r->cost_messages, &r->cost_a, &r->cost_b);
}

static uint64_t
not_deferred(const struct roles *r)
{
    return r->hooks.not_deferred ? r->hooks.not_deferred(r->hooks.arg) : 0;
}

static void
begin_window(struct roles *r, uint32_t window)
{
    r->window = window;
    r->window_len_ms = window ? swap_known(r->swap)->values.window_ms : 0;
    r->window_ms = r->window_len_ms ? r->now_ms + r->window_len_ms : 0;
    if (r->hooks.begin)
        r->hooks.begin(r->hooks.arg, swap_known(r->swap), window);
}

/* Counts begin anew with each pair, and with LIVE, and with each window of it. */
void
roles_begin_pair(struct roles *r)
{
    const struct plan *p = swap_known(r->swap);
    uint32_t window = p->stage == LINK_STAGE_LIVE ? 1 : 0;
    r->not_deferred = not_deferred(r);
    if (!p->other)
        return; /* what was counted stays to be read */
    bool is_same = p->generation_a == r->pair_a && p->generation_b == r->pair_b && window == (r->window != 0);
    if (is_same && (!window || r->window_len_ms == p->values.window_ms))
        return;
    r->pair_a = p->generation_a;
    r->pair_b = p->generation_b;
    begin_window(r, is_same ? r->window + 1 : window);
    look_at_cost(r);
}

static void
watch_window(struct roles *r)
{
    const struct plan *p = swap_known(r->swap);
    if (!r->window_ms || r->now_ms < r->window_ms || p->stage != LINK_STAGE_LIVE || !p->other)
        return;
    begin_window(r, r->window + 1);
}

/* ---- guards ---- */

static void
trip(struct roles *r, enum link_reason reason, const char *text)
{
    struct link_trip why = {.reason = reason, .by_data_plane = 1};
    snprintf(why.text, sizeof(why.text), "%s", text);
    const struct plan *p = swap_plan(r->swap);
    if (p->number == swap_known(r->swap)->number) /* else a core was faster */
        swap_return(r->swap, p, &why);
}

static void
guard_time(struct roles *r)
{
    uint32_t slow = values_now(r)->slow_permille;
    uint64_t messages, a, b, old_messages = r->cost_messages, old_a = r->cost_a, old_b = r->cost_b;
    char text[LINK_TEXT_MAX];
    if (!r->hooks.cost)
        return;
    r->hooks.cost(r->hooks.arg, &messages, &a, &b);
    if (messages < old_messages || a < old_a || b < old_b) { /* counted anew */
        look_at_cost(r);
        return;
    }
    if (messages - old_messages < ROLES_GUARD_MESSAGES)
        return;
    look_at_cost(r);
    double ratio = a > old_a ? (double)(b - old_b) / (double)(a - old_a) : 0;
    if (slow == 0 || ratio * 1000 <= slow)
        return;
    snprintf(text, sizeof(text), "%.2f times the time of the old one over the last %llu messages", ratio,
             (unsigned long long)(messages - old_messages));
    trip(r, LINK_REASON_SLOW, text);
}

static void
guard_deferrals(struct roles *r)
{
    uint32_t max = values_now(r)->defer_max;
    char text[LINK_TEXT_MAX];
    uint64_t cnt = not_deferred(r) - r->not_deferred;
    if (cnt == 0 || max == 0)
        return;
    snprintf(text, sizeof(text), "%llu messages more than may be remembered (%u) should have been deferred",
             (unsigned long long)cnt, max);
    trip(r, LINK_REASON_DEFERRALS, text);
}

/* ---- the books ---- */

static void
note_trip(struct roles *r, const struct swap_returned *told)
{
    uint64_t seq = r->trip.seq + 1;
    r->trip = told->trip;
    r->trip.seq = seq;
    r->trip.time_ms = wall_ms();
    r->trip.last_worker_us = swap_last_worker_us(r->swap);
    r->trip.name[sizeof(r->trip.name) - 1] = '\0';
    r->trip.text[sizeof(r->trip.text) - 1] = '\0';
    r->is_trip_settling = true;
    LOG_AT(WARNING, "generation %u WENT BACK to %u: %s%s%s%s%s%s\n", r->trip.generation, r->trip.back_to,
           reason_name(r->trip.reason), *r->trip.name ? ", " : "", r->trip.name, *r->trip.text ? ", " : "", r->trip.text,
           r->trip.by_data_plane ? " (by itself)" : "");
}

bool
roles_take_returns(struct roles *r)
{
    struct swap_returned told;
    bool is_any = false;
    while (swap_take_return(r->swap, &told)) {
        struct books *b = &r->now;
        is_any = true;
        note_trip(r, &told);
        r->lease_ms = 0;
        if (b->candidate.rs) {
            image_drop(b->candidate.image);
            b->candidate = (struct set){0};
            b->stage = LINK_STAGE_NONE;
        } else {
            image_drop(b->live.image);
            b->live = b->previous;
            b->previous = (struct set){0};
            b->is_watched = false;
        }
        roles_begin_pair(r);
        roles_disk_changed(r);
    }
    return is_any;
}

void
roles_watch(struct roles *r)
{
    if (roles_is_watching(r)) {
        swap_lapse(r->swap, rte_rdtsc());
        if (swap_known(r->swap)->other) {
            guard_time(r);
            guard_deferrals(r);
            watch_window(r);
        }
    }
    roles_take_returns(r);
    if (r->is_trip_settling && swap_is_settled(r->swap)) {
        r->is_trip_settling = false;
        r->trip.last_worker_us = swap_last_worker_us(r->swap);
    }
}
