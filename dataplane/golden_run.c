#include "dataplane/golden_run.h"

#include <string.h>

void
golden_run_init(struct golden_run *g, unsigned cores_cnt, const struct thresholds *t)
{
    memset(g, 0, sizeof(*g));
    g->cores_cnt = cores_cnt;
    g->thresholds = *t;
}

void
golden_run_begin(struct golden_run *g, struct ruleset *rs, uint64_t now_ms)
{
    g->deadline_ms = now_ms + GOLDEN_RUN_MS;
    __atomic_store_n(&g->number, g->number + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&g->rs, rs, __ATOMIC_RELEASE);
}

void
golden_run_end(struct golden_run *g)
{
    __atomic_store_n(&g->rs, NULL, __ATOMIC_RELEASE);
}

enum golden_run_state
golden_run_state(const struct golden_run *g, uint64_t now_ms, char text[GOLDEN_TEXT_LEN], unsigned *core)
{
    if (!g->rs)
        return GOLDEN_RUN_NONE;
    for (unsigned i = 0; i < g->cores_cnt; i++) {
        *core = i;
        if (__atomic_load_n(&g->core[i].run, __ATOMIC_ACQUIRE) != g->number)
            return now_ms >= g->deadline_ms ? GOLDEN_RUN_STUCK : GOLDEN_RUN_RUNNING;
    }
    memcpy(text, g->core[0].text, GOLDEN_TEXT_LEN);
    for (unsigned i = 1; i < g->cores_cnt; i++) {
        *core = i;
        if (strcmp(g->core[i].text, text) != 0)
            return GOLDEN_RUN_DIFFERENT;
    }
    return GOLDEN_RUN_EQUAL;
}

void
golden_run_work(struct golden_run *g, unsigned idx, struct scanner *sc, struct ruleset *rs)
{
    struct golden_core *c = &g->core[idx];
    uint32_t number = __atomic_load_n(&g->number, __ATOMIC_ACQUIRE);
    /* A newer run's number with an older run's set: who sees the number sees that the old set was taken away before. */
    if (__atomic_load_n(&g->rs, __ATOMIC_ACQUIRE) != rs || c->run == number)
        return; /* or done, and the others are not */
    if (c->begun != number) {
        golden_begin(&c->golden);
        c->begun = number;
    }
    if (golden_step(&c->golden, sc, rs, &g->thresholds) != 0)
        return; /* more, or no slot just now */
    golden_text(&c->golden, c->text);
    __atomic_store_n(&c->run, number, __ATOMIC_RELEASE);
}
