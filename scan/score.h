/* score: hits become rules, rules a score, the score a verdict.
 *
 * Owns:    nothing.
 * Threads: one thread per thread_idx, as in match.h.
 * Limits:  JUDGEMENT_RULES_MAX rules are named; all of them count.
 * Fails:   never. */
#ifndef WEIR_SCAN_SCORE_H
#define WEIR_SCAN_SCORE_H

#include <stdint.h>

#include "scan/event.h"
#include "scan/limits.h"
#include "scan/match.h"
#include "scan/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

struct eval_facts;

/* Thresholds in thousandths of a point; a score >= a threshold gets that verdict, the greatest of
 * them. INT32_MAX switches one off. */
struct thresholds {
    int32_t tag_milli;
    int32_t defer_milli;
    int32_t refuse_milli;
    int32_t drop_milli;
};

/* What was decided about one message, and why. */
struct judgement {
    enum verdict verdict;
    enum event cause;     /* the event that decided, or EVENT_NONE: the score did */
    enum verdict by_score;   /* what the score alone says */
    enum verdict by_events;  /* the greatest action of an event, */
    enum event events_cause; /* and the first event that had it */
    int32_t score_milli;
    uint32_t generation;  /* 0: no rule set was loaded */
    uint64_t events;      /* EVENT_BIT set */
    uint64_t octets;      /* of the message, dot-stuffing removed */
    uint32_t rules_total; /* rules that hit and have a score or a name not starting with "__" */
    uint16_t rules_cnt;   /* how many of them are listed below, ascending */
    uint16_t rules[JUDGEMENT_RULES_MAX];
};

/* Runs eval rules over `facts` (NULL: they say 0), evaluates negated header rules and metas (bits are added to h,
 * none is taken away, so it may be called again), sums, and fills verdict, score_milli, generation and rules of j;
 * events and cause are the caller's. A rule's value in a meta is 1, or its count when it counts.
 * h belongs to rs, and every header target was offered: a target that never was counts as `!~` did not match,
 * so its rules hit. The sum saturates below INT32_MAX. */
void score_evaluate(const struct ruleset *rs, unsigned thread_idx, const struct eval_facts *facts, struct hits *h,
                    const struct thresholds *t, struct judgement *j);

#ifdef __cplusplus
}
#endif
#endif
