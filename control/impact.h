/* impact: whom a rule set has hit, and what is known of one message; for the service desk, out of the index.
 *
 * affected N: exactly the messages that are in the index and that generation N refused, dropped or deferred:
 *
 *   - it decided by its score (or was taken back meanwhile: rules-returned), and the verdict does not forward
 *   - or it was one of two that disagreed (rules-disagree) and the one that would not have let the message through
 *
 * Messages that an event decided (a smuggled end of data, a cap) are not charged to any generation: no rule set would have
 * let them through. What both of two sets refuse is charged to the one that decided. `accepted_by` is the other generation
 * when that would have let the message through. Only judged twice is known so; null else does not say that nobody would have.
 *
 * Delivered later: a message is delivered later to a recipient when, after it, one was let through with the same retry key and
 * that recipient among its own. The key is the sender and the Message-ID, letter for letter but for case; of messages without
 * Message-ID the sender, the number of octets, and the client's address. So a sender that makes a new Message-ID
 * for each try is not recognised, and one that reuses a Message-ID for other mail to the same recipient is taken for the same.
 * The message counts as delivered later when all its recipients did.
 *
 * "Exactly" ends where records were lost: `lost` in the answer counts them since the process began (the ring was full, or the
 * index could not be written), and messages older than [control] index_days are gone.
 *
 * Threads: the index's, which is the controller's: a question holds a round of its loop up by some 200 ms at most, by the limits
 * below. Answers are the caller's (cJSON_Delete); NULL only without memory. */
#ifndef WEIR_CONTROL_IMPACT_H
#define WEIR_CONTROL_IMPACT_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "control/index.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    IMPACT_MESSAGES_MAX = 1000,  /* listed at most, whatever is asked for */
    IMPACT_LOOKED_MAX = 5000,    /* newest messages that are sorted by domain; the counts are of all */
    IMPACT_BUDGET_MS = 100,      /* for looking up what was delivered later: beyond, it is not told */
    IMPACT_DOMAINS_MAX = 1000,
    IMPACT_SAMPLES = 3,          /* ids a domain */
    IMPACT_TRACE_MAX = 20,       /* messages of one trace */
    IMPACT_TRIES_MAX = 20,       /* others with the same retry key */
    IMPACT_AROUND_MS = 60000     /* journal events so close to a message are told */
};

struct impact_question {
    uint32_t generation;
    uint32_t limit;        /* messages listed; the counts are of all */
    const char *verdict;   /* "refuse", "defer", ...: list only these; NULL: all */
    uint64_t lost;         /* records that the ring has dropped (ring_dropped) */
};

/* {"ok":true,"generation","since","until" (of the first and last such message; null: there is none),"refused","deferred",
 * "accepted_by_another","not_looked_at","delivered_later","lost","domains":[{"domain","refused","deferred","delivered_later","samples":[id...]}
 * ...] most first,"domains_left_off","messages":[the record, and "accepted_by","delivered_later":bool...] newest first,
 * "left_off"}. refused: verdicts refuse and drop; deferred: defer and close. Of a domain: messages to it, each once.
 * not_looked_at: older messages beyond IMPACT_LOOKED_MAX, which domains and delivered_later leave out; refused and deferred do
 * not. delivered_later is null, everywhere, when there was no time for it. {"ok":false,"error"}: the index cannot be asked. */
cJSON *impact_affected(struct index *x, const struct impact_question *q);

/* What a rule of a generation is worth and says, for trace. False: not known. */
typedef bool impact_rule_fn(void *owner, uint32_t generation, const char *rule, int32_t *score_milli, char *describe,
                            size_t describe_size);

/* sought: a record's id (as read on the telephone: any case, O for 0, I or L for 1), a Message-ID with or without its
 * brackets, or ADDRESS:PORT of the client. {"ok":true,"messages":[the record, and "text" (what became of it, in words),
 * "verdicts":[{"generation","state","verdict","score","decided":bool,"rules":[{"name","score","describe"}...]}...] of one or both sets,
 * "accepted_by","delivered_later","tries":[{"id","time","verdict"}...] others with its retry key,"events_around":[journal records
 * around it, of its generations first]...] newest first}. None found: ok false, with error. fn may be NULL. */
cJSON *impact_trace(struct index *x, const char *sought, impact_rule_fn *fn, void *owner);

/* For people: affected as a table by customer domain, then the messages; trace as paragraphs. Hostile text is shown with
 * its control characters as '?'. */
void impact_print_affected(const cJSON *answer, FILE *to);
void impact_print_trace(const cJSON *answer, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
