/* rollout: the life of a generation. A pure machine: facts in, wishes out; no files, sockets or clock of its own, so
 * that every path and every crash can be tried in a test.
 *
 *     DRAFT -> COMPILED -> PREFLIGHT -> STAGED -> SHADOW -> CANARY -> PROBATION -> LIVE -> RETIRED
 *     any -> HELD (a person decides; remembers from where);   DRAFT, COMPILED, PREFLIGHT, STAGED -> REJECTED
 *     STAGED, SHADOW -> QUARANTINED
 *     CANARY, PROBATION, LIVE -> ROLLED_BACK -> QUARANTINED -> RETIRED (released by a person)
 *
 *   DRAFT       the operator's path is copied and compiled          COMPILED   there is an image, with its digests
 *   PREFLIGHT   it is being proved; then loaded                     STAGED     every worker acknowledged it
 *   RETIRED     its successor became LIVE. The data plane still has it as previous; a return makes it LIVE again
 *   HELD        in a stage: the data plane keeps it there, its lease is renewed and the judges go on watching;
 *               before STAGED, or with the candidate gone: it is only remembered
 *
 * Every write of a state goes through one function, which journals first: on the way up the record is on the disk
 * before the data plane is asked or anybody is told; LOAD, whose outcome STAGED is, has a record of its own before. On a
 * way back the data plane is asked first and the record follows: a journal that cannot be written stops every way up
 * (HELD), never a way back. LIVE is told when the data plane has acknowledged it; then the predecessor becomes RETIRED.
 *
 * After a crash the journal is replayed (rollout_replay), and with each STATUS the data plane's truth wins
 * (rollout_state). A stage that the data plane has not entered is entered again, its clock begins anew. When it has begun
 * anew itself, with what is live and its predecessor, it is asked to watch that again.
 *
 * A stage is left for the next one when it had its time, its units and its strata, and when none of the three
 * families is more than a quarter of the way to a trip (ROLLOUT_SUSPECT): who is on the way to be found out is not let nearer
 * to the mail. By chance a good set gets there once in alpha^(-1/4) times, and it goes on when it has recovered.
 *
 * One candidate at a time. The first rule set of all has nothing to be compared with and goes from STAGED to LIVE. Only a
 * return to a byte-identical earlier generation is ungated: RETURN to previous, or a copy of an older one, which
 * is a generation of its own (copy_of). What went back is dropped from previous, too: the data plane alone cannot return to it. A content digest that went back is quarantined: a push of it is REJECTED until
 * `release`.
 *
 * Owns:    everything in struct rollout; strings given are copied.
 * Threads: one. Hands are called from within and must not call back.
 * Limits:  ROLLOUT_GENERATIONS_MAX in memory: of the ones that are done the oldest is forgotten (its journal stays);
 *          ROLLOUT_QUARANTINE_MAX digests, the oldest is forgotten.
 * Fails:   as told by each. */
#ifndef WEIR_CONTROL_ROLLOUT_H
#define WEIR_CONTROL_ROLLOUT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
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

enum {
    ROLLOUT_GENERATIONS_MAX = 512,
    ROLLOUT_QUARANTINE_MAX = 4096,
    ROLLOUT_TEXT_MAX = 256,
    ROLLOUT_EXPECT_MAX = 8,
    ROLLOUT_HELD_KEPT = 16, /* generations that wait for a person with their image kept */
    ROLLOUT_GUARD_UNITS = 100, /* reject_permille is looked at from so many units on */
    ROLLOUT_SUSPECT = 4,    /* the part of the logarithm that is suspicion */
    ROLLOUT_LOAD_MS = 5000,     /* so long LOAD is tried while it cannot even be asked: HELD */
    ROLLOUT_RESTORE_MS = 30000, /* a restore that was refused is tried again */
    ROLLOUT_CRASHES_MAX = 2,   /* the data plane ended so often with it as candidate: ROLLED_BACK */
    ROLLOUT_FOLLOW_MAX = INT32_MAX /* a data plane's number above it is not followed: it could use ours up */
};

/* New rejects that a push is meant to bring: of a stratum, up to so many of its units (evidence_declare). */
struct rollout_expect {
    enum link_kind kind;
    char name[LINK_NAME_MAX];
    double rate;
};

