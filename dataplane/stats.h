/* stats: the cores' counts, added up and shown.
 *
 * Telemetry commands /weir/stats and /weir/swap, one log line on request, one JSON object at the end. Cores write their
 * counts with plain stores; a reading may lag and its figures need not be of one instant.
 *
 * Threads: any but the cores. stats_publish/stats_withdraw: set-up. Fails: never. */
#ifndef WEIR_DATAPLANE_STATS_H
#define WEIR_DATAPLANE_STATS_H

#include <stdio.h>

#include "dataplane/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

struct stats {
    uint64_t counter[COUNTER_CNT];
    uint64_t message[VERDICT_CNT];
    uint64_t event[EVENT_CNT];
    struct swap_pauses pauses; /* of all cores: how long taking up a plan lasted */
};

/* Adds what one core counted. */
void stats_add(struct stats *s, const struct worker *w);

/* All cores' counts, and the pauses of their swaps. */
void stats_sum(struct stats *s, struct worker *const *workers, unsigned workers_cnt);

const char *counter_name(enum counter c);

/* Frames lost here, for whatever reason but a verdict or a duplicate. */
uint64_t stats_dropped(const struct stats *s);

/* One line: what is not zero. No newline. */
void stats_line(const struct stats *s, char *text, size_t size);

/* One JSON object of what is not zero, with a newline. */
void stats_json(const struct stats *s, FILE *to);

/* Registers /weir/stats and /weir/swap for these workers, until withdrawn; they must live so long. */
void stats_publish(struct worker *const *workers, unsigned workers_cnt);
void stats_withdraw(void);

#ifdef __cplusplus
}
#endif
#endif
