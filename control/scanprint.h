/* scanprint: what `weirctl scan` says about one mail: a line of text, or one of JSON.
 *
 *     text   PATH: VERDICT SCORE RULE,RULE events=EVENT,EVENT
 *     json   {"file","verdict","score","rules":[..],"events":[..]}, and when asked for "subrules":[..], "explain":[..]
 *
 * An explanation gathers what the scanner tells of each match while a mail is scanned (scan/explain.h) and prints
 * it beneath: the rule, its score and description, where it looked, which octets, and who confirmed it. What
 * comes from mail is shown as printable ASCII; any other octet as \xNN.
 *
 * Owns:    explanation: copies of the hits of one mail.
 * Threads: one explanation a thread.
 * Limits:  EXPLANATION_MAX hits of a mail are kept; how many more there were is printed. */
#ifndef WEIR_CONTROL_SCANPRINT_H
#define WEIR_CONTROL_SCANPRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "scan/explain.h"
#include "scan/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EXPLANATION_MAX = 4096 };

struct explanation {
    struct explain hook; /* for the scanner */
    struct explained *hits;
    unsigned hits_cnt, hits_max;
    unsigned lost_cnt;
};

void explanation_init(struct explanation *x);
void explanation_clear(struct explanation *x); /* before each mail */
void explanation_fini(struct explanation *x);

/* What is wanted besides the judgement. */
struct scan_print {
    bool wants_json;
    bool wants_subrules; /* sub-rules `__X` that hit: in JSON, and in explanations */
    bool *is_rule;       /* by index: not an inner rule, which bears the name of another before it */
};

/* Learns which of the rules have a name of their own; rs may be NULL. */
void scan_print_init(struct scan_print *how, const struct ruleset *rs);
void scan_print_fini(struct scan_print *how);

/* `m` has ended with `j`; `x` NULL: no explanation is wanted. */
void scan_print(FILE *out, const struct scan_print *how, const char *path, const struct message *m,
                const struct judgement *j, const struct explanation *x);

#ifdef __cplusplus
}
#endif
#endif
