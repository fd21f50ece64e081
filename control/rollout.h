/* rollout: the life of a generation. A pure machine: facts in, wishes out; no files, sockets or clock of its own, so
 * that every path and every crash can be tried in a test.
 *
 *     DRAFT -> COMPILED -> PREFLIGHT -> STAGED -> SHADOW -> CANARY -> PROBATION -> LIVE -> RETIRED
 *     any -> HELD (a person decides; remembers from where);   DRAFT, COMPILED, PREFLIGHT, STAGED -> REJECTED
 *     SHADOW -> QUARANTINED
 *     CANARY, PROBATION, LIVE -> ROLLED_BACK -> QUARANTINED
 *
 * Every write of a state goes through one function, which journals first: the record is on the disk before the data
 * plane is asked or anybody is told. Then the wish is carried out; what the data plane answers is journaled, too.
 * After a crash the journal is replayed and the data plane's truth wins (rollout_reconcile).
 *
 * One candidate at a time. A candidate on the way up may be held (its lease is renewed, it stays in its stage), resumed,
 * promoted (the next stage at once, by a person, journaled), quarantined. `rollback` returns to the previous
 * generation at once: no compile, no disk, no approval. Only a return to a byte-identical earlier generation is
 * ungated; everything else is a push. A content hash (of the image) that was rolled back is quarantined: a push of it
 * is refused until `release`.
 *
 * Threads: one. Fails: as told by each; a journal that cannot be written stops every way up, never a way back. */
#ifndef WEIR_CONTROL_ROLLOUT_H
#define WEIR_CONTROL_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/evidence.h"
#include "control/link.h"
#include "control/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum generation_state {
    GENERATION_DRAFT,
    GENERATION_COMPILED,
    GENERATION_PREFLIGHT,
    GENERATION_STAGED,
    GENERATION_SHADOW,
    GENERATION_CANARY,
    GENERATION_PROBATION,
    GENERATION_LIVE,
    GENERATION_RETIRED,
    GENERATION_HELD,
    GENERATION_REJECTED,
    GENERATION_ROLLED_BACK,
    GENERATION_QUARANTINED,
    GENERATION_STATE_CNT
};

/* "DRAFT", ... */
const char *generation_state_name(enum generation_state s);
bool generation_state_parse(const char *name, enum generation_state *s);

/* Gates that a push may be told to leave out, by a person; journaled. */
enum { FORCE_PREFLIGHT = 1, FORCE_SHADOW = 2, FORCE_PROBATION = 4 /* canary too: live at once */ };

#ifdef __cplusplus
}
#endif
#endif
