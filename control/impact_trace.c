/* impact_trace: everything that is known of a message. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/impact.h"
#include "control/index_private.h"
#include "scan/event.h"
#include "scan/verdict.h"

enum { SOUGHT_MAX = 1024, EVENTS_MAX = 50 };

#define COLUMNS "number, json, culprit, accepted_by, generation, other_generation, time_ms, retry_key, verdict"

enum { NUMBER, JSON, CULPRIT, ACCEPTED_BY, GENERATION, OTHER_GENERATION, TIME_MS, RETRY_KEY, VERDICT };

static const char *
string_of(const cJSON *j, const char *name)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(j, name);
    return cJSON_IsString(t) ? t->valuestring : "";
}

static const char *
column_text(sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text ? text : "";
}

/* ---- what is sought ---- */

/* As people write down what they heard. */
static void
fold_id(const char *sought, char *id, size_t size)
{
    size_t n = 0;
    for (; *sought && n + 1 < size; sought++) {
        char c = (char)toupper((unsigned char)*sought);
        if (c != '-' && c != ' ')
            id[n++] = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
    }
    id[n] = '\0';
}

/* ADDRESS:PORT, an IPv6 address with or without brackets. False: it is none. */
static bool
split_endpoint(const char *sought, char *address, size_t size, int64_t *port)
{
    const char *colon = strrchr(sought, ':');
    char *end;
    size_t skip = sought[0] == '[', len = colon ? (size_t)(colon - sought) - skip : 0;
    if (!colon || !isdigit((unsigned char)colon[1]) || len == 0 || len >= size)
        return false;
    if (skip && sought[skip + len - 1] == ']')
        len--;
    memcpy(address, sought + skip, len);
    address[len] = '\0';
    *port = strtol(colon + 1, &end, 10);
    return *end == '\0' && *port <= 65535;
}

/* The question for it, bound; most exact first, and the first that has an answer stands. */
static sqlite3_stmt *
find(struct index *x, const char *sought, int how)
{
    static const char *const sql[] = {
        "SELECT " COLUMNS " FROM messages WHERE id=?1",
        "SELECT " COLUMNS " FROM messages WHERE message_id IN (?1,'<'||?1||'>') ORDER BY number DESC LIMIT 20",
        "SELECT " COLUMNS " FROM messages WHERE src=?1 AND sport=?2 ORDER BY number DESC LIMIT 20",
    };
    char text[SOUGHT_MAX];
    int64_t port = 0;
    if (how == 0)
        fold_id(sought, text, sizeof(text));
    else
        snprintf(text, sizeof(text), "%s", sought);
    if (how == 2 && !split_endpoint(sought, text, sizeof(text), &port))
        return NULL;
    sqlite3_stmt *s = index_ask(x, sql[how]);
    if (!s)
        return NULL;
    index_bind_text(s, 1, text);
    if (how == 2)
        sqlite3_bind_int64(s, 2, port);
    return s;
}

/* ---- one message ---- */

struct teller {
    struct index *x;
    impact_rule_fn *fn;
    void *owner;
};

static cJSON *
state_of(struct index *x, int64_t generation)
{
    sqlite3_stmt *s = index_ask(x, "SELECT state FROM generations WHERE generation=?1");
    cJSON *state = NULL;
    if (s)
        sqlite3_bind_int64(s, 1, generation);
    if (s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_TEXT)
        state = cJSON_CreateString(column_text(s, 0));
    sqlite3_finalize(s);
    return state ? state : cJSON_CreateNull();
}

static cJSON *
rules_of(const struct teller *t, const cJSON *names, uint32_t generation)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *name;
    cJSON_ArrayForEach(name, names) {
        char describe[512];
        int32_t score_milli;
        if (!cJSON_IsString(name))
            continue;
        cJSON *rule = cJSON_CreateObject();
        cJSON_AddStringToObject(rule, "name", name->valuestring);
        if (t->fn && t->fn(t->owner, generation, name->valuestring, &score_milli, describe, sizeof(describe))) {
            cJSON_AddNumberToObject(rule, "score", score_milli / 1000.0);
            cJSON_AddStringToObject(rule, "describe", describe);
        }
        cJSON_AddItemToArray(list, rule);
    }
    return list;
}

