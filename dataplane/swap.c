#include "dataplane/swap.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <rte_rcu_qsbr.h>

struct retired {
    struct ruleset *rs;
    uint64_t token; /* of the QSBR: passed by every core = nobody can load the pointer any more */
};

struct swap {
    struct ruleset *live; /* stored by the agent (release), loaded by cores (acquire) */
    struct rte_rcu_qsbr *qsbr;
    uint64_t last_token; /* 0: nothing was published */
    struct retired retired[SWAP_RESIDENT_MAX];
    unsigned retired_cnt;
};

struct swap *
swap_new(unsigned threads_cnt)
{
    struct swap *s = calloc(1, sizeof(*s));
    size_t len = RTE_CACHE_LINE_ROUNDUP(rte_rcu_qsbr_get_memsize(threads_cnt));
    if (s)
        s->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, len);
    if (!s || !s->qsbr || rte_rcu_qsbr_init(s->qsbr, threads_cnt) != 0) {
        if (s)
            free(s->qsbr);
        free(s);
        return NULL;
    }
    for (unsigned i = 0; i < threads_cnt; i++)
        rte_rcu_qsbr_thread_register(s->qsbr, i); /* offline until swap_online */
    return s;
}

void
swap_free(struct swap *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->retired_cnt; i++)
        ruleset_free(s->retired[i].rs);
    if (s->live)
        ruleset_free(s->live);
    free(s->qsbr);
    free(s);
}

unsigned
swap_reap(struct swap *s)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->retired_cnt; i++) {
        struct retired r = s->retired[i];
        /* The order matters: only when no core can pin any more is the count of pins final. */
        if (rte_rcu_qsbr_check(s->qsbr, r.token, false) == 1 && ruleset_pinned(r.rs) == 0)
            ruleset_free(r.rs);
        else
            s->retired[kept++] = r;
    }
    s->retired_cnt = kept;
    return kept + (s->live != NULL);
}

static void
sleep_us(long us)
{
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

static uint64_t
clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int
swap_publish(struct swap *s, struct ruleset *rs, unsigned wait_ms)
{
    uint64_t start = clock_us();
    while (swap_reap(s) >= SWAP_RESIDENT_MAX) {
        if (clock_us() - start >= (uint64_t)wait_ms * 1000)
            return -EBUSY;
        sleep_us(500);
    }
    struct ruleset *old = s->live;
    __atomic_store_n(&s->live, rs, __ATOMIC_RELEASE);
    /* The token is drawn after the store: a core that reports it has since loaded the new pointer. */
    s->last_token = rte_rcu_qsbr_start(s->qsbr);
    if (old)
        s->retired[s->retired_cnt++] = (struct retired){old, s->last_token};
    return 0;
}

bool
swap_settle(struct swap *s, unsigned wait_ms)
{
    uint64_t start = clock_us();
    while (rte_rcu_qsbr_check(s->qsbr, s->last_token, false) != 1) {
        uint64_t passed = clock_us() - start;
        if (passed >= (uint64_t)wait_ms * 1000)
            return false;
        if (passed > 50) /* cores report once a burst; longer means that one does not run */
            sleep_us(50);
    }
    return true;
}

struct ruleset *
swap_live(const struct swap *s)
{
    return __atomic_load_n(&s->live, __ATOMIC_ACQUIRE);
}

void
swap_online(struct swap *s, unsigned thread_idx)
{
    rte_rcu_qsbr_thread_online(s->qsbr, thread_idx);
}

void
swap_offline(struct swap *s, unsigned thread_idx)
{
    rte_rcu_qsbr_thread_offline(s->qsbr, thread_idx);
}

void
swap_quiescent(struct swap *s, unsigned thread_idx)
{
    rte_rcu_qsbr_quiescent(s->qsbr, thread_idx);
}
