/* preflight_check: what the checks of a pre-flight share. Private to control/preflight*.c.
 *
 * A check is a function that looks, puts what it found into its object of the report, writes one sentence and says
 * whether all is well. A sentence of what was not right comes first in it.
 *
 * Owns:    struct preflight: the report until it is handed out, the intents, the corpus.
 * Threads: one. Fails: a check with false and its reason. */
#ifndef WEIR_CONTROL_PREFLIGHT_CHECK_H
#define WEIR_CONTROL_PREFLIGHT_CHECK_H

#include "control/preflight.h"
#include "control/preflight_corpus.h"
#include "control/preflight_judge.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PREFLIGHT_TEXT_MAX = 1024 };

struct preflight {
    const struct preflight_settings *s;
    const struct preflight_job *job;
    unsigned jobs;
    double date; /* seconds since 1970: the month's first noon, which the probes say */
    struct preflight_intents intents;
    struct preflight_corpus ham, spam; /* read when first asked for */
    bool has_corpus;
    cJSON *report, *predicted, *declared, *changed;
};

typedef bool preflight_check(struct preflight *p, cJSON *found, char *text);

preflight_check preflight_check_lint, preflight_check_limits, preflight_check_load, preflight_check_golden,
    preflight_check_cost, preflight_check_suffixes, preflight_check_corpora, preflight_check_clocks;

/* Rule sets in children: what a judging needs besides its items. */
void preflight_judging_init(const struct preflight *p, struct preflight_judging *g, bool is_live);

/* Judges all of items [0, cnt) with live (cells of "accept" without one) and with the candidate. 0, or -1 with `text`. */
int preflight_judge_both(const struct preflight *p, struct preflight_judging *g, uint32_t cnt,
                         struct preflight_verdicts *live, struct preflight_verdicts *candidate, char *text);

/* Live lets it through, the candidate does not. */
bool preflight_is_new(const struct preflight_cell *live, const struct preflight_cell *candidate);

/* Its score jumps by more than half of the threshold. */
bool preflight_is_near(const struct preflight *p, const struct preflight_cell *live,
                       const struct preflight_cell *candidate);

/* Names of the rules of a cell, or the event that decided, as an array. */
cJSON *preflight_rules_json(const struct preflight_verdicts *v, const struct preflight_cell *c);

/* found.warnings gets a line; at most PREFLIGHT_LISTED_MAX. */
void preflight_warn(cJSON *found, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line to the job's progress, if there is one. */
void preflight_tell(const struct preflight *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads the corpora once. 0, or -1 with `text`. */
int preflight_need_corpus(struct preflight *p, char *text);

#ifdef __cplusplus
}
#endif
#endif
