/* preflight: everything that can be proved about a rule set before it sees a mail.
 *
 * Runs in a child of weir-control (or of weirctl), in the consumer's own loader, beside what is live, and writes one
 * report, as JSON and readable. Checks, each with a name, ok or not, what was found, and how long it took:
 *
 *   lint       errors, duplicate names, rules whose only test is a suffix and that declare no intent
 *   limits     size of the image and its databases, memory, time to compile
 *   load       image_verify and ruleset_load
 *   golden     the golden set's digest; GTUBE and EICAR caught; null sender, DSN, postmaster@, abuse@ pass
 *   suffixes   every rule of the Public Suffix List x every place of a domain x both directions, U-label and A-label:
 *              any new reject fails, unless it is declared
 *   corpora    ham and spam folders, against live: new ham rejects, lost spam, changed verdicts by rule and suffix
 *   clocks     the same verdicts with the dates moved on: +1 h, +1 day, next month, next New Year, 2038
 *   cost       time per octet against live's, on the corpus and on hostile input
 *
 * Live's verdicts on the probes depend on its image alone and are kept beside it, so that mostly one set is run.
 *
 * Threads: forks workers ([control.preflight] jobs); call from a process with one thread.
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
    const char *cache;                        /* folder for live's verdicts, or NULL */
    struct thresholds thresholds;
    bool suffixes_only;                       /* `prove`: golden and suffixes, nothing else */
    double compile_seconds;                   /* measured by the caller */
    FILE *progress;                           /* a line now and then, or NULL */
};

/* The report: {"ok":bool,"seconds":s,"checks":[{"name","ok","text","seconds",...}],"predicted":{"all":share,...},
 * "declared":[{"kind","name"}],"changed":[...]}. cJSON_Delete. Never NULL but without memory. */
cJSON *preflight_run(const struct preflight_settings *s, const struct preflight_job *job);

/* A report for people. */
void preflight_print(const cJSON *report, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
