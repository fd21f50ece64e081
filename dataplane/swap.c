#include "dataplane/swap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

enum {
    CHAIN_MAX = 3,        /* a plan with a candidate, without it, without what is live */
    RETIRED_MAX = 8,      /* resident sets and those that never had a role */
    CHAINS_RETIRED_MAX = 64
};

/* A plan and what is written on it later. */
struct node {
    struct plan plan; /* first: a plan is its node */
    uint64_t lease_tsc;
    struct link_trip why; /* by the thread that left it, before is_told */
    uint64_t left_tsc;
    uint32_t is_told;
};

struct chain {
    struct node node[CHAIN_MAX];
    struct chain *next;
    uint64_t token;
};

struct retired {
    struct ruleset *rs;
    uint64_t token; /* of the QSBR: passed by every core = nobody can load the pointer any more */
    uint64_t since_us;
};

/* What one core notes for the agent. */
struct core {
    _Alignas(RTE_CACHE_LINE_SIZE) const struct plan *seen;
    uint64_t seen_tsc;    /* written before: */
    uint64_t seen_number;
    uint64_t pause_max;   /* cycles */
    uint64_t pause[SWAP_PAUSE_BUCKETS];
};

struct swap {
    const struct plan *plan; /* of a node; the one pointer */
    struct rte_rcu_qsbr *qsbr;
    struct core *cores;
    unsigned cores_cnt;

    /* the agent's */
    struct chain *chain; /* that `known` is of */
    struct node *known;  /* the plan, as far as the agent was told */
    uint64_t number;
    uint64_t last_token, last_tsc; /* of the last publish or told return; token 0: there was none */
    struct chain *retired_chains;
    unsigned retired_chains_cnt;
    struct retired retired[RETIRED_MAX];
    unsigned retired_cnt;
    uint64_t drain_us;
};

static struct node *
node_of(const struct plan *p)
{
    return (struct node *)(uintptr_t)p; /* of a chain: never const memory */
}

struct swap *
swap_new(unsigned threads_cnt)
{
    struct swap *s = calloc(1, sizeof(*s));
    size_t len = RTE_CACHE_LINE_ROUNDUP(rte_rcu_qsbr_get_memsize(threads_cnt));
    size_t cores_len = RTE_CACHE_LINE_ROUNDUP(threads_cnt * sizeof(*s->cores));
    if (!s)
        return NULL;
    s->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, len);
    s->cores = aligned_alloc(RTE_CACHE_LINE_SIZE, cores_len);
    s->chain = calloc(1, sizeof(*s->chain)); /* nobody is live */
    if (!s->qsbr || !s->cores || !s->chain || rte_rcu_qsbr_init(s->qsbr, threads_cnt) != 0) {
        free(s->qsbr);
        free(s->cores);
        free(s->chain);
        free(s);
        return NULL;
    }
    memset(s->cores, 0, cores_len);
    s->cores_cnt = threads_cnt;
    swap_set_drain(s, SWAP_DRAIN_MS);
    s->known = &s->chain->node[0];
    s->plan = &s->known->plan;
    for (unsigned i = 0; i < threads_cnt; i++)
        rte_rcu_qsbr_thread_register(s->qsbr, i); /* offline until swap_online */
    return s;
}

