/* swap: rule sets change under running cores, by one pointer.
 *
 *   agent:  load -> swap_publish(new) -> [QSBR: every core passed a quiescent state] -> old is draining
 *           -> [no message pins it] -> freed
 *   core:   once per burst:  scanner.live = swap_live(s);  ...;  swap_quiescent(s, idx)
 *
 * A message keeps the rule set it began under (ruleset_pin), so old sets drain as their messages end:
 * "one generation per message". At most SWAP_RESIDENT_MAX sets are in memory; a publish beyond that waits
 * for the oldest to drain, within a time that the caller gives, and else is refused.
 *
 * Threads: publish/settle/reap/free: the agent. live/quiescent/online/offline: each core, lock-free. */
#ifndef WEIR_DATAPLANE_SWAP_H
#define WEIR_DATAPLANE_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/ruleset.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SWAP_RESIDENT_MAX = 4 };

struct swap;

struct swap *swap_new(unsigned threads_cnt);

/* Cores must be offline. Frees all rule sets. */
void swap_free(struct swap *s);

/* 0; -EBUSY when SWAP_RESIDENT_MAX sets are still in use after wait_ms (rs stays the caller's). */
int swap_publish(struct swap *s, struct ruleset *rs, unsigned wait_ms);

/* Waits until every core that is online has passed a quiescent state since the last publish: from then on
 * nobody begins a message under an older set. False: not within wait_ms (the swap itself stands). */
bool swap_settle(struct swap *s, unsigned wait_ms);

/* Frees what has drained; never waits. Returns sets still resident. */
unsigned swap_reap(struct swap *s);

struct ruleset *swap_live(const struct swap *s);
void swap_online(struct swap *s, unsigned thread_idx);
void swap_offline(struct swap *s, unsigned thread_idx);
void swap_quiescent(struct swap *s, unsigned thread_idx);

#ifdef __cplusplus
}
#endif
#endif
