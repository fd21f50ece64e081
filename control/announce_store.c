/* What is open: incidents and people's announcements, journaled before they are changed, and
 * rebuilt from the journal. */
#include "control/announce_private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t
announce_wall(const struct announce *a)
{
    return a->clock(false);
}

uint64_t
announce_mono(const struct announce *a)
{
    return a->clock(true);
}

static int
journal(struct announce *a, uint32_t generation, cJSON *fields)
{
    if (a->journal)
        return a->journal(a->journal_owner, ANNOUNCE_EVENT, generation, fields);
    cJSON_Delete(fields);
    return 0;
}

/* ---- incidents ---- */

struct incident *
announce_find_incident(struct announce *a, const char *id)
{
    for (uint32_t i = 0; i < a->incident_cnt; i++) {
        if (!strcmp(a->incidents[i].id, id))
            return &a->incidents[i];
    }
    return NULL;
}

struct incident *
announce_find_open(struct announce *a, uint32_t generation)
{
    for (uint32_t i = a->incident_cnt; i-- > 0;) {
        if (a->incidents[i].generation == generation && a->incidents[i].status != STATUS_RESOLVED)
            return &a->incidents[i];
    }
    return NULL;
}

void
announce_forget_incident(struct announce *a, uint32_t idx)
{
    struct incident *i = &a->incidents[idx];
    for (uint32_t u = 0; u < i->update_cnt; u++)
        free(i->updates[u].body);
    memmove(i, i + 1, (a->incident_cnt - idx - 1) * sizeof(*i));
    a->incident_cnt--;
    a->is_dirty = true;
}

/* Room for one more: the oldest resolved one goes, or the oldest. */
static struct incident *
new_incident(struct announce *a, const char *id)
{
    uint32_t idx = 0;
    if (a->incident_cnt == ANNOUNCE_INCIDENTS_MAX) {
        while (idx < a->incident_cnt && a->incidents[idx].status != STATUS_RESOLVED)
            idx++;
        announce_forget_incident(a, idx < a->incident_cnt ? idx : 0);
    }
    struct incident *i = &a->incidents[a->incident_cnt++];
    *i = (struct incident){0};
    snprintf(i->id, sizeof(i->id), "%s", id);
    return i;
}

static void
add_update(struct incident *i, const struct change *c)
{
    char *body = strndup(c->body, ANNOUNCE_TEXT_MAX);
    if (!body)
        return;
    if (i->update_cnt == ANNOUNCE_UPDATES_MAX) {
        free(i->updates[1].body);
        memmove(&i->updates[1], &i->updates[2], (ANNOUNCE_UPDATES_MAX - 2) * sizeof(*i->updates));
        i->update_cnt--;
    }
    i->updates[i->update_cnt++] = (struct update){c->status, c->time_ms, body};
}

/* Of what is monitored already so long by the wall's clock, the rest. */
static uint64_t
clean_at(const struct announce *a, uint64_t since_ms)
{
    uint64_t wall = announce_wall(a);
    uint64_t gone = wall > since_ms ? wall - since_ms : 0;
    return announce_mono(a) + (gone < a->clean_ms ? a->clean_ms - gone : 0);
}

static struct incident *
apply_update(struct announce *a, const struct change *c)
{
    struct incident *i = announce_find_incident(a, c->id);
    if (!i)
        i = new_incident(a, c->id);
    if (!i->update_cnt)
        i->started_ms = c->time_ms;
    i->generation = c->generation;
    i->impact = c->impact > i->impact ? c->impact : i->impact;
    i->status = c->status;
    i->monitoring_ms = c->status == STATUS_MONITORING ? c->time_ms : i->monitoring_ms;
    i->resolved_ms = c->status == STATUS_RESOLVED ? c->time_ms : 0;
    i->due_mono_ms = clean_at(a, c->time_ms);
    i->trip_ms = c->trip_ms ? c->trip_ms : i->trip_ms;
    if (c->title)
        snprintf(i->title, sizeof(i->title), "%s", c->title);
    if (c->where_cnt) {
        i->where_cnt = c->where_cnt;
        memcpy(i->where, c->where, c->where_cnt * sizeof(*c->where));
    }
    add_update(i, c);
    a->is_dirty = true;
    return i;
}

