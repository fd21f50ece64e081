/* announce: what the public and the operators are told, written by what happens itself, so that it cannot be stale.
 *
 * A generation that goes back makes an incident, a person may add announcements, and both become STATE/status.json (in
 * the Statuspage v2 shape), STATE/status.html (status.h), and a call of every program in the hooks folder (hooks.h):
 *
 *     announce_trip        investigating   a trip in CANARY, PROBATION or LIVE. In SHADOW nobody was harmed: hooks only
 *     announce_localised   identified      which suffix, which rule
 *     announce_returned    monitoring      every worker is on the old generation again
 *     announce_resolve     resolved        by a person; or by itself after [control] clean without another trip
 *
 * Steps come in any order and may be left out; an incident never goes back but by another trip of the same generation.
 * Every announcement by a person ends at its expiry by itself; both clocks are looked at, so that one set back keeps
 * none alive. Names of recipients' domains go to hooks only, not to the public page: they are customers.
 *
 * Every change is journaled through a function of the owner's, as "announce" records, and announce_replay rebuilds all
 * from them; replaying calls no hooks. What cannot be journaled is announced nevertheless: only announce_add refuses.
 *
 * Owns:    its two files and the hooks' processes. Written anew at least every ANNOUNCE_HEARTBEAT_MS, so that a reader
 *          sees from updated_at whether anybody is there.
 * Threads: one caller's. Nothing waits: a file that cannot be written is tried again at the next tick.
 * Limits:  below; the oldest resolved incident makes room, an announcement too many is refused.
 * Fails:   as told by each. */
#ifndef WEIR_CONTROL_ANNOUNCE_H
#define WEIR_CONTROL_ANNOUNCE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/evidence.h"
#include "control/link.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ANNOUNCE_INCIDENTS_MAX = 32,
    ANNOUNCE_UPDATES_MAX = 32,    /* of an incident: the first and the newest stay */
    ANNOUNCE_NOTICES_MAX = 32,    /* by people, at once */
    ANNOUNCE_TEXT_MAX = 1024,     /* octets of a text */
    ANNOUNCE_RESOLVED_DAYS = 7,   /* so long a resolved incident is shown */
    ANNOUNCE_HEARTBEAT_MS = 60000
};
#define ANNOUNCE_EXPIRES_MAX_S (30 * 86400) /* of an announcement by a person */
#define ANNOUNCE_EVENT "announce"           /* of its journal records */

enum announce_impact { IMPACT_NONE, IMPACT_MINOR, IMPACT_MAJOR, IMPACT_CRITICAL, IMPACT_CNT };

/* "none", "minor", "major", "critical", as Statuspage's indicator. */
const char *announce_impact_name(enum announce_impact i);
bool announce_impact_parse(const char *name, enum announce_impact *i);

struct announce_settings {
    const char *folder;  /* of status.json and status.html */
    const char *hooks;   /* folder of programs, or "" */
    uint32_t clean_ms;   /* an incident resolves by itself after so long without a trip: 1 h */
    const char *name;    /* of the page: "Mail service" */
};

struct announce;

/* journal_append, most likely. 0 or negative errno; takes fields. */
typedef int announce_journal_fn(void *owner, const char *event, uint32_t generation, cJSON *fields);

/* NULL: no memory. Writes nothing before the first tick. The order at start: new, replay of every record, set_journal. */
struct announce *announce_new(const struct announce_settings *s);
void announce_free(struct announce *a); /* running hooks are ended */
void announce_set_journal(struct announce *a, announce_journal_fn *fn, void *owner);

/* Takes up one record of the journal, as journal_replay passes them; others than ANNOUNCE_EVENT are left alone. */
void announce_replay(struct announce *a, const cJSON *record);

/* A generation went, or is about to. `stage`: what it was in. Of a trip that named a stratum (t->kind, t->name) the same
 * call says where ("identified", too). A trip with the time_ms and generation of one that was told is told once: call it
 * after a restart, too, for what the data plane says. What harmed nobody (in SHADOW; by an operator or for the lease
 * before LIVE) goes to hooks only, as event "withdrawn". */
void announce_trip(struct announce *a, const struct link_trip *t, enum link_stage_id stage);

/* Which strata it was: those of r->worst that are localised; none: nothing happens. */
void announce_localised(struct announce *a, uint32_t generation, const struct evidence_reading *r);

/* The roll-back is complete. */
void announce_returned(struct announce *a, uint32_t generation, uint32_t back_to, uint32_t last_worker_us);

/* A generation went LIVE: hooks only. */
void announce_live(struct announce *a, uint32_t generation);

/* Whether the data plane answers, and if not why: a component of the page. Call as often as you like. */
void announce_health(struct announce *a, bool is_there, const char *why);

/* By people. `components`: a JSON list of "mail", "rules", "scanner", or NULL. id (ANNOUNCE_ID_MAX octets) is set. 0; -EINVAL: no
 * text, too long, an expiry out of range or an unknown component; -ENOSPC: too many; or what the journal said: then it
 * was not announced. */
enum { ANNOUNCE_ID_MAX = 24 };
int announce_add(struct announce *a, const char *by, const char *text, enum announce_impact impact, uint64_t expires_s,
                 const cJSON *components, char *id);

/* Ends an announcement, or resolves an incident, by its id. 0; -ENOENT; -EINVAL: the text; or, of an announcement, what the
 * journal said. text may be NULL. */
int announce_end(struct announce *a, const char *by, const char *id, const char *text);

/* Expiries, clean hours, hooks, files. Call after each of the above and every some 100 ms; cheap when there is nothing to do. */
void announce_tick(struct announce *a);

/* The page as it is now (cJSON_Delete), and the members of announce-list (admin.h) added to an answer. */
cJSON *announce_status(const struct announce *a);
void announce_list(const struct announce *a, cJSON *answer);
enum announce_impact announce_indicator(const struct announce *a);

/* Tests: other clocks than the system's, in ms: wall since 1970, mono never set back. */
typedef uint64_t announce_clock_fn(bool is_mono);
void announce_set_clock(struct announce *a, announce_clock_fn *fn);

#ifdef __cplusplus
}
#endif
#endif
