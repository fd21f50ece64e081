/* What operators are shown: the shapes of admin.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/controller.h"
#include "scan/verdict.h"

bool
desk_time(uint64_t wall_ms, char text[48])
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char day[24];
    text[0] = '\0';
    if (!wall_ms || !gmtime_r(&s, &tm) || !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
        return false;
    snprintf(text, 48, "%s.%03uZ", day, (unsigned)(wall_ms % 1000));
    return true;
}

static void
add_time(cJSON *to, const char *key, uint64_t wall_ms)
{
    char text[48];
    if (desk_time(wall_ms, text))
        cJSON_AddStringToObject(to, key, text);
}

static void
add_text(cJSON *to, const char *key, const char *text)
{
    if (*text)
        cJSON_AddStringToObject(to, key, text);
}

static void
add_number(cJSON *to, const char *key, uint64_t n)
{
    cJSON_AddNumberToObject(to, key, (double)n);
}

/* Rules are counted by the data plane; a role that it has not is not counted. */
static const struct link_role *
role_of(const struct controller *c, const struct generation *g, const char **name)
{
    const struct link_state *s = &c->rollout.plane;
    const struct link_role *roles[] = {&s->live, &s->candidate, &s->previous};
    static const char *const names[] = {"live", "candidate", "previous"};
    for (unsigned i = 0; i < 3 && c->rollout.is_known; i++) {
        if (roles[i]->generation == g->number) {
            *name = names[i];
            return roles[i];
        }
    }
    return NULL;
}

void
desk_role(const struct controller *c, const struct generation *g, cJSON *to)
{
    const char *name = NULL;
    const struct link_role *role = role_of(c, g, &name);
    add_number(to, "generation", g->number);
    cJSON_AddStringToObject(to, "state", generation_state_name(g->state));
    add_time(to, "since", g->wall_ms);
    add_text(to, "digest", g->digest);
    if (role && role->rule_cnt)
        add_number(to, "rules", role->rule_cnt);
    add_text(to, "by", g->by);
    add_text(to, "path", g->path);
    add_text(to, "comment", g->comment);
    if (name)
        cJSON_AddStringToObject(to, "role", name);
    if (g->state == GENERATION_HELD)
        cJSON_AddStringToObject(to, "held_from", generation_state_name(g->from));
    if (g->copy_of)
        add_number(to, "copy_of", g->copy_of);
    add_text(to, "text", g->text);
}

cJSON *
desk_evidence(const struct controller *c, uint32_t generation)
{
    const struct link_evidence_page *page = c->uplink.pages.evidence;
    uint32_t a = page ? page->table.generation_a : 0, b = page ? page->table.generation_b : 0;
    if (!b || !c->evidence || c->evidence_of != b || (generation && generation != a && generation != b))
        return cJSON_CreateNull();
    const struct evidence_reading *e = &c->reading;
    cJSON *o = cJSON_CreateObject();
    add_number(o, "a", a);
    add_number(o, "b", b);
    add_number(o, "window", page->table.window);
    add_number(o, "n", e->n);
    add_number(o, "k", e->k);
    cJSON_AddNumberToObject(o, "log_m", e->log_m);
    cJSON_AddNumberToObject(o, "log_mirror", e->log_mirror);
    cJSON_AddNumberToObject(o, "log_error", e->log_error);
    cJSON_AddNumberToObject(o, "log_trip", e->limit_m);
    add_number(o, "strata_cnt", e->strata_cnt);
    add_number(o, "repeats", page->table.repeats);
    cJSON *strata = cJSON_AddArrayToObject(o, "strata");
    for (uint32_t i = 0; i < e->worst_cnt && i < EVIDENCE_WORST_MAX; i++) {
        const struct evidence_stratum *s = &e->worst[i];
        cJSON *t = cJSON_CreateObject();
        cJSON_AddStringToObject(t, "kind", watch_kind_name(s->kind));
        cJSON_AddStringToObject(t, "name", s->name);
        add_number(t, "n", s->n);
        add_number(t, "k", s->k);
        cJSON_AddNumberToObject(t, "log_e", s->log_e);
        cJSON_AddNumberToObject(t, "rho", s->rho);
        cJSON_AddBoolToObject(t, "localised", s->is_localised);
        cJSON_AddItemToArray(strata, t);
    }
    return o;
}

cJSON *
desk_trip(const struct link_trip *t)
{
    static const char *const reasons[] = {"none", "operator", "evidence", "lease", "deferrals", "slow", "crashes"};
    if (!t->seq)
        return cJSON_CreateNull();
    cJSON *o = cJSON_CreateObject();
    add_time(o, "time", t->time_ms);
    add_number(o, "generation", t->generation);
    add_number(o, "back_to", t->back_to);
    cJSON_AddStringToObject(o, "reason", t->reason <= LINK_REASON_CRASHES ? reasons[t->reason] : "?");
    cJSON_AddStringToObject(o, "kind", watch_kind_name((enum link_kind)t->kind));
    add_text(o, "name", t->name);
    add_number(o, "n", t->n);
    add_number(o, "k", t->k);
    add_text(o, "text", t->text);
    cJSON_AddBoolToObject(o, "by_data_plane", t->by_data_plane != 0);
    add_number(o, "last_worker_us", t->last_worker_us);
    return o;
}

static void
add_need(cJSON *to, const char *what, uint64_t have, uint64_t need)
{
    if (!need)
        return;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "what", what);
    add_number(o, "have", have);
    add_number(o, "need", need);
    cJSON_AddItemToArray(to, o);
}

