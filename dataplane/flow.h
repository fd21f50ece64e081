/* flow: one TCP connection to an SMTP port, and a core's table of them.
 *
 * Every packet of a connection reaches the core that owns its flow, so the table has one writer and no
 * lock. A record is found by its key through a seeded hash (flow_hash): buckets of one cache line hold
 * eight 16-bit tags and record numbers, so a miss costs one line and a hit two. A ninth key in a bucket
 * goes to a chained spare one; adding fails only when all records are in use.
 *
 * States (changed only in flow_to(), tcp.c):
 *
 *   SYN -> ANSWERED -> OPEN -> BLIND       what follows is not read (TLS, not SMTP): forwarded
 *    |         |        | `--> REFUSING    the client talks to us now, the server has been reset
 *    |         |        v                  (refuse.h); without a refusal object: all is dropped
 *    `---------'-----> CLOSED              FIN both ways, or RST: kept for a while, still read
 *
 * SYN and ANSWERED are half open: no session memory yet, and the oldest goes when there are too many. The
 * client's first acknowledgment opens the connection. A SYN-ACK without a flow makes one ANSWERED, so a
 * connection that was evicted while half open, or whose SYN was not seen, is followed all the same.
 *
 * Threads: one core's. Limits: capacity, half-open capacity.
 * Fails:   flow_table_new (NULL), flow_add (NULL when full). */
#ifndef WEIR_DATAPLANE_FLOW_H
#define WEIR_DATAPLANE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/packet.h"
#include "dataplane/reassembly.h"
#include "dataplane/wheel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct smtp_session;
struct refusal;

enum flow_state { FLOW_SYN, FLOW_ANSWERED, FLOW_OPEN, FLOW_BLIND, FLOW_REFUSING, FLOW_CLOSED };

enum { CLIENT, SERVER }; /* who sends: index of flow.side */

/* One sender: what it sent, and how a frame in its name would look. */
struct flow_side {
    struct reassembly stream;
    uint32_t isn;
    uint32_t judged; /* octets before this one were read by the session and allowed; <= stream.nxt */
    uint32_t out;    /* octets before this one were handed on in order; <= judged */
    uint32_t fin_seq;
    uint32_t ack;    /* its last acknowledgment number */
    uint32_t ts_val; /* its last timestamp */
    uint16_t window; /* its last window field, unscaled */
    uint16_t mss;
    bool has_isn, has_fin, has_ack, is_fin_out;
    uint8_t l2_len, ttl;
    uint8_t l2[L2_LEN_MAX]; /* its last frame's Ethernet header with tags */
};

struct flow {
    struct flow_key key;
    enum flow_state state;
    bool client_is_first;  /* the client is key.addr[0] */
    bool has_timestamps;
    bool has_reuse_isn;    /* a SYN came on a living flow: a new connection if the server agrees */
    bool is_half_open;     /* in the table's list of them */
    uint8_t client_port_side; /* 0 outside, 1 inside: where the client's frames come in */
    uint8_t pair;
    uint32_t reuse_isn;
    uint32_t record; /* its number in the table */
    uint32_t hash;   /* it was added with */
    uint64_t seen_ms;
    uint64_t events;     /* EVENT_BIT set of the TCP events seen */
    uint64_t stalled_ms; /* since when client octets wait for a reply; 0: they do not */
    struct timer timer;
    struct flow *half_next, *half_prev;
    struct smtp_session *smtp;
    struct refusal *refusal;
    struct flow_side side[2];
};

struct flow_table;

/* node: NUMA node of the core (< 0: anywhere). half_open_max: beyond it the oldest half-open flow is
 * given to `evict` before a new one is added. */
struct flow_table *flow_table_new(uint32_t capacity, uint32_t half_open_max, uint64_t seed, int node);
void flow_table_free(struct flow_table *t);

uint32_t flow_hash(const struct flow_table *t, const struct flow_key *k);

/* Touches the bucket of a hash, to be called for a whole burst before the look-ups. */
void flow_prefetch(const struct flow_table *t, uint32_t hash);

/* NULL when there is none. */
struct flow *flow_find(struct flow_table *t, const struct flow_key *k, uint32_t hash);

/* A new zeroed record with key, record number, state SYN and is_half_open set. The key must not be in the
 * table. NULL when full. */
struct flow *flow_add(struct flow_table *t, const struct flow_key *k, uint32_t hash);

/* Takes it off the half-open list (it was acknowledged). */
void flow_established(struct flow_table *t, struct flow *f);

/* The oldest half-open flow when there are half_open_max of them, else NULL: the caller ends it. */
struct flow *flow_half_open_surplus(struct flow_table *t);

/* The caller has ended what the flow owns. */
void flow_remove(struct flow_table *t, struct flow *f);

uint32_t flow_cnt(const struct flow_table *t);
uint32_t flow_half_open_cnt(const struct flow_table *t);

/* Calls fn for each flow; fn may remove the flow it is given. */
void flow_each(struct flow_table *t, void (*fn)(struct flow *f, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
