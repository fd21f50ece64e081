/* What the machine has done for it: records, requests to the data plane, jobs, announcements. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/controller.h"
#include "control/crash.h"
#include "control/work.h"

enum { LOAD_WAIT_MS = 5000 };

/* ---- journal ---- */

/* The record as the journal has it, to the index. Taken. */
static void
index_record(struct controller *c, cJSON *record, const char *event, uint32_t generation)
{
    char time[48];
    if (!record)
        return;
    desk_time(c->rollout.wall_ms, time);
    cJSON_AddNumberToObject(record, "seq", (double)journal_seq(c->journal));
    cJSON_AddStringToObject(record, "time", time);
    cJSON_AddStringToObject(record, "event", event);
    if (generation)
        cJSON_AddNumberToObject(record, "generation", generation);
    index_event(c->index, record);
    cJSON_Delete(record);
}

int
controller_journal(void *owner, const char *event, uint32_t generation, cJSON *fields)
{
    struct controller *c = owner;
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(fields, "state");
    char name[32];
    snprintf(name, sizeof(name), "%s", !strcmp(event, "state") && cJSON_IsString(state) ? state->valuestring : event);
    crash_here("before-record", name);
    cJSON *copy = c->index ? fields ? cJSON_Duplicate(fields, true) : cJSON_CreateObject() : NULL;
    int ret = journal_append(c->journal, event, generation, fields);
    index_record(c, ret == 0 ? copy : NULL, event, generation);
    if (ret < 0)
        cJSON_Delete(copy);
    if (ret < 0 && ret != c->journal_error)
        controller_log("journal: %s: what goes up waits, what goes back does not", strerror(-ret));
    else if (ret == 0 && c->journal_error)
        controller_log("journal: can be written again");
    c->journal_error = ret;
    if (ret == 0)
        crash_here("after-record", name);
    return ret;
}

/* ---- requests ---- */

static uint32_t
share_of(const struct settings *s, enum link_stage_id stage)
{
    return stage == LINK_STAGE_CANARY ? s->canary_share_ppm
           : stage == LINK_STAGE_LIVE ? s->reverse_share_ppm
                                      : s->shadow_share_ppm;
}

static bool
ask_stage(struct controller *c, const struct rollout_ask *ask)
{
    const struct settings *s = c->settings;
    const struct generation *g = rollout_find(&c->rollout, ask->generation);
    bool is_live = ask->stage == LINK_STAGE_LIVE;
    static struct link_stage body; /* some KiB */
    memset(&body, 0, sizeof(body));
    body.generation = ask->generation;
    body.stage = (uint32_t)ask->stage;
    body.share_ppm = share_of(s, ask->stage);
    body.lease_ms = is_live ? 0 : s->lease_ms;
    body.budget_permille = s->budget_permille;
    body.defer_max = s->defer_max;
    body.defer_tries = s->defer_tries;
    body.units_proven = s->units_proven;
    body.window_ms = is_live ? s->reverse_window_ms : 0;
    body.slow_permille = s->slow_permille;
    if (g)
        evidence_stage(watch_evidence(c, g), body.window_ms, &body);
    return uplink_ask(&c->uplink, ask, &body, sizeof(body), -1);
}

static bool
ask_load(struct controller *c, const struct rollout_ask *ask)
{
    char path[GENERATIONS_PATH_MAX];
    struct link_load body = {.generation = ask->generation,
                             .wait_ms = LOAD_WAIT_MS,
                             .flags = ask->is_live ? 0 : LINK_LOAD_STAGE};
    watch_keep_strata(c, ask->generation);
    int fd = open(generations_path(&c->store, ask->generation, "image", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        controller_log("generation %u: %s: %s", ask->generation, path, strerror(errno));
        return false;
    }
    bool ok = uplink_ask(&c->uplink, ask, &body, sizeof(body), fd);
    close(fd);
    return ok;
}

static bool
ask_back(struct controller *c, const struct rollout_ask *ask)
{
    struct link_return body = {.generation = ask->generation, .reason = (uint32_t)ask->reason};
    snprintf(body.text, sizeof(body.text), "%s", ask->text ? ask->text : "");
    return uplink_ask(&c->uplink, ask, &body, sizeof(body), -1);
}

static const char *
ask_name(const struct rollout_ask *ask)
{
    static const char *const stages[] = {"", "", "SHADOW", "CANARY", "PROBATION", "LIVE"};
    if (ask->type == LINK_STAGE)
        return ask->stage <= LINK_STAGE_LIVE ? stages[ask->stage] : "";
    if (ask->type == LINK_LOAD)
        return ask->is_live ? "LOAD-live" : "LOAD";
    return ask->type == LINK_DROP ? "DROP" : ask->type == LINK_RETURN ? "RETURN" : "RENEW";
}

static bool
hand_ask(void *owner, const struct rollout_ask *ask)
{
    struct controller *c = owner;
    struct link_renew renew = {.generation = ask->generation, .lease_ms = c->settings->lease_ms};
    crash_here("before-ask", ask_name(ask));
    bool ok = false;
    if (ask->type == LINK_STAGE)
        ok = ask_stage(c, ask);
    else if (ask->type == LINK_LOAD)
        ok = ask_load(c, ask);
    else if (ask->type == LINK_RENEW)
        ok = uplink_ask(&c->uplink, ask, &renew, sizeof(renew), -1);
    else
        ok = ask_back(c, ask);
    if (ask->type != LINK_RENEW)
        controller_log("generation %u: asked the data plane: %s%s", ask->generation, ask_name(ask),
                       ok ? "" : ": cannot be asked now");
    if (ok)
        crash_here("after-ask", ask_name(ask));
    return ok;
}

static void
link_up(void *owner)
{
    struct controller *c = owner;
    controller_log("link: connected to %s", c->settings->link_socket);
    c->link_error[0] = '\0';
}

static void
link_down(void *owner, const char *why)
{
    struct controller *c = owner;
    controller_log("link: %s", why);
    snprintf(c->link_error, sizeof(c->link_error), "%s", why);
    rollout_link_down(&c->rollout);
}

static void
link_state(void *owner, const struct link_state *s, uint64_t ask_seq)
{
    struct controller *c = owner;
    rollout_state(&c->rollout, s, ask_seq);
}

static void
link_answered(void *owner, const struct rollout_ask *ask, bool ok, const struct link_answer *a)
{
    struct controller *c = owner;
    crash_here("answered", ask_name(ask));
    if (ask->type != LINK_RENEW)
        controller_log("generation %u: %s: %s (%u us) %.100s", ask->generation, ask_name(ask), ok ? "done" : "refused",
                       a->swap_us, a->text);
    if (ask->type == LINK_RETURN || ask->type == LINK_DROP || (ask->type == LINK_LOAD && ask->is_live))
        c->last_worker_us = a->swap_us;
    rollout_answered(&c->rollout, ask, ok, a);
}

static void
link_said(void *owner, const char *trouble)
{
    (void)owner;
    controller_log("link: %s: no evidence and no records of messages", trouble);
}

/* ---- jobs ---- */

static const char *
text_of(const cJSON *o, const char *key)
{
    const char *t = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return t ? t : "";
}

static void
compile_done(void *owner, uint64_t tag, const cJSON *result, const char *why)
{
    struct controller *c = owner;
    bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "ok"));
    rollout_compiled(&c->rollout, (uint32_t)tag, ok, text_of(result, "digest"), text_of(result, "golden"),
                     result ? text_of(result, "text") : why);
}

