/* rulesfile: paths the operator names become an image. Rule text (a file, or a folder of *.cf) is compiled in memory,
 * with the signatures that lie beside it (*.hdb *.hsb *.fp *.sfp *.ndb of a folder, scan/signature.h); a compiled image
 * is read and checked. Which of both it is, its first octets say.
 *
 * Compiling forks (scan/compile.h): before other threads are started. What takes longer than a second shows how
 * long it takes, when stderr is a terminal. */
#ifndef WEIR_CONTROL_RULESFILE_H
#define WEIR_CONTROL_RULESFILE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "scan/image.h"
#include "scan/rule.h"

/* How rules are compiled; zeroed: with the cache, on every processor. */
struct rulesfile_how {
    const char *const *signatures; /* files and folders of signatures besides those of the rules' folders */
    unsigned signatures_cnt;
    bool is_uncached;
    bool keeps_unused;     /* `__X` rules that no scored rule leads to stay in the image */
    unsigned jobs;         /* 0: one a processor */
    image_price_fn *price; /* or NULL */
    void *price_owner;

    /* Set: what the signatures were. */
    struct rulesfile_signatures {
        size_t hashes, patterns;
        size_t refused; /* not honoured, each said as a warning */
        size_t skipped; /* for other versions of ClamAV's engine */
    } found;
};

/* An option that they share: getopt_long's value for it, and what it is. */
enum { RULESFILE_SIGNATURES = 256, RULESFILE_NO_CACHE, RULESFILE_JOBS };
#define RULESFILE_OPTIONS                                                                                  \
    { "signatures", required_argument, NULL, RULESFILE_SIGNATURES },                                       \
        { "no-cache", no_argument, NULL, RULESFILE_NO_CACHE }, { "jobs", required_argument, NULL, RULESFILE_JOBS }

/* False: c is none of them, or its value is wrong. */
bool rulesfile_option(struct rulesfile_how *how, int c, const char *value);

/* Frees what the options took. */
void rulesfile_how_free(struct rulesfile_how *how);

/* Sets *image (free()) and *len. 0, or -1 with everything that is wrong printed to stderr. Warnings are
 * counted there in one line, not listed: `weirctl rules lint` lists them. Several paths (paths_cnt >= 1) are read
 * one after the other as one set of rules, and must be text. */
int rulesfile_load(struct rulesfile_how *how, const char *const *paths, unsigned paths_cnt, void **image, size_t *len);

/* The same of one path, with what would be printed in *said instead (free()), or NULL: lines, the last one a
 * summary. */
int rulesfile_load_said(struct rulesfile_how *how, const char *path, void **image, size_t *len, char **said);

/* Whether the first octets of this file are those of a compiled image. */
bool rulesfile_is_image(const char *path);

/* The errors and warnings among these lines as an array of objects: file, line, column, severity, text. The
 * caller's (cJSON_Delete). */
cJSON *rulesfile_diagnostics_json(const char *diagnostics);

/* Rule text only: reads the paths into l and compiles them. 0, or -1 with errors in l. */
int rulesfile_compile(struct rulesfile_how *how, struct rule_list *l, const char *const *paths, unsigned paths_cnt,
                      void **image, size_t *len);

#endif