/* What one rule set said; `said` is the record, or its `other`. Of a record that an event decided it is score_verdict. */
static void
add_verdict(const struct teller *t, cJSON *to, const cJSON *said, bool decided)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(said, "generation");
    const cJSON *score = cJSON_GetObjectItemCaseSensitive(said, "score");
    double generation = cJSON_IsNumber(number) && number->valuedouble >= 0 && number->valuedouble <= UINT32_MAX
                            ? number->valuedouble : 0;
    const char *by_score = string_of(said, "score_verdict");
    cJSON *v = cJSON_CreateObject();
    cJSON_AddNumberToObject(v, "generation", generation);
    cJSON_AddItemToObject(v, "state", state_of(t->x, (int64_t)generation));
    cJSON_AddStringToObject(v, "verdict", *by_score ? by_score : string_of(said, "verdict"));
    cJSON_AddNumberToObject(v, "score", cJSON_IsNumber(score) ? score->valuedouble : 0);
    cJSON_AddBoolToObject(v, "decided", decided);
    cJSON_AddItemToObject(v, "rules", rules_of(t, cJSON_GetObjectItemCaseSensitive(said, "rules"), (uint32_t)generation));
    cJSON_AddItemToArray(to, v);
}

static void
add_verdicts(const struct teller *t, cJSON *m)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *other = cJSON_GetObjectItemCaseSensitive(m, "other");
    add_verdict(t, list, m, !*string_of(m, "cause"));
    if (cJSON_IsObject(other))
        add_verdict(t, list, other, false);
    cJSON_AddItemToObject(m, "verdicts", list);
}

/* Others with its retry key. Returns how many of its recipients got it later, of how many. */
static void
add_tries(struct index *x, sqlite3_stmt *row, cJSON *m)
{
    cJSON *list = cJSON_CreateArray();
    sqlite3_stmt *s = index_ask(x, "SELECT json FROM messages WHERE retry_key=?1 AND ?1<>0 AND number<>?2"
                                   " ORDER BY verdict, number LIMIT ?3");
    if (s) {
        sqlite3_bind_int64(s, 1, sqlite3_column_int64(row, RETRY_KEY));
        sqlite3_bind_int64(s, 2, sqlite3_column_int64(row, NUMBER));
        sqlite3_bind_int(s, 3, IMPACT_TRIES_MAX);
    }
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        cJSON *other = cJSON_Parse(column_text(s, 0)), *try = cJSON_CreateObject();
        cJSON_AddStringToObject(try, "id", string_of(other, "id"));
        cJSON_AddStringToObject(try, "time", string_of(other, "time"));
        cJSON_AddStringToObject(try, "verdict", string_of(other, "verdict"));
        cJSON_AddItemToArray(list, try);
        cJSON_Delete(other);
    }
    sqlite3_finalize(s);
    cJSON_AddItemToObject(m, "tries", list);
}

static bool
is_delivered_later(struct index *x, int64_t number)
{
    sqlite3_stmt *s = index_ask(x,
        "SELECT count(*)>0 AND count(*)=total(EXISTS(SELECT 1 FROM messages l JOIN recipients q ON q.message=l.number"
        " WHERE l.retry_key=m.retry_key AND l.retry_key<>0 AND l.number>m.number AND l.verdict<2"
        " AND q.address=r.address COLLATE NOCASE)) FROM messages m JOIN recipients r ON r.message=m.number WHERE m.number=?1");
    bool is = false;
    if (s)
        sqlite3_bind_int64(s, 1, number);
    if (s && sqlite3_step(s) == SQLITE_ROW)
        is = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return is;
}

static void
add_events(struct index *x, sqlite3_stmt *row, cJSON *m)
{
    cJSON *list = cJSON_CreateArray();
    sqlite3_stmt *s = index_ask(x,
        "SELECT json FROM events WHERE time_ms BETWEEN ?1-?2 AND ?1+?2"
        " ORDER BY generation NOT IN (?3,?4), abs(time_ms-?1), seq LIMIT ?5");
    if (s) {
        sqlite3_bind_int64(s, 1, sqlite3_column_int64(row, TIME_MS));
        sqlite3_bind_int(s, 2, IMPACT_AROUND_MS);
        sqlite3_bind_int64(s, 3, sqlite3_column_int64(row, GENERATION));
        sqlite3_bind_int64(s, 4, sqlite3_column_int64(row, OTHER_GENERATION));
        sqlite3_bind_int(s, 5, EVENTS_MAX);
    }
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        cJSON *event = cJSON_Parse(column_text(s, 0));
        if (event)
            cJSON_AddItemToArray(list, event);
    }
    sqlite3_finalize(s);
    cJSON_AddItemToObject(m, "events_around", list);
}

