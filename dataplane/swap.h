/* swap: rule sets and their plan change under running cores, by one pointer.
 *
 *   agent:  swap_publish(roles) -> [QSBR: every core passed a quiescent state] -> what has no role is draining
 *           -> [no message pins it] -> freed
 *   core:   once per burst:  plan = swap_take(s, idx);  ...;  swap_quiescent(s, idx)
 *   anyone: swap_return(s, plan, why): plan -> plan->fallback, one compare-and-swap; the agent learns of it afterwards
 *           (swap_take_return), and does the bookkeeping
 *
 * A message keeps the rule set that it began under (ruleset_pin), so old sets drain as their messages end: "one
 * generation per message". At most SWAP_RESIDENT_MAX sets are in memory, three of them with a role; a publish beyond
 * that is refused until one has drained.
 *
 * A return marks the set that left (ruleset_mark_returned) at once after the pointer has changed, so that messages
 * still pinned to it do not end as a refusal. It happens once: of several threads that want the same one wins.
 *
 * Times: each core notes the TSC at which it first saw a plan. swap_last_worker_us is from the store to the last of
 * them; a core that slept meanwhile held nothing up and is not counted.
 *
 * Threads: what stands under "the agent": it alone. plan/return/lapse: any. take/quiescent/online/
 * offline: each core its own index, lock-free. */
#ifndef WEIR_DATAPLANE_SWAP_H
#define WEIR_DATAPLANE_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/plan.h"
#include "scan/ruleset.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SWAP_RESIDENT_MAX = 4,
    SWAP_DRAIN_MS = 120000, /* then, with so many in memory, messages let go of what drains: no sender may keep new
                             * rule sets out by not ending his mail */
    SWAP_PAUSE_BUCKETS = 16 /* bucket i: a take-up of less than 128 ns << i; the last: all longer ones */
};

struct swap;

struct swap *swap_new(unsigned threads_cnt);

/* Cores must be offline. Frees all rule sets and plans. */
void swap_free(struct swap *s);

/* ---- cores ---- */

/* The plan for this burst; never NULL (before the first publish: one without rule sets). */
const struct plan *swap_take(struct swap *s, unsigned thread_idx);

/* The core has taken up what swap_take gave it, `cycles` after it began to; only when the plan was a new one. */
void swap_note_pause(struct swap *s, unsigned thread_idx, uint64_t cycles);

void swap_online(struct swap *s, unsigned thread_idx);
void swap_offline(struct swap *s, unsigned thread_idx);
void swap_quiescent(struct swap *s, unsigned thread_idx);

/* ---- anyone ---- */

/* The plan now. Other threads than the agent: valid only while online, until their next quiescent state. */
const struct plan *swap_plan(const struct swap *s);

static inline struct ruleset *
swap_live(const struct swap *s)
{
    return swap_plan(s)->live;
}

/* from -> from->fallback. `from` is the plan of this burst. False: somebody was faster (a return or a publish), or
 * there is nothing to return to; then nothing happened. *why is copied: reason, kind, n, k, name, text and
 * by_data_plane; the rest is filled in by the agent. */
bool swap_return(struct swap *s, const struct plan *from, const struct link_trip *why);

/* Returns when the lease of the candidate has ended by now (LINK_REASON_LEASE). True: it just did. swap_take calls it,
 * so that a lease ends in time with the agent busy, too. */
bool swap_lapse(struct swap *s, uint64_t now_tsc);

/* ---- the agent ---- */

/* The lease of the plan that is published now ends at this TSC; 0: never. */
void swap_lease(struct swap *s, uint64_t deadline_tsc);

/* Who shall have which role. NULL: nobody. */
struct swap_roles {
    struct ruleset *live, *candidate, *previous;
    enum link_stage_id stage;           /* of the candidate; without one LIVE or NONE */
    const struct link_stage *values;    /* of `stage`; NULL: zeroes */
    const struct link_stage *watched;   /* with a candidate: how live was watched before, and shall be again when the
                                         * candidate goes (stage LIVE); NULL: it was not */
    uint64_t lease_tsc;                 /* see swap_lease */
};

/* Publishes a plan with its fallbacks. Sets that have a role now and had none belong to the swap from here; those that
 * lose theirs drain. 0; -EAGAIN: a core returned meanwhile, see swap_take_return; -EBUSY: more than SWAP_RESIDENT_MAX
 * sets would be in memory; -ENOMEM. On failure nothing changed and new sets stay the caller's. */
int swap_publish(struct swap *s, const struct swap_roles *roles);

/* The plan as far as returns were told. */
const struct plan *swap_known(const struct swap *s);

/* Frees the set, which never had a role, when no core can use it any more. 0 or -EBUSY: no place, it stays the
 * caller's. */
int swap_retire(struct swap *s, struct ruleset *rs);

struct swap_returned {
    struct link_trip trip; /* why; generation and back_to are set */
    uint64_t tsc;          /* of the store */
};

/* The oldest return that was not told yet. The set that left drains from here on. False: there was none (or the thread
 * that did it has not yet written down why: ask again). Until it is told swap_publish answers -EAGAIN. */
bool swap_take_return(struct swap *s, struct swap_returned *r);

/* Whether each core that is online has passed a quiescent state since the last publish or return that was told: from
 * then on nobody begins a message under an older plan. */
bool swap_is_settled(const struct swap *s);

/* Microseconds from the store of the last publish or told return to the last core that took it up. Final once settled. */
uint32_t swap_last_worker_us(const struct swap *s);

/* Waits for swap_is_settled. False: not within wait_ms (the swap itself stands). */
bool swap_settle(struct swap *s, unsigned wait_ms);

/* Instead of SWAP_DRAIN_MS. */
void swap_set_drain(struct swap *s, unsigned ms);

/* Frees what has drained, and expires what drains for too long; never waits. Returns sets still resident. */
unsigned swap_reap(struct swap *s);

/* Whether a set of that generation is in memory, draining or with a role. */
bool swap_has(const struct swap *s, uint32_t generation);

/* How long take-ups lasted, all cores: counts by SWAP_PAUSE_BUCKETS, the longest, ns, and how many. Any thread; may lag. */
struct swap_pauses {
    uint64_t bucket[SWAP_PAUSE_BUCKETS];
    uint64_t max_ns, cnt;
};
void swap_read_pauses(const struct swap *s, struct swap_pauses *p);

#ifdef __cplusplus
}
#endif
#endif
