#include "control/impact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/index_private.h"
#include "scan/event.h"
#include "scan/verdict.h"

/* Verdicts in SQL: scan/verdict.h's numbers. */
_Static_assert(VERDICT_TAG == 1 && VERDICT_DEFER == 2 && VERDICT_CLOSE == 3 && VERDICT_REFUSE == 4, "SQL below knows them");

/* A recipient of message m that got it later. retry_key 0: nothing is known. */
#define GOT_IT_LATER(m, r) \
    "EXISTS(SELECT 1 FROM messages l JOIN recipients q ON q.message=l.number WHERE l.retry_key=" m ".retry_key AND" \
    " l.retry_key<>0 AND l.number>" m ".number AND l.verdict<2 AND q.address=" r ".address COLLATE NOCASE)"

#define DELIVERED_LATER \
    "(EXISTS(SELECT 1 FROM recipients r WHERE r.message=m.number) AND NOT EXISTS(SELECT 1 FROM recipients r WHERE" \
    " r.message=m.number AND NOT " GOT_IT_LATER("m", "r") "))"

/* ---- small things ---- */

static cJSON *
failure(const char *error)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddBoolToObject(j, "ok", false);
    cJSON_AddStringToObject(j, "error", error);
    return j;
}

static void
add_time(cJSON *to, const char *name, sqlite3_stmt *s, int column)
{
    char text[64], whole[96];
    struct tm tm;
    int64_t ms = sqlite3_column_int64(s, column);
    time_t seconds = (time_t)(ms / 1000);
    if (sqlite3_column_type(s, column) == SQLITE_NULL || !gmtime_r(&seconds, &tm)) {
        cJSON_AddNullToObject(to, name);
        return;
    }
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(ms % 1000));
    cJSON_AddStringToObject(to, name, whole);
}

static const char *
text_at(sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? text : "";
}

/* The record as it came; an empty object when the column does not hold one (a database that somebody edited). */
static cJSON *
record_at(sqlite3_stmt *s, int column)
{
    cJSON *j = cJSON_Parse(text_at(s, column));
    if (cJSON_IsObject(j))
        return j;
    cJSON_Delete(j);
    return cJSON_CreateObject();
}

static void
set(cJSON *to, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(to, name);
    cJSON_AddItemToObject(to, name, value);
}

static cJSON *
generation_at(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? cJSON_CreateNull()
                                                         : cJSON_CreateNumber((double)sqlite3_column_int64(s, column));
}

/* Steps a question to its end. False: it could not be answered, and x->error says so, unless it took too long. */
static bool
next_row(struct index *x, sqlite3_stmt *s, bool *ok)
{
    int rc = s ? sqlite3_step(s) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE) {
        *ok = false;
        if (s && rc != SQLITE_INTERRUPT)
            index_failed(x, rc, "cannot be asked");
    }
    return false;
}

/* ---- affected ---- */

static const char sums_sql[] =
    "SELECT count(*) FILTER (WHERE verdict>=4), count(*) FILTER (WHERE verdict<4), count(accepted_by), min(time_ms),"
    " max(time_ms) FROM messages m WHERE culprit=?1 AND culprit>0";

/* Those that are looked at one by one: ?4 of them, newest first. What became of them later is asked when ?5. */
#define NEWEST "(SELECT * FROM messages WHERE culprit=?1 AND culprit>0 ORDER BY number DESC LIMIT ?4) m"

static const char later_sql[] = "SELECT total(" DELIVERED_LATER "), ?5 FROM " NEWEST;

static const char domains_sql[] =
    "SELECT domain, count(*) FILTER (WHERE verdict>=4), count(*) FILTER (WHERE verdict<4), total(later), group_concat(id,' ')"
    " FROM (SELECT r.domain AS domain, m.number, m.verdict AS verdict, min(CASE WHEN ?5 THEN " GOT_IT_LATER("m", "r") " END) AS later,"
    "   CASE WHEN row_number() OVER (PARTITION BY r.domain ORDER BY m.number)<=?2 THEN m.id END AS id"
    "   FROM " NEWEST " JOIN recipients r ON r.message=m.number"
    "   GROUP BY r.domain, m.number)"
    " GROUP BY domain ORDER BY count(*) DESC, domain";