struct generation {
    uint32_t number; /* never used again */
    enum generation_state state;
    enum generation_state from;  /* the state before; HELD: where it is held */
    enum generation_state until; /* HELD there for a person; LIVE: it does not stop */
    uint32_t force;              /* FORCE_ */
    uint32_t copy_of;            /* 0, or the generation whose image it is */
    uint32_t instead_of;         /* of a copy: what was live when it was asked for; 0: not known any more */
    uint32_t uid;                /* who pushed it */
    char by[32];
    char digest[LINK_DIGEST_LEN]; /* of the image (ruleset_digest); "": not compiled yet */
    char golden[LINK_DIGEST_LEN]; /* of its verdicts on the golden set */
    char text[ROLLOUT_TEXT_MAX];  /* why it is in this state */
    char path[ROLLOUT_TEXT_MAX], comment[ROLLOUT_TEXT_MAX]; /* as pushed */
    struct rollout_expect expect[ROLLOUT_EXPECT_MAX];
    uint32_t expect_cnt;
    uint64_t since_ms; /* of the state, on the caller's clock */
    uint64_t wall_ms;  /* the same since 1970 */
    bool is_proved;               /* pre-flight passed, or was left out */
    uint32_t against;             /* what was live when pre-flight began: only what that lets through can be newly refused */
    bool is_resident;             /* the data plane has it as candidate, as far as is known */
    bool was_live;
    bool is_watched;         /* LIVE: the data plane was asked for reverse shadow, so it may trip */
    uint32_t crashes;        /* of the data plane, with it as candidate */
    enum link_type pending;  /* LOAD, STAGE, DROP, RETURN: asked and not answered; 0 */
    uint64_t units_before;   /* of ALL when the stage began */
    uint64_t unasked_ms;     /* since when LOAD cannot be asked; 0: it can */
};

struct rollout_who {
    uint32_t uid;
    char name[32];
};

/* A request for the data plane. */
struct rollout_ask {
    enum link_type type; /* LOAD, STAGE, DROP, RETURN, RENEW */
    uint32_t generation;
    bool is_live;             /* LOAD: without stages */
    bool is_previous;         /* DROP: not of the candidate */
    enum link_stage_id stage; /* STAGE */
    enum link_reason reason;  /* DROP, RETURN */
    const char *text;
};

enum rollout_job { ROLLOUT_COMPILE, ROLLOUT_PREFLIGHT };

enum rollout_notice_kind {
    ROLLOUT_TRIPPED,   /* a generation is going back */
    ROLLOUT_LOCALISED, /* and it is known where the harm is: kind, name */
    ROLLOUT_RETURNED,  /* every worker has left it */
    ROLLOUT_IS_LIVE,
    ROLLOUT_IS_HELD
};

struct rollout_notice {
    enum rollout_notice_kind what;
    uint32_t generation, back_to; /* back_to 0: not known */
    enum link_reason reason;
    enum link_kind kind;
    const char *name; /* of the stratum; "" */
    enum link_stage_id stage; /* it was in */
    uint32_t last_worker_us;  /* RETURNED: of the data plane's answer */
    uint64_t time_ms;         /* TRIPPED: when, since 1970, as the data plane has it if it tells */
    uint64_t n, k;
    const char *text;
};

/* What the machine has done for it. */
struct rollout_hands {
    void *owner;
    /* As journal_append: fields are taken. */
    int (*journal)(void *owner, const char *event, uint32_t generation, cJSON *fields);
    /* False: there is no link; nothing was asked. Else rollout_answered follows, or rollout_link_down. */
    bool (*ask)(void *owner, const struct rollout_ask *ask);
    /* Begins a job; rollout_compiled or rollout_proved follows. False: it cannot be begun now. */
    bool (*start)(void *owner, enum rollout_job job, const struct generation *g);
    void (*stop)(void *owner, uint32_t generation);              /* its job, if it has one */
    void (*told)(void *owner, const struct generation *g);       /* it has entered a state */
    void (*notice)(void *owner, const struct rollout_notice *n); /* for the public */
    /* The image of n becomes that of a copy, on the disk. 0 or negative errno. */
    int (*copy)(void *owner, uint32_t from, uint32_t to);
};

