/* plan: who decides about mail now, who judges beside it, and where the cores go when that proves wrong.
 *
 *   live        decides. previous: was live before, stays resident. candidate: on its way up
 *   other       judges a share of the messages beside live: the candidate (SHADOW, CANARY, PROBATION) or previous
 *               (LIVE: reverse shadow). NULL: nobody (STAGED, NONE)
 *   a, b        the same pair in the words of the statistic: a the old set, b the new one. Both NULL without other
 *   fallback    what a return goes to, built beforehand: it needs no memory, no disk, no agent. NULL: there is nothing
 *
 *     {live 8, candidate 9, previous 7}  --->  {live 8, previous 7}  --->  {live 7}
 *            b = 9                   fallback        b = 8         fallback
 *
 * A plan does not change once published. A core loads it once per burst (swap_take) and may use it until its next
 * quiescent state, no longer: what a message needs later is copied or read from the plan of then (compare generations:
 * the pair may be another). Rule sets live longer: as long as a message pins them.
 *
 * Threads: read-only for all. Made by the agent. */
#ifndef WEIR_DATAPLANE_PLAN_H
#define WEIR_DATAPLANE_PLAN_H

#include <stdint.h>

#include "control/link.h"
#include "scan/ruleset.h"

#ifdef __cplusplus
extern "C" {
#endif

struct plan {
    uint64_t number; /* of the publish, ascending from 1; fallbacks have their own */
    enum link_stage_id stage; /* of the candidate; without one LIVE (watched) or NONE */
    struct ruleset *live, *candidate, *previous;
    struct ruleset *other;
    struct ruleset *a, *b;
    uint32_t live_generation, other_generation; /* 0: none */
    uint32_t generation_a, generation_b;        /* 0: no pair */
    struct link_stage values;    /* of STAGE: shares, budget, tables, exempt strata (checked); zeroes without a stage */
    const struct plan *fallback;
    uint64_t published_tsc;      /* of a fallback: when what it is the fallback of was */
};

/* What goes when the plan is left for its fallback: the candidate, or else live. NULL: nobody (fallback is NULL). */
static inline struct ruleset *
plan_leaving(const struct plan *p)
{
    return !p->fallback ? NULL : p->candidate ? p->candidate : p->live;
}

#ifdef __cplusplus
}
#endif
#endif
