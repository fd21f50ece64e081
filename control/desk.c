/* Operators' requests: what they ask for, who may, and when they are answered. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/controller.h"
#include "control/crash.h"
#include "control/impact.h"
#include "control/rulesfile.h"
#include "control/work.h"
#include "scan/ruleset.h"

struct request {
    struct controller *c;
    uint64_t peer;
    struct rollout_who who;
    const char *verb;
    const cJSON *o;
};

/* ---- members of a request ---- */

static const char *
text_of(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

/* False: it is there, and is no whole number of 0..max. */
static bool
number_of(const cJSON *o, const char *key, uint32_t max, uint32_t *n)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!item)
        return true;
    double d = cJSON_GetNumberValue(item);
    if (!cJSON_IsNumber(item) || !(d >= 0 && d <= max) || d != floor(d))
        return false;
    *n = (uint32_t)d;
    return true;
}

static void
refuse(const struct request *q, int code, const char *error)
{
    admin_refuse(q->c->admin, q->peer, code, error);
}

static cJSON *
ok_object(void)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", true);
    return o;
}

static void
answer(const struct request *q, cJSON *o)
{
    admin_say(q->c->admin, q->peer, o, true);
}

/* 0: there is none in memory; refused. */
static const struct generation *
generation_of(const struct request *q)
{
    uint32_t n = 0;
    char text[128];
    if (!number_of(q->o, "generation", UINT32_MAX, &n) || !n) {
        refuse(q, 2, "`generation` wants a number");
        return NULL;
    }
    const struct generation *g = rollout_find(&q->c->rollout, n);
    snprintf(text, sizeof(text),
             n < q->c->rollout.next_number ? "generation %u is known to the journal only" : "there is no generation %u", n);
    if (!g)
        refuse(q, 1, text);
    return g;
}

/* ---- who waits ---- */

static void
wait_for(const struct request *q, uint32_t generation, bool is_push, bool is_rollback)
{
    struct controller *c = q->c;
    for (unsigned i = 0; i < CONTROLLER_WAITERS_MAX; i++) {
        if (c->waiters[i].peer)
            continue;
        c->waiters[i] = (struct waiter){.peer = q->peer,
                                        .generation = generation,
                                        .is_push = is_push,
                                        .is_rollback = is_rollback,
                                        .state_seen = UINT32_MAX,
                                        .end_ms = is_push ? 0 : c->now_ms + CONTROLLER_ANSWER_MS};
        return;
    }
    refuse(q, 3, "too many wait already; what you asked for was done");
}

static cJSON *
progress_line(const struct controller *c, const struct generation *g, const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "progress", generation_state_name(g->state));
    cJSON_AddNumberToObject(o, "generation", g->number);
    cJSON_AddStringToObject(o, "text", text);
    if (c->evidence_of == g->number && c->reading.n) {
        cJSON_AddNumberToObject(o, "n", (double)c->reading.n);
        cJSON_AddNumberToObject(o, "k", (double)c->reading.k);
        cJSON_AddNumberToObject(o, "log_m", c->reading.log_m);
    }
    return o;
}

void
desk_progress(struct controller *c, uint32_t generation, const char *text)
{
    const struct generation *g = rollout_find(&c->rollout, generation);
    for (unsigned i = 0; g && i < CONTROLLER_WAITERS_MAX; i++) {
        const struct waiter *w = &c->waiters[i];
        if (w->peer && w->is_push && w->generation == generation)
            admin_say(c->admin, w->peer, progress_line(c, g, text), false);
    }
}

void
desk_told(struct controller *c, const struct generation *g)
{
    desk_progress(c, g->number, g->text);
}

