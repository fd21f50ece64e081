/* refuse: the client's other end, once its message is not let through.
 *
 *   WAITING ------> REPLYING ------> LINGER
 *   replies to       the server has    all acknowledged,
 *   commands that    been reset; our   both FINs seen
 *   the server got   reply is out
 *
 * WAITING: commands that went to the server before the withheld octets are still to be answered by it;
 * its replies pass, then our turn comes. (In most sessions nothing is owed and this state is skipped.)
 * REPLYING: in the server's sequence space, from its next octet on: one reply line for each command that
 * was withheld (so a pipelined MAIL, RCPT, BDAT LAST gets three), sent again until acknowledged. The first
 * further command is answered 421 (QUIT: 221) and our FIN follows. Whatever the server still sends is
 * answered with RST; nothing of it reaches the client.
 *
 * Threads: one core's. Limits: refusals_max a core; at the cap both sides are reset (counted).
 * Source: RFC 5321 4.2, 3.8; RFC 9293 3.8, 3.10; RFC 6298 (doubling). */
#ifndef WEIR_DATAPLANE_REFUSE_H
#define WEIR_DATAPLANE_REFUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/flow.h"
#include "scan/score.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pipeline;

size_t refusal_size(void);

/* The session's verdict v does not forward. replies_due: the server's reply count at which it has
 * answered all commands that reached it whole; the others are answered by us. read_seq: client octets
 * before it have been read by the session. */
void refuse_begin(struct pipeline *pl, struct flow *f, enum verdict v, enum event cause,
                  uint32_t replies_due, uint32_t read_seq);

/* Ends a connection that can neither be judged nor answered: both sides are reset, and what still comes is
 * dropped. */
void refuse_cut(struct pipeline *pl, struct flow *f);

/* We are the client's peer now (REPLYING or LINGER); tcp.c gives every packet to refuse_segment. */
bool refuse_has_taken_over(const struct flow *f);

/* While WAITING, after server octets were read: takes over when the server has answered. `is_server_gone`:
 * it closed or reset; do not wait. */
void refuse_check(struct pipeline *pl, struct flow *f, bool is_server_gone);

/* One packet after taking over; the caller drops the frame. False: the client's connection is over, the
 * caller ends the flow. */
bool refuse_segment(struct pipeline *pl, struct flow *f, const struct packet *p, unsigned from);

/* Retransmission and patience. Returns when to be called next (ms), 0: end the flow. */
uint64_t refuse_timer(struct pipeline *pl, struct flow *f);

#ifdef __cplusplus
}
#endif
#endif