static const char list_sql[] =
    "SELECT json, accepted_by, CASE WHEN ?5 THEN " DELIVERED_LATER " END FROM messages m WHERE culprit=?1 AND culprit>0"
    " AND (?2 IS NULL OR verdict=?2) ORDER BY number DESC LIMIT ?3";

static const char listed_sql[] =
    "SELECT count(*) FROM messages m WHERE culprit=?1 AND culprit>0 AND (?2 IS NULL OR verdict=?2)";

static bool
add_sums(struct index *x, const struct impact_question *q, cJSON *to)
{
    sqlite3_stmt *s = index_ask(x, sums_sql);
    bool ok = s;
    if (s)
        sqlite3_bind_int64(s, 1, q->generation);
    if (next_row(x, s, &ok)) {
        add_time(to, "since", s, 3);
        add_time(to, "until", s, 4);
        cJSON_AddNumberToObject(to, "refused", sqlite3_column_double(s, 0));
        cJSON_AddNumberToObject(to, "deferred", sqlite3_column_double(s, 1));
        cJSON_AddNumberToObject(to, "accepted_by_another", sqlite3_column_double(s, 2));
        double all = sqlite3_column_double(s, 0) + sqlite3_column_double(s, 1);
        cJSON_AddNumberToObject(to, "not_looked_at", all > IMPACT_LOOKED_MAX ? all - IMPACT_LOOKED_MAX : 0);
    }
    sqlite3_finalize(s);
    return ok;
}

/* A count of what was delivered later; null when it was not asked for. */
static void
add_later(cJSON *to, double cnt, bool with_later)
{
    cJSON_AddItemToObject(to, "delivered_later", with_later ? cJSON_CreateNumber(cnt) : cJSON_CreateNull());
}

static bool
add_later_sum(struct index *x, const struct impact_question *q, bool with_later, cJSON *to)
{
    sqlite3_stmt *s = with_later ? index_ask(x, later_sql) : NULL;
    bool ok = s || !with_later;
    double cnt = 0;
    if (s) {
        sqlite3_bind_int64(s, 1, q->generation);
        sqlite3_bind_int(s, 4, IMPACT_LOOKED_MAX);
        if (next_row(x, s, &ok))
            cnt = sqlite3_column_double(s, 0);
    }
    sqlite3_finalize(s);
    add_later(to, cnt, with_later);
    return ok;
}

static void
add_samples(cJSON *to, const char *ids)
{
    cJSON *list = cJSON_AddArrayToObject(to, "samples");
    for (size_t len; *ids; ids += len + (ids[len] == ' ')) {
        char id[INDEX_ID_LEN + 1];
        len = strcspn(ids, " ");
        snprintf(id, sizeof(id), "%.*s", (int)(len < INDEX_ID_LEN ? len : INDEX_ID_LEN), ids);
        cJSON_AddItemToArray(list, cJSON_CreateString(id));
    }
}

static bool
add_domains(struct index *x, const struct impact_question *q, bool with_later, cJSON *to)
{
    cJSON *list = cJSON_AddArrayToObject(to, "domains");
    sqlite3_stmt *s = index_ask(x, domains_sql);
    unsigned cnt = 0;
    bool ok = s;
    if (s) {
        sqlite3_bind_int64(s, 1, q->generation);
        sqlite3_bind_int(s, 2, IMPACT_SAMPLES);
        sqlite3_bind_int(s, 4, IMPACT_LOOKED_MAX);
        sqlite3_bind_int(s, 5, with_later);
    }
    for (; next_row(x, s, &ok); cnt++) {
        if (cnt >= IMPACT_DOMAINS_MAX)
            continue;
        cJSON *domain = cJSON_CreateObject();
        cJSON_AddStringToObject(domain, "domain", text_at(s, 0));
        cJSON_AddNumberToObject(domain, "refused", sqlite3_column_double(s, 1));
        cJSON_AddNumberToObject(domain, "deferred", sqlite3_column_double(s, 2));
        add_later(domain, sqlite3_column_double(s, 3), with_later);
        add_samples(domain, text_at(s, 4));
        cJSON_AddItemToArray(list, domain);
    }
    sqlite3_finalize(s);
    cJSON_AddNumberToObject(to, "domains_left_off", cnt > IMPACT_DOMAINS_MAX ? cnt - IMPACT_DOMAINS_MAX : 0);
    return ok;
}

