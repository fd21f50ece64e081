/* second: which messages two rule sets judge, and what comes of it (ROLLOUT in the design).
 *
 *   stage       asked too   of which messages                         when the scores disagree
 *   SHADOW      candidate   a random share                            live decides
 *   CANARY      candidate   senders whose domain falls in the share   451, the old verdict after defer_tries
 *   PROBATION   candidate   all                                       the same
 *   LIVE        previous    senders whose suffix lacks evidence       the same
 *                           of the others a random share              live decides
 *
 * While a candidate is there, live is still watched by previous where it lacks evidence: messages that the candidate is not
 * asked about, of such suffixes, are on probation as in LIVE (the plan's fallback says how), but count for nothing. Who
 * pushes a better set must not make final what the one before it does.
 *
 * Chosen when the data begins, by the sender as the server accepted it. A domain's place in the canary's share is a fixed
 * hash, the same on all cores and after a restart. What forwards (accept, tag), defers, rejects are one class each:
 * verdicts of one class agree, and of two that reject the milder stands. Verdicts by events are no disagreement.
 *
 * The second judgement is shed, and is then no evidence: when more than half of the message slots are in use, and when
 * its time is: a token bucket of cycles, budget_permille of the time that passes, at most SECOND_BURST_MS at once. What
 * is shed in LIVE of a suffix that lacks evidence is judged by previous alone: it does not pass for want of time.
 *
 * A message remembers the stage it was chosen in, and is decided by it. When its new set has gone meanwhile, live
 * decides; when live has gone, what live would refuse is deferred (smtp.h).
 *
 * A mail counts for its sender's registrable domain, one of the null sender for its first recipient's. Whoever judged
 * counts (tally.h); a trip returns at once (swap.h), and the message at hand ends accordingly.
 *
 * Owns:    a core's budget and random numbers. tally and deferred are shared and borrowed.
 * Threads: the pipeline's core. Fails: never. */
#ifndef WEIR_DATAPLANE_SECOND_H
#define WEIR_DATAPLANE_SECOND_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/pair.h"

#ifdef __cplusplus
extern "C" {
#endif

struct deferred;
struct pipeline;
struct plan;
struct tally;

enum {
    SECOND_BURST_MS = 50,
    SECOND_DEBT_MS = 1000, /* a second judgement that took longer is forgiven: the machine may have stood still */
    /* pair.mode: the stage (enum link_stage_id), and: */
    SECOND_STAGE_MASK = 0xff,
    SECOND_DEFERS = 0x100,    /* a disagreement is deferred */
    SECOND_NEW_FIRST = 0x200  /* first is the new set (LIVE) */
    /* pair.note: how often the message has been deferred for a disagreement, when it was now; else 0 */
};

struct second {
    struct pairing pairing;
    struct tally *tally;       /* NULL: nothing is counted */
    struct deferred *deferred; /* NULL: nothing is deferred, the old verdict decides */
    uint64_t cycles_hz;
    uint64_t random;
    int64_t budget;        /* cycles */
    uint64_t filled;       /* when it was reckoned last, */
    uint64_t charged;      /* and scanner.second_cycles then */
};

/* pl->second, once pl->scanner is there. seed: of random numbers. */
void second_init(struct pipeline *pl, uint64_t seed);

/* The plan of this burst: whether anything is chosen at all. For pipeline_plan. */
void second_plan(struct pipeline *pl, const struct plan *plan);

/* ppm of 0..999999 where a sender's registrable domain (or what stands for it) falls in the canary's share. */
uint32_t second_domain_ppm(struct span domain);

/* Who an address counts as. */
struct second_place {
    struct span domain; /* registrable; of what has none the host; "<>" of the null sender. Never empty */
    struct span suffix; /* public suffix; "<>" null sender, "[]" an IP address, "?" no host of the list */
    struct span host;   /* the whole host when it is one, else "?" */
    struct host_text {
        uint8_t len;
        char text[254];
    } room;
};

/* path: as smtp_mail_from. Spans live in *p and in the path. */
void second_place(const struct scanner *sc, struct span path, struct second_place *p);

#ifdef __cplusplus
}
#endif
#endif
