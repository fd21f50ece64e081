#include "dataplane/worker.h"

#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "dataplane/config.h"

uint64_t
worker_clock_ms(void)
{
    return rte_rdtsc() / (rte_get_tsc_hz() / 1000);
}

unsigned
port_owner(const struct appliance *b, unsigned port_idx)
{
    return port_idx % b->workers_cnt;
}

static void
note(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---- out ---- */

static void
transmit(struct worker *w, const struct port *p, struct rte_mbuf **mbufs, unsigned n)
{
    uint16_t queue = p->tx_queues > 1 ? (uint16_t)w->idx : 0;
    unsigned sent = 0;
    for (int tries = 0; sent < n && tries < TX_RETRIES; tries++) {
        unsigned now = rte_eth_tx_burst(p->id, queue, mbufs + sent, (uint16_t)(n - sent));
        sent += now;
        if (now)
            tries = 0;
        else
            rte_pause();
    }
    note(&w->pl->counter[COUNTER_TX_FRAMES], sent);
    if (sent < n) {
        note(&w->pl->counter[COUNTER_TX_FULL], n - sent);
        rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
    }
}

/* Takes out what the port's network would not carry: kernel and NIC would drop it in silence. */
static unsigned
keep_what_fits(struct worker *w, const struct port *p, struct rte_mbuf **mbufs, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        if (mbufs[i]->pkt_len <= p->frame_max) {
            mbufs[kept++] = mbufs[i];
            continue;
        }
        note(&w->pl->counter[COUNTER_TX_TOO_LONG], 1);
        rte_pktmbuf_free(mbufs[i]);
    }
    return kept;
}

static void
hand_to_owner(struct worker *w, unsigned port_idx, struct rte_mbuf **mbufs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        mbufs[i]->port = w->appliance->port[port_idx].id;
        if (steer_put(w->appliance->steer, STEER_OUT, w->idx, port_owner(w->appliance, port_idx), mbufs[i]))
            continue;
        note(&w->pl->counter[COUNTER_STEER_FULL], 1);
        rte_pktmbuf_free(mbufs[i]);
    }
}

static void
send_outbox(struct worker *w, unsigned port_idx, struct outbox *o)
{
    const struct port *p = &w->appliance->port[port_idx];
    unsigned n = keep_what_fits(w, p, o->mbufs, o->cnt);
    if (p->tx_queues > 1 || port_owner(w->appliance, port_idx) == w->idx)
        transmit(w, p, o->mbufs, n);
    else
        hand_to_owner(w, port_idx, o->mbufs, n);
    o->cnt = 0;
}

static void
send_outboxes(struct worker *w)
{
    for (unsigned pair = 0; pair < PAIR_MAX; pair++) {
        for (unsigned side = 0; side < 2; side++) {
            struct outbox *o = &w->pl->outbox[pair][side];
            if (o->cnt)
                send_outbox(w, (unsigned)w->appliance->port_out[pair][side], o);
        }
    }
}

/* ---- in ---- */

static void
take(struct worker *w, const struct port *p, struct rte_mbuf **mbufs, unsigned n)
{
    pipeline_burst(w->pl, p->pair, p->side, mbufs, n, worker_clock_ms());
    send_outboxes(w); /* after each burst: an outbox holds one burst and what it releases */
}

/* Frames of other cores' flows go to their rings. Returns how many stay, in order. */
static unsigned
steer_away(struct worker *w, struct rte_mbuf **mbufs, unsigned n)
{
    unsigned kept = 0, away = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned owner = steer_owner_of(w->appliance->steer, mbufs[i], w->idx, w->linear);
        if (owner == w->idx) {
            mbufs[kept++] = mbufs[i];
            continue;
        }
        away++;
        if (steer_put(w->appliance->steer, STEER_IN, w->idx, owner, mbufs[i]))
            continue;
        away--;
        note(&w->pl->counter[COUNTER_STEER_FULL], 1);
        rte_pktmbuf_free(mbufs[i]);
    }
    note(&w->pl->counter[COUNTER_STEERED], away);
    return kept;
}

