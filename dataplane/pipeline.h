/* pipeline: what one core does with a burst of frames. Frames in, frames out; no ports, no rings.
 *
 *     burst -> parse, hash, prefetch -> find flow -> tcp (order, session, verdict) -> outboxes
 *                 |                          |                                     `-> dead (freed at once)
 *                 `-> not SMTP ------------- | ----------------------------------> outbox
 *
 * All per-core state hangs here, on the core's NUMA node. The worker owns the clock, the ports and the
 * live rule set; tests drive a pipeline by hand.
 *
 * Owns:    flows, sessions, store, timers, fragments, scanner. An mbuf given to pipeline_burst is owned
 *          by the pipeline; those in an outbox are the worker's to send and the pipeline forgets them.
 * Threads: one core's.
 * Fails:   pipeline_new (NULL, reason printed). */
#ifndef WEIR_DATAPLANE_PIPELINE_H
#define WEIR_DATAPLANE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/counters.h"
#include "dataplane/flow.h"
#include "dataplane/fragment.h"
#include "dataplane/record.h"
#include "dataplane/second.h"
#include "dataplane/slab.h"
#include "scan/smtp.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mbuf;
struct rte_mempool;
struct plan;
struct swap;

enum { OUTSIDE, INSIDE }; /* sides of a pair of ports */

enum {
    PAIR_MAX = 8,
    BURST_MAX = 64,
    OUTBOX_MAX = 1024 /* a burst and what it may release */
};

enum checksum_policy {
    CHECKSUM_VERIFY,   /* SMTP segments with a wrong sum are dropped */
    CHECKSUM_RECOMPUTE /* sums are not looked at and written anew on every SMTP segment: for virtual
                          devices whose sender leaves the sum to hardware */
};

enum fault_policy { FAULT_PASS, FAULT_DEFER, FAULT_CLOSE, FAULT_DROP };

/* From appliance.cfg; the same for all cores, read-only. */
struct pipeline_config {
    uint8_t smtp_port[65536 / 8];   /* bit set of destination ports */
    bool is_one_armed[PAIR_MAX];    /* both sides are one port: a frame's side says nothing */
    struct smtp_config smtp;
    struct thresholds thresholds;
    enum verdict event_action[EVENT_CNT];
    enum checksum_policy checksum;
    enum fault_policy on_flow_cap;    /* pass: not followed; drop: the SYN is dropped (defer, close: as drop) */
    enum fault_policy on_session_cap; /* the same; drop: both sides are reset */
    enum fault_policy on_unknown_flow; /* pass, or drop once unknown_until_ms is over */
    uint32_t flows_max, half_open_max, messages_max, refusals_max, fragments_max; /* per core */
    uint32_t store_chunks;            /* per core, 2 KiB each */
    uint32_t stream_octets_max;       /* kept in one direction of one connection */
    uint32_t idle_ms, half_open_ms, closed_ms, stall_ms, refusal_ms, fragment_ms, unknown_ms;
    char hostname[64];                /* in our 421 */
    char refuse_text[160];            /* after "550 5.7.1 " */
    char defer_text[160];             /* after "451 4.7.1 " */
};

struct outbox {
    struct rte_mbuf *mbufs[OUTBOX_MAX];
    uint32_t cnt;
};

struct pipeline {
    /* set up once */
    const struct pipeline_config *cfg;
    struct rte_mempool *mbuf_pool; /* for frames of our own */
    struct record_ring *records;   /* NULL: none are written */
    unsigned thread_idx;
    int node;

    /* written by the core */
    uint64_t now_ms;
    uint64_t unknown_until_ms; /* connections of unknown beginning pass until then */
    struct scanner scanner; /* scanner.live: of the plan */
    const struct plan *plan; /* of this burst (pipeline_plan); NULL in tests that have none */
    struct second second;    /* second.tally and second.deferred: set-up, by who shares them among cores */
    struct swap *swap;       /* for a return (swap_return); NULL in tests that have none */
    struct flow_table *flows;
    struct store_pool store;
    struct wheel wheel;
    struct fragment_table *fragments;
    struct slab sessions;
    struct slab refusals;
    uint8_t *linear; /* FRAME_LEN_MAX, for frames in several mbuf segments */
    uint64_t counter[COUNTER_CNT];
    struct outbox outbox[PAIR_MAX][2]; /* [pair][side that it leaves from] */
};

/* seed: of the hashes. records may be NULL. */
struct pipeline *pipeline_new(const struct pipeline_config *cfg, unsigned thread_idx, int node,
                              uint64_t seed, struct rte_mempool *mbuf_pool, struct record_ring *records,
                              uint64_t now_ms);

/* Frees held mbufs, sessions, messages (pins). Outboxes must be empty. */
void pipeline_free(struct pipeline *pl);

/* Once per burst, before it. swap and plan as swap_take gave it; the plan is used until the next quiescent state. */
void pipeline_plan(struct pipeline *pl, struct swap *swap, const struct plan *plan);

/* n <= BURST_MAX frames that came in on `side` of `pair`. */
void pipeline_burst(struct pipeline *pl, unsigned pair, unsigned side, struct rte_mbuf **mbufs,
                    unsigned n, uint64_t now_ms);

/* Timers: once per poll round, also without frames. */
void pipeline_tick(struct pipeline *pl, uint64_t now_ms);

/* For tcp.c and refuse.c: appends to the outbox of a side, or frees and counts. */
void pipeline_send(struct pipeline *pl, unsigned pair, unsigned side, struct rte_mbuf *m);

/* Drops one mbuf. */
void pipeline_drop(struct pipeline *pl, struct rte_mbuf *m);

#ifdef __cplusplus
}
#endif
#endif
