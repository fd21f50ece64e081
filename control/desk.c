/* Operators' requests: who may ask for what, and what is answered at once. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "control/desk_private.h"

/* ---- members of a request ---- */

const char *
desk_text(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

bool
desk_number(const cJSON *o, const char *key, uint32_t max, uint32_t *n)
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

void
desk_refuse(const struct request *q, int code, const char *error)
{
    admin_refuse(q->c->admin, q->peer, code, error);
}

cJSON *
desk_ok(void)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "ok", true);
    return o;
}

void
desk_answer(const struct request *q, cJSON *o)
{
    admin_say(q->c->admin, q->peer, o, true);
}

const struct generation *
desk_generation(const struct request *q)
{
    uint32_t n = 0;
    char text[128];
    if (!desk_number(q->o, "generation", UINT32_MAX, &n) || !n) {
        desk_refuse(q, 2, "`generation` wants a number");
        return NULL;
    }
    const struct generation *g = rollout_find(&q->c->rollout, n);
    snprintf(text, sizeof(text),
             n < q->c->rollout.next_number ? "generation %u is known to the journal only" : "there is no generation %u", n);
    if (!g)
        desk_refuse(q, 1, text);
    return g;
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
        const char *kind = desk_text(e, "kind"), *name = desk_text(e, "name");
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
    struct rollout_push p = {.who = q->who, .until = GENERATION_LIVE, .path = desk_text(q->o, "path"), .comment = ""};
    const char *stage = desk_text(q->o, "stage"), *comment = desk_text(q->o, "comment");
    char err[ROLLOUT_TEXT_MAX];
    uint32_t number;
    if (!p.path || *p.path != '/' || strlen(p.path) >= sizeof(c->push_path)) {
        desk_refuse(q, 2, "`path` wants an absolute path");
    } else if (stage && !generation_state_parse(stage, &p.until)) {
        desk_refuse(q, 2, "`stage` wants SHADOW, CANARY or PROBATION");
    } else if (!parse_force(q->o, &p.force)) {
        desk_refuse(q, 2, "`force` wants a list of preflight, shadow, probation");
    } else if (!parse_expect(q->o, &p)) {
        desk_refuse(q, 2, "`expect` wants a list of up to 8 {kind, name, rate}, rates of 0..1");
    } else {
        p.comment = comment ? comment : "";
        snprintf(c->push_path, sizeof(c->push_path), "%s", p.path);
        c->push_reader = (struct reader){q->who.uid, q->peer_who->gids, q->peer_who->gid_cnt};
        int ret = rollout_push(&c->rollout, &p, &number, err);
        c->push_reader = (struct reader){.uid = UINT32_MAX};
        c->push_path[0] = '\0';
        if (ret) {
            desk_refuse(q, 1, err);
        } else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(q->o, "wait"))) {
            desk_wait_for(q, number, true, false);
            desk_progress(c, number, "copied and compiled");
        } else {
            cJSON *o = desk_ok();
            cJSON_AddNumberToObject(o, "generation", number);
            cJSON_AddStringToObject(o, "state", generation_state_name(GENERATION_DRAFT));
            desk_answer(q, o);
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
    const struct generation *g = desk_generation(q);
    char err[ROLLOUT_TEXT_MAX];
    for (unsigned i = 0; g && i < sizeof(fns) / sizeof(fns[0]); i++) {
        if (strcmp(fns[i].verb, q->verb))
            continue;
        uint32_t number = g->number;
        if (fns[i].fn(&q->c->rollout, number, &q->who, err))
            desk_refuse(q, 1, err);
        else
            desk_wait_for(q, number, false, false);
    }
}

static void
verb_rollback(const struct request *q)
{
    char err[ROLLOUT_TEXT_MAX];
    uint32_t to = 0, number = 0;
    if (!desk_number(q->o, "to", UINT32_MAX, &to))
        desk_refuse(q, 2, "`to` wants a number");
    else if (rollout_rollback(&q->c->rollout, to, &q->who, &number, err))
        desk_refuse(q, 1, err);
    else
        desk_wait_for(q, number, false, true);
}