struct incident *
announce_update(struct announce *a, const struct change *c)
{
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "what", "update");
    cJSON_AddStringToObject(fields, "id", c->id);
    cJSON_AddStringToObject(fields, "status", announce_status_name(c->status));
    cJSON_AddStringToObject(fields, "impact", announce_impact_name(c->impact));
    if (c->title)
        cJSON_AddStringToObject(fields, "title", c->title);
    cJSON_AddStringToObject(fields, "text", c->body);
    cJSON_AddNumberToObject(fields, "at_ms", (double)c->time_ms);
    if (c->trip_ms)
        cJSON_AddNumberToObject(fields, "trip_ms", (double)c->trip_ms);
    if (c->where_cnt)
        cJSON_AddItemToObject(fields, "where", announce_where_json(c->where, c->where_cnt));
    journal(a, c->generation, fields); /* the public is told in any case */
    return apply_update(a, c);
}

/* ---- people's announcements ---- */

struct notice *
announce_find_notice(struct announce *a, const char *id)
{
    for (uint32_t i = 0; i < a->notice_cnt; i++) {
        if (!strcmp(a->notices[i].id, id))
            return &a->notices[i];
    }
    return NULL;
}

static void
forget_notice(struct announce *a, struct notice *n)
{
    free(n->text);
    memmove(n, n + 1, (size_t)(&a->notices[a->notice_cnt] - (n + 1)) * sizeof(*n));
    a->notice_cnt--;
    a->is_dirty = true;
}

static int
apply_notice(struct announce *a, const struct notice *n)
{
    char *text = a->notice_cnt < ANNOUNCE_NOTICES_MAX ? strdup(n->text) : NULL;
    if (!text)
        return a->notice_cnt < ANNOUNCE_NOTICES_MAX ? -ENOMEM : -ENOSPC;
    struct notice *to = &a->notices[a->notice_cnt++];
    *to = *n;
    to->text = text;
    uint64_t wall = announce_wall(a);
    to->due_mono_ms = announce_mono(a) + (n->expires_ms > wall ? n->expires_ms - wall : 0);
    a->is_dirty = true;
    return 0;
}

int
announce_put_notice(struct announce *a, const struct notice *n)
{
    if (a->notice_cnt == ANNOUNCE_NOTICES_MAX)
        return -ENOSPC;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "what", "notice");
    cJSON_AddStringToObject(fields, "id", n->id);
    cJSON_AddStringToObject(fields, "by", n->by);
    cJSON_AddStringToObject(fields, "text", n->text);
    cJSON_AddStringToObject(fields, "impact", announce_impact_name(n->impact));
    cJSON_AddNumberToObject(fields, "at_ms", (double)n->since_ms);
    cJSON_AddNumberToObject(fields, "expires_ms", (double)n->expires_ms);
    cJSON_AddItemToObject(fields, "components", announce_components_json(n->components));
    int result = journal(a, 0, fields);
    return result ? result : apply_notice(a, n);
}

int
announce_drop_notice(struct announce *a, struct notice *n, const char *by)
{
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddStringToObject(fields, "what", "end");
    cJSON_AddStringToObject(fields, "id", n->id);
    cJSON_AddStringToObject(fields, "by", by ? by : "expiry");
    int result = journal(a, 0, fields);
    if (result && by)
        return result;
    forget_notice(a, n);
    return 0;
}

/* ---- the journal, read again: it is a file, so nothing in it is believed ---- */

static const char *
text_of(const cJSON *record, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
    return text ? text : "";
}

static uint64_t
number_of(const cJSON *record, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(record, name);
    bool is_good = cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble < 9e15;
    return is_good ? (uint64_t)n->valuedouble : 0;
}

