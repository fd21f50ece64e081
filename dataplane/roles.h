/* roles: what is asked about the rule sets, what becomes of it, and the books about it.
 *
 *     ask -> [loading -> golden set -> place] | [disk] -> published -> settled -> answered
 *
 * Roles, stages and requests are those of link.h. What takes long is done by two helper threads (errand.h): loading an
 * image, and the folder ([rules] state, persist.h). Meanwhile the agent goes on: records are written, leases and returns
 * are seen to, other peers are answered. One image is loaded at a time, others wait in line; everything else overtakes.
 *
 * Refused with a sentence: a candidate beside a candidate, LOAD(live) beside a candidate, a stage without candidate or one
 * that was left behind, a number that is in memory, nothing to return to, a lease of nothing before LIVE. What is refused
 * changes nothing.
 *
 * A return is a compare-and-swap by whoever finds the reason: a core (evidence, a lease), the agent (lease, guards,
 * operator). Here the books are made up afterwards: the trip, the page, the folder. It never waits for the folder: links
 * that cannot be switched are tried again each ROLES_DISK_RETRY_MS. Going live does: STAGE LIVE is refused when the
 * image or the links cannot be written.
 *
 * LOAD(live) makes the old one previous, unwatched; when four sets are in memory and none drains, previous gives way.
 * After a return there is no previous: what was before it has gone, and what left is not to come back. DROP of previous is
 * for what went back otherwise: LOAD(live) of an older one.
 *
 * Owns:    the helpers and the loaded sets until the swap has them; images until they are on the disk.
 * Threads: the agent's. Fails: roles_new (NULL, said in the log). */
#ifndef WEIR_DATAPLANE_ROLES_H
#define WEIR_DATAPLANE_ROLES_H

#include "control/link.h"
#include "dataplane/golden_run.h"
#include "dataplane/persist.h"
#include "dataplane/swap.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ROLES_ORDERS_MAX = 16,
    ROLES_IMAGE_MAX = 256 << 20, /* octets of an image */
    ROLES_WAIT_MAX_MS = 10000,   /* a LOAD waits no longer for older rule sets, whatever it asks */
    ROLES_SETTLE_MS = 1000,      /* and an answer so long for the cores to report */
    ROLES_DISK_RETRY_MS = 1000,
    ROLES_GUARD_MESSAGES = 500,  /* messages judged twice over which the guard of time looks */
    ROLES_TICK_MS = 5            /* roles_step at least so often while roles_is_busy or roles_is_watching */
};

struct roles;

/* What the others of the data plane do for it; each may be NULL. */
struct roles_hooks {
    void *arg;
    /* The plan's pair, or another window of it (0: before LIVE), is to be counted. After it was published. */
    void (*begin)(void *arg, const struct plan *plan, uint32_t window);
    /* Messages judged twice so far, and the time that both sets took for them. */
    void (*cost)(void *arg, uint64_t *messages, uint64_t *ns_a, uint64_t *ns_b);
    /* Messages so far that should have been deferred and could not be remembered. */
    uint64_t (*not_deferred)(void *arg);
};

/* golden may be NULL (nobody judges it: its answers are not compared). state: the folder; "" or NULL: nothing is kept. */
struct roles *roles_new(struct swap *swap, unsigned threads_cnt, struct golden_run *golden, const char *state,
                        const struct roles_hooks *hooks);

/* Waits for the helpers. is_clean: the run ended as it should. The swap keeps its sets. */
void roles_free(struct roles *r, bool is_clean);

/* At the start, before the cores run: what the folder says is live, else `image` (a path; ""). 0, or -1 with a sentence:
 * there is no rule set. previous is loaded later, by a helper. */
int roles_start(struct roles *r, const char *image, char *err, size_t err_size);

/* Loads and publishes as live, waiting; for the start and tests. *generation 0 takes the next number, and is set. */
int roles_load_now(struct roles *r, const void *image, size_t len, uint32_t *generation, char *err, size_t err_size);

/* A request of a peer. Copied; the descriptor is duplicated. False: too many are under way. Else it is answered by
 * roles_answered, some time. */
bool roles_ask_load(struct roles *r, uint64_t peer, uint32_t request, const struct link_load *load, int fd);
bool roles_ask_stage(struct roles *r, uint64_t peer, uint32_t request, const struct link_stage *stage);
bool roles_ask_drop(struct roles *r, uint64_t peer, uint32_t request, const struct link_return *what);
bool roles_ask_return(struct roles *r, uint64_t peer, uint32_t request, const struct link_return *what);

/* At once. 0, or -1 with a sentence. */
int roles_renew(struct roles *r, const struct link_renew *renew, char *err, size_t err_size);

/* Goes on with all that is under way. now_ms: the coarse clock. */
void roles_step(struct roles *r, uint64_t now_ms);

struct roles_answer {
    uint64_t peer;
    uint32_t request;
    bool is_ack;
    struct link_answer body;
};

/* One finished request. False: there is none. */
bool roles_answered(struct roles *r, struct roles_answer *answer);

bool roles_is_busy(const struct roles *r);     /* something is under way */
bool roles_is_watching(const struct roles *r); /* a candidate, or a live set that is watched */

uint32_t roles_live(const struct roles *r); /* generation, 0: none */

/* Fills in live, candidate, previous, stage, share, lease, persisted, resident, trip. */
void roles_state(struct roles *r, struct link_state *s);

#ifdef __cplusplus
}
#endif
#endif
