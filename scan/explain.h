/* explain: which octets made a rule hit, told while it happens.
 *
 * A scanner whose `explain` is set calls `hit` for every match that sets a rule's bit, once a rule and message
 * unless the rule counts (tflags multiple): then for each match that counts. Metas have no octets: their hit comes
 * when they are evaluated, with an empty target name and excerpt. Nobody pays for it who does not ask: the data
 * plane never sets it.
 *
 * Owns:    the asker owns the struct and what `owner` means; every pointer in a hit is lent for the call alone.
 * Threads: called in the thread that scans.
 * Limits:  an excerpt has at most EXPLAIN_EXCERPT_MAX octets; a stream target (full, attachment) may know only
 *          what is left of its last piece, and then says less.
 * Fails:   never. */
#ifndef WEIR_SCAN_EXPLAIN_H
#define WEIR_SCAN_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EXPLAIN_EXCERPT_MAX = 160,

    /* Octets shown before a match, and after it. */
    EXPLAIN_CONTEXT = 24
};

/* Who said that the pattern matches. */
enum explain_confirm {
    EXPLAIN_NATIVE,    /* Hyperscan, exactly */
    EXPLAIN_CONFIRMED, /* Hyperscan's prefilter, then PCRE2 */
    EXPLAIN_PCRE2,     /* PCRE2 alone */
    EXPLAIN_COMPUTED   /* no pattern: exists, eval, meta, list */
};

/* `from` of a match whose start is not known: Hyperscan tells the end alone. */
#define EXPLAIN_FROM_UNKNOWN UINT64_MAX

struct explain_hit {
    uint32_t rule;                  /* ruleset_rule_name() and its kin know the rest */
    const char *detail;             /* NULL, or what more is known: the name of a hash signature */
    const char *target;             /* "body", "rawbody", "full", "uri", "header Subject:raw", "mimeheader X", .. */
    uint32_t unit_no;               /* which line, chunk, value or part of that target, from 0 */
    uint32_t part_no;               /* MIME leaf that it comes from, from 1; 0: none, or not known */
    uint64_t from, to;              /* octets [from, to) of the unit */
    struct span excerpt;            /* octets of the unit around [from, to); may be empty */
    uint64_t excerpt_off;           /* of its first octet in the unit */
    enum explain_confirm confirmed;
};

/* A message that misses the prefilter's confirmation has no hit; this counts such candidates, too. */
struct explain {
    void (*hit)(void *owner, const struct explain_hit *hit);
    void *owner;
    uint64_t unconfirmed_cnt; /* counted by the scanner */
};

#ifdef __cplusplus
}
#endif
#endif