/* What became of it, for somebody who is on the telephone. */
static void
add_text(sqlite3_stmt *row, cJSON *m, bool delivered)
{
    static const char *const done[VERDICT_CNT] = {
        [VERDICT_ACCEPT] = "let through to the server", [VERDICT_TAG] = "let through to the server, noted as suspicious",
        [VERDICT_DEFER] = "deferred (451): the sender was asked to try again later",
        [VERDICT_CLOSE] = "not taken (421): the connection was closed", [VERDICT_REFUSE] = "refused (550)",
        [VERDICT_DROP] = "dropped: the sender was told it was taken, the server never got it",
    };
    int verdict = sqlite3_column_int(row, VERDICT);
    const char *cause = string_of(m, "cause");
    char text[512], why[256] = "", then[128] = "";
    enum event e = *cause ? event_parse(cause) : EVENT_CNT;
    if (strcmp(cause, "rules-disagree") == 0)
        snprintf(why, sizeof(why), ", because two rule sets disagreed about it (generation %lld would not have it)",
                 (long long)sqlite3_column_int64(row, CULPRIT));
    else if (*cause)
        snprintf(why, sizeof(why), ", because of %s", e != EVENT_CNT ? event_why(e) : "an event");
    else if (verdict > VERDICT_TAG)
        snprintf(why, sizeof(why), " by the score of generation %lld's rules", (long long)sqlite3_column_int64(row, GENERATION));
    if (sqlite3_column_type(row, ACCEPTED_BY) != SQLITE_NULL)
        snprintf(then, sizeof(then), "; generation %lld would have let it through",
                 (long long)sqlite3_column_int64(row, ACCEPTED_BY));
    snprintf(text, sizeof(text), "%s%s%s%s", verdict >= 0 && verdict < VERDICT_CNT ? done[verdict] : "?", why, then,
             delivered ? "; it was delivered later" : "");
    cJSON_AddStringToObject(m, "text", text);
}

static cJSON *
tell(const struct teller *t, sqlite3_stmt *row)
{
    static const char *const ours[] = {"text", "verdicts", "accepted_by", "delivered_later", "tries", "events_around"};
    cJSON *m = cJSON_Parse(column_text(row, JSON));
    if (!cJSON_IsObject(m)) {
        cJSON_Delete(m);
        m = cJSON_CreateObject();
    }
    for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(m, ours[i]); /* whatever a record brings */
    bool delivered = sqlite3_column_int(row, VERDICT) > VERDICT_TAG && is_delivered_later(t->x, sqlite3_column_int64(row, NUMBER));
    add_text(row, m, delivered);
    add_verdicts(t, m);
    cJSON_AddItemToObject(m, "accepted_by", sqlite3_column_type(row, ACCEPTED_BY) == SQLITE_NULL
                                                ? cJSON_CreateNull()
                                                : cJSON_CreateNumber((double)sqlite3_column_int64(row, ACCEPTED_BY)));
    cJSON_AddBoolToObject(m, "delivered_later", delivered);
    add_tries(t->x, row, m);
    add_events(t->x, row, m);
    return m;
}

cJSON *
impact_trace(struct index *x, const char *sought, impact_rule_fn *fn, void *owner)
{
    const struct teller t = {x, fn, owner};
    cJSON *to = cJSON_CreateObject(), *list = cJSON_CreateArray();
    index_flush(x);
    index_hurry(x, IMPACT_BUDGET_MS); /* what is not found by then is left out */
    for (int how = 0; how < 3 && cJSON_GetArraySize(list) == 0; how++) {
        sqlite3_stmt *s = strlen(sought) < SOUGHT_MAX ? find(x, sought, how) : NULL;
        while (s && cJSON_GetArraySize(list) < IMPACT_TRACE_MAX && sqlite3_step(s) == SQLITE_ROW)
            cJSON_AddItemToArray(list, tell(&t, s));
        sqlite3_finalize(s);
    }
    index_hurry(x, 0);
    bool ok = cJSON_GetArraySize(list) > 0;
    cJSON_AddBoolToObject(to, "ok", ok);
    if (!ok)
        cJSON_AddStringToObject(to, "error", index_error(x)[0] ? index_error(x) : "no message with this id, Message-ID or ADDRESS:PORT is in the index");
    cJSON_AddItemToObject(to, "messages", list);
    return to;
}
