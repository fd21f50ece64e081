/* A record's line to rows. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "control/index_private.h"
#include "scan/verdict.h"

/* ---- small things ---- */

bool
index_time(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    unsigned thousandths;
    int len = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest || sscanf(rest, ".%3uZ%n", &thousandths, &len) != 1 || len != 5 || rest[len])
        return false;
    *ms = (int64_t)timegm(&tm) * 1000 + (int64_t)thousandths;
    return *ms >= 0;
}

void
index_domain(const char *address, char *domain, size_t size)
{
    const char *at = strrchr(address, '@');
    size_t n = 0;
    for (at = at ? at + 1 : ""; *at && n + 1 < size; at++)
        domain[n++] = (char)tolower((unsigned char)*at);
    domain[n] = '\0';
}

/* Case matters before the @ in theory alone. Each text with its NUL, so that no two lists are one. */
static void
put_folded(EVP_MD_CTX *ctx, const char *text)
{
    char c;
    do {
        c = (char)tolower((unsigned char)*text);
        EVP_DigestUpdate(ctx, &c, 1);
    } while (*text++);
}

int64_t
index_key(const char *mail_from, const char *message_id, uint64_t octets, const char *src)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    int64_t key;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return 0;
    }
    put_folded(ctx, mail_from);
    EVP_DigestUpdate(ctx, message_id ? "i" : "o", 1);
    if (message_id) {
        EVP_DigestUpdate(ctx, message_id, strlen(message_id) + 1);
    } else {
        EVP_DigestUpdate(ctx, &octets, sizeof(octets));
        put_folded(ctx, src);
    }
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    memcpy(&key, digest, sizeof(key));
    return key;
}

/* ---- a record, checked ---- */

struct other {
    bool is_there;
    int64_t generation;
    enum verdict verdict;
};

struct fields {
    const char *id, *src, *client, *mail_from, *message_id, *cause, *stage;
    const cJSON *rcpt;
    int64_t time_ms, sport, generation, octets;
    int32_t score_milli;
    enum verdict verdict;
    enum verdict by_score; /* what its own rules said, if an event decided */
    struct other other;
};

static const char *
text_of(const cJSON *j, const char *name)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(j, name);
    return cJSON_IsString(t) ? t->valuestring : NULL;
}

/* False: it is there and no whole number within 0..max. Left out: 0. */
static bool
number_of(const cJSON *j, const char *name, double max, int64_t *to)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(j, name);
    *to = 0;
    if (!n)
        return true;
    if (!cJSON_IsNumber(n) || !(n->valuedouble >= 0 && n->valuedouble <= max))
        return false;
    *to = (int64_t)n->valuedouble;
    return true;
}

static bool
score_of(const cJSON *j, int32_t *milli)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(j, "score");
    if (!cJSON_IsNumber(n) || !(n->valuedouble >= INT32_MIN / 1000 && n->valuedouble <= INT32_MAX / 1000))
        return false;
    double scaled = n->valuedouble * 1000;
    *milli = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    return true;
}

static bool
read_other(const cJSON *j, struct other *o)
{
    const cJSON *other = cJSON_GetObjectItemCaseSensitive(j, "other");
    const char *verdict = text_of(other, "verdict");
    o->is_there = other;
    return !other || (verdict && verdict_parse(verdict, &o->verdict) &&
                      number_of(other, "generation", UINT32_MAX, &o->generation));
}