/* "i12": 12. 0: no such id. */
static uint64_t
id_number(const char *id, char kind)
{
    char *end;
    unsigned long long n =
        id[0] == kind && id[1] >= '1' && id[1] <= '9' ? strtoull(id + 1, &end, 10) : 0;
    return n && !*end && n < UINT32_MAX && strlen(id) < ANNOUNCE_ID_MAX ? n : 0;
}

static uint32_t
read_where(const cJSON *list, struct where *to)
{
    uint32_t cnt = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        uint32_t kind = 0;
        while (kind < LINK_KIND_CNT && strcmp(announce_kind_name(kind), text_of(one, "kind")) != 0)
            kind++;
        if (kind == LINK_KIND_CNT || cnt == WHERE_MAX)
            continue;
        to[cnt] = (struct where){
            .kind = kind, .n = (uint32_t)number_of(one, "n"), .k = (uint32_t)number_of(one, "k")};
        announce_clean_name(text_of(one, "name"), to[cnt].name, sizeof(to[cnt].name));
        cnt++;
    }
    return cnt;
}

static void
replay_update(struct announce *a, const cJSON *record)
{
    struct where where[WHERE_MAX];
    struct change c = {.time_ms = number_of(record, "at_ms"),
                       .id = text_of(record, "id"),
                       .generation = (uint32_t)number_of(record, "generation"),
                       .title = *text_of(record, "title") ? text_of(record, "title") : NULL,
                       .body = text_of(record, "text"),
                       .trip_ms = number_of(record, "trip_ms"),
                       .where = where};
    while (c.status < STATUS_CNT &&
           strcmp(announce_status_name(c.status), text_of(record, "status")) != 0)
        c.status++;
    uint64_t number = id_number(c.id, 'i');
    if (!number || c.status == STATUS_CNT ||
        !announce_impact_parse(text_of(record, "impact"), &c.impact))
        return;
    c.where_cnt = read_where(cJSON_GetObjectItemCaseSensitive(record, "where"), where);
    a->last_incident = number > a->last_incident ? number : a->last_incident;
    apply_update(a, &c);
}

static uint32_t
read_components(const cJSON *list)
{
    uint32_t components = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        for (int c = 0; c < COMPONENT_CNT; c++) {
            const char *id = cJSON_GetStringValue(one);
            components |= id && !strcmp(id, announce_component_id((enum component)c)) ? 1U << c : 0;
        }
    }
    return components;
}

static void
replay_notice(struct announce *a, const cJSON *record)
{
    struct notice n = {.since_ms = number_of(record, "at_ms"),
                       .expires_ms = number_of(record, "expires_ms")};
    char text[ANNOUNCE_TEXT_MAX + 1];
    uint64_t number = id_number(text_of(record, "id"), 'a');
    if (!number || !announce_impact_parse(text_of(record, "impact"), &n.impact))
        return;
    a->last_notice = number > a->last_notice ? number : a->last_notice;
    uint64_t wall = announce_wall(a);
    if (n.expires_ms <= wall || n.expires_ms > wall + ANNOUNCE_EXPIRES_MAX_S * UINT64_C(1000) ||
        announce_find_notice(a, text_of(record, "id")))
        return;
    snprintf(n.id, sizeof(n.id), "%s", text_of(record, "id"));
    snprintf(n.by, sizeof(n.by), "%s", text_of(record, "by"));
    snprintf(text, sizeof(text), "%s", text_of(record, "text"));
    n.text = text;
    n.components = read_components(cJSON_GetObjectItemCaseSensitive(record, "components"));
    apply_notice(a, &n);
}

void
announce_replay(struct announce *a, const cJSON *record)
{
    const char *what = text_of(record, "what");
    if (strcmp(text_of(record, "event"), ANNOUNCE_EVENT) != 0)
        return;
    if (!strcmp(what, "update")) {
        replay_update(a, record);
    } else if (!strcmp(what, "notice")) {
        replay_notice(a, record);
    } else if (!strcmp(what, "end")) {
        struct notice *n = announce_find_notice(a, text_of(record, "id"));
        if (n)
            forget_notice(a, n);
    }
}