static void
answer_waiter(struct controller *c, struct waiter *w, const struct generation *g)
{
    cJSON *o = cJSON_CreateObject();
    bool stopped = g->state == GENERATION_HELD && g->from == g->until;
    bool ok = !w->is_push || g->state == GENERATION_LIVE || stopped;
    if (w->is_rollback)
        ok = g->state == GENERATION_QUARANTINED || g->state == GENERATION_ROLLED_BACK ||
             (g->copy_of && g->state == GENERATION_LIVE);
    cJSON_AddBoolToObject(o, "ok", ok);
    cJSON_AddNumberToObject(o, "generation", g->number);
    cJSON_AddStringToObject(o, "state", generation_state_name(g->state));
    cJSON_AddStringToObject(o, "text", g->text);
    if (w->is_rollback && ok) {
        cJSON_AddNumberToObject(o, "from", g->number);
        cJSON_AddNumberToObject(o, "live", c->rollout.live);
        cJSON_AddNumberToObject(o, "last_worker_us", c->last_worker_us);
    }
    if (!ok) {
        char text[ROLLOUT_TEXT_MAX + 64];
        snprintf(text, sizeof(text), "generation %u is %s: %s", g->number, generation_state_name(g->state), g->text);
        cJSON_AddStringToObject(o, "error", text);
        cJSON_AddNumberToObject(o, "code", 1);
        cJSON *report = g->state == GENERATION_REJECTED ? work_report_summary(&c->store, g->number) : NULL;
        if (report)
            cJSON_AddItemToObject(o, "report", report);
    }
    crash_here("answer", w->is_push ? "push" : "other");
    admin_say(c->admin, w->peer, o, true);
}

void
desk_tick(struct controller *c)
{
    for (unsigned i = 0; i < CONTROLLER_WAITERS_MAX; i++) {
        struct waiter *w = &c->waiters[i];
        if (!w->peer)
            continue;
        const struct generation *g = rollout_find(&c->rollout, w->generation);
        bool is_there = admin_has(c->admin, w->peer);
        bool is_done = !g || (w->is_push ? rollout_is_settled(g)
                                         : !g->pending && g->state != GENERATION_ROLLED_BACK &&
                                               !(g->copy_of && g->state == GENERATION_COMPILED));
        if (w->end_ms && c->now_ms >= w->end_ms)
            is_done = true;
        if (is_there && g && is_done)
            answer_waiter(c, w, g);
        else if (is_there && is_done)
            admin_refuse(c->admin, w->peer, 1, "it is known to the journal only");
        if (!is_there || is_done)
            *w = (struct waiter){0};
    }
}

/* ---- verbs ---- */

static bool
parse_force(const cJSON *o, uint32_t *force)
{
    const cJSON *f;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "force");
    *force = 0;
    cJSON_ArrayForEach (f, list) {
        const char *name = cJSON_GetStringValue(f);
        if (name && !strcmp(name, "preflight"))
            *force |= FORCE_PREFLIGHT;
        else if (name && !strcmp(name, "shadow"))
            *force |= FORCE_SHADOW;
        else if (name && !strcmp(name, "probation"))
            *force |= FORCE_PROBATION;
        else
            return false;
    }
    return !list || cJSON_IsArray(list);
}

static bool
parse_expect(const cJSON *o, struct rollout_push *p)
{
    const cJSON *e;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "expect");
    cJSON_ArrayForEach (e, list) {
        const char *kind = text_of(e, "kind"), *name = text_of(e, "name");
        double rate = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(e, "rate"));
        if (p->expect_cnt == ROLLOUT_EXPECT_MAX)
            return false;
        struct rollout_expect *x = &p->expect[p->expect_cnt++];
        if (!kind || !watch_kind_parse(kind, &x->kind) || (name && strlen(name) >= sizeof(x->name)) ||
            !(rate > 0 && rate <= 1))
            return false;
        x->rate = rate;
        snprintf(x->name, sizeof(x->name), "%s", name ? name : "");
    }
    return !list || cJSON_IsArray(list);
}

static void
verb_push(const struct request *q)
{
    struct controller *c = q->c;
    struct rollout_push p = {.who = q->who, .until = GENERATION_LIVE, .path = text_of(q->o, "path"), .comment = ""};
    const char *stage = text_of(q->o, "stage"), *comment = text_of(q->o, "comment");
    char err[ROLLOUT_TEXT_MAX];
    uint32_t number;
    if (!p.path || *p.path != '/' || strlen(p.path) >= sizeof(c->push_path)) {
        refuse(q, 2, "`path` wants an absolute path");
    } else if (stage && !generation_state_parse(stage, &p.until)) {
        refuse(q, 2, "`stage` wants SHADOW, CANARY or PROBATION");
    } else if (!parse_force(q->o, &p.force)) {
        refuse(q, 2, "`force` wants a list of preflight, shadow, probation");
    } else if (!parse_expect(q->o, &p)) {
        refuse(q, 2, "`expect` wants a list of up to 8 {kind, name, rate}, rates of 0..1");
    } else {
        p.comment = comment ? comment : "";
        snprintf(c->push_path, sizeof(c->push_path), "%s", p.path);
        int ret = rollout_push(&c->rollout, &p, &number, err);
        c->push_path[0] = '\0';
        if (ret) {
            refuse(q, 1, err);
        } else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(q->o, "wait"))) {
            wait_for(q, number, true, false);
            desk_progress(c, number, "copied and compiled");
        } else {
            cJSON *o = ok_object();
            cJSON_AddNumberToObject(o, "generation", number);
            cJSON_AddStringToObject(o, "state", generation_state_name(GENERATION_DRAFT));
            answer(q, o);
        }
    }
}