static void
bind_list(sqlite3_stmt *s, const struct impact_question *q)
{
    enum verdict v;
    if (!s)
        return;
    sqlite3_bind_int64(s, 1, q->generation);
    if (q->verdict && verdict_parse(q->verdict, &v))
        sqlite3_bind_int(s, 2, v);
}

static bool
add_list(struct index *x, const struct impact_question *q, bool with_later, cJSON *to)
{
    cJSON *list = cJSON_AddArrayToObject(to, "messages");
    uint32_t limit = q->limit < IMPACT_MESSAGES_MAX ? q->limit : IMPACT_MESSAGES_MAX;
    sqlite3_stmt *s = index_ask(x, list_sql);
    bool ok = s;
    double cnt = 0, all = 0;
    bind_list(s, q);
    if (s) {
        sqlite3_bind_int64(s, 3, limit);
        sqlite3_bind_int(s, 5, with_later);
    }
    for (; next_row(x, s, &ok); cnt++) {
        cJSON *m = record_at(s, 0);
        set(m, "accepted_by", generation_at(s, 1));
        set(m, "delivered_later", with_later ? cJSON_CreateBool(sqlite3_column_int(s, 2)) : cJSON_CreateNull());
        cJSON_AddItemToArray(list, m);
    }
    sqlite3_finalize(s);
    s = ok ? index_ask(x, listed_sql) : NULL;
    bind_list(s, q);
    if (next_row(x, s, &ok))
        all = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    cJSON_AddNumberToObject(to, "left_off", all > cnt ? all - cnt : 0);
    return ok;
}

/* What looks at messages one by one. */
static bool
add_each(struct index *x, const struct impact_question *q, bool with_later, cJSON *to)
{
    return add_later_sum(x, q, with_later, to) && add_domains(x, q, with_later, to) && add_list(x, q, with_later, to);
}

/* A sender who tries one Message-ID ten thousand times makes "later" dear: then it is left out. */
static bool
add_each_in_time(struct index *x, const struct impact_question *q, cJSON *to)
{
    static const char *const ours[] = {"delivered_later", "domains", "domains_left_off", "messages", "left_off"};
    index_hurry(x, IMPACT_BUDGET_MS);
    bool ok = add_each(x, q, true, to);
    index_hurry(x, 0);
    if (ok || !x->was_late)
        return ok;
    for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(to, ours[i]);
    return add_each(x, q, false, to);
}

cJSON *
impact_affected(struct index *x, const struct impact_question *q)
{
    enum verdict v;
    if (q->verdict && !verdict_parse(q->verdict, &v))
        return failure("no verdict has this name");
    if (!index_flush(x)) /* what waits is asked about, too; what could not be stored is told by `lost` */
        return failure(index_error(x));
    cJSON *to = cJSON_CreateObject();
    cJSON_AddBoolToObject(to, "ok", true);
    cJSON_AddNumberToObject(to, "generation", q->generation);
    if (add_sums(x, q, to) && add_each_in_time(x, q, to)) {
        cJSON_AddNumberToObject(to, "lost", (double)(q->lost + index_counts(x)->dropped));
        return to;
    }
    cJSON_Delete(to);
    return failure(index_error(x)[0] ? index_error(x) : "the index cannot be asked");
}
