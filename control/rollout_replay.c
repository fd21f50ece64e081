/* The journal read again, record by record: what we knew when we ended. Nothing in it is trusted: a file can be changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/rollout_private.h"

static uint32_t
number_of(const cJSON *record, const char *key)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(record, key);
    return cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble <= UINT32_MAX ? (uint32_t)n->valuedouble : 0;
}

static void
text_of(const cJSON *record, const char *key, char *to, size_t size)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(record, key);
    if (cJSON_IsString(t))
        snprintf(to, size, "%s", t->valuestring);
}

static bool
state_of(const cJSON *record, const char *key, enum generation_state *s)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(record, key);
    return cJSON_IsString(t) && generation_state_parse(t->valuestring, s);
}

static struct generation *
entry(struct rollout *r, uint32_t number)
{
    struct generation *g = rollout_get(r, number);
    if (g || !number || number == UINT32_MAX)
        return g;
    g = rollout_add(r, number);
    return g;
}

/* Who is live, who on its way, as the records come. A generation that is LIVE here without an "acknowledged" after
 * it may be one the data plane was never asked about: it is a candidate until STATUS tells. */
static void
follow(struct rollout *r, const struct generation *g)
{
    bool is_on_its_way = g->state <= GENERATION_PROBATION || (g->state == GENERATION_HELD && g->is_resident) ||
                         (g->state == GENERATION_LIVE && g->number != r->live);
    if (is_on_its_way)
        r->candidate = g->number;
    else if (r->candidate == g->number)
        r->candidate = 0;
    if (g->number == r->live && (g->state == GENERATION_RETIRED || g->state == GENERATION_QUARANTINED))
        r->live = 0;
}

static void
replay_state(struct rollout *r, struct generation *g, const cJSON *record)
{
    enum generation_state to;
    if (!state_of(record, "state", &to))
        return;
    g->state = to;
    if (!state_of(record, to == GENERATION_HELD ? "held_in" : "from", &g->from))
        g->from = GENERATION_DRAFT;
    if (!state_of(record, "until", &g->until))
        g->until = GENERATION_LIVE;
    g->force = number_of(record, "force");
    g->copy_of = number_of(record, "copy_of");
    g->crashes = number_of(record, "crashes");
    g->against = number_of(record, "against");
    g->is_proved = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "proved"));
    enum generation_state at = rollout_effective(g);
    g->is_resident = ((at >= GENERATION_STAGED && at <= GENERATION_LIVE) || at == GENERATION_ROLLED_BACK) &&
                     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "resident"));
    text_of(record, "digest", g->digest, sizeof(g->digest));
    text_of(record, "golden", g->golden, sizeof(g->golden));
    text_of(record, "text", g->text, sizeof(g->text));
    text_of(record, "pushed_by", g->by, sizeof(g->by));
    g->uid = number_of(record, "pushed_uid");
    if (to == GENERATION_QUARANTINED)
        rollout_quarantine_digest(r, g->digest);
    /* A return makes the former one live without asking about it by name. */
    if (to == GENERATION_LIVE && (g->from == GENERATION_RETIRED || g->from == GENERATION_ROLLED_BACK)) {
        r->live = g->number;
        g->was_live = true;
    }
    follow(r, g);
}

static void
replay_expect(struct generation *g, const cJSON *record)
{
    const cJSON *e;
    g->expect_cnt = 0;
    cJSON_ArrayForEach (e, cJSON_GetObjectItemCaseSensitive(record, "expect")) {
        const cJSON *rate = cJSON_GetObjectItemCaseSensitive(e, "rate");
        uint32_t kind = number_of(e, "kind");
        if (g->expect_cnt == ROLLOUT_EXPECT_MAX || kind >= LINK_KIND_CNT || !cJSON_IsNumber(rate) ||
            !(rate->valuedouble > 0 && rate->valuedouble <= 1))
            continue;
        struct rollout_expect *x = &g->expect[g->expect_cnt++];
        *x = (struct rollout_expect){.kind = (enum link_kind)kind, .rate = rate->valuedouble};
        text_of(e, "name", x->name, sizeof(x->name));
    }
}

/* The journal's time, in ms since 1970; 0: none. */
static uint64_t
time_of(const cJSON *record)
{
    char text[32] = "";
    struct tm tm = {0};
    text_of(record, "time", text, sizeof(text));
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return 0;
    uint64_t ms = *rest == '.' ? (uint64_t)(strtod(rest, NULL) * 1000 + 0.5) : 0;
    return (uint64_t)timegm(&tm) * 1000 + ms;
}

void
rollout_replay(struct rollout *r, const cJSON *record)
{
    char event[32] = "", digest[LINK_DIGEST_LEN] = "";
    text_of(record, "event", event, sizeof(event));
    uint32_t number = number_of(record, "generation");
    bool is_ours = !strcmp(event, "state") || !strcmp(event, "push") || !strcmp(event, "preflight") ||
                   !strcmp(event, "acknowledged");
    struct generation *g = is_ours ? entry(r, number) : rollout_get(r, number);
    if (!strcmp(event, "release")) {
        text_of(record, "digest", digest, sizeof(digest));
        rollout_release_digest(r, digest);
    }
    if (!g)
        return;
    g->wall_ms = time_of(record);
    if (!strcmp(event, "push")) {
        replay_expect(g, record);
        text_of(record, "path", g->path, sizeof(g->path));
        text_of(record, "comment", g->comment, sizeof(g->comment));
        g->force = number_of(record, "force");
        g->uid = number_of(record, "uid");
        text_of(record, "by", g->by, sizeof(g->by));
        if (!state_of(record, "until", &g->until))
            g->until = GENERATION_LIVE;
        follow(r, g); /* a DRAFT, unless somebody wrote it twice */
    } else if (!strcmp(event, "preflight")) {
        g->is_proved = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "ok"));
    } else if (!strcmp(event, "acknowledged")) {
        r->live = number;
        g->was_live = true;
        follow(r, g);
    } else if (!strcmp(event, "state")) {
        replay_state(r, g, record);
    }
}
