/* The page: Statuspage's summary.json from what is open. */
#include "control/announce_private.h"

#include <stdio.h>
#include <string.h>

enum component_status { OPERATIONAL, DEGRADED, PARTIAL_OUTAGE, MAJOR_OUTAGE };

static const char *const component_status_names[] = {"operational", "degraded_performance",
                                                     "partial_outage", "major_outage"};

static void
add_time(cJSON *to, const char *name, uint64_t time_ms)
{
    char text[64];
    announce_time_text(time_ms, text, sizeof(text));
    if (time_ms)
        cJSON_AddStringToObject(to, name, text);
    else
        cJSON_AddNullToObject(to, name);
}

cJSON *
announce_where_json(const struct where *w, uint32_t cnt)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < cnt; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "kind", announce_kind_name(w[i].kind));
        cJSON_AddStringToObject(one, "name", w[i].name);
        cJSON_AddNumberToObject(one, "n", w[i].n);
        cJSON_AddNumberToObject(one, "k", w[i].k);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

cJSON *
announce_components_json(uint32_t components)
{
    cJSON *list = cJSON_CreateArray();
    for (int c = 0; c < COMPONENT_CNT; c++) {
        if (components & 1U << c)
            cJSON_AddItemToArray(list,
                                 cJSON_CreateString(announce_component_id((enum component)c)));
    }
    return list;
}

/* ---- how it stands ---- */

static enum component_status
incident_effect(const struct incident *i, enum component c)
{
    if (i->status == STATUS_RESOLVED || c == COMPONENT_SCANNER)
        return OPERATIONAL;
    if (c == COMPONENT_RULES ||
        i->status == STATUS_MONITORING) /* what was delayed is still on its way */
        return DEGRADED;
    return (enum component_status)i->impact;
}

static enum component_status
component_status(const struct announce *a, enum component c)
{
    enum component_status worst = c == COMPONENT_SCANNER && a->is_down ? MAJOR_OUTAGE : OPERATIONAL;
    for (uint32_t i = 0; i < a->incident_cnt; i++) {
        enum component_status s = incident_effect(&a->incidents[i], c);
        worst = s > worst ? s : worst;
    }
    for (uint32_t i = 0; i < a->notice_cnt; i++) {
        enum component_status s = (enum component_status)a->notices[i].impact;
        if (a->notices[i].components & 1U << c && s > worst)
            worst = s;
    }
    return worst;
}

enum announce_impact
announce_indicator(const struct announce *a)
{
    enum announce_impact worst = IMPACT_NONE;
    for (int c = 0; c < COMPONENT_CNT; c++) {
        enum announce_impact i = (enum announce_impact)component_status(a, (enum component)c);
        worst = i > worst ? i : worst;
    }
    for (uint32_t i = 0; i < a->notice_cnt; i++)
        worst = a->notices[i].impact > worst ? a->notices[i].impact : worst;
    return worst;
}

/* ---- its parts ---- */

static cJSON *
update_json(const struct incident *i, uint32_t idx)
{
    cJSON *u = cJSON_CreateObject();
    char id[ANNOUNCE_ID_MAX + 16];
    snprintf(id, sizeof(id), "%s-%u", i->id, idx + 1);
    cJSON_AddStringToObject(u, "id", id);
    cJSON_AddStringToObject(u, "incident_id", i->id);
    cJSON_AddStringToObject(u, "status", announce_status_name(i->updates[idx].status));
    cJSON_AddStringToObject(u, "body", i->updates[idx].body);
    add_time(u, "created_at", i->updates[idx].time_ms);
    add_time(u, "updated_at", i->updates[idx].time_ms);
    add_time(u, "display_at", i->updates[idx].time_ms);
    return u;
}

cJSON *
announce_incident_json(const struct announce *a, const struct incident *i)
{
    (void)a;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "id", i->id);
    cJSON_AddStringToObject(j, "name", i->title);
    cJSON_AddStringToObject(j, "status", announce_status_name(i->status));
    cJSON_AddStringToObject(j, "impact", announce_impact_name(i->impact));
    add_time(j, "created_at", i->started_ms);
    add_time(j, "started_at", i->started_ms);
    add_time(j, "updated_at",
             i->update_cnt ? i->updates[i->update_cnt - 1].time_ms : i->started_ms);
    add_time(j, "monitoring_at", i->monitoring_ms);
    add_time(j, "resolved_at", i->resolved_ms);
    cJSON *updates = cJSON_AddArrayToObject(j, "incident_updates");
    for (uint32_t u = i->update_cnt; u-- > 0;) /* the newest first, as Statuspage has it */
        cJSON_AddItemToArray(updates, update_json(i, u));
    return j;
}