static bool
is_id(const char *id)
{
    size_t len = strlen(id);
    return len >= 1 && len <= INDEX_ID_LEN && strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool
read_fields(const cJSON *j, struct fields *f)
{
    const char *time = text_of(j, "time"), *verdict = text_of(j, "verdict");
    f->id = text_of(j, "id");
    f->src = text_of(j, "src");
    f->client = text_of(j, "client");
    f->mail_from = text_of(j, "mail_from");
    f->message_id = text_of(j, "message_id");
    f->cause = text_of(j, "cause");
    f->stage = text_of(j, "stage");
    f->rcpt = cJSON_GetObjectItemCaseSensitive(j, "rcpt");
    /* A record without it: of two that disagree, one lets it through. */
    const char *by_score = text_of(j, "score_verdict");
    if (!by_score || !verdict_parse(by_score, &f->by_score))
        f->by_score = VERDICT_ACCEPT;
    return f->id && is_id(f->id) && time && index_time(time, &f->time_ms) && verdict &&
           verdict_parse(verdict, &f->verdict) && f->src && f->mail_from && cJSON_IsArray(f->rcpt) && score_of(j, &f->score_milli) &&
           number_of(j, "sport", 65535, &f->sport) && number_of(j, "generation", UINT32_MAX, &f->generation) &&
           number_of(j, "octets", 9e15, &f->octets) && read_other(j, &f->other);
}

/* Whom a message that was not let through is charged to (see the schema). A disagreement is charged to the one that would
 * not let it through; when one would defer it and the other refuse it, to the one that refuses. */
static void
charge(const struct fields *f, int64_t *culprit, int64_t *accepted_by)
{
    bool is_disagreement = f->cause && strcmp(f->cause, "rules-disagree") == 0;
    bool other_forwards = f->other.is_there && verdict_forwards(f->other.verdict);
    *culprit = *accepted_by = 0;
    if (verdict_forwards(f->verdict) || (f->cause && !is_disagreement && strcmp(f->cause, "rules-returned") != 0))
        return;
    bool is_others = is_disagreement && f->other.is_there && f->other.verdict > f->by_score;
    *culprit = is_others ? f->other.generation : f->generation;
    if (is_others && verdict_forwards(f->by_score))
        *accepted_by = f->generation;
    else if (!is_others && other_forwards)
        *accepted_by = f->other.generation;
}

/* ---- rows ---- */

static void
bind_number(sqlite3_stmt *s, int at, int64_t number, bool is_there)
{
    if (is_there)
        sqlite3_bind_int64(s, at, number);
    else
        sqlite3_bind_null(s, at);
}

static int
add_message(struct index *x, const struct fields *f, const char *line, size_t len)
{
    sqlite3_stmt *s = x->statements[INDEX_ADD_MESSAGE];
    char domain[256];
    int64_t culprit, accepted_by;
    const char *message_id = f->message_id && *f->message_id ? f->message_id : NULL;
    charge(f, &culprit, &accepted_by);
    index_domain(f->mail_from, domain, sizeof(domain));
    index_bind_text(s, 1, f->id);
    sqlite3_bind_int64(s, 2, f->time_ms);
    index_bind_text(s, 3, f->src);
    sqlite3_bind_int64(s, 4, f->sport);
    index_bind_text(s, 5, f->client);
    index_bind_text(s, 6, f->mail_from);
    index_bind_text(s, 7, domain);
    index_bind_text(s, 8, message_id);
    sqlite3_bind_int64(s, 9, index_key(f->mail_from, message_id, (uint64_t)f->octets, f->client ? f->client : f->src));
    sqlite3_bind_int64(s, 10, f->verdict);
    sqlite3_bind_int64(s, 11, f->score_milli);
    sqlite3_bind_int64(s, 12, f->generation);
    index_bind_text(s, 13, f->cause);
    index_bind_text(s, 14, f->stage);
    bind_number(s, 15, f->other.generation, f->other.is_there);
    bind_number(s, 16, f->other.verdict, f->other.is_there);
    sqlite3_bind_int64(s, 17, culprit);
    bind_number(s, 18, accepted_by, accepted_by);
    sqlite3_bind_text(s, 19, line, (int)len, SQLITE_TRANSIENT);
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

static int
add_recipients(struct index *x, int64_t number, const cJSON *rcpt)
{
    sqlite3_stmt *s = x->statements[INDEX_ADD_RECIPIENT];
    int place = 0, rc = SQLITE_DONE;
    const cJSON *one;
    cJSON_ArrayForEach(one, rcpt) {
        char domain[256];
        if (!cJSON_IsString(one) || place == INDEX_RCPT_MAX || rc != SQLITE_DONE)
            continue;
        index_domain(one->valuestring, domain, sizeof(domain));
        sqlite3_bind_int64(s, 1, number);
        sqlite3_bind_int64(s, 2, place++);
        index_bind_text(s, 3, one->valuestring);
        index_bind_text(s, 4, domain);
        rc = sqlite3_step(s);
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
    }
    return rc;
}

static bool
add(struct index *x, const struct fields *f, const char *line, size_t len, uint64_t now_ms)
{
    if (!index_begin(x, now_ms)) {
        x->counts.dropped++;
        return false;
    }
    int rc = add_message(x, f, line, len);
    bool is_twice = rc == SQLITE_DONE && sqlite3_changes(x->db) == 0;
    if (rc == SQLITE_DONE && !is_twice)
        rc = add_recipients(x, sqlite3_last_insert_rowid(x->db), f->rcpt);
    if (rc != SQLITE_DONE) {
        x->counts.dropped++;
        index_failed(x, rc, "cannot be written");
        return false;
    }
    x->counts.twice += is_twice;
    x->counts.taken += !is_twice;
    x->batch_cnt += !is_twice;
    return true;
}

bool
index_message(struct index *x, const char *line, size_t len, uint64_t now_ms)
{
    struct fields f = {0};
    cJSON *j = cJSON_ParseWithLength(line, len);
    bool ok = cJSON_IsObject(j) && read_fields(j, &f);
    if (!ok)
        x->counts.bad++;
    ok = ok && add(x, &f, line, len, now_ms);
    cJSON_Delete(j);
    return ok;
}

int64_t
index_read_messages(struct index *x, const char *path, uint64_t octets_max, uint64_t now_ms)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    uint64_t before = x->counts.taken;
    if (!file)
        return -1;
    if (fseeko(file, 0, SEEK_END) == 0 && (uint64_t)ftello(file) > octets_max) {
        fseeko(file, -(off_t)octets_max, SEEK_END);
        if (getline(&line, &size, file) < 0) /* the rest of one */
            rewind(file);
    } else {
        rewind(file);
    }
    for (ssize_t len; (len = getline(&line, &size, file)) > 0;) {
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        if (len > 0 && len <= LINK_LINE_MAX)
            index_message(x, line, (size_t)len, now_ms);
        if (x->batch_cnt >= INDEX_BATCH_MAX)
            index_flush(x);
    }
    free(line);
    fclose(file);
    return index_flush(x) ? (int64_t)(x->counts.taken - before) : -1;
}
