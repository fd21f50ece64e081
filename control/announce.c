#include "control/announce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/announce_private.h"
#include "control/clock.h"
#include "control/status.h"

enum { DOWN_AFTER_MS = 3000, WRITE_AGAIN_MS = 1000, SAME_TRIP_MS = 60000, BODY_MAX = ANNOUNCE_TEXT_MAX };

static uint64_t
system_clock(bool is_mono)
{
    return clock_ms(is_mono ? CLOCK_MONOTONIC : CLOCK_REALTIME);
}

struct announce *
announce_new(const struct announce_settings *s)
{
    struct announce *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    snprintf(a->folder, sizeof(a->folder), "%s", s->folder);
    snprintf(a->name, sizeof(a->name), "%s", s->name && *s->name ? s->name : "Mail service");
    a->clean_ms = s->clean_ms;
    a->clock = system_clock;
    a->is_dirty = true;
    a->hooks = hooks_new(s->hooks ? s->hooks : "", HOOKS_LIMIT_MS, stderr);
    if (a->hooks)
        return a;
    free(a);
    return NULL;
}

void
announce_free(struct announce *a)
{
    if (!a)
        return;
    hooks_free(a->hooks);
    while (a->incident_cnt)
        announce_forget_incident(a, a->incident_cnt - 1);
    for (uint32_t i = 0; i < a->notice_cnt; i++)
        free(a->notices[i].text);
    free(a);
}

void
announce_set_journal(struct announce *a, announce_journal_fn *fn, void *owner)
{
    a->journal = fn;
    a->journal_owner = owner;
}

void
announce_set_clock(struct announce *a, announce_clock_fn *fn)
{
    a->clock = fn;
}

/* ---- hooks ---- */

/* Takes more: its members are added. */
static void
call_hooks(struct announce *a, const char *event, uint32_t generation, const char *subject,
           const char *text, cJSON *more)
{
    char time_text[64];
    cJSON *j = cJSON_CreateObject();
    announce_time_text(announce_wall(a), time_text, sizeof(time_text));
    cJSON_AddStringToObject(j, "event", event);
    cJSON_AddStringToObject(j, "time", time_text);
    if (generation)
        cJSON_AddNumberToObject(j, "generation", generation);
    cJSON_AddStringToObject(j, "subject", subject);
    cJSON_AddStringToObject(j, "text", text);
    cJSON_AddStringToObject(j, "indicator", announce_impact_name(announce_indicator(a)));
    if (more)
        cJSON_AddItemToObject(j, "details", more);
    char *json = cJSON_PrintUnformatted(j);
    if (json)
        hooks_call(a->hooks, event, json);
    cJSON_free(json);
    cJSON_Delete(j);
}

/* ---- incidents ---- */

/* The operators get the names that the public does not. */
static void
tell(struct announce *a, const struct change *c)
{
    char where[BODY_MAX];
    char text[2 * BODY_MAX + 8];
    struct incident *i = announce_update(a, c);
    announce_where_text(i->where, i->where_cnt, false, where, sizeof(where));
    snprintf(text, sizeof(text), "%s%s%s", c->body, *where ? " Where: " : "", where);
    cJSON *details = cJSON_CreateObject();
    cJSON_AddItemToObject(details, "incident", announce_incident_json(a, i));
    cJSON_AddItemToObject(details, "where", announce_where_json(i->where, i->where_cnt));
    call_hooks(a, announce_status_name(c->status), c->generation, i->title, text, details);
}

/* What is open of this generation goes on. */
static void
tell_of(struct announce *a, const struct incident *i, enum incident_status status, const char *body)
{
    char id[ANNOUNCE_ID_MAX];
    memcpy(id, i->id, sizeof(id));
    tell(a, &(struct change){.time_ms = announce_wall(a),
                             .id = id,
                             .generation = i->generation,
                             .status = status,
                             .impact = i->impact,
                             .body = body});
}