static void
verb_status(const struct request *q)
{
    cJSON *o = desk_ok();
    desk_status(q->c, o);
    desk_answer(q, o);
}

static void
verb_list(const struct request *q)
{
    uint32_t limit = 20;
    if (!desk_number(q->o, "limit", 100000, &limit)) {
        desk_refuse(q, 2, "`limit` wants a number");
        return;
    }
    const struct rollout *r = &q->c->rollout;
    cJSON *o = desk_ok();
    cJSON *list = cJSON_AddArrayToObject(o, "generations");
    uint32_t shown = 0;
    for (uint32_t i = r->list_cnt; i-- > 0 && shown < limit; shown++) {
        cJSON *g = cJSON_CreateObject();
        desk_role(q->c, &r->list[i], g);
        cJSON_AddItemToArray(list, g);
    }
    cJSON_AddNumberToObject(o, "left_off", r->list_cnt - shown + r->forgotten_cnt);
    desk_answer(q, o);
}

/* ---- announcements ---- */

static void
verb_announce_list(const struct request *q)
{
    cJSON *o = desk_ok();
    announce_list(q->c->announce, o);
    desk_answer(q, o);
}

static void
verb_announce_add(const struct request *q)
{
    const char *text = desk_text(q->o, "text"), *impact_name = desk_text(q->o, "impact");
    enum announce_impact impact = IMPACT_MINOR;
    uint32_t expires = 0;
    char id[ANNOUNCE_ID_MAX];
    if (!text || !desk_number(q->o, "expires_s", ANNOUNCE_EXPIRES_MAX_S, &expires) || !expires ||
        (impact_name && !announce_impact_parse(impact_name, &impact))) {
        desk_refuse(q, 2, "announce-add wants a text, expires_s, and an impact of none, minor, major, critical");
        return;
    }
    int ret = announce_add(q->c->announce, q->who.name, text, impact, expires,
                           cJSON_GetObjectItemCaseSensitive(q->o, "components"), id);
    if (ret) {
        desk_refuse(q, 1, ret == -EINVAL   ? "its text, expiry or components are out of range"
                     : ret == -ENOSPC ? "there are too many announcements: end one"
                                      : "the journal cannot be written: nothing was announced");
        return;
    }
    cJSON *o = desk_ok();
    cJSON_AddStringToObject(o, "id", id);
    desk_answer(q, o);
}

static void
verb_announce_end(const struct request *q)
{
    const char *id = desk_text(q->o, "id");
    int ret = id ? announce_end(q->c->announce, q->who.name, id, desk_text(q->o, "text")) : -EINVAL;
    if (ret) {
        desk_refuse(q, id ? 1 : 2, ret == -ENOENT ? "there is no such announcement" : id ? "the journal cannot be written"
                                                                                   : "`id` wants a text");
        return;
    }
    cJSON *o = desk_ok();
    cJSON_AddStringToObject(o, "id", id);
    desk_answer(q, o);
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
                 {"gen-show", desk_ask_show, false},
                 {"report", desk_ask_report, false},
                 {"affected", desk_ask_affected, false},
                 {"trace", desk_ask_trace, false},
                 {"journal-tail", desk_ask_journal, false},
                 {"journal-verify", desk_ask_journal, false},
                 {"announce-list", verb_announce_list, false},
                 {"push", verb_push, true},
                 {"hold", verb_change, true},
                 {"resume", verb_change, true},
                 {"promote", verb_change, true},
                 {"quarantine", verb_change, true},
                 {"release", verb_change, true},
                 {"rollback", verb_rollback, true},
                 {"prove", desk_ask_prove, true},
                 {"announce-add", verb_announce_add, true},
                 {"announce-end", verb_announce_end, true}};
    struct request q = {.c = owner, .peer = peer, .who.uid = who->uid, .peer_who = who, .verb = verb, .o = request};
    snprintf(q.who.name, sizeof(q.who.name), "%s", who->name);
    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].verb, verb))
            continue;
        if (verbs[i].is_push && !who->may_push)
            desk_refuse(&q, 1, "you may read, not change: you are not of the pushers");
        else
            verbs[i].fn(&q);
        return;
    }
    desk_refuse(&q, 2, "there is no such verb");
}
