/* hooks: the operator's own programs, told of what happened by JSON on stdin: a web hook, a mail by another relay, the
 * call centre's text.
 *
 * Every executable file of a folder is run for each event, in the order of the names; names with a dot in front or `~`
 * at the end are left out, and files that everybody may write to. No shell; the environment is PATH, LANG, HOME and
 * WEIR_EVENT; the current folder is /; no descriptor but stdin (the whole JSON, a file), stdout and stderr, which both go to
 * the log, line by line, HOOKS_OUTPUT_MAX octets of them. At most HOOKS_RUNNING_MAX at once, the others wait; who is not done
 * after HOOKS_LIMIT_MS is killed, with all that it started.
 *
 * Owns:    the processes, by their number: nobody else's are waited for.
 * Threads: one caller's. Nothing here blocks: children write into a pipe that hooks_tick empties.
 * Limits:  below; a call that finds no place is left out, logged and counted. */
#ifndef WEIR_CONTROL_HOOKS_H
#define WEIR_CONTROL_HOOKS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HOOKS_MAX = 32, /* programs in the folder; the others are not run, and said */
    HOOKS_RUNNING_MAX = 8,
    HOOKS_WAITING_MAX = 256,
    HOOKS_LIMIT_MS = 10000,
    HOOKS_OUTPUT_MAX = 16384,
    HOOKS_JSON_MAX = 256 * 1024
};

struct hooks;

/* folder "": none are run. Messages and output go to log, a line each. NULL: no memory. */
struct hooks *hooks_new(const char *folder, uint32_t limit_ms, FILE *log);
void hooks_free(struct hooks *h); /* kills what runs */

/* Every program gets this; event is WEIR_EVENT. The first that finds room starts at once, one more at each tick. */
void hooks_call(struct hooks *h, const char *event, const char *json);

/* Reads output, reaps, kills, starts what waits. How many run or wait. */
unsigned hooks_tick(struct hooks *h);

struct hooks_counts {
    uint64_t started, failed, killed, left_out;
};
struct hooks_counts hooks_counts(const struct hooks *h);

#ifdef __cplusplus
}
#endif
#endif
