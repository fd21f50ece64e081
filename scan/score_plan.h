/* score_plan: which metas a message's hits can make true. Private to scan/.
 *
 * A rule set has thousands of metas; a message makes some tens of rules hit. Of each meta it is known, when the rule
 * set is loaded, what it cannot do without: a set of rules such that it is 0 while all of them are.
 *
 *     A && B          {A}, or {B}: the one that fewer metas name, as a rule that many name hits often
 *     A || B          {A, B}
 *     A + B + C > 1   {A, B, C}: what it names, as it is 0 for none of them
 *     !A              there is none: it is computed for every message
 *
 * So only those are computed that need nothing, or something that did hit. As a meta names only metas in front of it
 * in the image's order (image_verify.c), one walk over a bitmap of the order, into which every new hit puts those
 * that wait for it, finds them all.
 *
 * Owns:    its tables. The bitmap of what is to be done is the caller's.
 * Threads: read-only once made.
 * Fails:   score_plan_init with false when there is no memory. */
#ifndef WEIR_SCAN_SCORE_PLAN_H
#define WEIR_SCAN_SCORE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/image_format.h"

#ifdef __cplusplus
extern "C" {
#endif

struct score_plan {
    uint64_t *always;   /* a bit for each place of the order: needs nothing */
    uint32_t words_cnt; /* of `always`, and of the caller's bitmap */
    uint32_t *waits_at; /* for rule i wait the places waits[waits_at[i]] up to, not with, waits[waits_at[i + 1]] */
    uint32_t *waits;
};

/* The view has been verified, and outlives the plan only in its contents: nothing points to it. */
bool score_plan_init(struct score_plan *p, const struct image_view *v);
void score_plan_fini(struct score_plan *p);

/* Rule `rule` is not 0: what waits for it is to be computed. */
static inline void
score_plan_hit(const struct score_plan *p, uint32_t rule, uint64_t *todo)
{
    for (uint32_t i = p->waits_at[rule]; i < p->waits_at[rule + 1]; i++)
        todo[p->waits[i] / 64] |= UINT64_C(1) << p->waits[i] % 64;
}

#ifdef __cplusplus
}
#endif
#endif
