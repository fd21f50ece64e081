/* ruleset: one generation of rules, loaded and ready to match.
 *
 * An image (image.h) becomes a ruleset once, in a set-up thread; from then on it is read-only, but
 * for what each worker thread owns in it: a Hyperscan scratch and a pin count. A message pins the
 * ruleset it began under until its verdict, so a rule set is freed only when (1) no thread can still
 * load the pointer (the caller's QSBR) and (2) ruleset_pinned() is 0.
 *
 * Owns:    a copy of the image, and each thread's scratch.
 * Limits:  SCANNER_THREADS_MAX threads; the image's own were checked by image_verify.
 * Threads: load/free/pinned: any one thread. mark_*, is_returned, is_expired: any. pin/unpin: the thread that owns
 *          `thread_idx`, no atomic read-modify-write. Everything const: any thread.
 * Fails:   load only, with a sentence in `err`. A hostile image is refused, never trusted. */
#ifndef WEIR_SCAN_RULESET_H
#define WEIR_SCAN_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ruleset;
struct list_table;

/* `image` is copied from; the caller keeps it. `threads_max` 1..SCANNER_THREADS_MAX. NULL on
 * failure, and then err (err_size > 0) holds a sentence ending in no newline. */
struct ruleset *ruleset_load(const void *image, size_t len, uint32_t generation,
                             unsigned threads_max, char *err, size_t err_size);
void ruleset_free(struct ruleset *rs);

uint32_t ruleset_generation(const struct ruleset *rs);

/* SHA-256 of the image's content, 64 hex digits and a NUL. Lives as long as rs. */
const char *ruleset_digest(const struct ruleset *rs);

/* Rules, which is also the bits that a message needs (struct hits): those that can be reported, sub-rules
 * `__X`, and after them an inner rule for each `header X H !~ /re/` (whether re matched; it bears X's name,
 * scores 0 and is never reported). idx < rule_cnt. */
uint32_t ruleset_rule_cnt(const struct ruleset *rs);
const char *ruleset_rule_name(const struct ruleset *rs, uint32_t idx);
const char *ruleset_rule_describe(const struct ruleset *rs, uint32_t idx); /* "" if there is none */
int32_t ruleset_rule_score_milli(const struct ruleset *rs, uint32_t idx);

/* False: a sub-rule `__X`, or an inner rule. */
bool ruleset_rule_is_reported(const struct ruleset *rs, uint32_t idx);

/* Rules that count their matches (tflags multiple): what hits.counts needs. */
uint32_t ruleset_counted_cnt(const struct ruleset *rs);

/* False: no rule calls a function, so its facts need not be collected. */
bool ruleset_has_evals(const struct ruleset *rs);

/* The lists of the rules (list.h); NULL: there are none. The hashes of malware (signature.h); NULL: none. */
const struct list_table *ruleset_lists(const struct ruleset *rs);
const void *ruleset_signatures(const struct ruleset *rs);

/* The rule that a known hash hits; ruleset_rule_cnt() when there are no hashes. */
uint32_t ruleset_signature_rule(const struct ruleset *rs);

/* The rules' `required_score`; false: they do not say. */
bool ruleset_required_score_milli(const struct ruleset *rs, int32_t *score_milli);

/* A message keeps the set until it has let go of it. An index belongs to one thread: counts are not atomic. */
void ruleset_pin(struct ruleset *rs, unsigned thread_idx);
void ruleset_unpin(struct ruleset *rs, unsigned thread_idx);

/* It was found to do harm and went back: a message that is still pinned to it must not be refused for good by it (it
 * ends as a deferral). Set once, never cleared. Any thread. */
void ruleset_mark_returned(struct ruleset *rs);
bool ruleset_is_returned(const struct ruleset *rs);

/* It has drained for long enough and its memory is needed: who is still pinned to it lets go (smtp_let_go). Set once,
 * never cleared. Any thread. */
void ruleset_mark_expired(struct ruleset *rs);
bool ruleset_is_expired(const struct ruleset *rs);

/* Messages pinned by all threads; exact once no thread can pin any more. */
uint64_t ruleset_pinned(const struct ruleset *rs);

#ifdef __cplusplus
}
#endif
#endif
