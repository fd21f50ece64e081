/* client: what weirctl's verbs share that speak with weir-control: their common options, asking,
 * and saying things so that an operator can read them at night. Nothing that is printed reaches the
 * terminal with control characters in it: names come from mails.
 *
 * Threads: one. */
#ifndef WEIR_CONTROL_CLIENT_H
#define WEIR_CONTROL_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/adminclient.h"

struct client {
    const char *verb; /* as the usage knows it */
    const char *socket;
    bool wants_json;
    unsigned silence_s;
    admin_progress_fn *progress;
    void *progress_owner;
};

/* The options of all of them, for getopt_long. */
#define CLIENT_OPTIONS                                                                             \
    {"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},                    \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }

void client_init(struct client *c, const char *verb);

/* Takes one of CLIENT_OPTIONS. False: *code is what the verb returns (help, or a wrong option). */
bool client_option(struct client *c, int option, const char *value, int *code);

/* Reads a verb's options when it has no others. False: return *code. Then argv[optind..] are its
 * arguments. */
bool client_options(struct client *c, int argc, char **argv, int *code);

/* Asks; takes request. VERB_DONE with *answer (cJSON_Delete); else what the verb returns: all is
 * said already, and *answer is NULL or, of a refusal, what there was. */
int client_ask(struct client *c, cJSON *request, cJSON **answer);

/* A request: {"verb":verb}. */
cJSON *client_request(const char *verb);

/* For people, through print; with --json as it came. Frees answer; returns code. */
int client_say(const struct client *c, cJSON *answer, int code, void (*print)(const cJSON *answer));

/* The same of a refusal: what there is besides the reason, which is said. code: client_ask's. */
int client_say_refused(const struct client *c, cJSON *answer, int code,
                       void (*print)(const cJSON *answer));

/* A whole number of 1..max. */
bool client_number(const char *text, uint64_t max, uint64_t *n);

/* ---- members: "", 0, false when there is none ---- */

const char *say_text(const cJSON *of, const char *name);
double say_number(const cJSON *of, const char *name);
bool say_bool(const cJSON *of, const char *name);
const cJSON *say_member(const cJSON *of, const char *name);

/* ---- for people ---- */

/* "label       text": the columns of all. A label "" goes on with the one before. */
void say_row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line as it is. */
void say_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text as it may be shown. */
void say_put(FILE *out, const char *text);

enum { SAY_MAX = 64 };
const char *say_ms(double ms, char text[SAY_MAX]); /* 45 s, 18 min, 3.5 h */
const char *
say_since(const char *time,
          char text[SAY_MAX]); /* 02:14:07 UTC (18 min ago); with the date when it is older */
const char *say_count(double n, char text[SAY_MAX]); /* 1,234,567 */
const char *say_e(double log_e, char text[SAY_MAX]); /* e to that: 0.3, 1.2e+06 */

void say_evidence(const cJSON *evidence, unsigned strata_max);
void say_trip(const cJSON *trip);
void say_checks(const cJSON *report, bool failed_only);
void say_needs(const cJSON *needs);

/* "what to do next" */
void say_next(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
