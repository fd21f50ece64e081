/* steer: frames reach the core that owns their flow, and leave by the core that owns the port.
 *
 *   port queue -> core that polls it -> [owner of the flow?] --- yes --> pipeline
 *                                              `-- ring in[from][to] --> pipeline of the other core
 *   outbox     -> [core has a queue of that port?] -- yes --> port
 *                                              `-- ring out[from][to] -> core that owns the queue
 *
 * Every hop is a single-producer single-consumer ring and every frame of a flow takes the same hops, so
 * order within a flow is kept. Rings are bounded; a frame that finds its ring full is dropped and counted
 * by the sender (STEER_FULL), never waited for.
 *
 * The owner is chosen by addresses and VLAN only, ports left out: a fragment shows no ports, and the
 * segment it is part of must meet its flow on one core. So all conversations of two hosts share a core.
 * Hardware RSS hashes addresses only for the same reason. Frames without TCP have no flow and stay where
 * they came in.
 *
 * Threads: steer_new/free: set-up. The others: the core that `from` or `to` names.
 * Fails:   steer_new (NULL). */
#ifndef WEIR_DATAPLANE_STEER_H
#define WEIR_DATAPLANE_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mbuf;
struct steer;

enum { STEER_RING_SLOTS = 4096 };

/* Rings between workers_cnt (>= 1) cores. */
struct steer *steer_new(unsigned workers_cnt, uint64_t seed);

/* Frees what is still in the rings. Cores must have stopped. */
void steer_free(struct steer *s);

/* Owner of a parsed packet's flow; `here` for frames without one. */
unsigned steer_owner(const struct steer *s, const struct packet *p, unsigned here);

/* The same for a received frame, in one or several mbuf segments. `linear` has room for FRAME_LEN_MAX. */
unsigned steer_owner_of(const struct steer *s, struct rte_mbuf *m, unsigned here, uint8_t *linear);

enum steer_way { STEER_IN, STEER_OUT };

/* False: full, the mbuf is still the caller's. from != to. */
bool steer_put(struct steer *s, enum steer_way way, unsigned from, unsigned to, struct rte_mbuf *m);

/* Up to n mbufs that `from` sent to `to`. */
unsigned steer_get(struct steer *s, enum steer_way way, unsigned from, unsigned to, struct rte_mbuf **mbufs,
                   unsigned n);

#ifdef __cplusplus
}
#endif
#endif
