/* golden_run: every worker judges the golden set (scan/golden.h) with a rule set that is to become the candidate.
 *
 *     agent:  golden_run_begin(g, rs) -> golden_run_state: RUNNING ... EQUAL | DIFFERENT | STUCK -> golden_run_end
 *     core:   golden_run_step(g, idx, ...) once a round: one mail, so that no packet waits for more than one
 *
 * A core that does not run its rounds (or has no free message slot for so long) is STUCK after GOLDEN_RUN_MS. After
 * golden_run_end a core may still be within a step: the rule set is freed by swap_retire, which waits for it.
 *
 * Threads: begin/state/end: the agent. step: each core its own index. */
#ifndef WEIR_DATAPLANE_GOLDEN_RUN_H
#define WEIR_DATAPLANE_GOLDEN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/golden.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GOLDEN_RUN_MS = 5000 };

enum golden_run_state { GOLDEN_RUN_NONE, GOLDEN_RUN_RUNNING, GOLDEN_RUN_EQUAL, GOLDEN_RUN_DIFFERENT, GOLDEN_RUN_STUCK };

/* What one core does. */
struct golden_core {
    uint32_t run __attribute__((aligned(64))); /* number of the run that it has finished; release */
    uint32_t begun;                            /* that it is at */
    struct golden golden;
    char text[GOLDEN_TEXT_LEN];
};

struct golden_run {
    struct ruleset *rs; /* of the run; NULL: there is none. Release; read by cores each round */
    uint32_t number;    /* written before rs */
    struct thresholds thresholds;
    uint64_t deadline_ms;
    unsigned cores_cnt;
    struct golden_core core[SCANNER_THREADS_MAX];
};

void golden_run_init(struct golden_run *g, unsigned cores_cnt, const struct thresholds *t);

/* No run is under way. */
void golden_run_begin(struct golden_run *g, struct ruleset *rs, uint64_t now_ms);

/* EQUAL: text is the digest that all cores have. DIFFERENT, STUCK: *core is the first that is so. */
enum golden_run_state golden_run_state(const struct golden_run *g, uint64_t now_ms, char text[GOLDEN_TEXT_LEN],
                                       unsigned *core);

/* From the cores' next round on none begins a step with the rule set. */
void golden_run_end(struct golden_run *g);

void golden_run_work(struct golden_run *g, unsigned idx, struct scanner *sc, struct ruleset *rs);

/* Once a round: a load when there is no run. */
static inline void
golden_run_step(struct golden_run *g, unsigned idx, struct scanner *sc)
{
    struct ruleset *rs = __atomic_load_n(&g->rs, __ATOMIC_ACQUIRE);
    if (rs)
        golden_run_work(g, idx, sc, rs);
}

#ifdef __cplusplus
}
#endif
#endif
