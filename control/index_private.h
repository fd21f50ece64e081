/* What index.c, index_message.c and impact.c share. */
#ifndef WEIR_CONTROL_INDEX_PRIVATE_H
#define WEIR_CONTROL_INDEX_PRIVATE_H

#include <sqlite3.h>

#include "control/index.h"

/* Statements that are used again and again; made at opening. */
enum index_statement {
    INDEX_ADD_EVENT,
    INDEX_ADD_GENERATION,
    INDEX_ADD_MESSAGE,
    INDEX_ADD_RECIPIENT,
    INDEX_OLDEST,
    INDEX_EXPIRE_RECIPIENTS,
    INDEX_EXPIRE_MESSAGES,
    INDEX_STATEMENT_CNT
};

struct index {
    char path[512];
    struct index_limits limits;
    sqlite3 *db; /* NULL: cannot be had now */
    sqlite3_stmt *statements[INDEX_STATEMENT_CNT];
    bool is_new, is_in_batch;
    uint64_t batch_ms;      /* since when the first row waits */
    uint64_t batch_cnt;     /* messages in it, */
    uint64_t retry_ms;      /* when to try to open again */
    uint64_t expire_ms;     /* when to look for old ones again */
    struct index_counts counts;
    uint64_t late_ms; /* monotonic: a question is given up then, while index_hurry holds */
    bool was_late;    /* one was */
    char error[1024];
};

/* Begins a batch unless there is one. False: there is no database. */
bool index_begin(struct index *x, uint64_t now_ms);

/* After SQLite has refused something: says so, gives up the batch, and when the database is damaged begins another. */
void index_failed(struct index *x, int rc, const char *what);

/* A statement for one question, bound by the caller, finalized by him; NULL: it cannot be had. */
sqlite3_stmt *index_ask(struct index *x, const char *sql);

/* Questions from here on end with SQLITE_INTERRUPT when budget_ms have passed, all together. 0: they have all the time. */
void index_hurry(struct index *x, uint32_t budget_ms);

static inline void
index_bind_text(sqlite3_stmt *s, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at);
}

/* 2026-01-31T23:59:59.125Z as milliseconds since 1970; false: it is none. */
bool index_time(const char *text, int64_t *ms);

/* A message's sameness for retries: hash of sender, and Message-ID, or octets and client where there is none. */
int64_t index_key(const char *mail_from, const char *message_id, uint64_t octets, const char *src);

/* Behind the last @, lower case; "": there is none. */
void index_domain(const char *address, char *domain, size_t size);

#endif