static void
add_needs(const struct controller *c, const struct generation *g, cJSON *to)
{
    struct rollout_needs n;
    rollout_needs(&c->rollout, g, &n);
    cJSON *list = cJSON_AddArrayToObject(to, "needs");
    add_need(list, "time", n.have_ms, n.need_ms);
    add_need(list, "messages", n.have_units, n.need_units);
    add_need(list, "strata", n.have_strata, n.need_strata);
    if (n.is_suspect)
        add_need(list, "innocence", 0, 1);
    cJSON_AddStringToObject(to, "next", generation_state_name(n.next));
    uint64_t left = n.need_ms > n.have_ms ? n.need_ms - n.have_ms : 0;
    /* At the pace of the stage so far. */
    if (n.have_units && n.have_units < n.need_units) {
        uint64_t more = n.have_ms * (n.need_units - n.have_units) / n.have_units;
        left = more > left ? more : left;
    }
    if (n.have_units || !n.need_units)
        add_number(to, "left_ms", left);
}

static void
add_role(const struct controller *c, uint32_t number, const char *key, const struct link_role *there, cJSON *to)
{
    const struct generation *g = rollout_find(&c->rollout, number);
    if (!g && !there->generation) {
        cJSON_AddNullToObject(to, key);
        return;
    }
    cJSON *o = cJSON_AddObjectToObject(to, key);
    if (g) {
        desk_role(c, g, o);
        return;
    }
    add_number(o, "generation", there->generation);
    add_text(o, "digest", there->digest);
    add_number(o, "rules", there->rule_cnt);
    cJSON_AddStringToObject(o, "role", key);
    cJSON_AddStringToObject(o, "text", "not known to weir-control");
}

static void
add_plane(const struct controller *c, cJSON *to)
{
    const struct link_state *s = &c->rollout.plane;
    static const char *const stages[] = {"NONE", "STAGED", "SHADOW", "CANARY", "PROBATION", "LIVE"};
    cJSON_AddBoolToObject(to, "reachable", c->rollout.is_known);
    if (!c->rollout.is_known) {
        cJSON_AddStringToObject(to, "error", *c->link_error ? c->link_error : "no link yet");
        return;
    }
    add_number(to, "uptime_ms", s->uptime_ms);
    add_number(to, "workers", s->worker_cnt);
    add_number(to, "flows", s->flows);
    add_number(to, "resident", s->resident);
    add_number(to, "persisted", s->persisted);
    cJSON_AddStringToObject(to, "stage", s->stage <= LINK_STAGE_LIVE ? stages[s->stage] : "?");
    add_number(to, "share_ppm", s->share_ppm);
    add_number(to, "lease_left_ms", s->lease_left_ms);
    cJSON *messages = cJSON_AddObjectToObject(to, "messages");
    for (int v = 0; v < VERDICT_CNT; v++)
        add_number(messages, verdict_name((enum verdict)v), s->messages[v]);
    const struct {
        const char *key;
        uint64_t n;
    } counts[] = {{"rx_frames", s->rx_frames},
                  {"tx_frames", s->tx_frames},
                  {"dropped_frames", s->dropped_frames},
                  {"blind_sessions", s->blind_sessions},
                  {"paired", s->paired},
                  {"shed", s->shed},
                  {"disagreed", s->disagreed},
                  {"deferred", s->deferred},
                  {"retried", s->retried},
                  {"defer_used", s->defer_used}};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        add_number(to, counts[i].key, counts[i].n);
}

void
desk_status(const struct controller *c, cJSON *to)
{
    const struct rollout *r = &c->rollout;
    const struct generation *candidate = rollout_find(r, r->candidate);
    static const struct link_role none;
    add_role(c, r->live, "live", r->is_known ? &r->plane.live : &none, to);
    add_role(c, r->candidate, "candidate", &none, to);
    add_role(c, r->is_known ? r->plane.previous.generation : 0, "previous", r->is_known ? &r->plane.previous : &none, to);
    if (candidate)
        add_needs(c, candidate, to);
    cJSON_AddItemToObject(to, "evidence", rollout_is_watching(r) ? desk_evidence(c, 0) : cJSON_CreateNull());
    cJSON_AddItemToObject(to, "trip", desk_trip(&r->plane.trip));
    add_plane(c, cJSON_AddObjectToObject(to, "dataplane"));
    cJSON *journal = cJSON_AddObjectToObject(to, "journal");
    cJSON_AddBoolToObject(journal, "ok", c->journal_error == 0);
    add_number(journal, "seq", journal_seq(c->journal));
    cJSON_AddStringToObject(journal, "hash", journal_hash(c->journal));
    if (c->journal_error)
        cJSON_AddStringToObject(journal, "error", strerror(-c->journal_error));
    cJSON *index = cJSON_AddObjectToObject(to, "index");
    const char *trouble = c->index ? index_error(c->index) : "no memory";
    cJSON_AddBoolToObject(index, "ok", !*trouble);
    if (c->index)
        add_number(index, "records", index_counts(c->index)->taken);
    add_text(index, "error", trouble);
    cJSON_AddStringToObject(to, "indicator", announce_impact_name(announce_indicator(c->announce)));
    announce_list(c->announce, to);
    add_number(to, "pid", (uint64_t)getpid());
    add_number(to, "uptime_ms", c->now_ms - c->started_ms);
}
