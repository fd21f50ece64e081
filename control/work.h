/* work: what weir-control's children do (job.h). Each writes its result to `out` as one line of JSON:
 *
 *   compile     {"ok","text","digest","golden","rules","seconds"}   snapshot, compile, load, golden set, keep the image
 *   preflight   {"ok","text"}                                       the whole report goes to report.json
 *   others      the answer to the operator as in admin.h
 *
 * Threads: a child has one, and ends when its function returns. Nothing of the controller's is written to but the
 * generation's own folder. */
#ifndef WEIR_CONTROL_WORK_H
#define WEIR_CONTROL_WORK_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "control/generations.h"
#include "control/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

struct work {
    const struct settings *settings;
    const struct generations *store;
    uint32_t generation, live; /* live: whose image it is compared with; 0: none */
    const char *path;          /* compile: to be copied first; NULL: it was already */
    struct reader reader; /* for whom */
    const char *journal;       /* its file */
    const char *text;          /* gen-show, prove: an object to be completed */
    uint32_t limit;
};

int work_compile(const void *work, FILE *out);
int work_preflight(const void *work, FILE *out);
int work_prove(const void *work, FILE *out);
int work_report(const void *work, FILE *out);
int work_show(const void *work, FILE *out);
int work_journal_tail(const void *work, FILE *out);
int work_journal_verify(const void *work, FILE *out);

/* {"ok","seconds","checks":[{"name","ok","text","seconds"}]} of generations/N/report.json, or NULL. */
cJSON *work_report_summary(const struct generations *store, uint32_t generation);
/* A whole file as JSON; NULL: none, too large, or not JSON. */
cJSON *work_read_json(const char *path);

#ifdef __cplusplus
}
#endif
#endif
