#include "control/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/index_private.h"
#include "control/journal.h"

enum { RETRY_MS = 5000, EXPIRE_MIN = 500, EXPIRE_MS = 60000, BUSY_MS = 100, PAGE_LEN = 4096 };

const struct index_limits index_limits_default = {.days = 30, .messages_max = 5000000};

/* culprit: the generation that is to be charged with a message that was not let through, 0: none (it was let through,
 * or an event decided, whatever the rules are). accepted_by: the generation that would have let it through, 0: none. */
static const char schema[] =
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, time_ms INTEGER, event TEXT, generation INTEGER, json TEXT);"
    "CREATE INDEX events_generation ON events(generation, seq);"
    "CREATE INDEX events_time ON events(time_ms);"
    "CREATE TABLE generations(generation INTEGER PRIMARY KEY, state TEXT, since_ms INTEGER, first_ms INTEGER);"
    "CREATE TABLE messages(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time_ms INTEGER NOT NULL, src TEXT,"
    "  sport INTEGER, client TEXT, mail_from TEXT, sender_domain TEXT, message_id TEXT, retry_key INTEGER,"
    "  verdict INTEGER NOT NULL, score_milli INTEGER, generation INTEGER, cause TEXT, stage TEXT,"
    "  other_generation INTEGER, other_verdict INTEGER, culprit INTEGER NOT NULL, accepted_by INTEGER, json TEXT);"
    "CREATE INDEX messages_culprit ON messages(culprit, number, verdict, accepted_by, time_ms) WHERE culprit > 0;"
    "CREATE INDEX messages_retry ON messages(retry_key, verdict, number);"
    "CREATE INDEX messages_message_id ON messages(message_id) WHERE message_id IS NOT NULL;"
    "CREATE INDEX messages_src ON messages(src, sport);"
    "CREATE TABLE recipients(message INTEGER, place INTEGER, address TEXT, domain TEXT, PRIMARY KEY(message, place))"
    "  WITHOUT ROWID;";

static const char *const texts[INDEX_STATEMENT_CNT] = {
    [INDEX_ADD_EVENT] = "INSERT OR REPLACE INTO events VALUES(?1,?2,?3,?4,?5)",
    [INDEX_ADD_GENERATION] = "INSERT INTO generations VALUES(?1,?2,?3,?3) ON CONFLICT(generation) DO UPDATE SET"
                             " state=coalesce(?2,state), since_ms=CASE WHEN ?2 IS NULL THEN since_ms ELSE ?3 END",
    [INDEX_ADD_MESSAGE] = "INSERT OR IGNORE INTO messages(id,time_ms,src,sport,client,mail_from,sender_domain,message_id,"
                          "retry_key,verdict,score_milli,generation,cause,stage,other_generation,other_verdict,culprit,"
                          "accepted_by,json) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
    [INDEX_ADD_RECIPIENT] = "INSERT OR IGNORE INTO recipients VALUES(?1,?2,?3,?4)",
    [INDEX_OLDEST] = "SELECT (SELECT min(number) FROM messages), (SELECT max(number) FROM messages), (SELECT max(number) FROM"
                     " (SELECT number, time_ms FROM messages ORDER BY number LIMIT ?2) WHERE time_ms < ?1)",
    [INDEX_EXPIRE_RECIPIENTS] = "DELETE FROM recipients WHERE message <= ?1",
    [INDEX_EXPIRE_MESSAGES] = "DELETE FROM messages WHERE number <= ?1",
};

/* ---- opening ---- */

static void
say(struct index *x, const char *what, int rc)
{
    snprintf(x->error, sizeof(x->error), "%s: %s: %s", x->path, what, x->db ? sqlite3_errmsg(x->db) : sqlite3_errstr(rc));
}

static void
shut(struct index *x)
{
    for (int i = 0; i < INDEX_STATEMENT_CNT; i++) {
        sqlite3_finalize(x->statements[i]);
        x->statements[i] = NULL;
    }
    sqlite3_close_v2(x->db);
    x->db = NULL;
    x->is_in_batch = false;
}

static int64_t
one_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        number = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return number;
}