/* hold, resume, promote, quarantine, release */
static void
verb_change(const struct request *q)
{
    static const struct {
        const char *verb;
        int (*fn)(struct rollout *r, uint32_t number, const struct rollout_who *who, char *err);
    } fns[] = {{"hold", rollout_hold},
               {"resume", rollout_resume},
               {"promote", rollout_promote},
               {"quarantine", rollout_quarantine},
               {"release", rollout_release}};
    const struct generation *g = generation_of(q);
    char err[ROLLOUT_TEXT_MAX];
    for (unsigned i = 0; g && i < sizeof(fns) / sizeof(fns[0]); i++) {
        if (strcmp(fns[i].verb, q->verb))
            continue;
        uint32_t number = g->number;
        if (fns[i].fn(&q->c->rollout, number, &q->who, err))
            refuse(q, 1, err);
        else
            wait_for(q, number, false, false);
    }
}

static void
verb_rollback(const struct request *q)
{
    char err[ROLLOUT_TEXT_MAX];
    uint32_t to = 0, number = 0;
    if (!number_of(q->o, "to", UINT32_MAX, &to))
        refuse(q, 2, "`to` wants a number");
    else if (rollout_rollback(&q->c->rollout, to, &q->who, &number, err))
        refuse(q, 1, err);
    else
        wait_for(q, number, false, true);
}

static void
verb_status(const struct request *q)
{
    cJSON *o = ok_object();
    desk_status(q->c, o);
    answer(q, o);
}

static void
verb_list(const struct request *q)
{
    uint32_t limit = 20;
    if (!number_of(q->o, "limit", 100000, &limit)) {
        refuse(q, 2, "`limit` wants a number");
        return;
    }
    const struct rollout *r = &q->c->rollout;
    cJSON *o = ok_object();
    cJSON *list = cJSON_AddArrayToObject(o, "generations");
    uint32_t shown = 0;
    for (uint32_t i = r->list_cnt; i-- > 0 && shown < limit; shown++) {
        cJSON *g = cJSON_CreateObject();
        desk_role(q->c, &r->list[i], g);
        cJSON_AddItemToArray(list, g);
    }
    cJSON_AddNumberToObject(o, "left_off", r->list_cnt - shown + r->forgotten_cnt);
    answer(q, o);
}

/* ---- what a child answers ---- */

static void
query_done(void *owner, uint64_t tag, const cJSON *result, const char *why)
{
    struct controller *c = owner;
    c->queries--;
    if (result)
        admin_say(c->admin, tag, cJSON_Duplicate(result, true), true);
    else
        admin_refuse(c->admin, tag, 1, why);
}

static void
query_line(void *owner, uint64_t tag, const char *progress)
{
    struct controller *c = owner;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "progress", "prove");
    cJSON_AddStringToObject(o, "text", progress);
    admin_say(c->admin, tag, o, false);
}

static void
ask_child(const struct request *q, job_work_fn *work, struct work *w)
{
    struct controller *c = q->c;
    w->settings = c->settings;
    w->store = &c->store;
    w->journal = c->journal_path;
    struct job_how how = {.name = q->verb, .work = work, .arg = w, .tag = q->peer, .limit_ms = 300000,
                          .done = query_done, .line = query_line, .owner = c};
    if (c->queries >= CONTROLLER_QUERIES_MAX || !jobs_begin(&c->jobs, &how, c->now_ms))
        refuse(q, 3, "too many ask at once: try again");
    else
        c->queries++;
}