static const char *
reason_text(uint32_t reason)
{
    static const char *const texts[] = {
        [LINK_REASON_NONE] = "for no reason given",
        [LINK_REASON_OPERATOR] = "by an operator",
        [LINK_REASON_EVIDENCE] = "for what it did to mail",
        [LINK_REASON_LEASE] = "because the control process was silent",
        [LINK_REASON_DEFERRALS] = "because too many messages were deferred",
        [LINK_REASON_SLOW] = "because it was too slow",
        [LINK_REASON_CRASHES] = "because the scanner died under it"};
    return reason < sizeof(texts) / sizeof(*texts) ? texts[reason] : texts[0];
}

/* Whether mail of others came to harm, so that the public is to know. */
static bool
is_public(const struct link_trip *t, enum link_stage_id stage)
{
    if (stage == LINK_STAGE_LIVE)
        return true;
    return (stage == LINK_STAGE_CANARY || stage == LINK_STAGE_PROBATION) &&
           t->reason != LINK_REASON_OPERATOR && t->reason != LINK_REASON_LEASE;
}

static void
tell_operators_only(struct announce *a, const struct link_trip *t, const struct where *w,
                    uint32_t where_cnt)
{
    char where[BODY_MAX];
    char text[2 * BODY_MAX];
    char subject[TITLE_MAX];
    announce_where_text(w, where_cnt, false, where, sizeof(where));
    snprintf(subject, sizeof(subject), "Rule set %u was withdrawn, no mail harmed", t->generation);
    snprintf(text, sizeof(text), "Rule set %u was withdrawn %s. No mail was refused for it.%s%s",
             t->generation, reason_text(t->reason), *where ? " Where: " : "", where);
    call_hooks(a, "withdrawn", t->generation, subject, text, announce_where_json(w, where_cnt));
}

/* Told before: by this process, or by the one whose journal was replayed. Who asked for the return told its own time; the
 * data plane's, which is what is known after a crash, is a little later. */
static bool
is_known(const struct announce *a, const struct link_trip *t)
{
    for (uint32_t i = 0; i < a->incident_cnt; i++) {
        uint64_t told_ms = a->incidents[i].trip_ms;
        if (a->incidents[i].generation == t->generation && told_ms && told_ms <= t->time_ms &&
            t->time_ms - told_ms <= SAME_TRIP_MS)
            return true;
    }
    return false;
}

static void
new_id(struct announce *a, char *id)
{
    snprintf(id, ANNOUNCE_ID_MAX, "i%ju", (uintmax_t)++a->last_incident);
}

static void
tell_where(struct announce *a, struct incident *i, const struct where *w, uint32_t cnt,
           uint32_t kind, bool is_live)
{
    char where[BODY_MAX / 2];
    char body[BODY_MAX];
    char title[TITLE_MAX];
    char id[ANNOUNCE_ID_MAX];
    announce_where_text(w, cnt, true, where, sizeof(where));
    announce_title(kind, is_live, w, cnt, title, sizeof(title));
    snprintf(body, sizeof(body), "The cause is known: %s.", where);
    memcpy(id, i->id, sizeof(id));
    tell(a, &(struct change){.time_ms = announce_wall(a),
                             .id = id,
                             .generation = i->generation,
                             .status = i->status == STATUS_MONITORING ? STATUS_MONITORING
                                                                      : STATUS_IDENTIFIED,
                             .impact = i->impact,
                             .title = title,
                             .body = body,
                             .where = w,
                             .where_cnt = cnt});
}

