#include "dataplane/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/memory.h"
#include "dataplane/plan.h"
#include "dataplane/refuse.h"
#include "dataplane/tcp.h"

enum {
    WHEEL_SLOTS = 4096,
    WHEEL_TICK_MS = 16,
    TIMER_BUDGET = 256 /* callbacks a poll round, so that a mass expiry does not stall packets */
};

struct pipeline *
pipeline_new(const struct pipeline_config *cfg, unsigned thread_idx, int node, uint64_t seed,
             struct rte_mempool *mbuf_pool, struct record_ring *records, uint64_t now_ms)
{
    struct pipeline *pl = memory_map(sizeof(*pl), node);
    if (!pl) {
        fprintf(stderr, "pipeline: no memory for a core\n");
        return NULL;
    }
    pl->cfg = cfg;
    pl->mbuf_pool = mbuf_pool;
    pl->records = records;
    pl->thread_idx = thread_idx;
    pl->node = node;
    pl->now_ms = now_ms;
    pl->unknown_until_ms = now_ms + cfg->unknown_ms;
    const char *what = "scanner";
    if (scanner_init(&pl->scanner, thread_idx, cfg->messages_max))
        goto fail;
    pl->scanner.thresholds = cfg->thresholds;
    memcpy(pl->scanner.event_action, cfg->event_action, sizeof(cfg->event_action));
    second_init(pl, seed + thread_idx * UINT64_C(0x9e3779b97f4a7c15));

    what = "flows";
    pl->flows = flow_table_new(cfg->flows_max, cfg->half_open_max, seed, node);
    if (!pl->flows)
        goto fail;
    what = "store";
    if (store_pool_init(&pl->store, cfg->store_chunks, node))
        goto fail;
    what = "timers";
    if (wheel_init(&pl->wheel, WHEEL_SLOTS, WHEEL_TICK_MS, now_ms))
        goto fail;
    what = "fragments";
    pl->fragments = fragment_table_new(cfg->fragments_max, cfg->fragment_ms, node);
    if (!pl->fragments)
        goto fail;
    what = "sessions";
    /* A session a flow: half-open flows have none, so flows_max is enough and the cap is the table's. */
    if (slab_init(&pl->sessions, smtp_session_size(), cfg->flows_max, node))
        goto fail;
    what = "refusals";
    if (slab_init(&pl->refusals, refusal_size(), cfg->refusals_max, node))
        goto fail;
    what = "a frame";
    pl->linear = memory_map(FRAME_LEN_MAX, node);
    if (!pl->linear)
        goto fail;
    return pl;
fail:
    fprintf(stderr, "pipeline: no memory for %s\n", what);
    pipeline_free(pl);
    return NULL;
}

static void
end_flow(struct flow *f, void *arg)
{
    tcp_end(arg, f);
}

void
pipeline_free(struct pipeline *pl)
{
    if (!pl)
        return;
    if (pl->flows) {
        flow_each(pl->flows, end_flow, pl);
        flow_table_free(pl->flows);
    }
    if (pl->fragments)
        fragment_table_free(pl->fragments);
    if (pl->wheel.slots)
        wheel_fini(&pl->wheel);
    if (pl->store.memory)
        store_pool_fini(&pl->store);
    if (pl->scanner.pool)
        scanner_fini(&pl->scanner);
    slab_fini(&pl->sessions);
    slab_fini(&pl->refusals);
    if (pl->linear)
        memory_unmap(pl->linear, FRAME_LEN_MAX);
    memory_unmap(pl, sizeof(*pl));
}

void
pipeline_send(struct pipeline *pl, unsigned pair, unsigned side, struct rte_mbuf *m)
{
    struct outbox *o = &pl->outbox[pair][side];
    if (o->cnt == OUTBOX_MAX) {
        pl->counter[COUNTER_OUTBOX_FULL]++;
        rte_pktmbuf_free(m);
        return;
    }
    o->mbufs[o->cnt++] = m;
}

void
pipeline_drop(struct pipeline *pl, struct rte_mbuf *m)
{
    (void)pl;
    rte_pktmbuf_free(m);
}

static bool
is_smtp_port(const struct pipeline_config *cfg, uint16_t port)
{
    return (cfg->smtp_port[port / 8] >> (port % 8)) & 1;
}

static uint16_t
source_port(const struct packet *p)
{
    return p->key.port[p->src_is_first ? 0 : 1];
}

static uint16_t
destination_port(const struct packet *p)
{
    return p->key.port[p->src_is_first ? 1 : 0];
}