static void
verb_show(const struct request *q)
{
    const struct generation *g = generation_of(q);
    if (!g)
        return;
    cJSON *o = ok_object();
    desk_role(q->c, g, o);
    cJSON *force = cJSON_AddArrayToObject(o, "force");
    static const char *const names[] = {"preflight", "shadow", "probation"};
    for (unsigned i = 0; i < 3; i++) {
        if (g->force & 1u << i)
            cJSON_AddItemToArray(force, cJSON_CreateString(names[i]));
    }
    if (g->until != GENERATION_LIVE)
        cJSON_AddStringToObject(o, "stage", generation_state_name(g->until));
    const struct link_trip *trip = &q->c->rollout.plane.trip;
    bool is_judged = q->c->evidence_of == g->number; /* not the set that it was compared with */
    cJSON_AddItemToObject(o, "evidence", is_judged ? desk_evidence(q->c, g->number) : cJSON_CreateNull());
    cJSON_AddItemToObject(o, "trip", trip->generation == g->number ? desk_trip(trip) : cJSON_CreateNull());
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    struct work w = {.generation = g->number, .text = text};
    ask_child(q, work_show, &w);
    cJSON_free(text);
}

/* ---- the index: asked on this thread, because a connection to it does not outlive a fork ---- */

static void
verb_affected(const struct request *q)
{
    struct controller *c = q->c;
    struct impact_question ask = {.limit = 100, .verdict = text_of(q->o, "verdict")};
    if (!number_of(q->o, "generation", UINT32_MAX, &ask.generation) || !ask.generation ||
        !number_of(q->o, "limit", IMPACT_MESSAGES_MAX, &ask.limit)) {
        refuse(q, 2, "affected wants a `generation`, and a `limit` of 0..10000");
        return;
    }
    if (c->uplink.pages.ring.page)
        ask.lost = ring_dropped(&c->uplink.pages.ring);
    cJSON *o = c->index ? impact_affected(c->index, &ask) : NULL;
    if (o)
        answer(q, o);
    else
        refuse(q, 1, "the index cannot be asked");
}

struct sets {
    const struct controller *c;
    uint32_t generation;
    struct ruleset *rs; /* of that generation */
};

static bool
rule_of(void *owner, uint32_t generation, const char *rule, int32_t *score_milli, char *describe, size_t describe_size)
{
    struct sets *s = owner;
    char path[GENERATIONS_PATH_MAX], err[256];
    if (generation != s->generation) {
        void *image = NULL;
        size_t len = 0;
        struct rulesfile_how how = {0};
        char *said = NULL;
        generations_path(&s->c->store, generation, "image", path);
        s->generation = generation;
        ruleset_free(s->rs);
        s->rs = NULL;
        if (rulesfile_is_image(path) && rulesfile_load_said(&how, path, &image, &len, &said) == 0)
            s->rs = ruleset_load(image, len, generation, 1, err, sizeof(err));
        free(image);
        free(said);
    }
    for (uint32_t i = 0; s->rs && i < ruleset_rule_cnt(s->rs); i++) {
        if (strcmp(ruleset_rule_name(s->rs, i), rule))
            continue;
        *score_milli = ruleset_rule_score_milli(s->rs, i);
        snprintf(describe, describe_size, "%s", ruleset_rule_describe(s->rs, i));
        return true;
    }
    return false;
}

static void
verb_trace(const struct request *q)
{
    const char *id = text_of(q->o, "id");
    if (!id) {
        refuse(q, 2, "`id` wants a text");
        return;
    }
    struct sets sets = {.c = q->c};
    cJSON *o = q->c->index ? impact_trace(q->c->index, id, rule_of, &sets) : NULL;
    ruleset_free(sets.rs);
    if (o)
        answer(q, o);
    else
        refuse(q, 1, "the index cannot be asked");
}

static void
verb_report(const struct request *q)
{
    const struct generation *g = generation_of(q);
    struct work w = {.generation = g ? g->number : 0};
    if (g)
        ask_child(q, work_report, &w);
}

/* What a return is proved against: what was live before it, as its pre-flight was; of the first of all what came after it.
 * What both do is as it was: a rule set that refuses a suffix on purpose is none the worse for it. */
static uint32_t
compared_with(const struct rollout *r, uint32_t number)
{
    uint32_t before = 0, after = 0;
    for (uint32_t i = 0; i < r->list_cnt; i++) {
        const struct generation *g = &r->list[i];
        if (!g->was_live || g->copy_of)
            continue;
        if (g->number < number && g->state != GENERATION_QUARANTINED)
            before = g->number;
        else if (g->number > number && !after)
            after = g->number;
    }
    return before ? before : after;
}

