/* match: Hyperscan behind one facade, and PCRE2 behind Hyperscan; the only file with a match callback.
 *
 * A ruleset has databases for each target: what a rule looks at. Rules of a target are matched by block
 * (a line, a field, a chunk) or by stream (octets that arrive in pieces). A match sets the rule's bit in
 * the message's `struct hits`; what the hits mean is score.h's business.
 *
 *   target       mode    unit offered
 *   header       block   one field value of one name (see struct header_target)
 *   mimeheader   block   the same of one MIME part
 *   body         batch   one line of rendered, white-space-folded text, <= BODY_LINE_MAX + 1
 *   rawbody      batch   one chunk of decoded text, <= RAWBODY_CHUNK_MAX
 *   uri          batch   one URL
 *   full         stream  the message as it came, dot-stuffing removed
 *   attachment   stream  decoded octets of one part that is not text
 *
 * A unit is clean when it is ASCII without "&". Most are, and for them there are databases of smaller patterns
 * (pattern.h) that match the same. What Hyperscan only suspects is confirmed with PCRE2 on the whole unit.
 *
 * A batch holds units of any number of messages, in copies of its own, and matches them database by database, so that
 * one database at a time is hot: match_add, and match_run when the hits are needed or the batch is full.
 *
 * Slack: on processors with AVX512VBMI, Hyperscan 5.4.0 reads up to 3 octets behind what it is given (its Teddy
 * matcher, block and stream; Vectorscan's issue 322 is the same code; tests/unit/overread_test.cc). What it reads there
 * changes no result, but must be readable: units have MATCH_SLACK such octets behind them; for streams match_feed sees
 * to it. Its other run times (core2 to AVX512) do not. Hyperscan's issue 457, a crash of hs_scan with AVX2 on short
 * inputs, could not be had by any such unit; its twin at Vectorscan (386) was closed as no bug of the library, and its
 * reporter suspected a scratch shared by two threads.
 *
 * Threads: each call uses the scratch of `thread_idx`; one thread per index. That is held by Hyperscan itself
 *          only where it notices: two threads in one scratch crash it.
 * Fails:   returns false when Hyperscan does (counted by the caller as EVENT_SCAN_ERROR); hits found
 *          until then stay. A pattern that reaches PCRE2's limit is no hit; hits.gave_up tells. No call allocates
 *          once the streams of a thread have been opened before (stream state comes from a per-thread free list). */
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
    TARGET_HEADER, /* see match_header */
    TARGET_MIMEHEADER,
    TARGET_BODY,
    TARGET_RAWBODY,
    TARGET_URI,
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
    uint32_t hash; /* header_name_hash of the name; 0: not known */
};

struct explain;

enum {
    /* Readable octets behind every unit. Three would do; 64 is a cache line and the widest load. */
    MATCH_SLACK = 64
};

/* What matched in one message: the bits of its rules, bits_cnt = ruleset_rule_cnt(); and for rules that count
 * (tflags multiple) how often, counts_cnt = ruleset_counted_cnt(). */
struct hits {
    uint64_t *bits;
    uint32_t bits_cnt;
    uint16_t *counts;
    uint32_t counts_cnt;
    bool failed;             /* Hyperscan failed on one of its units */
    bool gave_up;            /* a pattern reached PCRE2's limit */
    struct explain *explain; /* NULL: nobody asks */
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

/* The header targets, in no order; TARGET_HEADER or TARGET_MIMEHEADER. Lives as long as rs. */
const struct header_target *match_header_targets(const struct ruleset *rs, enum target t, uint32_t *cnt);

/* Offers the value of header target `idx` (of match_header_targets). `is_present` false: the field is
 * not in the message; then `value` is ignored and rules with [if-unset: X] see X. Call exactly once per
 * message and target (TARGET_MIMEHEADER: per part and target), the values of repeated fields joined as SpamAssassin
 * does: each whole or raw value ends in "\n"; of ADDR and NAME the last does not. "all" is every field in order as
 * "Name: value\n", and as HEADER_RAW the header as it came with "\n" line ends. message.c makes the values.
 * MATCH_SLACK octets behind the value can be read. */
bool match_header(const struct ruleset *rs, unsigned thread_idx, enum target t, uint32_t idx, bool is_present,
                  const uint8_t *value, size_t len, struct hits *h);

enum {
    /* Octets and units that wait in a batch. A mail's text is mostly less, so it is matched as one. */
    MATCH_BATCH_OCTETS = 256 * 1024,
    MATCH_BATCH_UNITS = 4096
};

struct match_unit {
    const struct ruleset *rs;
    struct hits *hits;
    uint32_t off, len; /* in the batch's octets */
    uint16_t target;
    bool is_clean;
    bool is_subject; /* line 0 of the body: rules with tflags nosubject do not see it */
    uint32_t no;     /* of the unit in its message and target, for explain */
};

/* Large; one a thread, made at set-up. Zeroed is empty. */
struct match_batch {
    uint32_t octets_len;
    uint32_t units_cnt;
    struct match_unit units[MATCH_BATCH_UNITS];
    uint8_t octets[MATCH_BATCH_OCTETS + MATCH_SLACK];
};

/* Room for a unit of `len` octets (<= MATCH_BATCH_OCTETS) that the caller writes and then adds with match_add; NULL:
 * run the batch first. */
uint8_t *match_room(struct match_batch *b, size_t len);

/* Adds `len` octets written at match_room's place. t is TARGET_BODY, TARGET_RAWBODY or TARGET_URI. */
void match_add(struct match_batch *b, const struct ruleset *rs, enum target t, size_t len, uint32_t no,
               struct hits *h);

/* Matches everything in the batch and empties it. Where Hyperscan fails, hits.failed is set. */
void match_run(struct match_batch *b, unsigned thread_idx);

/* Takes the units of `h` out unmatched: its message is given up. */
void match_cancel(struct match_batch *b, const struct hits *h);

enum {
    /* Signatures told of one part. Each is worth a refusal: of more the rest is not told. */
    MATCH_FINDINGS_MAX = 16
};

/* Rules made from signatures that hit one part. Whether they count is known only at its end: by its type and, where
 * an .fp line names it, by its hash. */
struct match_findings {
    unsigned cnt;
    struct match_finding {
        uint16_t rule;
        uint64_t to; /* octets of the part, up to the end of the match */
    } list[MATCH_FINDINGS_MAX];
};

/* Adds one, once a rule. */
void match_find(struct match_findings *f, uint32_t rule, uint64_t to);

/* False: no rule over attachments is made from a signature. */
bool match_has_signatures(const struct ruleset *rs);

/* False: rule `rule` is made from a signature that is not for parts of this type (enum magic). */
bool match_fits(const struct ruleset *rs, uint32_t rule, unsigned magic);

/* A stream over TARGET_FULL or TARGET_ATTACHMENT. open gives NULL when no rule wants the target or the
 * state cannot be had (*failed tells which). close ends it (end-anchored patterns match there). */
struct match_stream;
struct match_stream *match_open(const struct ruleset *rs, unsigned thread_idx, enum target t,
                                bool *failed);
bool match_feed(struct match_stream *s, const uint8_t *octets, size_t len, struct hits *h);
bool match_close(struct match_stream *s, struct hits *h);

/* Until the stream is closed, rules made from signatures go to *f and not to the hits; other rules do not count
 * when only signatures are wanted. */
void match_collect(struct match_stream *s, struct match_findings *f, bool wants_only_signatures);

/* Gives the stream back without looking at its end (an aborted message). NULL is allowed. */
void match_abort(struct match_stream *s);

#ifdef __cplusplus
}
#endif
#endif