static int
make_tables(struct index *x)
{
    char version[64];
    snprintf(version, sizeof(version), "PRAGMA user_version=%d", INDEX_VERSION);
    int rc = sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    rc = rc ? rc : sqlite3_exec(x->db, schema, NULL, NULL, NULL);
    rc = rc ? rc : sqlite3_exec(x->db, version, NULL, NULL, NULL);
    return rc ? rc : sqlite3_exec(x->db, "COMMIT", NULL, NULL, NULL);
}

/* A file of another version or with other tables is as good as a damaged one. */
static int
open_db(struct index *x)
{
    int rc = sqlite3_open_v2(x->path, &x->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc)
        return rc;
    sqlite3_extended_result_codes(x->db, 0);
    sqlite3_busy_timeout(x->db, BUSY_MS);
    rc = sqlite3_exec(x->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-8000;"
                             "PRAGMA journal_size_limit=67108864; PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
    if (rc)
        return rc;
    if (x->limits.octets_max) {
        char sql[64];
        snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%llu", (unsigned long long)x->limits.octets_max / PAGE_LEN + 1);
        sqlite3_exec(x->db, sql, NULL, NULL, NULL);
    }
    int64_t version = one_number(x->db, "PRAGMA user_version"), objects = one_number(x->db, "SELECT count(*) FROM sqlite_master");
    if (version < 0 || objects < 0)
        return sqlite3_errcode(x->db) ? sqlite3_errcode(x->db) : SQLITE_CORRUPT;
    if (objects == 0) {
        rc = make_tables(x);
        x->is_new = true;
    } else if (version != INDEX_VERSION) {
        rc = SQLITE_NOTADB;
    }
    for (int i = 0; i < INDEX_STATEMENT_CNT && rc == SQLITE_OK; i++) {
        rc = sqlite3_prepare_v3(x->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &x->statements[i], NULL);
        rc = rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc; /* other tables than ours */
    }
    return rc;
}

static bool
is_damaged(int rc)
{
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_FORMAT;
}

/* To the first free name; the last one is written over when there are too many. */
static void
move_aside(struct index *x)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char from[600], to[640];
    int n = 1;
    do
        snprintf(to, sizeof(to), "%s.aside-%d", x->path, n);
    while (access(to, F_OK) == 0 && ++n < INDEX_ASIDE_MAX);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(from, sizeof(from), "%s%s", x->path, ends[i]);
        snprintf(to, sizeof(to), "%s.aside-%d%s", x->path, n, ends[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            unlink(from);
    }
    x->counts.aside++;
}

static void
try_open(struct index *x)
{
    int rc = open_db(x);
    if (is_damaged(rc)) {
        shut(x);
        move_aside(x);
        rc = open_db(x);
        x->is_new = true;
    }
    if (rc) {
        say(x, "cannot be opened", rc);
        shut(x);
    } else {
        x->error[0] = '\0';
    }
}

struct index *
index_open(const char *path, const struct index_limits *limits)
{
    struct index *x = calloc(1, sizeof(*x));
    if (!x || strlen(path) >= sizeof(x->path)) {
        free(x);
        return NULL;
    }
    strcpy(x->path, path);
    x->limits = *limits;
    try_open(x);
    return x;
}

void
index_close(struct index *x)
{
    if (!x)
        return;
    index_flush(x);
    shut(x);
    free(x);
}

bool
index_is_new(const struct index *x)
{
    return x->is_new;
}

const char *
index_error(const struct index *x)
{
    return x->error;
}

const struct index_counts *
index_counts(const struct index *x)
{
    return &x->counts;
}

/* ---- batches ---- */

void
index_failed(struct index *x, int rc, const char *what)
{
    say(x, what, rc);
    x->counts.dropped += x->batch_cnt;
    x->counts.taken -= x->batch_cnt;
    x->batch_cnt = 0;
    if (x->db && x->is_in_batch)
        sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    x->is_in_batch = false;
    if (is_damaged(rc)) {
        shut(x);
        move_aside(x);
        x->is_new = true; /* what it had is gone */
    }
}

bool
index_begin(struct index *x, uint64_t now_ms)
{
    if (!x->db && now_ms >= x->retry_ms) {
        x->retry_ms = now_ms + RETRY_MS;
        try_open(x);
    }
    if (!x->db)
        return false;
    if (x->is_in_batch)
        return true;
    int rc = sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc) {
        index_failed(x, rc, "cannot be written");
        return false;
    }
    x->is_in_batch = true;
    x->batch_ms = now_ms;
    return true;
}

