/* controller: weir-control as a whole: one thread, one loop, and who owns what.
 *
 *      operators --- admin ---.                        .--- uplink --- data plane
 *                             desk ---> rollout <--- hands
 *      children  --- jobs ----'            ^           '--- journal, generations, announce
 *                                          '--- watch (evidence page)
 *
 * A round of the loop: poll; then the link's answers, children, operators, evidence, and the machine's clock, in this
 * order. Nothing waits but for the journal's fdatasync; ways back are asked for before it. `affected` and `trace` ask the
 * index in this thread, because a connection to it does not outlive a fork: some 200 ms at most (impact.h).
 *
 * Owns:    all of it. Threads: one; what takes longer than a moment is a child (work.h).
 * Fails:   controller_open with what is wrong said on stderr; later nothing ends it but SIGTERM and SIGINT. */
#ifndef WEIR_CONTROL_CONTROLLER_H
#define WEIR_CONTROL_CONTROLLER_H

#include "control/admin.h"
#include "control/announce.h"
#include "control/evidence.h"
#include "control/generations.h"
#include "control/index.h"
#include "control/job.h"
#include "control/journal.h"
#include "control/rollout.h"
#include "control/settings.h"
#include "control/uplink.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONTROLLER_WAITERS_MAX = ADMIN_PEERS_MAX, CONTROLLER_QUERIES_MAX = 4, CONTROLLER_ANSWER_MS = 10000 };

/* An operator whose answer depends on what becomes of a generation. */
struct waiter {
    uint64_t peer; /* 0: free */
    uint32_t generation;
    bool is_push;     /* until it is settled; else until the data plane has answered */
    bool is_rollback; /* answered with from and last_worker_us */
    uint32_t live_before;
    uint64_t end_ms; /* 0: never */
};

struct controller {
    const struct settings *settings;
    char journal_path[300], index_path[300];
    int lock_fd, signal_fd;
    uint64_t started_ms, now_ms;
    struct journal *journal;
    int journal_error; /* of the last append: 0, or negative errno */
    struct generations store;
    struct rollout rollout;
    struct uplink uplink;
    struct admin *admin;
    struct jobs jobs;
    unsigned queries; /* children that answer operators */
    struct announce *announce;
    struct index *index;
    bool has_more_records;
    struct waiter waiters[CONTROLLER_WAITERS_MAX];
    char link_error[128];

    /* watch.c */
    struct evidence *evidence;
    uint32_t evidence_of; /* generation */
    struct evidence_reading reading;
    uint64_t seen[6]; /* epoch and sums at the last reading: unchanged, nothing is computed */
    uint64_t watched_ms, trip_seq;
    uint32_t last_worker_us; /* of the last return */

    char push_path[4096]; /* of the compile job that is being started, */
    struct reader push_reader; /* and who pushes */
    bool wants_prune, wants_end;
};

/* state: made if missing; locked, so that there is one controller for it. */
int controller_lock(struct controller *c, const struct settings *s);
/* After privileges were dropped; c->admin is open by now, and the folder locked. */
int controller_open(struct controller *c);
/* Until SIGTERM or SIGINT. */
void controller_run(struct controller *c);
void controller_close(struct controller *c);

/* One line on stderr. */
void controller_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* hands.c: what the machine has done for it. -1: no memory */
int controller_hands(struct controller *c, struct rollout_hands *h);
int controller_journal(void *owner, const char *event, uint32_t generation, cJSON *fields);

/* watch.c */
void watch_tick(struct controller *c);
/* The page as it stands, also when its pair is watched no more: for those who want to see what there was. */
void watch_read(struct controller *c);
/* What is known about g's strata beforehand; made anew when it is another's. Never NULL. */
struct evidence *watch_evidence(struct controller *c, const struct generation *g);
/* Keeps the strata of the pair that was watched for g. */
void watch_keep_strata(struct controller *c, uint32_t generation);
const char *watch_kind_name(enum link_kind kind);
bool watch_kind_parse(const char *name, enum link_kind *kind);

/* desk*.c: operators' requests */
void desk_request(void *owner, uint64_t peer, const struct admin_who *who, const char *verb, const cJSON *request);
void desk_told(struct controller *c, const struct generation *g);
void desk_progress(struct controller *c, uint32_t generation, const char *text);
void desk_tick(struct controller *c);

/* desk_view.c: what they are shown */
/* "2026-01-31T23:59:59.125Z" of ms since 1970. False: none. */
bool desk_time(uint64_t wall_ms, char text[48]);
void desk_role(const struct controller *c, const struct generation *g, cJSON *to);
void desk_status(const struct controller *c, cJSON *to);
/* Of the last pair that was watched, if `generation` is one of it; 0: of any. Else null. */
cJSON *desk_evidence(const struct controller *c, uint32_t generation);
cJSON *desk_trip(const struct link_trip *t);

#ifdef __cplusplus
}
#endif
#endif
