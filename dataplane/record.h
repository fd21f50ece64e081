/* record: what is written down about one judged message.
 *
 * A core fills a record in place in its ring and goes on; the agent's thread writes it as a JSON line.
 * When the ring is full the record is dropped and counted, never waited for; in replay (is_lossless) the
 * core waits instead, so that no line is missing.
 *
 * JSON: {"src","sport","dst","dport","n","mail_from","rcpt":[..],"verdict","score","rules":[..],
 * "generation","events":[..]}, and "client" when a PROXY header or XCLIENT named one.
 *
 * Threads: reserve/commit: the ring's core. drain: the agent. */
#ifndef WEIR_DATAPLANE_RECORD_H
#define WEIR_DATAPLANE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scan/limits.h"
#include "scan/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RECORD_TEXT_MAX = 8192 };

struct record {
    char src[46], dst[46], client[64];
    uint16_t sport, dport;
    uint32_t n;
    uint32_t generation;
    int32_t score_milli;
    enum verdict verdict;
    uint8_t cause; /* enum event */
    uint64_t events;
    uint64_t octets;
    uint16_t rule_cnt, rcpt_cnt;
    /* mail_from, then rcpt_cnt recipients, then rule_cnt rule names, each ending in NUL; what does not
     * fit is left out and the counts say so. May hold any octets but NUL. */
    uint16_t text_len;
    char text[RECORD_TEXT_MAX];
};

struct record_ring;

/* slots: a power of two. NULL when there is no memory. */
struct record_ring *record_ring_new(uint32_t slots, bool is_lossless, int node);
void record_ring_free(struct record_ring *r);

/* A slot to fill, or NULL: full (never NULL when lossless; waits for the agent then). */
struct record *record_reserve(struct record_ring *r);
void record_commit(struct record_ring *r);

/* Writes all committed records of r as JSON lines. Returns how many. */
unsigned record_drain(struct record_ring *r, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
