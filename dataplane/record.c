#include "dataplane/record.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <numa.h>

#include "control/link.h"
#include "dataplane/handover.h"
#include "scan/event.h"

enum { CACHE_LINE = 64 };

struct record_ring {
    /* set up once */
    uint32_t mask;
    bool is_lossless;
    size_t memory_len;
    uint64_t first_id;

    /* written by the core; head read (acquire) by the agent */
    _Alignas(CACHE_LINE) uint32_t head;
    uint64_t committed; /* ever */

    /* written by the agent; read (acquire) by the core */
    _Alignas(CACHE_LINE) uint32_t tail;

    _Alignas(CACHE_LINE) struct record slots[];
};

struct record_ring *
record_ring_new(uint32_t slots, bool is_lossless, int node)
{
    if (slots == 0 || (slots & (slots - 1)) != 0)
        return NULL;
    size_t len = sizeof(struct record_ring) + (size_t)slots * sizeof(struct record);
    struct record_ring *r = numa_available() >= 0 && node >= 0 ? numa_alloc_onnode(len, node)
                                                               : numa_alloc_local(len);
    if (!r)
        return NULL;
    r->mask = slots - 1;
    r->is_lossless = is_lossless;
    r->memory_len = len;
    r->head = r->tail = 0;
    r->committed = r->first_id = 0;
    if (!is_lossless && getrandom(&r->first_id, sizeof(r->first_id), 0) != sizeof(r->first_id)) {
        record_ring_free(r);
        return NULL;
    }
    return r;
}

void
record_ring_free(struct record_ring *r)
{
    if (r)
        numa_free(r, r->memory_len);
}

struct record *
record_reserve(struct record_ring *r)
{
    /* acquire: the agent has read the slot before we write it again */
    while (r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) > r->mask) {
        if (!r->is_lossless)
            return NULL;
        sched_yield();
    }
    return &r->slots[r->head & r->mask];
}

void
record_commit(struct record_ring *r)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* no system call, and no look at the counter */
    struct record *slot = &r->slots[r->head & r->mask];
    slot->time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    slot->id = r->first_id + r->committed++;
    /* release: the slot is written before the agent may read it */
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
}

/* ---- JSON, the agent's side ---- */

/* Octets of the UTF-8 character at `s` (RFC 3629: shortest form, no surrogates), 0 when there is none. A
 * NUL ends the text, so no look at s[i] passes the end. */
static unsigned
utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    unsigned len = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3
                   : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    for (unsigned i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

/* Octets that are no UTF-8 are read as Latin-1, so that a line is always JSON and loses nothing. `to` has
 * room for twice the text. */
static const char *
as_utf8(const char *text, char *to)
{
    const unsigned char *s = (const unsigned char *)text;
    char *out = to;
    while (*s) {
        unsigned len = utf8_len(s);
        if (len == 0) {
            *out++ = (char)(0xc0 | *s >> 6);
            *out++ = (char)(0x80 | (*s++ & 0x3f));
            continue;
        }
        memcpy(out, s, len);
        out += len;
        s += len;
    }
    *out = '\0';
    return to;
}

/* The next text of rec->text, "" past the end; never beyond text_len, whatever the counts say. */
static const char *
next_text(const struct record *rec, unsigned *at)
{
    unsigned len = rec->text_len < RECORD_TEXT_MAX ? rec->text_len : RECORD_TEXT_MAX;
    if (*at >= len || !memchr(rec->text + *at, '\0', len - *at)) {
        *at = len;
        return "";
    }
    const char *text = rec->text + *at;
    *at += (unsigned)strlen(text) + 1;
    return text;
}

static void
add_texts(cJSON *to, const char *name, const struct record *rec, unsigned cnt, unsigned *at, char *utf8)
{
    cJSON *list = cJSON_AddArrayToObject(to, name);
    for (unsigned i = 0; i < cnt && *at < rec->text_len; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(as_utf8(next_text(rec, at), utf8)));
}

static void
add_time(cJSON *to, uint64_t time_ms)
{
    char text[64];
    struct tm tm;
    time_t s = (time_t)(time_ms / 1000);
    if (!gmtime_r(&s, &tm))
        return;
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + len, sizeof(text) - len, ".%03uZ", (unsigned)(time_ms % 1000));
    cJSON_AddStringToObject(to, "time", text);
}