struct rollout {
    const struct settings *settings; /* borrowed */
    struct rollout_hands hands;
    uint64_t now_ms, wall_ms; /* of the last tick: never set back, since 1970 */
    struct generation *list; /* ascending by number */
    uint32_t list_cnt;
    char (*quarantine)[LINK_DIGEST_LEN]; /* oldest first */
    uint32_t quarantine_cnt;
    uint32_t next_number;
    uint32_t live, candidate; /* numbers; 0: none. candidate: the one on its way up, wherever it is */
    bool is_linked, is_known; /* is_known: plane was read from this link */
    bool is_foreign;          /* the data plane's live set is none of ours */
    uint32_t undropped;       /* previous that it does not let go of, on this link */
    uint32_t unwatched;       /* live, whose watch it refuses, on this link */
    uint64_t restored_ms;     /* when it was given our live set again, on this link; 0: never */
    uint64_t trip_seq;        /* of its last trip that was looked at */
    struct link_state plane;
    uint64_t instance;  /* of the data plane; 0: never seen */
    uint64_t ask_seq;   /* counts requests that change something */
    uint32_t asked_cnt; /* of them not answered */
    uint64_t renewed_ms;
    bool is_journal_failed; /* the last append failed */
    uint64_t units;         /* of ALL at the last reading */
    uint32_t units_of;      /* of which generation */
    uint32_t strata;
    bool is_suspect; /* evidence is more than a quarter of the way (in logarithms) to a trip: no way up meanwhile */
    uint32_t forgotten_cnt;
};

/* 0, or -ENOMEM. */
int rollout_init(struct rollout *r, const struct settings *s, const struct rollout_hands *hands);
void rollout_fini(struct rollout *r);

/* Before anything else: each record of the journal, oldest first. Unknown events and hostile fields are passed over. */
void rollout_replay(struct rollout *r, const cJSON *record);
/* After the last: jobs that a crash ended are begun again. */
void rollout_begin(struct rollout *r, uint64_t now_ms, uint64_t wall_ms);

/* ---- facts ---- */

/* Now and then, at least each poll_ms: dwell times, leases, what waits for the link. */
void rollout_tick(struct rollout *r, uint64_t now_ms, uint64_t wall_ms);

/* digest "" and ok false: it could not be compiled, text says why. */
void rollout_compiled(struct rollout *r, uint32_t number, bool ok, const char *digest, const char *golden,
                      const char *text);
void rollout_proved(struct rollout *r, uint32_t number, bool ok, const char *text);

/* The answer to a request, in the order in which they were asked. */
void rollout_answered(struct rollout *r, const struct rollout_ask *ask, bool ok, const struct link_answer *a);
void rollout_link_down(struct rollout *r);
/* A STATUS's answer; ask_seq as it was when STATUS was sent: a state that is older than a request is passed over. */
void rollout_state(struct rollout *r, const struct link_state *s, uint64_t ask_seq);

struct rollout_reading {
    uint32_t generation; /* the newer one of the pair */
    struct evidence_reading e;
    uint32_t strata; /* sender suffixes with at least strata_units units */
};

void rollout_read(struct rollout *r, const struct rollout_reading *reading);

/* ---- operators. 0, or -1 with a sentence in err (ROLLOUT_TEXT_MAX) ---- */

struct rollout_push {
    struct rollout_who who;
    uint32_t force;
    enum generation_state until; /* STAGED..PROBATION, or LIVE */
    const char *path, *comment; /* for the journal */
    struct rollout_expect expect[ROLLOUT_EXPECT_MAX];
    uint32_t expect_cnt;
};

/* *number: the new generation, in DRAFT, its compile job begun. */
int rollout_push(struct rollout *r, const struct rollout_push *p, uint32_t *number, char *err);
int rollout_hold(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);
int rollout_resume(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);
int rollout_promote(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);
/* to 0: what decides about mail newest goes: a candidate in CANARY or PROBATION, else the live set (RETURN). to N: N's
 * image is live again. *number: whose state tells how it went. */
int rollout_rollback(struct rollout *r, uint32_t to, const struct rollout_who *who, uint32_t *number, char *err);
int rollout_quarantine(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);
int rollout_release(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);

/* ---- reading ---- */

/* NULL: none in memory. Valid until the next push. */
const struct generation *rollout_find(const struct rollout *r, uint32_t number);
bool rollout_is_quarantined(const struct rollout *r, const char *digest);
/* Whether the data plane judges with a pair now, so that evidence is to be read. */
bool rollout_is_watching(const struct rollout *r);
/* Nothing more happens to it without a person or a fact: LIVE, HELD, REJECTED, ... */
bool rollout_is_settled(const struct generation *g);
/* What a stage still wants before the next. need 0: nothing of that. */
struct rollout_needs {
    bool is_suspect;
    uint64_t have_ms, need_ms, have_units, need_units;
    uint32_t have_strata, need_strata;
    enum generation_state next;
};
void rollout_needs(const struct rollout *r, const struct generation *g, struct rollout_needs *n);
/* Whether its image and rules must stay on the disk. */
bool rollout_keeps(const struct rollout *r, uint32_t number);

#ifdef __cplusplus
}
#endif
#endif
