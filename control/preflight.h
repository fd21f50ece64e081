/* preflight: everything that can be proved about a rule set before it sees a mail.
 *
 * Whatever loads or runs a rule set, or parses its text, does so in children on a leash (preflight_child.h): a crash, a
 * hang or too much memory is a failed check with its reason. The outcome is one report, as JSON and readable. Checks,
 * each with a name, ok or not, a sentence, what was found, and how long it took:
 *
 *   lint       errors, names twice in a file (but those that live has twice as well; without live's text they are only
 *              told), rules that score and whose only test is a suffix, and that declare no intent
 *   limits     size of the image, time to compile
 *   load       image_verify and ruleset_load in a child; memory of the loaded set
 *   golden     the golden set's digest; GTUBE and EICAR caught if live does; null sender, DSN, postmaster@, abuse@ pass
 *   cost       time per octet against live's, on the corpus and on hostile input
 *   suffixes   every rule of the Public Suffix List x every place of a domain x both directions, U-label and A-label
 *              (preflight_probe.h says what each probe is): any new reject fails, unless it is declared
 *   corpora    ham and spam folders, against live: new ham rejects, lost spam, changed verdicts by rule and suffix
 *   clocks     the same verdicts with the dates moved on: +1 h, +1 day, next month, next New Year, 2038
 *
 * A reject is a verdict that does not let a mail through. New: live lets it through and the candidate does not. Without
 * a live set everything counts as let through. A new reject is declared when the mail would pass without the rules
 * that hit and that say `intent NAME suffix S` for its suffix or one above it.
 *
 * Live's verdicts on the probes are kept in `cache` by its image, the probes and the thresholds, so that mostly one set
 * is run. When a set does not load, the checks behind are not run and said to be not ok.
 *
 * Threads: forks workers ([control.preflight] jobs); call from a process with one thread, which does not ignore
 *          SIGCHLD. No child is left when it returns.
 * Fails:   what cannot be checked is not ok, with the reason. */
#ifndef WEIR_CONTROL_PREFLIGHT_H
#define WEIR_CONTROL_PREFLIGHT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scan/score.h"

#ifdef __cplusplus
extern "C" {
#endif

struct preflight_settings {
    char ham[256], spam[256];  /* folders; "": those that ship */
    uint32_t jobs;             /* 0: one a processor */
    uint32_t ham_rejects_ppm;  /* new rejects of ham allowed: 100 (0.01 %) */
    uint32_t spam_lost_ppm;    /* 10000 (1 %) */
    uint32_t cost_permille;    /* 1250: 1.25 times live's time */
    uint32_t image_mib;        /* 256 */
    uint32_t memory_mib;       /* of the loaded set */
    uint32_t compile_s;        /* 600 */
    uint32_t shifts;           /* 1: dates are moved */
};

struct preflight_job {
    const char *candidate_image, *live_image; /* files; live_image NULL: there is none, its verdicts are "accept" */
    const char *rules;                        /* the rule text, for lint and declared intent; NULL: an image was pushed */
    const char *live_rules;                   /* live's rule text, or NULL */
    const char *cache;                        /* folder for live's verdicts, or NULL */
    const char *suffix_list;                  /* NULL: the system's Public Suffix List */
    struct thresholds thresholds;
    bool suffixes_only;                       /* lint, load, golden and suffixes, nothing else */
    bool is_return;                           /* of a set that was live before: what lint finds is told, and decides nothing */
    double compile_seconds;                   /* measured by the caller */
    FILE *progress;                           /* a line now and then, or NULL */
};

/* The report (cJSON_Delete; NULL only without memory):
 *
 *   {"ok", "seconds", "text",
 *    "checks": [{"name","ok","text","seconds", "warnings":[..], what was found}],
 *    "predicted": {"n","k","all": k/n, "strata":[{"kind","name","n","k","share"}], "rules":[{"name","n","k","share"}]},
 *    "declared": [{"kind":"sender-suffix" or "rcpt-suffix","name":"co.uk","rules":[..]}],
 *    "changed": [{"mail","suffix","live","candidate","score_live","score","rules":[..]}]}
 *
 * predicted: of the n mails of the corpora that live lets through the candidate rejects k; strata (sender's suffix) and
 * rules with at least PREFLIGHT_STRATUM_MIN mails only, as few mails foretell nothing. Lists are cut where told. */
enum { PREFLIGHT_STRATUM_MIN = 20, PREFLIGHT_LISTED_MAX = 100 };
cJSON *preflight_run(const struct preflight_settings *s, const struct preflight_job *job);

/* A report for people. */
void preflight_print(const cJSON *report, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