void
record_id_text(uint64_t id, char *text)
{
    for (int i = RECORD_ID_LEN; i-- > 0; id >>= 5)
        text[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[id & 31];
    text[RECORD_ID_LEN] = '\0';
}

/* Two rule sets have judged. */
static void
add_other(cJSON *to, const struct record *rec, unsigned *at, char *utf8)
{
    static const char *const stages[] = {[LINK_STAGE_SHADOW] = "SHADOW",
                                         [LINK_STAGE_CANARY] = "CANARY",
                                         [LINK_STAGE_PROBATION] = "PROBATION",
                                         [LINK_STAGE_LIVE] = "LIVE"};
    const char *stage = rec->stage <= LINK_STAGE_LIVE ? stages[rec->stage] : NULL;
    if (!stage)
        return;
    cJSON_AddStringToObject(to, "stage", stage);
    cJSON *other = cJSON_AddObjectToObject(to, "other");
    cJSON_AddNumberToObject(other, "generation", rec->other_generation);
    cJSON_AddStringToObject(other, "verdict", verdict_name((enum verdict)rec->other_verdict));
    cJSON_AddNumberToObject(other, "score", rec->other_score_milli / 1000.0);
    add_texts(other, "rules", rec, rec->other_rule_cnt, at, utf8);
    if (rec->deferred_try)
        cJSON_AddNumberToObject(to, "deferred_try", rec->deferred_try);
}

static cJSON *
record_json(const struct record *rec)
{
    char utf8[2 * RECORD_TEXT_MAX + 1];
    unsigned at = 0;
    char id[RECORD_ID_LEN + 1];
    cJSON *j = cJSON_CreateObject();
    record_id_text(rec->id, id);
    cJSON_AddStringToObject(j, "id", id);
    add_time(j, rec->time_ms);
    cJSON_AddStringToObject(j, "src", rec->src);
    cJSON_AddNumberToObject(j, "sport", rec->sport);
    cJSON_AddStringToObject(j, "dst", rec->dst);
    cJSON_AddNumberToObject(j, "dport", rec->dport);
    if (rec->client[0])
        cJSON_AddStringToObject(j, "client", as_utf8(rec->client, utf8));
    cJSON_AddNumberToObject(j, "n", rec->n);
    cJSON_AddStringToObject(j, "mail_from", as_utf8(next_text(rec, &at), utf8));
    add_texts(j, "rcpt", rec, rec->rcpt_cnt, &at, utf8);
    if (rec->message_id[0])
        cJSON_AddStringToObject(j, "message_id", as_utf8(rec->message_id, utf8));
    cJSON_AddNumberToObject(j, "octets", (double)rec->octets);
    cJSON_AddStringToObject(j, "verdict", verdict_name(rec->verdict));
    cJSON_AddNumberToObject(j, "score", rec->score_milli / 1000.0);
    add_texts(j, "rules", rec, rec->rule_cnt, &at, utf8);
    if (rec->score_verdict != rec->verdict)
        cJSON_AddStringToObject(j, "score_verdict", verdict_name(rec->score_verdict));
    if (rec->cause > EVENT_NONE && rec->cause < EVENT_CNT)
        cJSON_AddStringToObject(j, "cause", event_name((enum event)rec->cause));
    cJSON_AddNumberToObject(j, "generation", rec->generation);
    add_other(j, rec, &at, utf8);
    cJSON *events = cJSON_AddArrayToObject(j, "events");
    for (int e = EVENT_NONE + 1; e < EVENT_CNT; e++) {
        if (rec->events & EVENT_BIT(e))
            cJSON_AddItemToArray(events, cJSON_CreateStringReference(event_name((enum event)e)));
    }
    return j;
}

static void
write_line(const struct record *rec, FILE *to, struct handover *h)
{
    cJSON *j = record_json(rec);
    char *line = cJSON_PrintUnformatted(j);
    if (line && to)
        fprintf(to, "%s\n", line);
    if (line && h)
        handover_put(h, line, strlen(line));
    cJSON_free(line);
    cJSON_Delete(j);
}

unsigned
record_drain(struct record_ring *r, FILE *to, struct handover *h)
{
    uint32_t head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
    unsigned cnt = 0;
    for (uint32_t tail = r->tail; tail != head; cnt++) {
        write_line(&r->slots[tail & r->mask], to, h);
        __atomic_store_n(&r->tail, ++tail, __ATOMIC_RELEASE);
    }
    return cnt;
}
