/* job: work in a child, so that the controller never waits: compiling, pre-flight, reading a journal.
 *
 * A child is forked, leaves every descriptor but its pipe behind, gets a process group of its own, dies with the
 * controller, and writes JSON lines: {"progress":"..."} any number of times, then its result, an object, as the last
 * line. Its end, its time and its output are watched from outside.
 *
 * Owns:    the children; a child's group is killed at its time limit and by jobs_stop.
 * Threads: one. done() is called once for each job that was begun and not stopped, from jobs_tick.
 * Limits:  JOBS_MAX at once; JOB_OUT_MAX octets of output: then it is killed and has failed. */
#ifndef WEIR_CONTROL_JOB_H
#define WEIR_CONTROL_JOB_H

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { JOBS_MAX = 8, JOB_OUT_MAX = 16 << 20 };

struct job;

/* In the child: works, writes lines to out; its return is the exit status. */
typedef int job_work_fn(const void *arg, FILE *out);
/* result NULL: it failed, why says how; else borrowed. */
typedef void job_done_fn(void *owner, uint64_t tag, const cJSON *result, const char *why);
typedef void job_line_fn(void *owner, uint64_t tag, const char *progress);

struct jobs {
    struct job *list[JOBS_MAX];
};

struct job_how {
    const char *name; /* for messages */
    job_work_fn *work;
    const void *arg; /* in the child as it was at the fork */
    uint64_t tag;
    uint32_t limit_ms;
    job_done_fn *done;
    job_line_fn *line; /* or NULL */
    void *owner;
};

/* False: JOBS_MAX run already, or it cannot be forked. */
bool jobs_begin(struct jobs *js, const struct job_how *how, uint64_t now_ms);

/* Kills it; done() is not called. */
void jobs_stop(struct jobs *js, job_done_fn *done, uint64_t tag);
void jobs_stop_all(struct jobs *js);

/* Fills p (JOBS_MAX); returns how many. */
unsigned jobs_poll(const struct jobs *js, struct pollfd *p);
/* Reads what they wrote, ends those that ended, and kills those whose time is up. */
void jobs_tick(struct jobs *js, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
