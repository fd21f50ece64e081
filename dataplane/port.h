/* port: an Ethernet device and how its queues are shared out.
 *
 * With one worker a port has one queue each way. With more, a device that can gets one receive queue a
 * worker, filled by symmetric RSS: the key is 0x6d5a repeated, so (a,b) and (b,a) hash alike; the hash
 * covers addresses only, so that the fragments of a segment reach the core of its flow (see steer.h). The
 * key is read back and the symmetry tried at start. Any other device has one receive queue, whose owner
 * steers in software. Some NICs (i40e, ice) do not hash TCP by addresses alone: their frames all land in
 * queue 0: right, but not spread.
 *
 * Owns:    the started device. Threads: set-up only.
 * Fails:   port_open (-1, logged). */
#ifndef WEIR_DATAPLANE_PORT_H
#define WEIR_DATAPLANE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/config.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mempool;

enum { PORT_MAX = 2 * PAIR_MAX, RSS_KEY_MAX = 64 };

struct port {
    uint16_t id; /* ethdev's */
    uint8_t pair;
    uint8_t side; /* that its frames come in on */
    bool is_one_armed;
    bool is_rss; /* one receive queue a worker */
    bool is_open;
    char name[64];
    const char *driver;
    int node;
    uint16_t mtu;
    uint16_t rx_queues, tx_queues; /* 1, or one a worker */
    uint32_t frame_max;            /* octets that may leave here; UINT32_MAX: the device has no wire */
};

/* Configures and starts p->name. mbufs come from `pool`. */
int port_open(struct port *p, const struct config *c, unsigned workers_cnt, struct rte_mempool *pool);

/* Stops and closes: a capture file is complete after this. */
void port_close(struct port *p);

/* The key hashes both directions of random IPv4 and IPv6 conversations alike. */
bool rss_key_is_symmetric(const uint8_t *key, size_t len);

#ifdef __cplusplus
}
#endif
#endif
