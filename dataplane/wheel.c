#include "dataplane/wheel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* slots[slot_cnt] is one list more: timers set to a tick that was already looked at. They wait there for
 * the next wheel_advance, so that a callback which sets its own timer into the past cannot spin. */

static void
list_init(struct timer *head)
{
    head->next = head->prev = head;
}

static void
list_append(struct timer *head, struct timer *t)
{
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

static void
list_unlink(struct timer *t)
{
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

/* Moves all of `from` to the front of `to`. */
static void
list_splice(struct timer *to, struct timer *from)
{
    if (from->next == from)
        return;
    from->prev->next = to->next;
    to->next->prev = from->prev;
    from->next->prev = to;
    to->next = from->next;
    list_init(from);
}

int
wheel_init(struct wheel *w, uint32_t slot_cnt, uint32_t tick_ms, uint64_t now_ms)
{
    assert(slot_cnt && (slot_cnt & (slot_cnt - 1)) == 0 && tick_ms);
    w->slots = calloc(slot_cnt + 1, sizeof(*w->slots));
    if (!w->slots)
        return -ENOMEM;
    for (uint32_t i = 0; i <= slot_cnt; i++)
        list_init(&w->slots[i]);
    w->slot_cnt = slot_cnt;
    w->tick_ms = tick_ms;
    w->tick = w->behind = now_ms / tick_ms + 1;
    return 0;
}

void
wheel_fini(struct wheel *w)
{
    free(w->slots);
    w->slots = NULL;
}

/* The first tick that is not before the due time. */
static uint64_t
tick_of(const struct wheel *w, uint64_t due_ms)
{
    return due_ms / w->tick_ms + (due_ms % w->tick_ms != 0);
}

static void
place(struct wheel *w, struct timer *t)
{
    t->slot_tick = tick_of(w, t->due_ms);
    bool is_late = t->slot_tick < w->tick;
    list_append(&w->slots[is_late ? w->slot_cnt : t->slot_tick & (w->slot_cnt - 1)], t);
}

void
timer_set(struct wheel *w, struct timer *t, uint64_t due_ms)
{
    t->due_ms = due_ms;
    if (timer_is_set(t)) {
        /* Looked at in time where it is: either its slot comes up before the new due time, or it is
         * among those that the next (or the running) advance looks at. */
        if (t->slot_tick < w->tick || t->slot_tick <= tick_of(w, due_ms))
            return;
        list_unlink(t);
    }
    place(w, t);
}

void
timer_cancel(struct timer *t)
{
    if (timer_is_set(t))
        list_unlink(t);
}

/* Fires what is due of a list; what is not is put where it belongs. Callbacks may unlink any of it, so it
 * is only ever looked at from its head. What the budget leaves goes back. */
static unsigned
fire_list(struct wheel *w, struct timer *list, uint64_t now_ms, unsigned budget,
          void (*fire)(struct timer *t, void *arg), void *arg)
{
    struct timer todo;
    unsigned fired = 0;
    list_init(&todo);
    list_splice(&todo, list);
    while (todo.next != &todo && fired < budget) {
        struct timer *t = todo.next;
        list_unlink(t);
        /* A later turn's, or set later since. (Its tick, not its time: a callback may have set it within
         * this tick, and it may lie in a slot that this advance comes to.) */
        if (t->slot_tick >= w->tick || t->due_ms > now_ms) {
            place(w, t);
            continue;
        }
        fired++;
        fire(t, arg);
    }
    list_splice(list, &todo);
    return fired;
}

unsigned
wheel_advance(struct wheel *w, uint64_t now_ms, unsigned budget,
              void (*fire)(struct timer *t, void *arg), void *arg)
{
    uint64_t next = now_ms / w->tick_ms + 1;
    if (next > w->tick)
        w->tick = next;
    /* A turn of the wheel or more: each slot once is enough. */
    if (w->tick - w->behind > w->slot_cnt)
        w->behind = w->tick - w->slot_cnt;
    unsigned fired = fire_list(w, &w->slots[w->slot_cnt], now_ms, budget, fire, arg);
    while (w->behind < w->tick && fired < budget) {
        struct timer *slot = &w->slots[w->behind & (w->slot_cnt - 1)];
        fired += fire_list(w, slot, now_ms, budget - fired, fire, arg);
        if (fired < budget)
            w->behind++;
    }
    return fired;
}
