/* admin: the operators' socket of weir-control. What weirctl says, and what it is told.
 *
 * A SOCK_STREAM Unix socket, JSON lines both ways, a connection for each command:
 *
 *     weirctl -> {"verb":"push","path":"/etc/weir/rules","force":["preflight"],"wait":true}
 *     control -> {"progress":"COMPILED","generation":7,"text":"1,630 rules, 0.9 s"}     any number of these, with wait
 *     control -> {"ok":true,"generation":7,"state":"LIVE",...}                          exactly one, then it closes
 *                {"ok":false,"error":"generation 6 is in CANARY: wait, hold or quarantine it","code":1}
 *
 * code is what weirctl exits with (verbs.h); without it 1.
 *
 * Requests, by their "verb" and other members (in brackets: may be left out):
 *
 *   for readers
 *     status
 *     gen-list       [limit]                          newest first; 20
 *     gen-show       generation
 *     report         generation                       the whole report of its pre-flight
 *     affected       generation [limit] [verdict]     messages listed at most; 100
 *     trace          id                               Message-ID, queue words, or ADDRESS:PORT of the client
 *     journal-tail   [n]                              20
 *     journal-verify
 *     announce-list
 *   for pushers
 *     push           path [stage] [force: a list of "preflight", "shadow", "probation"] [expect] [comment] [wait]
 *                    stage: go no further by itself than SHADOW, CANARY or PROBATION: held there until `promote`.
 *                    expect: a list of {"kind","name","rate"}: new rejects that are meant to be (evidence_declare); kinds
 *                    as in watch_kind_name. "rule": what would pass without its points counts against that rule alone
 *     hold resume promote quarantine release          generation [comment]
 *     rollback       [to] [comment]                   to: an earlier generation; the previous one
 *     prove          [generation]                     the live one; progress as in push
 *     announce-add   text expires_s [impact] [components]   impact: none, minor, major, critical
 *     announce-end   id [text]
 *
 * Answers to ok requests, besides "ok". Members without a value are left out, unless `or null` stands there. Times are
 * as in the journal ("2026-01-31T23:59:59.125Z"), durations end in _ms or _us, log_* are natural logarithms.
 *
 *   ROLE      generation, state, since (of that state), digest, rules (how many), by (who pushed), path, comment,
 *             role ("live", "candidate", "previous"; none: left out), held_from, text (why it is so, in words)
 *   STRATUM   kind (link kind: "all", "sender-suffix", "rcpt-suffix", "rcpt-domain", "rule", "mirror", "error"),
 *             name, n, k, log_e, rho, localised, proven
 *   EVIDENCE  a, b (generations), window, n, k (of all), log_m, log_mirror, log_error, log_trip (where it goes back),
 *             strata_cnt, repeats, strata: [STRATUM...] worst first
 *   TRIP      time, generation, back_to, reason ("operator", "evidence", "lease", "deferrals", "slow", "crashes"),
 *             kind, name, n, k, text, by_data_plane, last_worker_us
 *   NEED      what ("time", "messages", "strata"), have, need: what a stage still wants; time in ms
 *   NOTICE    id, text, impact, status, by, since, expires, components
 *
 *   status          live, candidate, previous: ROLE or null
 *                   needs: [NEED...], left_ms (a guess; of the candidate's stage), next (the stage after)
 *                   evidence: EVIDENCE or null
 *                   trip: TRIP or null          the last one
 *                   dataplane: reachable, error, uptime_ms, workers, flows, resident, persisted, stage, share_ppm,
 *                              lease_left_ms, messages {verdict: n}, rx_frames, tx_frames, dropped_frames,
 *                              blind_sessions, paired, shed, disagreed, deferred, retried, defer_used
 *                   journal: ok, seq, time, hash, error
 *                   index: ok, records, error
 *                   indicator (Statuspage: none, minor, major, critical), announcements: [NOTICE...]
 *                   pid, uptime_ms
 *   gen-list        generations: [ROLE...], left_off (how many more there are)
 *   gen-show        ROLE's, and: force: [..], stage (asked for), expect, image_octets,
 *                   history: [{time, from, state, by, text}...], report: {ok, seconds, checks: [{name, ok, text,
 *                   seconds}...]} or null, evidence: EVIDENCE or null (the last that was read), trip: TRIP or null
 *   report          report
 *   push            generation, state (where it is when the answer is given), text; report when pre-flight refused it
 *                   (then ok is false). Without wait the answer comes when the push is in the journal (DRAFT)
 *   progress        progress (a state), generation, text; n, k, log_m; needs, left_ms
 *   hold ... prove  generation, state, text; rollback: live (what decides now), from, last_worker_us; prove: report,
 *                   evidence, seconds
 *   affected        generation, since, until, refused, deferred, delivered_later, not_looked_at, domains: [{domain, refused,
 *                   deferred}...] most first, messages: [record as in dataplane/record.h, and id...], left_off
 *   trace           messages: [record, id, text (what became of it, in words)...]
 *   journal-tail    records: [journal lines as objects...]; not ok (with error) when what follows them is broken
 *   journal-verify  records, broken_line, torn, hash; not ok (with error) when the chain is broken
 *   announce-list   announcements: [NOTICE...], incidents: as in status.json; announce-add, announce-end: id
 *
 * Who: SO_PEERCRED. root and the process's own user may do all; members of [control] read_group may read, of
 * push_group read and push. Others are told so and the connection closes, without a place of their own; readers get no more
 * than half of the places, so that a way back is always open.
 *
 * Limits: ADMIN_PEERS_MAX connections, one line of ADMIN_LINE_MAX octets, ADMIN_IDLE_MS to send it; who does not read
 * its answers loses the connection, never holds up the process. */
#ifndef WEIR_CONTROL_ADMIN_H
#define WEIR_CONTROL_ADMIN_H

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADMIN_SOCKET "/run/weir/control.sock" /* as in the appliance.cfg that ships */

enum { ADMIN_PEERS_MAX = 64, ADMIN_LINE_MAX = 65536, ADMIN_IDLE_MS = 5000, ADMIN_OUT_MAX = 4 << 20, ADMIN_GIDS_MAX = 64 };

/* ---- the server's side (admin.c). One thread; nothing waits. ---- */

struct admin;

struct admin_who {
    uid_t uid;
    char name[32];
    bool may_read, may_push;
    gid_t gids[ADMIN_GIDS_MAX]; /* all that it is in; of more the rest is left out */
    unsigned gid_cnt;
};

/* A request: `object` is borrowed for the call. Answer with admin_say or admin_refuse, now or later, by id. */
typedef void admin_request_fn(void *owner, uint64_t id, const struct admin_who *who, const char *verb,
                              const cJSON *object);

struct admin_settings {
    char read_group[64], push_group[64];
    admin_request_fn *request;
    void *owner;
};

/* A socket that lies there already is replaced. NULL with a sentence in err. */
struct admin *admin_open(const char *path, const struct admin_settings *s, char *err, size_t err_size);
void admin_close(struct admin *a);

/* Fills p (ADMIN_PEERS_MAX + 1); returns how many. */
unsigned admin_poll(const struct admin *a, struct pollfd *p);
/* Accepts, reads, writes, and ends who is late. */
void admin_tick(struct admin *a, uint64_t now_ms);

/* A line for that peer, whose connection ends after the last. object is taken. A peer that is gone: nothing. */
void admin_say(struct admin *a, uint64_t id, cJSON *object, bool is_last);
void admin_refuse(struct admin *a, uint64_t id, int code, const char *error);
bool admin_has(struct admin *a, uint64_t id);

#ifdef __cplusplus
}
#endif
#endif
