/* segment: TCP segments of our own making, in the name of one side of a flow.
 *
 * Three kinds leave the appliance that nobody sent: octets that were held and are released, our replies to
 * a client whose message was refused, and resets. Each looks like its alleged sender's last frame: same
 * Ethernet header and tags, same addresses and ports, its timestamps, its window.
 *
 * Threads: one core's. Fails: segment_send, when the mbuf pool is empty (counted; TCP repairs it). */
#ifndef WEIR_DATAPLANE_SEGMENT_H
#define WEIR_DATAPLANE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pipeline;

/* Notes what a frame of `from` tells about its sender: Ethernet header, TTL, timestamp, window, MSS. */
void segment_learn(struct flow *f, unsigned from, const struct packet *p);

/* Octets of payload that fit a segment of this flow (both sides' MSS less our options; >= 64). */
uint32_t segment_payload_max(const struct flow *f);

/* Puts one segment of `from` into the outbox toward the other side. len <= segment_payload_max(). */
bool segment_send(struct pipeline *pl, const struct flow *f, unsigned from, uint32_t seq, uint32_t ack,
                  uint8_t flags, const uint8_t *payload, uint32_t len);

/* Sends the kept octets [seq, seq+len) of `from` from its stream, in as many segments as it takes. */
void segment_send_stream(struct pipeline *pl, const struct flow *f, unsigned from, uint32_t seq,
                         uint32_t len);

#ifdef __cplusplus
}
#endif
#endif