void
announce_trip(struct announce *a, const struct link_trip *t, enum link_stage_id stage)
{
    struct where w = {.kind = t->kind, .n = t->n, .k = t->k};
    char name[LINK_NAME_MAX];
    memcpy(name, t->name, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    announce_clean_name(name, w.name, sizeof(w.name));
    bool is_located = t->reason == LINK_REASON_EVIDENCE && *w.name && t->kind < LINK_KIND_CNT;
    if (!is_public(t, stage)) {
        tell_operators_only(a, t, &w, is_located);
        return;
    }
    bool is_live = stage == LINK_STAGE_LIVE;
    struct incident *i = announce_find_open(a, t->generation);
    if (is_known(a, t))
        return;
    char id[ANNOUNCE_ID_MAX];
    char title[TITLE_MAX];
    char body[BODY_MAX];
    if (i)
        memcpy(id, i->id, sizeof(id));
    else
        new_id(a, id);
    announce_title(t->kind, is_live, NULL, 0, title, sizeof(title));
    snprintf(body, sizeof(body), "%s A new set of filter rules is being withdrawn, %s.",
             t->kind == LINK_KIND_MIRROR ? "Some unwanted mail may have been let through."
             : is_live                   ? "Some mail may have been refused or delayed."
                                         : "Some mail is delayed; none is lost.",
             reason_text(t->reason));
    tell(a, &(struct change){.time_ms = announce_wall(a),
                             .id = id,
                             .generation = t->generation,
                             .status = STATUS_INVESTIGATING,
                             .impact = is_live ? IMPACT_MAJOR : IMPACT_MINOR,
                             .title = title,
                             .body = body,
                             .trip_ms = t->time_ms});
    if (is_located && (i = announce_find_incident(a, id)))
        tell_where(a, i, &w, 1, t->kind, is_live);
}

static bool
is_same_where(const struct incident *i, const struct where *w, uint32_t cnt)
{
    for (uint32_t k = 0; k < cnt; k++) {
        bool is_known = false;
        for (uint32_t m = 0; m < i->where_cnt && !is_known; m++)
            is_known = i->where[m].kind == w[k].kind && !strcmp(i->where[m].name, w[k].name);
        if (!is_known)
            return false;
    }
    return true;
}

void
announce_localised(struct announce *a, uint32_t generation, const struct evidence_reading *r)
{
    struct where w[WHERE_MAX];
    uint32_t cnt = 0;
    struct incident *i = announce_find_open(a, generation);
    if (!i)
        return;
    for (uint32_t k = 0; k < r->worst_cnt && k < EVIDENCE_WORST_MAX && cnt < WHERE_MAX; k++) {
        const struct evidence_stratum *s = &r->worst[k];
        if (!s->is_localised)
            continue;
        w[cnt] = (struct where){.kind = s->kind, .n = (uint32_t)s->n, .k = (uint32_t)s->k};
        announce_clean_name(s->name, w[cnt].name, sizeof(w[cnt].name));
        cnt++;
    }
    if (cnt && !is_same_where(i, w, cnt))
        tell_where(a, i, w, cnt, r->family, i->impact >= IMPACT_MAJOR);
}

void
announce_returned(struct announce *a, uint32_t generation, uint32_t back_to,
                  uint32_t last_worker_us)
{
    char body[BODY_MAX];
    struct incident *i = announce_find_open(a, generation);
    (void)back_to;
    (void)last_worker_us;
    if (!i || i->status == STATUS_MONITORING)
        return;
    snprintf(body, sizeof(body),
             "The former filter rules are in force again everywhere. Delayed mail arrives when its "
             "sender tries again, usually within the hour.%s",
             i->impact >= IMPACT_MAJOR ? " Mail that was refused has to be sent again." : "");
    tell_of(a, i, STATUS_MONITORING, body);
}

void
announce_live(struct announce *a, uint32_t generation)
{
    char text[TITLE_MAX];
    snprintf(text, sizeof(text), "Rule set %u is live", generation);
    call_hooks(a, "live", generation, text, text, NULL);
}

/* ---- people ---- */

static bool
is_text(const char *text)
{
    if (!text || !*text || strlen(text) > ANNOUNCE_TEXT_MAX)
        return false;
    return text[strspn(text, " \t\r\n")] != '\0';
}

static bool
take_components(const cJSON *list, uint32_t *components)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        int c = 0;
        const char *id = cJSON_GetStringValue(one);
        while (id && c < COMPONENT_CNT && strcmp(id, announce_component_id((enum component)c)) != 0)
            c++;
        if (!id || c == COMPONENT_CNT)
            return false;
        *components |= 1U << c;
    }
    return !list || cJSON_IsArray(list);
}