static void
preflight_done(void *owner, uint64_t tag, const cJSON *result, const char *why)
{
    struct controller *c = owner;
    bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "ok"));
    rollout_proved(&c->rollout, (uint32_t)tag, ok, result ? text_of(result, "text") : why);
}

static void
job_line(void *owner, uint64_t tag, const char *progress)
{
    desk_progress(owner, (uint32_t)tag, progress);
}

static bool
hand_start(void *owner, enum rollout_job job, const struct generation *g)
{
    struct controller *c = owner;
    bool is_compile = job == ROLLOUT_COMPILE;
    struct work w = {.settings = c->settings,
                     .store = &c->store,
                     .generation = g->number,
                     .live = c->rollout.live,
                     .path = *c->push_path ? c->push_path : NULL,
                     .reader = c->push_reader};
    uint32_t limit_s = c->settings->preflight.compile_s; /* is judged by pre-flight; this only ends what never would */
    struct job_how how = {.name = is_compile ? "compiling" : "pre-flight",
                          .work = is_compile ? work_compile : work_preflight,
                          .arg = &w,
                          .tag = g->number,
                          .limit_ms = limit_s < 1800 ? limit_s * 2000 : 3600000,
                          .done = is_compile ? compile_done : preflight_done,
                          .line = job_line,
                          .owner = c};
    return jobs_begin(&c->jobs, &how, c->now_ms);
}

static void
hand_stop(void *owner, uint32_t generation)
{
    struct controller *c = owner;
    jobs_stop(&c->jobs, compile_done, generation);
    jobs_stop(&c->jobs, preflight_done, generation);
}

static int
hand_copy(void *owner, uint32_t from, uint32_t to)
{
    struct controller *c = owner;
    return generations_copy(&c->store, from, to);
}

/* ---- told ---- */

static void
hand_told(void *owner, const struct generation *g)
{
    struct controller *c = owner;
    controller_log("generation %u: %s: %s", g->number, generation_state_name(g->state), g->text);
    c->wants_prune = c->wants_prune || rollout_is_settled(g);
    desk_told(c, g);
}

static void
hand_notice(void *owner, const struct rollout_notice *n)
{
    struct controller *c = owner;
    struct link_trip t = {.generation = n->generation,
                          .back_to = n->back_to,
                          .reason = (uint32_t)n->reason,
                          .kind = (uint32_t)n->kind,
                          .n = (uint32_t)n->n,
                          .k = (uint32_t)n->k,
                          .time_ms = n->time_ms};
    snprintf(t.name, sizeof(t.name), "%s", n->name);
    snprintf(t.text, sizeof(t.text), "%s", n->text);
    if (n->what == ROLLOUT_TRIPPED)
        announce_trip(c->announce, &t, n->stage);
    else if (n->what == ROLLOUT_LOCALISED && c->evidence_of == n->generation)
        announce_localised(c->announce, n->generation, &c->reading);
    else if (n->what == ROLLOUT_RETURNED)
        announce_returned(c->announce, n->generation, n->back_to, n->last_worker_us);
    else if (n->what == ROLLOUT_IS_LIVE)
        announce_live(c->announce, n->generation);
    announce_tick(c->announce);
}

int
controller_hands(struct controller *c, struct rollout_hands *h)
{
    *h = (struct rollout_hands){.owner = c,
                                .journal = controller_journal,
                                .ask = hand_ask,
                                .start = hand_start,
                                .stop = hand_stop,
                                .told = hand_told,
                                .notice = hand_notice,
                                .copy = hand_copy};
    struct uplink_calls calls = {c, link_up, link_down, link_state, link_answered, link_said};
    return uplink_init(&c->uplink, c->settings->link_socket, &c->rollout.ask_seq, &calls);
}
