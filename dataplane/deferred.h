/* deferred: messages that were told "later" because two rule sets disagree, so that they are not told so for ever.
 *
 * Such a message is remembered by a hash of who sent it to whom and what it is (deferred_key). When it comes again and
 * the sets still disagree, it is deferred again, up to a number of tries; then the old verdict decides. So nothing that
 * the old set would let through is lost, however wrong the new one is.
 *
 * One word a message: 32 bits of its key (19 others are its place), tries, and the minute it was last seen. Eight words
 * are a cache line, and a bucket. All changes are compare-and-swap on one word. Four times as many places as messages
 * may be remembered, so that a full bucket is rare; then, as when there are as many messages as allowed, there is no
 * place and the old verdict decides at once.
 *
 * Two messages of one key are one in 2^38 pairs of a sender's; the seed is random, so nobody can look for them.
 *
 * The messages of one sender domain have DEFERRED_DOMAIN_MAX places (not theirs alone), so no single sender fills the
 * table, and with it ends a roll-out (LINK_REASON_DEFERRALS).
 *
 * Another new set begins with an empty table: what came of a former one's messages says nothing of it.
 *
 * Owns:    32 MiB of addresses; a page becomes resident when a message falls there.
 * Threads: deferred_new, free: set-up. deferred_sweep, clear: the agent. The rest: any core, lock-free.
 * Limits:  DEFERRED_MAX messages, fewer if told; DEFERRED_KEEP_MIN. Fails: deferred_new (NULL). */
#ifndef WEIR_DATAPLANE_DEFERRED_H
#define WEIR_DATAPLANE_DEFERRED_H

#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DEFERRED_MAX = 1 << 20,
    DEFERRED_DOMAIN_MAX = 512,
    DEFERRED_KEEP_MIN = 12 * 60, /* senders try again after minutes, some after an hour; forgotten after half a day */
    DEFERRED_TRIES_MAX = 255
};

struct deferred;

/* seed: random. */
struct deferred *deferred_new(uint64_t seed);
void deferred_free(struct deferred *d);

/* Of a message: the domain that it counts as (second_place), its envelope's sender and recipients, in any order, and its
 * Message-ID, or if it has none (empty) the hash of its octets. At most RCPT_RECORDED_MAX recipients; the array is put in
 * order. */
uint64_t deferred_key(const struct deferred *d, struct span domain, struct span mail_from, struct span *rcpt,
                      size_t rcpt_cnt, struct span message_id, uint64_t octets_hash);

enum deferred_answer {
    DEFERRED_AGAIN, /* *tries: it is deferred now for the tries-th time */
    DEFERRED_ENOUGH, /* it was deferred tries_max times, and is forgotten; *tries says how often */
    DEFERRED_CROWDED, /* no place beside those of its domain; the old verdict decides, and it says nothing of the rules */
    DEFERRED_FULL     /* as many as allowed */
};

/* The sets disagree about the message: may it be deferred? max: messages remembered (0..DEFERRED_MAX). */
enum deferred_answer deferred_try(struct deferred *d, uint64_t key, uint64_t now_ms, unsigned tries_max, uint32_t max,
                                  unsigned *tries);

/* It is decided: forgotten. Returns how often it was deferred; 0: it was not. */
unsigned deferred_take(struct deferred *d, uint64_t key);

/* Messages remembered. May lag. */
uint32_t deferred_used(const struct deferred *d);

/* Forgets all. What cores put in meanwhile may stay. Some 10 ms when there was anything. */
void deferred_clear(struct deferred *d);

/* Forgets what is too old in the next part of the table; 256 calls are a round of it. */
void deferred_sweep(struct deferred *d, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
