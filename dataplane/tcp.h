/* tcp: what is done with one segment of a followed connection.
 *
 * Weir is no endpoint: the two ends keep their own windows, retransmission and congestion control. It
 * keeps, per direction, what was sent first (reassembly.h) and three marks in the sequence space:
 *
 *     una <= out <= judged <= nxt
 *
 *     una      acknowledged by the receiver; octets before it are forgotten
 *     out      handed on in order: the receiver may have read to here
 *     judged   read by the session machine and allowed
 *     nxt      seen in order
 *
 * Usually all but una move together inside one burst and the frame leaves as it came. They part when
 *   - the session wants the server's reply before it can read on (smtp.h): judged stays, octets wait in
 *     the store and leave later as segments of our own;
 *   - a segment closes a gap and octets behind the gap, forwarded early, may not be read yet: then out
 *     stops one octet before that early run, so the receiver cannot reach it (the "plug");
 *   - a message is refused: judged and out stay for good and refuse.h takes over.
 *
 * A frame is forwarded up to `out`: whole, shortened, or not at all. Early frames go at once, whole
 * (promise 4). What it overlaps is rewritten to the kept octets (promise 3).
 *
 * What may be spoofed past us is not believed: a SYN on a living flow, or a RST or FIN, changes nothing
 * that is read; only a SYN-ACK of the server to that SYN begins a new connection.
 *
 * Threads: one core's. Fails: never; what cannot be kept is dropped, and TCP sends it again. */
#ifndef WEIR_DATAPLANE_TCP_H
#define WEIR_DATAPLANE_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pipeline;
struct rte_mbuf;

/* The mbufs behind one packet: one, or the fragments of it. */
struct carrier {
    struct rte_mbuf **mbufs;
    unsigned cnt;
    bool is_linear; /* packet.frame lies in mbufs[0], alone: it may be edited there */
    bool is_pieces; /* fragments: what they hold together is read, so they never leave as they came */
    uint8_t pair, side;
};

/* Sends all mbufs to the other side; frees them all. */
void carrier_forward(struct pipeline *pl, struct carrier *c);
void carrier_drop(struct pipeline *pl, struct carrier *c);

/* A SYN to an SMTP port, or a SYN-ACK from one, that belongs to no flow. */
void tcp_open(struct pipeline *pl, struct packet *p, uint32_t hash, struct carrier *c);

/* Any segment of flow f. Consumes the carrier. f may be gone afterwards. */
void tcp_segment(struct pipeline *pl, struct flow *f, struct packet *p, struct carrier *c);

/* The flow's timer fired. */
void tcp_timer(struct pipeline *pl, struct flow *f);

/* Forgets the flow and gives back all it owns. */
void tcp_end(struct pipeline *pl, struct flow *f);

/* The only writer of flow.state. */
void flow_to(struct pipeline *pl, struct flow *f, enum flow_state state);

#ifdef __cplusplus
}
#endif
#endif