static unsigned
poll_ports(struct worker *w)
{
    struct appliance *b = w->appliance;
    struct rte_mbuf *mbufs[BURST_MAX];
    unsigned total = 0;
    for (unsigned i = 0; i < b->ports_cnt; i++) {
        const struct port *p = &b->port[i];
        if (p->rx_queues == 1 && port_owner(b, i) != w->idx)
            continue;
        unsigned n = rte_eth_rx_burst(p->id, p->rx_queues > 1 ? (uint16_t)w->idx : 0, mbufs, BURST_MAX);
        if (n == 0)
            continue;
        note(&w->port_frames, n);
        total += n;
        for (unsigned k = 0; k < n; k++)
            mbufs[k]->port = p->id; /* some virtual devices leave it alone */
        if (b->is_steered)
            n = steer_away(w, mbufs, n);
        if (n)
            take(w, p, mbufs, n);
    }
    return total;
}

static const struct port *
port_of(const struct appliance *b, const struct rte_mbuf *m)
{
    return &b->port[b->port_of_id[m->port]];
}

/* Calls fn for each run of frames of one port. */
static void
by_port(struct worker *w, struct rte_mbuf **mbufs, unsigned n,
        void (*fn)(struct worker *w, const struct port *p, struct rte_mbuf **mbufs, unsigned n))
{
    for (unsigned from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && mbufs[to]->port == mbufs[from]->port; to++)
            ;
        fn(w, port_of(w->appliance, mbufs[from]), mbufs + from, to - from);
    }
}

static unsigned
poll_rings(struct worker *w)
{
    struct appliance *b = w->appliance;
    struct rte_mbuf *mbufs[BURST_MAX];
    unsigned total = 0;
    for (unsigned from = 0; from < b->workers_cnt; from++) {
        if (from == w->idx)
            continue;
        unsigned n = steer_get(b->steer, STEER_IN, from, w->idx, mbufs, BURST_MAX);
        total += n;
        by_port(w, mbufs, n, take);
        n = steer_get(b->steer, STEER_OUT, from, w->idx, mbufs, BURST_MAX);
        total += n;
        by_port(w, mbufs, n, transmit);
    }
    return total;
}

/* ---- the loop ---- */

/* A core that sleeps must not hold up a swap, so it is offline meanwhile. */
static void
sleep_offline(struct worker *w, unsigned *us)
{
    struct timespec t = {0, (long)*us * 1000};
    swap_offline(w->appliance->swap, w->idx);
    nanosleep(&t, NULL);
    swap_online(w->appliance->swap, w->idx);
    *us = *us * 2 > SLEEP_MAX_US ? SLEEP_MAX_US : *us * 2;
    note(&w->sleeps, 1);
}

/* The plan for this round. Taking up a new one is the pause of a swap. */
static void
take_plan(struct worker *w)
{
    struct swap *swap = w->appliance->swap;
    const struct plan *old = w->pl->plan;
    uint64_t start = rte_rdtsc();
    const struct plan *plan = swap_take(swap, w->idx);
    pipeline_plan(w->pl, swap, plan);
    if (plan->number != w->plan_number || plan != old)
        swap_note_pause(swap, w->idx, rte_rdtsc() - start);
    w->plan_number = plan->number;
}

int
worker_run(void *arg)
{
    struct worker *w = arg;
    struct appliance *b = w->appliance;
    unsigned sleep_us = SLEEP_MIN_US;
    uint32_t phase;
    swap_online(b->swap, w->idx);
    while ((phase = __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE)) != WORKERS_STOP) {
        take_plan(w);
        unsigned n = phase == WORKERS_RUN ? poll_ports(w) : 0;
        if (b->workers_cnt > 1)
            n += poll_rings(w);
        pipeline_tick(w->pl, worker_clock_ms());
        send_outboxes(w);
        if (b->golden)
            golden_run_step(b->golden, w->idx, &w->pl->scanner);
        swap_quiescent(b->swap, w->idx);
        note(&w->rounds, 1);
        /* release: who reads that we are idle sees what we counted before */
        __atomic_store_n(&w->idle_rounds, n ? 0 : w->idle_rounds + 1, __ATOMIC_RELEASE);
        if (n)
            sleep_us = SLEEP_MIN_US;
        else if (b->config->busy == BUSY_ADAPTIVE && w->idle_rounds > IDLE_ROUNDS)
            sleep_offline(w, &sleep_us);
    }
    swap_offline(b->swap, w->idx);
    return 0;
}
