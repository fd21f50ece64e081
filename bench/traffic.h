/* traffic: a capture of SMTP sessions in memory, dealt out as the bursts of two ports.
 *
 *   capture -> sessions (by tuple) -> bursts: outside, inside, outside, ... of <= TRAFFIC_BURST frames,
 *              a few frames a session, `concurrency` sessions at once; each session in its own order
 *
 * Every frame has an mbuf of its own for good; traffic_renew() writes it anew with other client addresses,
 * so that each round is new connections to the pipeline, cold in the cache as from a device.
 *
 * Owns:    the frames and their mbufs (an additional reference to each). IPv4 only, as weir-gen writes.
 * Threads: one. Fails: traffic_read (-1, printed). */
#ifndef WEIR_BENCH_TRAFFIC_H
#define WEIR_BENCH_TRAFFIC_H

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

enum { TRAFFIC_BURST = 32, TRAFFIC_RUN = 4 /* frames of a session in a burst */ };

struct traffic_burst {
    uint32_t first, cnt; /* in frames[] */
    unsigned side;       /* that they come in on */
};

struct traffic {
    struct traffic_frame *frames; /* in the order of the bursts */
    struct rte_mbuf **mbufs;      /* beside frames */
    uint32_t frames_cnt;
    struct traffic_burst *bursts;
    uint32_t bursts_cnt;
    uint32_t sessions_cnt, data_cnt; /* data_cnt: frames of clients with payload */
    uint64_t payload_octets;         /* of clients' segments */
};

int traffic_read(struct traffic *t, const char *path, unsigned concurrency);

/* Frames of the capture, to size a pool for. Negative: cannot be read. */
int64_t traffic_count(const char *path);

/* Takes an mbuf a frame out of `pool`. -1: it is too small. */
int traffic_mbufs(struct traffic *t, struct rte_mempool *pool);

/* Before each round; `round` chooses the addresses (the low octet counts). */
void traffic_renew(struct traffic *t, unsigned round);

#endif
