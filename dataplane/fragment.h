/* fragment: IPv4 and IPv6 fragments of TCP segments, held until the datagram is whole.
 *
 * The data plane judges whole segments. Fragments of TCP are held (all of them are needed to know the
 * ports and to scan in order), put together in a linear copy, and let go together: byte for byte as they
 * came when the segment is forwarded unchanged. Fragments of other protocols are not held at all
 * (packet_parse calls them PACKET_OTHER).
 *
 * A piece that overlaps others, or a length that contradicts, drops the whole datagram, as RFC 5722 asks for
 * IPv6 and as receivers do for IPv4, and pieces of the same id are dropped until the timeout. A piece that
 * brings only octets that are there, and the same ones, is dropped alone; so is one whose IPv4 header sum
 * is wrong, as the receiver would not take it. IPv6 atomic fragments are complete at once (RFC 6946).
 *
 * Owns:    the mbufs of incomplete datagrams. Threads: one core's.
 * Limits:  FRAGMENT_PIECES_MAX a datagram; table size; age. Beyond the
 *          pieces or 65,535 octets the datagram goes; beyond the table the oldest one.
 * Fails:   fragment_table_new (NULL). */
#ifndef WEIR_DATAPLANE_FRAGMENT_H
#define WEIR_DATAPLANE_FRAGMENT_H

#include <stdint.h>

#include "dataplane/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mbuf;
struct fragment_table;

enum {
    FRAGMENT_PIECES_MAX = 64, /* 65,515 octets in pieces of 1,480 are 45 */
};

enum fragment_result {
    FRAGMENT_HELD,     /* the table has the mbuf now */
    FRAGMENT_COMPLETE, /* *out is filled; its mbufs are the caller's */
    FRAGMENT_DROP      /* out->mbufs (>= 1, among them this one) are the caller's to free */
};

struct datagram {
    struct rte_mbuf *mbufs[FRAGMENT_PIECES_MAX + 1]; /* in order of arrival */
    unsigned mbuf_cnt;
    unsigned freed_cnt; /* mbufs of an older datagram that the table freed to make room */
    uint8_t *frame;     /* COMPLETE: the datagram as one frame, IP header without fragmentation. To be
                           parsed: PACKET_TCP, or BAD, or (behind IPv6 extension headers) OTHER. Valid
                           until the next call on the table */
    uint32_t frame_len;
};

/* datagrams_max: incomplete datagrams kept. timeout_ms: how long. */
struct fragment_table *fragment_table_new(unsigned datagrams_max, uint32_t timeout_ms, int node);

/* Frees the mbufs held. */
void fragment_table_free(struct fragment_table *t);

/* p is a PACKET_FRAGMENT parsed from the (single-segment) mbuf. */
enum fragment_result fragment_input(struct fragment_table *t, const struct packet *p,
                                    struct rte_mbuf *mbuf, uint64_t now_ms, struct datagram *out);

/* Drops what is as old as the timeout: call now and then. Returns mbufs freed. */
unsigned fragment_expire(struct fragment_table *t, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
