/* reassembly: the octets of one direction of one connection, first sent first kept.
 *
 *          una                         nxt
 *           |  in order, not yet acked  |   gap   |  early  |  gap | early |
 *   --------+---------------------------+---------+---------+------+-------+---> sequence space
 *
 * Every octet that was let into the connection is kept until its receiver has acknowledged it, so that a
 * retransmission or an overlap can be compared with what was scanned and, where it differs, be rewritten:
 * the first octets win (DESIGN promise 3). Octets beyond nxt are `early`: they were forwarded out of
 * order at once and are kept for judging (promise 4).
 *
 * Kept in chunks of a per-core pool, linked in sequence order; in-order octets are appended to the last
 * chunk, so one-octet segments cost one octet. Chunks are looked up from the nearer end.
 *
 * Owns:    its chunks. Threads: one core's.
 * Limits:  octets_max: nothing at or beyond una + octets_max is kept. (A span, not a sum: so early octets
 *          never use up the room of the gap before them, which would lock the connection.)
 *          REASSEMBLY_EARLY_MAX chunks that came beyond a gap, until acknowledged; the pool, of which
 *          the last eighth is kept from such chunks, and another from streams that hold STREAM_FAIR_CHUNKS
 *          or more in order. At a limit an insert is refused and nothing is
 *          changed: the caller drops the packet, TCP sends it again.
 * Fails:   store_pool_init (-ENOMEM); insert (-ENOBUFS). */
#ifndef WEIR_DATAPLANE_REASSEMBLY_H
#define WEIR_DATAPLANE_REASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CHUNK_LEN = 2048 - 24,      /* octets in a chunk, so that a chunk with its head is 2 KiB */
    REASSEMBLY_EARLY_MAX = 256, /* chunks beyond a gap in a direction: 512 KiB, or one-octet segments */
    STORE_RESERVE_PART = 8,     /* 1/8 of the pool is for octets in order only */
    STREAM_FAIR_CHUNKS = 64     /* 128 KiB unacknowledged; beyond, 1/8 of the pool is for others only */
};

struct chunk {
    struct chunk *next, *prev;
    uint32_t seq;   /* of octets[0] */
    uint16_t len;   /* <= CHUNK_LEN */
    uint8_t is_early;  /* these octets were forwarded before their turn */
    uint8_t is_gapped; /* came beyond a gap: counted in early_cnt */
    uint8_t octets[CHUNK_LEN];
};

/* Per-core memory for all its flows, on the core's NUMA node (node < 0: anywhere). */
struct store_pool {
    void *memory;
    size_t memory_len;
    struct chunk *free_list;
    uint32_t free_cnt, chunk_cnt;
    uint32_t touched_cnt; /* chunks beyond were never used, and cost no memory yet */
};

int store_pool_init(struct store_pool *p, uint32_t chunk_cnt, int node);
void store_pool_fini(struct store_pool *p);

struct reassembly {
    struct store_pool *pool;
    struct chunk *head, *tail; /* by sequence; no two overlap */
    uint32_t una;              /* all before: acknowledged, no longer kept */
    uint32_t nxt;              /* first octet not yet seen in order */
    uint32_t octets;           /* kept */
    uint32_t octets_max;
    uint32_t early_cnt;        /* chunks that came beyond a gap and are still kept */
};

/* octets_max < 2^30. */
void reassembly_init(struct reassembly *r, struct store_pool *pool, uint32_t first_seq,
                     uint32_t octets_max);
void reassembly_fini(struct reassembly *r);

/* Offers [seq, seq+len), len < 2^31. Octets before una are ignored. Octets already kept win: where
 * `octets` differs it is overwritten with them, and *conflict_cnt says how many differed. Octets not kept
 * are copied in, marked early when the caller says so (it says so for a segment that begins after nxt),
 * and nxt moves over all that is now contiguous. An early octet stays early until `una` passes it.
 * 0, or -ENOBUFS with neither r nor `octets` changed (*conflict_cnt = 0). */
int reassembly_insert(struct reassembly *r, uint32_t seq, uint8_t *octets, uint32_t len, bool is_early,
                      uint32_t *conflict_cnt);

/* The kept octets from seq on that lie in one piece: pointer (writable: the session machine overwrites in
 * place) and *len >= 1, or NULL when seq is not kept. Valid until the next insert, ack or fini. */
uint8_t *reassembly_at(const struct reassembly *r, uint32_t seq, uint32_t *len);

/* Copies kept octets over `octets` for whatever part of [seq, seq+len) is kept; the rest is left alone.
 * Returns how many octets were copied. */
uint32_t reassembly_copy(const struct reassembly *r, uint32_t seq, uint8_t *octets, uint32_t len);

/* The octet at seq is kept and early: *start becomes the first octet of the unbroken early run that
 * holds it. False otherwise. */
bool reassembly_early_run(const struct reassembly *r, uint32_t seq, uint32_t *start);

/* First maximal run [*start, *start + *len) inside [from, to) that is kept and not early. False: none. */
bool reassembly_next_unsent(const struct reassembly *r, uint32_t from, uint32_t to, uint32_t *start,
                            uint32_t *len);

/* The receiver acknowledged all before `ack` (una < ack <= nxt; else ignored: the caller takes off one for a
 * FIN and does not offer acknowledgments of octets not seen): chunks are given back. */
void reassembly_ack(struct reassembly *r, uint32_t ack);

#ifdef __cplusplus
}
#endif
#endif
