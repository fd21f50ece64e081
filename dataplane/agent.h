/* agent: the packet process's own thread: its end of the link, the records, the end of the run.
 *
 * Sleeps in poll(); wakes for the link, for signals, and each AGENT_TICK_MS to write the cores' records.
 * A peer of the link may send anything: each packet is checked whole (length, magic, version, type, one
 * descriptor for LOAD and none else), answered once, and a bad one ends its connection. The image is read
 * into memory of our own before it is looked at: a file that shrinks under a mapping would kill us.
 *
 * What is asked about rule sets is done by `roles` (roles.h), most of it by its helpers: while an image is taken apart
 * records are written, leases seen to and other peers answered. A peer that waits for an answer is not read from.
 *
 * SIGTERM, SIGINT: a clean end. SIGUSR1: one line of counts in the log. SIGHUP: the files of [log] are opened
 * anew under their names; one that cannot be goes on in the old file, with a line in the log. (Block them before EAL starts, so
 * that all threads inherit it: agent_block_signals.)
 *
 * Threads: the main lcore. Fails: agent_new (NULL, logged). */
#ifndef WEIR_DATAPLANE_AGENT_H
#define WEIR_DATAPLANE_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    AGENT_TICK_MS = 20,
    AGENT_PEERS_MAX = 16,        /* connections at once; a further one ends the longest silent */
    AGENT_BUSY_MS = 1            /* a round while something is under way */
};

struct agent;

void agent_block_signals(void);

/* workers: appliance->workers_cnt of them, borrowed, as appliance is. Opens the link and the files of [log]. */
struct agent *agent_new(struct appliance *appliance, struct worker *const *workers);
void agent_free(struct agent *a);

/* Before the cores run: the rule set to begin with, of [rules] state or image. 0, or -1 with a sentence: there is none. */
int agent_start_rules(struct agent *a, char *err, size_t err_size);

/* Until a signal or [run] ends it. On return the workers have been told to stop; wait for them, then
 * agent_drain once more. Returns 0. */
int agent_run(struct agent *a);

/* Writes all records there are and flushes. Returns how many. */
unsigned agent_drain(struct agent *a);

/* One round of the link: waits up to timeout_ms for packets and answers them. For agent_run and tests. */
void agent_poll(struct agent *a, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
