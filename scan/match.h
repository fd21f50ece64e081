/* match: Hyperscan behind one facade; the only file with a match callback.
 *
 * A ruleset has one database per target: what a rule looks at. Rules of a target are matched by block
 * (a line, a field, a chunk) or by stream (octets that arrive in pieces). A match sets the rule's bit in
 * the message's `struct hits`; what the hits mean is score.h's business.
 *
 *   target       mode    unit offered
 *   header       block   one field value of one name (see struct header_target)
 *   body         block   one line of decoded, white-space-folded text, <= BODY_LINE_MAX
 *   rawbody      block   one chunk of decoded text, <= RAWBODY_CHUNK_MAX
 *   full         stream  the message as it came, dot-stuffing removed
 *   attachment   stream  decoded octets of one part that is not text
 *
 * Threads: each call uses the scratch of `thread_idx`; one thread per index.
 * Fails:   returns false when Hyperscan does (counted by the caller as EVENT_SCAN_ERROR); hits found
 *          until then stay. No call allocates once the streams of a thread have been opened before
 *          (stream state comes from a per-thread free list). */
#ifndef WEIR_SCAN_MATCH_H
#define WEIR_SCAN_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/ruleset.h"

#ifdef __cplusplus
extern "C" {
#endif

enum target {
    TARGET_HEADER, /* not for match_block/stream: see match_header */
    TARGET_BODY,
    TARGET_RAWBODY,
    TARGET_FULL,
    TARGET_ATTACHMENT,
    TARGET_CNT
};

/* What a header rule looks at. */
enum header_part {
    HEADER_WHOLE, /* decoded value, as SpamAssassin's get('Name') */
    HEADER_ADDR,  /* Name:addr, every address of every such field, "\n" between and none at the end */
    HEADER_NAME,  /* Name:name, their display names, in the same way */
    HEADER_RAW    /* Name:raw, as it came, still folded */
};

/* One database of header rules: all rules on one (name, part). `name` is lower case: a field name, or
 * one of the pseudo-headers "all", "tocc", "envelopefrom", "messageid", or one of these followed by a colon:
 * a rule that means a field of that name; it may be taken as absent. */
struct header_target {
    const char *name;
    enum header_part part;
};

/* Bits of the rules that matched in one message. bits_cnt = ruleset_rule_cnt(). */
struct hits {
    uint64_t *bits;
    uint32_t bits_cnt;
};

static inline void
hits_set(struct hits *h, uint32_t idx)
{
    h->bits[idx / 64] |= UINT64_C(1) << (idx % 64);
}

static inline bool
hits_get(const struct hits *h, uint32_t idx)
{
    return (h->bits[idx / 64] >> (idx % 64)) & 1;
}

/* False: no rule looks there, so the caller need not prepare the octets. */
bool match_wants(const struct ruleset *rs, enum target t);

/* The header targets, in no order. Lives as long as rs. */
const struct header_target *match_header_targets(const struct ruleset *rs, uint32_t *cnt);

/* Offers the value of header target `idx` (of match_header_targets). `is_present` false: the field is
 * not in the message; then `value` is ignored and rules with [if-unset: X] see X. Call exactly once per
 * message and target, the values of repeated fields joined as SpamAssassin does: each whole or raw value ends
 * in "\n"; of ADDR and NAME the last does not. "all" is every field in order as "Name: value\n", and as
 * HEADER_RAW the header as it came with "\n" line ends. message.c makes the values. */
bool match_header(const struct ruleset *rs, unsigned thread_idx, uint32_t idx, bool is_present,
                  const uint8_t *value, size_t len, struct hits *h);

/* t is TARGET_BODY or TARGET_RAWBODY. */
bool match_block(const struct ruleset *rs, unsigned thread_idx, enum target t, const uint8_t *octets,
                 size_t len, struct hits *h);

/* A stream over TARGET_FULL or TARGET_ATTACHMENT. open gives NULL when no rule wants the target or the
 * state cannot be had (*failed tells which). close ends it (end-anchored patterns match there). */
struct match_stream;
struct match_stream *match_open(const struct ruleset *rs, unsigned thread_idx, enum target t,
                                bool *failed);
bool match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h);
bool match_close(struct match_stream *s, struct hits *h);

/* Gives the stream back without looking at its end (an aborted message). NULL is allowed. */
void match_abort(struct match_stream *s);

#ifdef __cplusplus
}
#endif
#endif
