/* worker: one core's burst loop around its pipeline.
 *
 *   round:  live rule set -> own port queues, rings from other cores -> pipeline -> ports, rings
 *           -> timers -> quiescent -> [nothing to do: sleep, when the machine is shared]
 *
 * The worker owns the clock, the ports and the rings; the pipeline owns what frames mean. A frame of a
 * one-armed pair comes in on side OUTSIDE and leaves by the one port whichever side it is sent to.
 *
 * Ends in two steps, so that nothing in flight is lost: WORKERS_DRAIN stops receiving from ports and goes
 * on emptying rings, WORKERS_STOP leaves.
 *
 * Threads: worker_run: the core. Everything else: set-up, or readers of the counters (may lag). */
#ifndef WEIR_DATAPLANE_WORKER_H
#define WEIR_DATAPLANE_WORKER_H

#include "dataplane/golden_run.h"
#include "dataplane/pipeline.h"
#include "dataplane/port.h"
#include "dataplane/steer.h"
#include "dataplane/swap.h"

#ifdef __cplusplus
extern "C" {
#endif

enum workers_phase { WORKERS_RUN, WORKERS_DRAIN, WORKERS_STOP };

enum {
    TX_RETRIES = 16,       /* a port that takes nothing for so long loses the rest */
    IDLE_ROUNDS = 256,     /* empty rounds before the first sleep */
    SLEEP_MIN_US = 20,     /* doubled while idle lasts, up to: */
    SLEEP_MAX_US = 250     /* the latency a sleeping core may add */
};

/* What all workers share; read-only while they run, but for `phase`. */
struct appliance {
    const struct config *config;
    unsigned workers_cnt;
    unsigned ports_cnt;
    struct port port[PORT_MAX];
    int8_t port_of_id[256];         /* ethdev id -> index in port[], -1: not ours */
    int8_t port_out[PAIR_MAX][2];   /* [pair][side] -> index, -1: no such pair */
    bool is_steered;                /* frames are steered in software */
    struct steer *steer;
    struct swap *swap;
    struct golden_run *golden; /* NULL: the golden set is judged by nobody */
    uint32_t phase; /* enum workers_phase; written by the agent */
};

struct worker {
    /* set up once */
    struct appliance *appliance;
    struct pipeline *pl;
    struct record_ring *records;
    unsigned idx;
    int cpu, node;
    uint64_t memory_octets; /* taken for it at set-up */

    /* written by the core, read by the agent */
    uint64_t port_frames __attribute__((aligned(64))); /* received from ports, before steering */
    uint64_t rounds;
    uint64_t idle_rounds; /* in a row, without a frame from anywhere */
    uint64_t sleeps;
    uint64_t plan_number; /* taken up last */
    uint8_t linear[FRAME_LEN_MAX];
};

/* Worker that polls queue 0 of a port with one queue, and sends when it has one transmit queue. */
unsigned port_owner(const struct appliance *b, unsigned port_idx);

/* The loop. arg: struct worker. Returns 0 after WORKERS_STOP. For rte_eal_remote_launch. */
int worker_run(void *arg);

/* Milliseconds of the coarse clock that pipelines see. */
uint64_t worker_clock_ms(void);

#ifdef __cplusplus
}
#endif
#endif
