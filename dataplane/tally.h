/* tally: what mails that were judged twice prove about a pair of rule sets, counted into the evidence page (link.h).
 *
 * Many writers, one table, no lock. A unit is one atomic add (n and k in one word), and few mails are units: each
 * registrable sender domain counts once for each stratum (a shared bitmap of what was seen, blocks of 64 bits, so that
 * of several cores with the same news exactly one is told so). A stratum takes its place by compare-and-swap; each kind
 * has its share of the places, so that none crowds the others out.
 *
 *   old accepts    a unit of ALL, the sender's suffix, each recipient's suffix and domain; bad when new rejects.
 *                  Then also RULE for each rule that made the difference: hit now and not before, or with another
 *                  score. These go with the units of ALL, so k never passes n; the unit at which a rule is first
 *                  seen only names it, for it was chosen because it is bad. Rules that are exempt were declared by
 *                  the operator: what new would accept without the points that they add is bad in no other stratum
 *   old rejects    a unit of MIRROR; bad when new accepts
 *   any            a unit of ERROR, every mail; bad when only new failed or gave up
 *
 * After each bad unit n and k are looked up in the trip table of the stage: a core needs nobody to know that a rule
 * set does harm.
 *
 * A new pair and each window begin from nothing. Meanwhile the epoch is odd and nothing is counted: the agent makes it
 * odd and waits for cores that are at it (microseconds); a core says that it is at it, then looks at the epoch. Sender
 * suffixes that had enough units are marked PROVEN and stay; those of a pair in LIVE are kept aside when a candidate's
 * takes its place, and are there again when that has gone.
 *
 * Owns:    tally: the bitmap, the map of rule names of the pair. The page is the caller's.
 * Threads: tally_new, free, pair, window, tend: the agent. tally_count, tally_is_proven: cores, each its own index. The
 *          rest: pure.
 * Limits:  LINK_STRATA_MAX in all, tally_share() of each kind (then strata_full counts); TALLY_STRATA_MAX of one mail;
 *          TALLY_RULES_MAX of one mail.
 * Fails:   tally_new (NULL), tally_pair (-ENOMEM). */
#ifndef WEIR_DATAPLANE_TALLY_H
#define WEIR_DATAPLANE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/link.h"
#include "scan/message.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TALLY_STRATA_MAX = 48, /* of one mail: a sender's suffix, and of its recipients' suffixes and domains the first */
    TALLY_RULES_MAX = 16,  /* of one mail: changed rules that hit, the first */
    TALLY_SEEN_BITS = 1 << 22,
    TALLY_SEEN_MAX = TALLY_SEEN_BITS / 4 /* domains: 15 % of new ones are then taken for seen */
};

struct tally;

/* e is zeroed memory that lives longer. seed: of the bitmap and the table, random, so that nobody can aim at a place. */
struct tally *tally_new(struct link_evidence *e, unsigned threads_cnt, uint64_t seed);
void tally_free(struct tally *t);

/* The pair changes: old set a, new set b, as plan.h's; the map of rules is made. NULL: none, and what was counted
 * stays readable. The same pair as before: nothing happens. -ENOMEM: then nothing of that pair is counted. */
int tally_pair(struct tally *t, const struct ruleset *a, const struct ruleset *b);

/* Counts and seen domains begin anew. Sender suffixes with units_proven or more stay, marked. */
void tally_window(struct tally *t, uint32_t units_proven);

/* Seen domains are forgotten, the counts are not, when there are TALLY_SEEN_MAX of them: in a bitmap that is full
 * every domain seems to have been counted, and a rule set could do any harm unseen. Now and then. */
void tally_tend(struct tally *t);

/* ---- one mail ---- */

struct tally_stratum {
    enum link_kind kind;
    uint32_t len;
    uint64_t hash;
    char name[LINK_NAME_MAX]; /* NUL-padded */
};

/* What is to be counted of one mail that both judged. Zero it, then fill it in. */
struct tally_mail {
    uint32_t generation_a, generation_b;
    bool is_comparable; /* false: only the time and ERROR */
    bool a_rejects, b_rejects, is_error; /* is_error: b failed where a did not */
    int32_t a_milli, b_milli;            /* what they score */
    uint64_t ns_a, ns_b;
    struct span sender;         /* whose unit it is: the registrable domain */
    const struct message *a, *b; /* for rules, ended; NULL: none */
    uint32_t strata_cnt;
    struct tally_stratum strata[TALLY_STRATA_MAX];
};

/* Adds a stratum, once: a name of any octets, of a longer one its end. */
void tally_add(struct tally_mail *m, enum link_kind kind, struct span name);

/* Counts. True: a stratum has tripped, and *why is filled in but for the generations. values: of the plan that is
 * looked at, whose pair is the mail's. */
bool tally_count(struct tally *t, unsigned thread_idx, const struct tally_mail *m, const struct link_stage *values,
                 struct link_trip *why);

/* Whether a sender suffix has its units with that new set, in this window or a former one of its pair. Of another pair than
 * the one that is counted: whether it had, when that was counted last in LIVE. */
bool tally_is_proven(struct tally *t, unsigned thread_idx, uint32_t generation_b, struct span suffix,
                     uint32_t units_proven);

/* Whether k bad ones of n units trip. */
bool tally_trips(const struct link_trip_table *t, uint64_t n, uint64_t k);

/* Places of the table that strata of a kind may take. */
uint32_t tally_share(enum link_kind kind);

/* "sender-suffix"; "?" outside the enum. */
const char *tally_kind_name(enum link_kind kind);

#ifdef __cplusplus
}
#endif
#endif
