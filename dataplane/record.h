/* record: what is written down about one judged message.
 *
 * A core fills a record in place in its ring and goes on; the agent's thread writes it as a JSON line.
 * When the ring is full the record is dropped and counted, never waited for; in replay (is_lossless) the
 * core waits instead, so that no line is missing.
 *
 * JSON, one object a line:
 *
 *   id             of this record, in all of the appliance's life: 13 letters and digits (Crockford's base 32), easy to read
 *                  out on the telephone; `weirctl trace ID` tells the rest
 *   time           when it was judged: RFC 3339, UTC, milliseconds (2026-01-31T23:59:59.125Z)
 *   src sport      the client's end of the connection, as the frames had it
 *   dst dport      the server's end
 *   client         the client's address by a PROXY header or XCLIENT; only when there was one
 *   n              which of this connection's messages: 1 is the first that was judged, whole or in part;
 *                  before any was begun: 0, and between two, the number of the former
 *   mail_from      the envelope's sender
 *   rcpt           its recipients, a list
 *   message_id     the value of its Message-ID, up to 255 octets; only when there is one
 *   octets         of the message as far as it came, header and body, dot-stuffing removed; 0: no data had begun
 *   verdict score  what was decided, and the points of the rules that hit
 *   score_verdict  what its rules alone would have decided; only when that is something else
 *   rules          their names, a list
 *   cause          the event that decided; only when one did and not the score
 *   generation     of the rule set that judged
 *   stage          SHADOW, CANARY, PROBATION or LIVE: why two rule sets judged; only when they did
 *   other          what the rule set said that did not decide: {generation, verdict, score, rules}; only then
 *   deferred_try   how often the message has been deferred because they disagree; only when it was now
 *   events         what was not plainly right, a list: in this message, and in its connection up to here
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

enum {
    RECORD_TEXT_MAX = 8192,
    RECORD_OTHER_RULES_MAX = 32 /* names of the other set; of those that decided all that a judgement lists */
};

struct handover;

struct record {
    char src[46], dst[46], client[64];
    char message_id[256];
    uint64_t id;      /* set by record_commit */
    uint64_t time_ms; /* since 1970, UTC; set by record_commit */
    uint16_t sport, dport;
    uint32_t n;
    uint32_t generation;
    int32_t score_milli;
    enum verdict verdict, score_verdict;
    uint8_t cause; /* enum event */
    uint8_t stage; /* enum link_stage_id; 0: judged once */
    uint8_t other_verdict, deferred_try;
    uint32_t other_generation;
    int32_t other_score_milli;
    uint64_t events;
    uint64_t octets;
    uint16_t rule_cnt, rcpt_cnt, other_rule_cnt;
    /* mail_from, rcpt_cnt recipients, rule_cnt rule names, other_rule_cnt rule names, each ending in NUL; what does not
     * fit is left out and the counts say so. May hold any octets but NUL. */
    uint16_t text_len;
    char text[RECORD_TEXT_MAX];
};

struct record_ring;

/* slots: a power of two. NULL when there is no memory. Ids begin at a random number, so no two rings of any start of
 * the appliance share one; in replay (is_lossless) at 0, so that the same capture gives the same lines. */
struct record_ring *record_ring_new(uint32_t slots, bool is_lossless, int node);
void record_ring_free(struct record_ring *r);

/* A slot to fill, or NULL: full (never NULL when lossless; waits for the agent then). */
struct record *record_reserve(struct record_ring *r);
/* Stamps the reserved slot with the time (the kernel's of its last tick: 1 to 10 ms old) and an id, and hands it over. */
void record_commit(struct record_ring *r);

/* Writes all committed records of r as JSON lines to `to` and to the controllers' ring `h`; either may be NULL. Returns
 * how many. */
unsigned record_drain(struct record_ring *r, FILE *to, struct handover *h);

enum { RECORD_ID_LEN = 13 };

/* The letters of an id; text has RECORD_ID_LEN + 1 octets. */
void record_id_text(uint64_t id, char *text);

#ifdef __cplusplus
}
#endif
#endif