/* Fragments are read as one segment, so they leave as one when it fits a frame: what the receiver would make of
 * pieces that overlap is not for us to guess. A segment that is larger stays in c, and is cut by forward() in
 * tcp.c. False: there is no mbuf; c was dropped, and TCP sends it again. */
static bool
gather(struct pipeline *pl, struct packet *p, struct carrier *c, struct rte_mbuf **whole)
{
    if (p->frame_len > p->l3_off + (uint32_t)RTE_ETHER_MTU)
        return true;
    struct rte_mbuf *m = rte_pktmbuf_alloc(pl->mbuf_pool);
    uint8_t *frame = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->frame_len) : NULL;
    if (frame) {
        memcpy(frame, p->frame, p->frame_len);
    } else {
        rte_pktmbuf_free(m);
        pl->counter[COUNTER_NO_MBUF]++;
    }
    carrier_drop(pl, c);
    if (!frame)
        return false;
    packet_parse(p, frame, p->frame_len);
    *whole = m;
    *c = (struct carrier){whole, 1, true, false, c->pair, c->side};
    return true;
}

static bool
is_smtp(const struct pipeline_config *cfg, const struct packet *p)
{
    return is_smtp_port(cfg, p->key.port[0]) || is_smtp_port(cfg, p->key.port[1]);
}