void
swap_free(struct swap *s)
{
    if (!s)
        return;
    const struct plan *p = &s->known->plan; /* a return that was not told has freed nothing */
    struct ruleset *sets[] = {p->live, p->candidate, p->previous};
    for (size_t i = 0; i < RTE_DIM(sets); i++) {
        if (sets[i])
            ruleset_free(sets[i]);
    }
    for (unsigned i = 0; i < s->retired_cnt; i++)
        ruleset_free(s->retired[i].rs);
    for (struct chain *c = s->retired_chains, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(s->chain);
    free(s->cores);
    free(s->qsbr);
    free(s);
}

/* ---- cores ---- */

const struct plan *
swap_plan(const struct swap *s)
{
    return __atomic_load_n(&s->plan, __ATOMIC_ACQUIRE);
}

const struct plan *
swap_take(struct swap *s, unsigned thread_idx)
{
    struct core *c = &s->cores[thread_idx];
    const struct plan *p = swap_plan(s);
    uint64_t lease_tsc = __atomic_load_n(&node_of(p)->lease_tsc, __ATOMIC_RELAXED);
    if (lease_tsc && swap_lapse(s, rte_rdtsc()))
        p = swap_plan(s);
    if (p == c->seen && p->number == c->seen_number) /* an address may be used again */
        return p;
    c->seen = p;
    __atomic_store_n(&c->seen_tsc, rte_rdtsc(), __ATOMIC_RELAXED);
    __atomic_store_n(&c->seen_number, p->number, __ATOMIC_RELEASE);
    return p;
}

static void
count(uint64_t *counter)
{
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static uint64_t
cycles_ns(uint64_t cycles)
{
    return (uint64_t)((double)cycles * 1e9 / (double)rte_get_tsc_hz());
}

void
swap_note_pause(struct swap *s, unsigned thread_idx, uint64_t cycles)
{
    struct core *c = &s->cores[thread_idx];
    uint64_t ns = cycles_ns(cycles);
    unsigned i = 0;
    while (i < SWAP_PAUSE_BUCKETS - 1 && ns >= UINT64_C(128) << i)
        i++;
    count(&c->pause[i]);
    if (cycles > c->pause_max)
        __atomic_store_n(&c->pause_max, cycles, __ATOMIC_RELAXED);
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

/* ---- returns ---- */

bool
swap_return(struct swap *s, const struct plan *from, const struct link_trip *why)
{
    const struct plan *expected = from, *to = from->fallback;
    if (!to)
        return false;
    uint64_t tsc = rte_rdtsc();
    if (!__atomic_compare_exchange_n(&s->plan, &expected, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    struct ruleset *leaving = plan_leaving(from);
    struct node *node = node_of(from); /* only who left it writes there, and it stays until that is told */
    ruleset_mark_returned(leaving);
    node->why = *why;
    node->why.generation = ruleset_generation(leaving);
    node->why.back_to = to->live_generation;
    node->left_tsc = tsc;
    __atomic_store_n(&node->is_told, 1, __ATOMIC_RELEASE);
    return true;
}

bool
swap_lapse(struct swap *s, uint64_t now_tsc)
{
    static const struct link_trip why = {
        .reason = LINK_REASON_LEASE, .by_data_plane = 1, .text = "the lease was not renewed in time"};
    const struct plan *p = swap_plan(s);
    uint64_t lease_tsc = __atomic_load_n(&node_of(p)->lease_tsc, __ATOMIC_ACQUIRE);
    return lease_tsc && now_tsc >= lease_tsc && swap_return(s, p, &why);
}

void
swap_lease(struct swap *s, uint64_t deadline_tsc)
{
    __atomic_store_n(&s->known->lease_tsc, deadline_tsc, __ATOMIC_RELEASE);
}

/* ---- the agent ---- */

const struct plan *
swap_known(const struct swap *s)
{
    return &s->known->plan;
}

static uint64_t
clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void
swap_set_drain(struct swap *s, unsigned ms)
{
    s->drain_us = (uint64_t)ms * 1000;
}

static void
retire(struct swap *s, struct ruleset *rs, uint64_t token)
{
    s->retired[s->retired_cnt++] = (struct retired){rs, token, clock_us()};
}

static void
expire(struct swap *s)
{
    uint64_t now = clock_us();
    for (unsigned i = 0; i < s->retired_cnt; i++) {
        if (now - s->retired[i].since_us >= s->drain_us)
            ruleset_mark_expired(s->retired[i].rs);
    }
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
    for (struct chain **at = &s->retired_chains; *at;) {
        struct chain *c = *at;
        if (rte_rcu_qsbr_check(s->qsbr, c->token, false) != 1) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        s->retired_chains_cnt--;
        free(c);
    }
    const struct plan *p = &s->known->plan;
    unsigned resident = kept + (p->live != NULL) + (p->candidate != NULL) + (p->previous != NULL);
    if (resident >= SWAP_RESIDENT_MAX)
        expire(s);
    return resident;
}

static bool
has_role(const struct plan *p, const struct ruleset *rs)
{
    return rs == p->live || rs == p->candidate || rs == p->previous;
}

/* Sets of `from` that have no role in `to` drain from this token on. */
static void
retire_roles(struct swap *s, const struct plan *from, const struct plan *to, uint64_t token)
{
    struct ruleset *sets[] = {from->live, from->candidate, from->previous};
    for (size_t i = 0; i < RTE_DIM(sets); i++) {
        if (sets[i] && !has_role(to, sets[i]))
            retire(s, sets[i], token);
    }
}

static void
fill_plan(struct plan *p, struct ruleset *live, struct ruleset *candidate, struct ruleset *previous,
          enum link_stage_id stage, const struct link_stage *values)
{
    p->stage = stage;
    p->live = live;
    p->candidate = candidate;
    p->previous = previous;
    p->live_generation = live ? ruleset_generation(live) : 0;
    if (values)
        p->values = *values;
    bool is_watched = stage == LINK_STAGE_LIVE && live && previous;
    bool is_rising = stage >= LINK_STAGE_SHADOW && stage <= LINK_STAGE_PROBATION && live && candidate;
    if (!is_watched && !is_rising)
        return;
    p->other = is_rising ? candidate : previous;
    p->a = is_rising ? live : previous;
    p->b = is_rising ? candidate : live;
    p->other_generation = ruleset_generation(p->other);
    p->generation_a = ruleset_generation(p->a);
    p->generation_b = ruleset_generation(p->b);
}

/* Each plan's fallback is the next one. */
static struct chain *
make_chain(struct swap *s, const struct swap_roles *r)
{
    struct chain *c = calloc(1, sizeof(*c));
    unsigned cnt = 0;
    if (!c)
        return NULL;
    if (r->candidate) {
        c->node[cnt].lease_tsc = r->lease_tsc;
        fill_plan(&c->node[cnt++].plan, r->live, r->candidate, r->previous, r->stage, r->values);
        fill_plan(&c->node[cnt++].plan, r->live, NULL, r->previous, r->watched ? LINK_STAGE_LIVE : LINK_STAGE_NONE,
                  r->watched);
    } else {
        fill_plan(&c->node[cnt++].plan, r->live, NULL, r->previous, r->stage, r->values);
    }
    if (r->previous)
        fill_plan(&c->node[cnt++].plan, r->previous, NULL, NULL, LINK_STAGE_NONE, NULL);
    uint64_t tsc = rte_rdtsc();
    for (unsigned i = 0; i < cnt; i++) {
        c->node[i].plan.number = ++s->number;
        c->node[i].plan.published_tsc = tsc;
        c->node[i].plan.fallback = i + 1 < cnt ? &c->node[i + 1].plan : NULL;
    }
    return c;
}

static unsigned
new_sets(const struct plan *from, const struct plan *to)
{
    struct ruleset *sets[] = {to->live, to->candidate, to->previous};
    unsigned cnt = 0;
    for (size_t i = 0; i < RTE_DIM(sets); i++)
        cnt += sets[i] && !has_role(from, sets[i]);
    return cnt;
}

int
swap_publish(struct swap *s, const struct swap_roles *roles)
{
    const struct plan *expected = &s->known->plan;
    unsigned resident = swap_reap(s);
    if (swap_plan(s) != expected)
        return -EAGAIN;
    struct chain *c = make_chain(s, roles);
    if (!c)
        return -ENOMEM;
    struct plan *to = &c->node[0].plan;
    if (resident + new_sets(expected, to) > SWAP_RESIDENT_MAX || s->retired_chains_cnt >= CHAINS_RETIRED_MAX) {
        free(c);
        return -EBUSY;
    }
    const struct plan *from = expected;
    if (!__atomic_compare_exchange_n(&s->plan, &expected, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        free(c);
        return -EAGAIN;
    }
    /* The token is drawn after the store: a core that reports it has since loaded the new pointer. */
    s->last_token = rte_rcu_qsbr_start(s->qsbr);
    s->last_tsc = to->published_tsc;
    retire_roles(s, from, to, s->last_token);
    s->chain->token = s->last_token;
    s->chain->next = s->retired_chains;
    s->retired_chains = s->chain;
    s->retired_chains_cnt++;
    s->chain = c;
    s->known = &c->node[0];
    return 0;
}

int
swap_retire(struct swap *s, struct ruleset *rs)
{
    swap_reap(s);
    if (s->retired_cnt >= RETIRED_MAX - CHAIN_MAX) /* those with a role find room in any case */
        return -EBUSY;
    retire(s, rs, rte_rcu_qsbr_start(s->qsbr));
    return 0;
}

bool
swap_take_return(struct swap *s, struct swap_returned *r)
{
    struct node *from = s->known;
    if (swap_plan(s) == &from->plan || !__atomic_load_n(&from->is_told, __ATOMIC_ACQUIRE))
        return false;
    r->trip = from->why;
    r->tsc = from->left_tsc;
    s->known = node_of(from->plan.fallback);
    s->last_token = rte_rcu_qsbr_start(s->qsbr);
    s->last_tsc = from->left_tsc;
    retire_roles(s, &from->plan, &s->known->plan, s->last_token);
    return true;
}

bool
swap_is_settled(const struct swap *s)
{
    return rte_rcu_qsbr_check(s->qsbr, s->last_token, false) == 1;
}

uint32_t
swap_last_worker_us(const struct swap *s)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < s->cores_cnt; i++) {
        const struct core *c = &s->cores[i];
        if (__atomic_load_n(&c->seen_number, __ATOMIC_ACQUIRE) < s->known->plan.number)
            continue;
        uint64_t tsc = __atomic_load_n(&c->seen_tsc, __ATOMIC_RELAXED);
        if (tsc > s->last_tsc && tsc - s->last_tsc > most)
            most = tsc - s->last_tsc;
    }
    uint64_t us = (cycles_ns(most) + 999) / 1000;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void
sleep_us(long us)
{
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

bool
swap_settle(struct swap *s, unsigned wait_ms)
{
    uint64_t start = clock_us();
    while (!swap_is_settled(s)) {
        uint64_t passed = clock_us() - start;
        if (passed >= (uint64_t)wait_ms * 1000)
            return false;
        if (passed > 50) /* cores report once a burst; longer means that one does not run */
            sleep_us(50);
    }
    return true;
}

bool
swap_has(const struct swap *s, uint32_t generation)
{
    const struct plan *p = &s->known->plan;
    const struct ruleset *sets[] = {p->live, p->candidate, p->previous};
    for (size_t i = 0; i < RTE_DIM(sets); i++) {
        if (sets[i] && ruleset_generation(sets[i]) == generation)
            return true;
    }
    for (unsigned i = 0; i < s->retired_cnt; i++) {
        if (ruleset_generation(s->retired[i].rs) == generation)
            return true;
    }
    return false;
}

void
swap_read_pauses(const struct swap *s, struct swap_pauses *p)
{
    uint64_t most = 0;
    memset(p, 0, sizeof(*p));
    for (unsigned i = 0; i < s->cores_cnt; i++) {
        for (unsigned b = 0; b < SWAP_PAUSE_BUCKETS; b++) {
            uint64_t n = __atomic_load_n(&s->cores[i].pause[b], __ATOMIC_RELAXED);
            p->bucket[b] += n;
            p->cnt += n;
        }
        uint64_t one = __atomic_load_n(&s->cores[i].pause_max, __ATOMIC_RELAXED);
        most = one > most ? one : most;
    }
    p->max_ns = cycles_ns(most);
}
