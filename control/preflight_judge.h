/* preflight_judge: one rule set judges a list of items; each verdict is a cell.
 *
 *     items 0..n-1 --make--> mail --scanner--> cells[0..n-1]
 *
 * The list is shared out among children (preflight_child.h), each with the rule set in the consumer's own loader; one
 * child never has two rule sets in it, so that a candidate cannot touch what live says. A cell holds the verdict, the
 * score, and of a mail that is not let through the rules to blame. Names of rules come beside.
 *
 * Declared intent: a mail is flagged when it would be accepted without the rules that hit and that declare its suffix.
 *
 * Owns:    a preflight_verdicts and what it points to.
 * Limits:  PREFLIGHT_ITEMS_MAX items.
 * Fails:   with a sentence; then the cells are not to be used. */
#ifndef WEIR_CONTROL_PREFLIGHT_JUDGE_H
#define WEIR_CONTROL_PREFLIGHT_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/preflight_child.h"
#include "scan/score.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* 16 octets each. The suffix probes are 240,000. */
    PREFLIGHT_ITEMS_MAX = 4 << 20,
    PREFLIGHT_RULES_MAX = 4,     /* named in a cell */
    PREFLIGHT_NAME_MAX = 104,    /* of a rule, NUL included */
    PREFLIGHT_ITEM_MAX = 65536   /* octets that `make` may write of an item */
};

/* A mail and its envelope. Spans point to what outlives the call, or into `room`. */
struct preflight_item {
    bool has_envelope;
    struct span ip, helo, mail_from, rcpt; /* of the envelope */
    struct span octets;
    const char *suffix; /* the public suffix it is about, lower case, or NULL */
    uint8_t room[PREFLIGHT_ITEM_MAX];
};

enum preflight_flags { PREFLIGHT_JUDGED = 1, PREFLIGHT_DECLARED = 2 };

struct preflight_cell {
    uint8_t flags;
    uint8_t verdict; /* enum verdict */
    uint8_t cause;   /* enum event */
    uint8_t rules_cnt;
    int32_t score_milli;
    uint16_t rules[PREFLIGHT_RULES_MAX]; /* of a mail not let through: without which it would be, else those of highest score */
};

/* `intent RULE suffix S`. */
struct preflight_intent {
    char rule[PREFLIGHT_NAME_MAX];
    char suffix[256];
};

struct preflight_intents {
    struct preflight_intent *list;
    uint32_t cnt;
};

/* Does an intent for `suffix` cover `name`: the same, or below it? */
bool preflight_covers(const char *suffix, const char *name);

struct preflight_judging {
    const char *image; /* file */
    struct thresholds thresholds;
    unsigned jobs;
    uint64_t memory_max;
    unsigned total_ms;
    uint32_t first, cnt; /* items [first, first + cnt) */
    void (*make)(void *owner, uint32_t idx, struct preflight_item *item);
    void (*name_item)(void *owner, uint32_t idx, char *name, size_t size); /* or NULL */
    void *owner;
    const struct preflight_intents *intents; /* or NULL */
    void (*progress)(void *owner, uint32_t done); /* or NULL */
};

struct preflight_verdicts {
    uint32_t cnt;
    struct preflight_cell *cells; /* shared with children while they run */
    uint32_t names_cnt;
    char (*names)[PREFLIGHT_NAME_MAX];
};

/* Room for cnt cells. False: no memory, or too many. */
bool preflight_verdicts_init(struct preflight_verdicts *v, uint32_t cnt);
void preflight_verdicts_fini(struct preflight_verdicts *v);

/* Fills the cells of [first, first + cnt). 0, or -1 with a sentence. */
int preflight_judge(const struct preflight_judging *g, struct preflight_verdicts *v, char *why, size_t size);

/* Cells as they may be used, whatever children wrote. */
bool preflight_rejects(const struct preflight_cell *c);                  /* judged, and not let through */
const char *preflight_rule_name(const struct preflight_verdicts *v, uint32_t rule); /* "?" */

/* In a child: the image's rule set and a scanner for it. False: `why`. */
struct ruleset;
struct scanner;
struct ruleset *preflight_load(const char *image, char *why, size_t size);

#ifdef __cplusplus
}
#endif
#endif