/* A whole TCP segment whose hash is known (needed on SMTP ports only). */
static void
segment_in(struct pipeline *pl, struct packet *p, uint32_t hash, struct carrier *c)
{
    if (!is_smtp(pl->cfg, p)) {
        pl->counter[COUNTER_OTHER_FRAMES]++;
        carrier_forward(pl, c);
        return;
    }
    struct rte_mbuf *whole;
    if (c->is_pieces && !gather(pl, p, c, &whole))
        return;
    struct flow *f = flow_find(pl->flows, &p->key, hash);
    uint8_t opening = p->flags & (TCP_SYN | TCP_ACK);
    bool is_opening = opening == TCP_SYN ? is_smtp_port(pl->cfg, destination_port(p))
                                         : opening == (TCP_SYN | TCP_ACK) &&
                                               is_smtp_port(pl->cfg, source_port(p));
    if (!f && !is_opening) {
        if (pl->cfg->on_unknown_flow == FAULT_PASS || pl->now_ms < pl->unknown_until_ms) {
            pl->counter[COUNTER_UNKNOWN_FLOW]++;
            carrier_forward(pl, c);
        } else {
            pl->counter[COUNTER_UNKNOWN_DROPPED]++;
            carrier_drop(pl, c);
        }
        return;
    }
    if (pl->cfg->checksum == CHECKSUM_RECOMPUTE)
        packet_checksum_write(p);
    else if (!(c->is_linear &&
               (c->mbufs[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD) &&
             !packet_checksum_is_right(p)) {
        /* The receiver would drop it; were it taken for the first octets, the right ones would lose. */
        pl->counter[COUNTER_BAD_CHECKSUM]++;
        carrier_drop(pl, c);
        return;
    }
    if (f)
        tcp_segment(pl, f, p, c);
    else
        tcp_open(pl, p, hash, c);
}

static void
datagram_in(struct pipeline *pl, struct datagram *d, unsigned pair, unsigned side)
{
    struct packet p;
    struct carrier c = {.mbufs = d->mbufs,
                        .cnt = d->mbuf_cnt,
                        .is_linear = false,
                        .is_pieces = true,
                        .pair = (uint8_t)pair,
                        .side = (uint8_t)side};
    switch (packet_parse(&p, d->frame, d->frame_len)) {
    case PACKET_TCP:
        segment_in(pl, &p, flow_hash(pl->flows, &p.key), &c);
        break;
    case PACKET_OTHER: /* IPv6: extension headers behind the fragment header, and then no TCP */
        pl->counter[COUNTER_OTHER_FRAMES]++;
        carrier_forward(pl, &c);
        break;
    case PACKET_FRAGMENT:
    case PACKET_BAD:
        pl->counter[COUNTER_BAD_FRAMES]++;
        carrier_drop(pl, &c);
        break;
    }
}

static void
fragment_in(struct pipeline *pl, const struct packet *p, struct rte_mbuf *m, unsigned pair,
            unsigned side)
{
    struct datagram d;
    pl->counter[COUNTER_FRAGMENTS]++;
    enum fragment_result result = fragment_input(pl->fragments, p, m, pl->now_ms, &d);
    pl->counter[COUNTER_FRAGMENTS_DROPPED] += d.freed_cnt;
    switch (result) {
    case FRAGMENT_HELD:
        break;
    case FRAGMENT_COMPLETE:
        datagram_in(pl, &d, pair, side);
        break;
    case FRAGMENT_DROP:
        pl->counter[COUNTER_FRAGMENTS_DROPPED] += d.mbuf_cnt;
        for (unsigned i = 0; i < d.mbuf_cnt; i++)
            pipeline_drop(pl, d.mbufs[i]);
        break;
    }
}

/* A frame in several mbuf segments is read from a linear copy; unchanged, it leaves as it came. */
static void
chained_in(struct pipeline *pl, struct rte_mbuf *m, unsigned pair, unsigned side)
{
    struct packet p;
    struct carrier c = {&m, 1, false, false, (uint8_t)pair, (uint8_t)side};
    enum packet_kind kind = PACKET_OTHER;
    if (m->pkt_len <= FRAME_LEN_MAX) {
        const void *at = rte_pktmbuf_read(m, 0, m->pkt_len, pl->linear);
        if (at && at != pl->linear)
            memcpy(pl->linear, at, m->pkt_len);
        if (at)
            kind = packet_parse(&p, pl->linear, m->pkt_len);
    }
    if (kind == PACKET_TCP) {
        segment_in(pl, &p, flow_hash(pl->flows, &p.key), &c);
    } else if (kind == PACKET_OTHER) {
        pl->counter[COUNTER_OTHER_FRAMES]++;
        carrier_forward(pl, &c);
    } else {
        /* A fragment is never larger than a frame. */
        pl->counter[COUNTER_BAD_FRAMES]++;
        carrier_drop(pl, &c);
    }
}

void
pipeline_plan(struct pipeline *pl, struct swap *swap, const struct plan *plan)
{
    pl->swap = swap;
    pl->plan = plan;
    pl->scanner.live = plan->live;
    second_plan(pl, plan);
}

void
pipeline_burst(struct pipeline *pl, unsigned pair, unsigned side, struct rte_mbuf **mbufs,
               unsigned n, uint64_t now_ms)
{
    struct packet packets[BURST_MAX];
    uint32_t hashes[BURST_MAX];
    pl->now_ms = now_ms;
    pl->counter[COUNTER_RX_FRAMES] += n;
    for (unsigned i = 0; i < n; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
        rte_prefetch0(rte_pktmbuf_mtod_offset(mbufs[i], void *, 64)); /* TCP options end at 66 and beyond */
    }
    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *m = mbufs[i];
        pl->counter[COUNTER_RX_OCTETS] += m->pkt_len;
        if (m->nb_segs > 1)
            continue;
        if (packet_parse(&packets[i], rte_pktmbuf_mtod(m, uint8_t *), m->data_len) != PACKET_TCP)
            continue;
        hashes[i] = 0;
        /* Other traffic pays neither for a hash nor for a bucket, whose page may never have been touched. */
        if (!is_smtp(pl->cfg, &packets[i]))
            continue;
        hashes[i] = flow_hash(pl->flows, &packets[i].key);
        flow_prefetch(pl->flows, hashes[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        struct packet *p = &packets[i];
        struct carrier c = {&mbufs[i], 1, true, false, (uint8_t)pair, (uint8_t)side};
        if (mbufs[i]->nb_segs > 1) {
            chained_in(pl, mbufs[i], pair, side);
            continue;
        }
        switch (p->kind) {
        case PACKET_OTHER:
            pl->counter[COUNTER_OTHER_FRAMES]++;
            carrier_forward(pl, &c);
            break;
        case PACKET_TCP:
            segment_in(pl, p, hashes[i], &c);
            break;
        case PACKET_FRAGMENT:
            fragment_in(pl, p, mbufs[i], pair, side);
            break;
        case PACKET_BAD:
            pl->counter[COUNTER_BAD_FRAMES]++;
            carrier_drop(pl, &c);
            break;
        }
    }
}

static void
fire(struct timer *t, void *arg)
{
    tcp_timer(arg, (struct flow *)((uint8_t *)t - offsetof(struct flow, timer)));
}

void
pipeline_tick(struct pipeline *pl, uint64_t now_ms)
{
    pl->now_ms = now_ms;
    wheel_advance(&pl->wheel, now_ms, TIMER_BUDGET, fire, pl);
    pl->counter[COUNTER_FRAGMENTS_DROPPED] += fragment_expire(pl->fragments, now_ms);
}