bool
index_flush(struct index *x)
{
    if (!x->is_in_batch)
        return true;
    int rc = sqlite3_exec(x->db, "COMMIT", NULL, NULL, NULL);
    if (rc) {
        index_failed(x, rc, "cannot be written");
        return false;
    }
    x->is_in_batch = false;
    x->batch_cnt = 0;
    x->error[0] = '\0';
    return true;
}

sqlite3_stmt *
index_ask(struct index *x, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int rc = x->db ? sqlite3_prepare_v2(x->db, sql, -1, &s, NULL) : SQLITE_CANTOPEN;
    if (rc)
        index_failed(x, rc, "cannot be asked");
    return s;
}

static int
is_late(void *owner)
{
    struct index *x = owner;
    x->was_late = x->was_late || clock_ms(CLOCK_MONOTONIC) >= x->late_ms;
    return x->was_late;
}

void
index_hurry(struct index *x, uint32_t budget_ms)
{
    enum { STEPS = 1000 }; /* of SQLite's machine between two looks at the clock: some 50 us */
    if (budget_ms) {
        x->late_ms = clock_ms(CLOCK_MONOTONIC) + budget_ms;
        x->was_late = false;
    }
    if (x->db)
        sqlite3_progress_handler(x->db, budget_ms ? STEPS : 0, budget_ms ? is_late : NULL, x);
}

/* ---- expiry ---- */

/* Numbers ascend with insertion, and messages come about in the order of their times: so the first ones are the oldest.
 * Twice as many may go as came, within the batch at hand. */
static void
expire(struct index *x, uint64_t now_ms)
{
    sqlite3_stmt *s = x->statements[INDEX_OLDEST];
    uint64_t keep_ms = (uint64_t)x->limits.days * 86400000, most = EXPIRE_MIN + 2 * x->batch_cnt;
    int64_t first = 0, last = 0, to = 0;
    sqlite3_bind_int64(s, 1, now_ms > keep_ms ? (int64_t)(now_ms - keep_ms) : 0);
    sqlite3_bind_int64(s, 2, (int64_t)most);
    if (sqlite3_step(s) == SQLITE_ROW) {
        first = sqlite3_column_int64(s, 0);
        last = sqlite3_column_int64(s, 1);
        to = sqlite3_column_int64(s, 2);
    }
    sqlite3_reset(s);
    uint64_t cnt = last ? (uint64_t)(last - first) + 1 : 0;
    if (cnt > x->limits.messages_max) {
        uint64_t over = cnt - x->limits.messages_max;
        int64_t by_number = first - 1 + (int64_t)(over < most ? over : most);
        to = by_number > to ? by_number : to;
    }
    for (int i = INDEX_EXPIRE_RECIPIENTS; to && i <= INDEX_EXPIRE_MESSAGES; i++) {
        sqlite3_bind_int64(x->statements[i], 1, to);
        int rc = sqlite3_step(x->statements[i]);
        sqlite3_reset(x->statements[i]);
        if (rc != SQLITE_DONE) {
            index_failed(x, rc, "cannot be written");
            return;
        }
    }
    if (to)
        x->counts.expired += (uint64_t)sqlite3_changes(x->db);
    x->expire_ms = now_ms + EXPIRE_MS;
}

/* The clock may be set back. */
static bool
is_due(const struct index *x, uint64_t now_ms)
{
    return x->batch_cnt >= INDEX_BATCH_MAX || now_ms >= x->batch_ms + INDEX_BATCH_MS || now_ms < x->batch_ms;
}