static void
verb_prove(const struct request *q)
{
    uint32_t n = q->c->rollout.live;
    if (!number_of(q->o, "generation", UINT32_MAX, &n)) {
        refuse(q, 2, "`generation` wants a number");
        return;
    }
    const struct generation *g = rollout_find(&q->c->rollout, n);
    if (!g) {
        refuse(q, 1, n ? "there is no such generation in memory" : "nothing that is known here is live");
        return;
    }
    watch_read(q->c);
    cJSON *o = cJSON_CreateObject();
    desk_role(q->c, g, o);
    cJSON_AddItemToObject(o, "evidence", desk_evidence(q->c, n));
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    uint32_t own = g->copy_of ? g->copy_of : n; /* its rules lie there, and what they declare */
    struct work w = {.generation = own, .live = compared_with(&q->c->rollout, own), .text = text};
    ask_child(q, work_prove, &w);
    cJSON_free(text);
}

static void
verb_journal(const struct request *q)
{
    struct work w = {.limit = 20};
    if (!number_of(q->o, "n", 10000, &w.limit))
        refuse(q, 2, "`n` wants a number of 0..10000");
    else
        ask_child(q, !strcmp(q->verb, "journal-tail") ? work_journal_tail : work_journal_verify, &w);
}

/* ---- announcements ---- */

static void
verb_announce_list(const struct request *q)
{
    cJSON *o = ok_object();
    announce_list(q->c->announce, o);
    answer(q, o);
}

static void
verb_announce_add(const struct request *q)
{
    const char *text = text_of(q->o, "text"), *impact_name = text_of(q->o, "impact");
    enum announce_impact impact = IMPACT_MINOR;
    uint32_t expires = 0;
    char id[ANNOUNCE_ID_MAX];
    if (!text || !number_of(q->o, "expires_s", ANNOUNCE_EXPIRES_MAX_S, &expires) || !expires ||
        (impact_name && !announce_impact_parse(impact_name, &impact))) {
        refuse(q, 2, "announce-add wants a text, expires_s, and an impact of none, minor, major, critical");
        return;
    }
    int ret = announce_add(q->c->announce, q->who.name, text, impact, expires,
                           cJSON_GetObjectItemCaseSensitive(q->o, "components"), id);
    if (ret) {
        refuse(q, 1, ret == -EINVAL   ? "its text, expiry or components are out of range"
                     : ret == -ENOSPC ? "there are too many announcements: end one"
                                      : "the journal cannot be written: nothing was announced");
        return;
    }
    cJSON *o = ok_object();
    cJSON_AddStringToObject(o, "id", id);
    answer(q, o);
}

static void
verb_announce_end(const struct request *q)
{
    const char *id = text_of(q->o, "id");
    int ret = id ? announce_end(q->c->announce, q->who.name, id, text_of(q->o, "text")) : -EINVAL;
    if (ret) {
        refuse(q, id ? 1 : 2, ret == -ENOENT ? "there is no such announcement" : id ? "the journal cannot be written"
                                                                                   : "`id` wants a text");
        return;
    }
    cJSON *o = ok_object();
    cJSON_AddStringToObject(o, "id", id);
    answer(q, o);
}

/* ---- which ---- */

void
desk_request(void *owner, uint64_t peer, const struct admin_who *who, const char *verb, const cJSON *request)
{
    static const struct {
        const char *verb;
        void (*fn)(const struct request *q);
        bool is_push;
    } verbs[] = {{"status", verb_status, false},
                 {"gen-list", verb_list, false},
                 {"gen-show", verb_show, false},
                 {"report", verb_report, false},
                 {"affected", verb_affected, false},
                 {"trace", verb_trace, false},
                 {"journal-tail", verb_journal, false},
                 {"journal-verify", verb_journal, false},
                 {"announce-list", verb_announce_list, false},
                 {"push", verb_push, true},
                 {"hold", verb_change, true},
                 {"resume", verb_change, true},
                 {"promote", verb_change, true},
                 {"quarantine", verb_change, true},
                 {"release", verb_change, true},
                 {"rollback", verb_rollback, true},
                 {"prove", verb_prove, true},
                 {"announce-add", verb_announce_add, true},
                 {"announce-end", verb_announce_end, true}};
    struct request q = {.c = owner, .peer = peer, .who.uid = who->uid, .verb = verb, .o = request};
    snprintf(q.who.name, sizeof(q.who.name), "%s", who->name);
    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].verb, verb))
            continue;
        if (verbs[i].is_push && !who->may_push)
            refuse(&q, 1, "you may read, not change: you are not of the pushers");
        else
            verbs[i].fn(&q);
        return;
    }
    refuse(&q, 2, "there is no such verb");
}
