/* wheel: a hashed timer wheel with lazy re-arming.
 *
 * A timer that is set later than it was is not moved: when its slot comes up, it is put where it now
 * belongs. So touching a flow's idle timer for each packet costs one store.
 *
 * Owns:    slots; timers live inside the caller's structures.
 * Threads: one core's. Unit: milliseconds of the caller's clock, which must not run backwards.
 * Fails:   wheel_init only (-ENOMEM). */
#ifndef WEIR_DATAPLANE_WHEEL_H
#define WEIR_DATAPLANE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timer {
    struct timer *next, *prev; /* in its slot; NULL: not set */
    uint64_t due_ms;
    uint64_t slot_tick; /* the tick in whose slot it lies */
};

struct wheel {
    struct timer *slots; /* list heads, a power of two of them, and one for timers set into the past */
    uint32_t slot_cnt;
    uint32_t tick_ms;
    uint64_t tick;   /* the first one that still lies ahead */
    uint64_t behind; /* <= tick: the first whose slot is not emptied yet; a budget may leave some */
};

int wheel_init(struct wheel *w, uint32_t slot_cnt, uint32_t tick_ms, uint64_t now_ms);
void wheel_fini(struct wheel *w);

static inline bool
timer_is_set(const struct timer *t)
{
    return t->next != NULL;
}

/* Sets or moves. The timer fires at the first advance whose time is not before the due time rounded up to
 * a tick; when that tick was already looked at, at the next advance (not the running one). t is zeroed
 * before its first use. */
void timer_set(struct wheel *w, struct timer *t, uint64_t due_ms);

/* t need not be set. */
void timer_cancel(struct timer *t);

/* Fires what is due, at most `budget` callbacks (the rest at the next call), each at most once and never
 * before its time. A timer is not set any more when its callback runs; the callback may set, cancel and
 * free any timer. Returns how many fired; when that is the budget, more may be due. */
unsigned wheel_advance(struct wheel *w, uint64_t now_ms, unsigned budget,
                       void (*fire)(struct timer *t, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