/* An announcement is an incident with an end, so that every reader of the format shows it. */
static cJSON *
notice_incident(const struct notice *n)
{
    cJSON *j = cJSON_CreateObject();
    cJSON *updates = cJSON_CreateArray();
    cJSON *u = cJSON_CreateObject();
    char id[ANNOUNCE_ID_MAX + 8];
    snprintf(id, sizeof(id), "%s-1", n->id);
    cJSON_AddStringToObject(j, "id", n->id);
    cJSON_AddStringToObject(j, "name", "Announcement");
    cJSON_AddStringToObject(j, "status", "identified");
    cJSON_AddStringToObject(j, "impact", announce_impact_name(n->impact));
    add_time(j, "created_at", n->since_ms);
    add_time(j, "started_at", n->since_ms);
    add_time(j, "updated_at", n->since_ms);
    add_time(j, "monitoring_at", 0);
    add_time(j, "resolved_at", 0);
    add_time(j, "expires_at", n->expires_ms);
    cJSON_AddStringToObject(u, "id", id);
    cJSON_AddStringToObject(u, "incident_id", n->id);
    cJSON_AddStringToObject(u, "status", "identified");
    cJSON_AddStringToObject(u, "body", n->text);
    add_time(u, "created_at", n->since_ms);
    add_time(u, "updated_at", n->since_ms);
    add_time(u, "display_at", n->since_ms);
    cJSON_AddItemToArray(updates, u);
    cJSON_AddItemToObject(j, "incident_updates", updates);
    return j;
}

static cJSON *
incidents_json(const struct announce *a)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = a->notice_cnt; i-- > 0;)
        cJSON_AddItemToArray(list, notice_incident(&a->notices[i]));
    for (uint32_t i = a->incident_cnt; i-- > 0;)
        cJSON_AddItemToArray(list, announce_incident_json(a, &a->incidents[i]));
    return list;
}

static cJSON *
component_json(const struct announce *a, enum component c)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "id", announce_component_id(c));
    cJSON_AddStringToObject(j, "name", announce_component_name(c));
    cJSON_AddStringToObject(j, "status", component_status_names[component_status(a, c)]);
    cJSON_AddNumberToObject(j, "position", c + 1);
    cJSON_AddNullToObject(j, "description");
    cJSON_AddBoolToObject(j, "group", false);
    cJSON_AddBoolToObject(j, "only_show_if_degraded", false);
    return j;
}

cJSON *
announce_status(const struct announce *a)
{
    static const char *const descriptions[IMPACT_CNT] = {
        "All systems operational", "Partially degraded service", "Partial outage", "Major outage"};
    enum announce_impact indicator = announce_indicator(a);
    cJSON *j = cJSON_CreateObject();
    cJSON *page = cJSON_AddObjectToObject(j, "page");
    cJSON_AddStringToObject(page, "id", "weir");
    cJSON_AddStringToObject(page, "name", a->name);
    cJSON_AddStringToObject(page, "time_zone", "Etc/UTC");
    add_time(page, "updated_at", announce_wall(a));
    cJSON *status = cJSON_AddObjectToObject(j, "status");
    cJSON_AddStringToObject(status, "indicator", announce_impact_name(indicator));
    cJSON_AddStringToObject(status, "description", descriptions[indicator]);
    cJSON *components = cJSON_AddArrayToObject(j, "components");
    for (int c = 0; c < COMPONENT_CNT; c++)
        cJSON_AddItemToArray(components, component_json(a, (enum component)c));
    cJSON_AddItemToObject(j, "incidents", incidents_json(a));
    cJSON_AddArrayToObject(j, "scheduled_maintenances");
    return j;
}

static cJSON *
notice_json(const struct notice *n)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "id", n->id);
    cJSON_AddStringToObject(j, "text", n->text);
    cJSON_AddStringToObject(j, "impact", announce_impact_name(n->impact));
    cJSON_AddStringToObject(j, "by", n->by);
    add_time(j, "since", n->since_ms);
    add_time(j, "expires", n->expires_ms);
    cJSON_AddItemToObject(j, "components", announce_components_json(n->components));
    return j;
}

void
announce_list(const struct announce *a, cJSON *answer)
{
    cJSON *notices = cJSON_AddArrayToObject(answer, "announcements");
    cJSON *incidents = cJSON_AddArrayToObject(answer, "incidents");
    for (uint32_t i = 0; i < a->notice_cnt; i++)
        cJSON_AddItemToArray(notices, notice_json(&a->notices[i]));
    for (uint32_t i = a->incident_cnt; i-- > 0;)
        cJSON_AddItemToArray(incidents, announce_incident_json(a, &a->incidents[i]));
}
