/* rollout_private: what the files of rollout share (rollout.c the states and gates, rollout_command.c the operators,
 * rollout_plane.c the data plane, rollout_replay.c the journal). */
#ifndef WEIR_CONTROL_ROLLOUT_PRIVATE_H
#define WEIR_CONTROL_ROLLOUT_PRIVATE_H

#include "control/rollout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A way up waits for the journal and fails with it; a way back does not. */
enum rollout_way { ROLLOUT_UP, ROLLOUT_BACK };

struct generation *rollout_get(struct rollout *r, uint32_t number);

/* A new entry in DRAFT, without a record. NULL: ROLLOUT_GENERATIONS_MAX are in use. */
struct generation *rollout_add(struct rollout *r, uint32_t number);

/* The one writer of a state. who may be NULL (the machine itself). False: UP, and the journal failed; nothing changed. */
bool rollout_set(struct rollout *r, struct generation *g, enum generation_state to, enum rollout_way way,
                 const struct rollout_who *who, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* HELD where it is; the journal does not matter. */
void rollout_hold_for(struct rollout *r, struct generation *g, const struct rollout_who *who, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether a change from one to the other is drawn in rollout.h. */
bool rollout_may(enum generation_state from, enum generation_state to);

/* False: it cannot be begun now. */
bool rollout_start(struct rollout *r, enum rollout_job job, struct generation *g);
/* Pre-flight was left out, or passed against what is live now. */
bool rollout_is_proved(const struct rollout *r, const struct generation *g);
/* Begins it; HELD if that is not possible. */
void rollout_prove(struct rollout *r, struct generation *g);

int rollout_note(struct rollout *r, const char *event, uint32_t generation, cJSON *fields);
cJSON *rollout_fields(const struct rollout_who *who, const char *text);

/* Asks for g; false: no link. */
bool rollout_ask(struct rollout *r, struct generation *g, const struct rollout_ask *ask);
bool rollout_load(struct rollout *r, struct generation *g, bool is_live);

/* The state whose rules of conduct hold: of a held one that from which it is held. */
enum generation_state rollout_effective(const struct generation *g);
/* The stage after it, with its gates and flags; LIVE when nothing is live. */
enum generation_state rollout_next(const struct rollout *r, const struct generation *g);
/* Into a stage: journal, then request. */
void rollout_enter(struct rollout *r, struct generation *g, enum generation_state to, const struct rollout_who *who,
                   const char *why);
void rollout_begin_stage(struct rollout *r, struct generation *g);

struct rollout_harm {
    enum link_reason reason;
    enum link_kind kind;
    const char *name;
    uint64_t n, k;
    uint32_t back_to;
    const char *text;
    enum link_stage_id stage;
    uint32_t last_worker_us;
    uint64_t time_ms; /* since 1970; 0: now */
    bool is_done;     /* the data plane has done it already */
};

/* g goes back because of it: asked first, then told, then journaled. */
void rollout_go_back(struct rollout *r, struct generation *g, const struct rollout_harm *what,
                     const struct rollout_who *who);
/* The data plane has left g; back_to is live there. */
void rollout_gone_back(struct rollout *r, struct generation *g, uint32_t back_to, uint32_t last_worker_us,
                       const char *text);

void rollout_drop_candidate(struct rollout *r, const struct rollout_who *who, const char *why);
void rollout_quarantine_digest(struct rollout *r, const char *digest);
bool rollout_release_digest(struct rollout *r, const char *digest);
void rollout_notice(struct rollout *r, enum rollout_notice_kind what, const struct generation *g,
                    const struct rollout_harm *harm);
/* It is live in the data plane; the one before it is RETIRED. */
void rollout_became_live(struct rollout *r, struct generation *g, const char *text);

enum link_stage_id rollout_stage_id(enum generation_state s);
enum generation_state rollout_stage_state(uint32_t stage);

#ifdef __cplusplus
}
#endif
#endif