bool
index_take(struct index *x, struct ring *r, uint64_t now_ms)
{
    size_t len;
    unsigned cnt = 0;
    const char *line;
    while (cnt < INDEX_TAKE_MAX && (line = ring_next(r, &len))) {
        index_message(x, line, len, now_ms);
        cnt++;
    }
    x->expire_ms = x->expire_ms ? x->expire_ms : now_ms + EXPIRE_MS;
    bool looks = now_ms >= x->expire_ms && index_begin(x, now_ms); /* old ones go though no new ones come */
    if (x->is_in_batch && (is_due(x, now_ms) || looks)) {
        expire(x, now_ms);
        index_flush(x);
    }
    /* Stored, or dropped and counted. */
    if (!x->is_in_batch)
        ring_done(r);
    return cnt == INDEX_TAKE_MAX;
}

uint64_t
index_messages(struct index *x)
{
    int64_t cnt = x->db ? one_number(x->db, "SELECT count(*) FROM messages") : 0;
    return cnt > 0 ? (uint64_t)cnt : 0;
}

/* ---- events ---- */

static uint64_t
number_of(const cJSON *record, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(record, name);
    return cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble < 9e15 ? (uint64_t)n->valuedouble : 0;
}

static const char *
text_of(const cJSON *record, const char *name)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(record, name);
    return cJSON_IsString(t) ? t->valuestring : NULL;
}

static int
add_generation(struct index *x, uint64_t generation, const char *state, int64_t time_ms)
{
    sqlite3_stmt *s = x->statements[INDEX_ADD_GENERATION];
    sqlite3_bind_int64(s, 1, (int64_t)generation);
    index_bind_text(s, 2, state);
    sqlite3_bind_int64(s, 3, time_ms);
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc;
}

static int
add_event(struct index *x, const cJSON *record)
{
    sqlite3_stmt *s = x->statements[INDEX_ADD_EVENT];
    const char *event = text_of(record, "event"), *time = text_of(record, "time");
    uint64_t generation = number_of(record, "generation");
    int64_t time_ms = 0;
    if (time && !index_time(time, &time_ms))
        time_ms = 0;
    char *json = cJSON_PrintUnformatted(record);
    sqlite3_bind_int64(s, 1, (int64_t)number_of(record, "seq"));
    sqlite3_bind_int64(s, 2, time_ms);
    index_bind_text(s, 3, event);
    sqlite3_bind_int64(s, 4, (int64_t)generation);
    index_bind_text(s, 5, json);
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    cJSON_free(json);
    bool is_state = event && strcmp(event, "state") == 0;
    if (rc == SQLITE_DONE && generation)
        rc = add_generation(x, generation, is_state ? text_of(record, "state") : NULL, time_ms);
    return rc;
}

/* Rare, and worth to be seen at once: stored with what else waits. */
void
index_event(struct index *x, const cJSON *record)
{
    if (!index_begin(x, x->batch_ms))
        return;
    int rc = add_event(x, record);
    if (rc != SQLITE_DONE)
        index_failed(x, rc, "cannot be written");
    else
        index_flush(x);
}

struct rebuild {
    struct index *x;
    int rc;
};

static int
rebuild_one(void *owner, const cJSON *record)
{
    struct rebuild *r = owner;
    r->rc = add_event(r->x, record);
    return r->rc != SQLITE_DONE;
}

int64_t
index_rebuild(struct index *x, const char *journal_path)
{
    struct rebuild r = {x, SQLITE_DONE};
    char err[256];
    index_flush(x);
    if (!index_begin(x, x->batch_ms))
        return -1;
    if (sqlite3_exec(x->db, "DELETE FROM events; DELETE FROM generations", NULL, NULL, NULL) != SQLITE_OK) {
        index_failed(x, sqlite3_errcode(x->db), "cannot be written");
        return -1;
    }
    int64_t cnt = journal_replay(journal_path, rebuild_one, &r, err, sizeof(err));
    if (r.rc != SQLITE_DONE || cnt < 0) {
        index_failed(x, r.rc, cnt < 0 ? "the journal cannot be read" : "cannot be written");
        return -1;
    }
    if (!index_flush(x))
        return -1;
    x->is_new = false;
    return cnt;
}