int
announce_add(struct announce *a, const char *by, const char *text, enum announce_impact impact,
             uint64_t expires_s, const cJSON *components, char *id)
{
    struct notice n = {.impact = impact, .since_ms = announce_wall(a)};
    if (!is_text(text) || !expires_s || expires_s > ANNOUNCE_EXPIRES_MAX_S ||
        (unsigned)impact >= IMPACT_CNT || !take_components(components, &n.components))
        return -EINVAL;
    n.expires_ms = n.since_ms + expires_s * 1000;
    n.text = (char *)(uintptr_t)text;
    snprintf(n.by, sizeof(n.by), "%s", by);
    snprintf(n.id, sizeof(n.id), "a%ju", (uintmax_t)(a->last_notice + 1));
    int result = announce_put_notice(a, &n);
    if (result)
        return result;
    a->last_notice++;
    memcpy(id, n.id, ANNOUNCE_ID_MAX);
    call_hooks(a, "announcement", 0, "Announcement", text, NULL);
    return 0;
}

int
announce_end(struct announce *a, const char *by, const char *id, const char *text)
{
    struct notice *n = announce_find_notice(a, id);
    if (n) {
        int result = announce_drop_notice(a, n, by);
        if (!result)
            call_hooks(a, "announcement-ended", 0, "Announcement ended", text && *text ? text : id,
                       NULL);
        return result;
    }
    struct incident *i = announce_find_incident(a, id);
    if (!i || i->status == STATUS_RESOLVED)
        return -ENOENT;
    if (text && *text && !is_text(text))
        return -EINVAL;
    tell_of(a, i, STATUS_RESOLVED, text && *text ? text : "Resolved.");
    return 0;
}

/* ---- health ---- */

void
announce_health(struct announce *a, bool is_there, const char *why)
{
    if (a->seems_down != !is_there) {
        a->seems_down = !is_there;
        a->seems_mono_ms = announce_mono(a);
    }
    if (!is_there)
        snprintf(a->down_why, sizeof(a->down_why), "%s", why ? why : "");
}

/* A restart takes a moment, and is no outage. */
static void
settle_health(struct announce *a)
{
    uint64_t wait = a->seems_down ? DOWN_AFTER_MS : 0;
    if (a->seems_down == a->is_down || announce_mono(a) < a->seems_mono_ms + wait)
        return;
    a->is_down = a->seems_down;
    a->is_dirty = true;
    if (a->is_down)
        call_hooks(a, "scanner-down", 0, "The mail scanner does not answer", a->down_why, NULL);
    else
        call_hooks(a, "scanner-up", 0, "The mail scanner answers", "The mail scanner answers again",
                   NULL);
}

/* ---- time ---- */

static void
expire(struct announce *a)
{
    uint64_t wall = announce_wall(a);
    uint64_t mono = announce_mono(a);
    for (uint32_t i = a->notice_cnt; i-- > 0;) {
        struct notice *n = &a->notices[i];
        if (wall < n->expires_ms && mono < n->due_mono_ms)
            continue;
        announce_drop_notice(a, n, NULL);
        call_hooks(a, "announcement-ended", 0, "Announcement ended", "Its time was over", NULL);
    }
    for (uint32_t i = a->incident_cnt; i-- > 0;) {
        struct incident *one = &a->incidents[i];
        if (one->status == STATUS_MONITORING && mono >= one->due_mono_ms) {
            char text[32];
            char body[96];
            announce_duration_text(a->clean_ms, text, sizeof(text));
            snprintf(body, sizeof(body), "No further trouble for %s.", text);
            tell_of(a, one, STATUS_RESOLVED, body);
        } else if (one->status == STATUS_RESOLVED &&
                   wall > one->resolved_ms + ANNOUNCE_RESOLVED_DAYS * UINT64_C(86400000)) {
            announce_forget_incident(a, i);
        }
    }
}

static void
write_files(struct announce *a)
{
    uint64_t mono = announce_mono(a);
    uint64_t wait = a->write_result ? WRITE_AGAIN_MS : a->is_dirty ? 0 : ANNOUNCE_HEARTBEAT_MS;
    if (a->written_mono_ms && mono < a->written_mono_ms + wait)
        return;
    cJSON *document = announce_status(a);
    int result = status_write(a->folder, document);
    cJSON_Delete(document);
    if (result && result != a->write_result)
        fprintf(stderr, "status: %s: %s\n", a->folder, strerror(-result));
    a->write_result = result;
    a->is_dirty = a->is_dirty && result;
    a->written_mono_ms = mono;
}

void
announce_tick(struct announce *a)
{
    settle_health(a);
    expire(a);
    write_files(a);
    hooks_tick(a->hooks);
}
