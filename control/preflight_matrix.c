/* The suffix matrix: every name of the Public Suffix List in every place, judged by live and by the candidate. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/preflight_cache.h"
#include "control/preflight_check.h"
#include "control/preflight_probe.h"
#include "control/preflight_suffix.h"

enum {
    /* A set of SpamAssassin's size needs 20 s of one processor for all probes. */
    MATRIX_MS = 900 * 1000,
    WARNED_MAX = 10 /* probes told one by one whose score jumps */
};

/* Item 0 names nobody; then PROBES_PER_NAME of each name. */
struct matrix {
    struct preflight *p;
    struct preflight_suffixes names;
    struct preflight_verdicts live, candidate;
    uint32_t cnt, popular_cnt;
    uint32_t round_done; /* probes of the rounds before */
};

struct probe_id {
    const struct preflight_suffix *name; /* NULL: item 0 */
    enum preflight_place place;
    enum preflight_direction direction;
};

static struct probe_id
identify(const struct matrix *x, uint32_t idx)
{
    struct probe_id id = {NULL, PLACE_HELO, DIRECTION_SENDER};
    if (!idx--)
        return id;
    id.name = &x->names.list[idx / PROBES_PER_NAME];
    id.place = (enum preflight_place)(idx % PROBES_PER_NAME / DIRECTION_CNT);
    id.direction = (enum preflight_direction)(idx % DIRECTION_CNT);
    return id;
}

static void
make(void *owner, uint32_t idx, struct preflight_item *item)
{
    const struct matrix *x = owner;
    struct probe_id id = identify(x, idx);
    item->suffix = id.name ? id.name->suffix : NULL;
    preflight_probe(item, id.name ? id.name->domain : NULL, id.place, id.direction, (time_t)x->p->date);
}

static void
name_item(void *owner, uint32_t idx, char *name, size_t size)
{
    struct probe_id id = identify(owner, idx);
    if (id.name)
        snprintf(name, size, "the probe of %s in %s/%s", id.name->suffix, preflight_place_name(id.place),
                 id.direction == DIRECTION_SENDER ? "sender" : "rcpt");
}

static void
progress(void *owner, uint32_t done)
{
    const struct matrix *x = owner;
    preflight_tell(x->p, "suffixes: %" PRIu32 " of %" PRIu32 " probes", x->round_done + done, x->cnt);
}

/* ---- what was found ---- */

struct by_rule {
    uint32_t probes, suffixes;
    const char *last; /* suffix counted */
};

struct tally {
    uint32_t rejects, declared_rejects, near, lost, live_rejects;
    uint32_t suffixes, declared_suffixes; /* of the list */
    struct by_rule *rules; /* by number */
    cJSON *hits;
    char examples[200];
};

static cJSON *
places_json(uint32_t mask)
{
    cJSON *a = cJSON_CreateArray();
    char text[40];
    for (unsigned i = 0; i < PROBES_PER_NAME; i++) {
        if (!(mask >> i & 1))
            continue;
        snprintf(text, sizeof(text), "%s/%s", preflight_place_name((enum preflight_place)(i / DIRECTION_CNT)),
                 i % DIRECTION_CNT == DIRECTION_SENDER ? "sender" : "rcpt");
        cJSON_AddItemToArray(a, cJSON_CreateString(text));
    }
    return a;
}

/* The rules behind the hits of one suffix, each once. */
struct culprits {
    uint16_t rules[PREFLIGHT_RULES_MAX * 2];
    unsigned cnt;
};

static void
blame(struct tally *t, struct culprits *who, const struct preflight_cell *c, const char *suffix)
{
    for (unsigned i = 0; i < c->rules_cnt; i++) {
        struct by_rule *r = &t->rules[c->rules[i]];
        unsigned k = 0;
        r->probes++;
        r->suffixes += !r->last || strcmp(r->last, suffix) != 0;
        r->last = suffix;
        while (k < who->cnt && who->rules[k] != c->rules[i])
            k++;
        if (k == who->cnt && k < sizeof(who->rules) / sizeof(*who->rules))
            who->rules[who->cnt++] = c->rules[i];
    }
}

static cJSON *
culprits_json(const struct matrix *x, const struct culprits *who)
{
    cJSON *a = cJSON_CreateArray();
    for (unsigned i = 0; i < who->cnt; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(preflight_rule_name(&x->candidate, who->rules[i])));
    return a;
}

static void
declare(struct matrix *x, const char *suffix, uint32_t mask, const struct culprits *who)
{
    static const uint32_t sender = 0x55555555;
    for (unsigned d = 0; d < DIRECTION_CNT; d++) {
        if (!(mask & sender << d) || cJSON_GetArraySize(x->p->declared) >= PREFLIGHT_LISTED_MAX)
            continue;
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "kind", d == DIRECTION_SENDER ? "sender-suffix" : "rcpt-suffix");
        cJSON_AddStringToObject(j, "name", suffix);
        cJSON_AddItemToObject(j, "rules", culprits_json(x, who));
        cJSON_AddItemToArray(x->p->declared, j);
    }
}

static void
list_hit(struct matrix *x, struct tally *t, const char *suffix, uint32_t mask, const struct culprits *who,
         bool is_declared)
{
    size_t len = strlen(t->examples);
    if (!is_declared && len + strlen(suffix) + 8 < sizeof(t->examples) && t->suffixes <= 8)
        snprintf(t->examples + len, sizeof(t->examples) - len, "%s%s", len ? ", " : "", suffix);
    if (cJSON_GetArraySize(t->hits) >= PREFLIGHT_LISTED_MAX)
        return;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "suffix", suffix);
    cJSON_AddItemToObject(j, "places", places_json(mask));
    cJSON_AddItemToObject(j, "rules", culprits_json(x, who));
    cJSON_AddBoolToObject(j, "declared", is_declared);
    cJSON_AddItemToArray(t->hits, j);
}

static void
warn_near(const struct matrix *x, struct tally *t, uint32_t idx, cJSON *found)
{
    char name[320];
    name_item((void *)(uintptr_t)x, idx, name, sizeof(name));
    if (t->near++ < WARNED_MAX)
        preflight_warn(found, "%s scores %.1f, live %.1f", name, x->candidate.cells[idx].score_milli / 1000.0,
                       x->live.cells[idx].score_milli / 1000.0);
}

/* One name of the list: places hit, each bit PROBES_PER_NAME's. */
static void
look_at_name(struct matrix *x, struct tally *t, uint32_t n, uint32_t *new_mask, uint32_t *declared_mask,
             struct culprits *who, cJSON *found)
{
    for (uint32_t i = 0; i < PROBES_PER_NAME; i++) {
        uint32_t idx = 1 + n * PROBES_PER_NAME + i;
        const struct preflight_cell *a = &x->live.cells[idx], *b = &x->candidate.cells[idx];
        t->live_rejects += preflight_rejects(a);
        t->lost += preflight_rejects(a) && !preflight_rejects(b);
        if (!preflight_is_new(a, b)) {
            if (!preflight_rejects(b) && preflight_is_near(x->p, a, b))
                warn_near(x, t, idx, found);
            continue;
        }
        blame(t, who, b, x->names.list[n].suffix);
        if (b->flags & PREFLIGHT_DECLARED) {
            *declared_mask |= UINT32_C(1) << i;
            t->declared_rejects++;
        } else {
            *new_mask |= UINT32_C(1) << i;
            t->rejects++;
        }
    }
}

/* All names of one suffix stand together. Returns the first of the next. */
static uint32_t
look_at_suffix(struct matrix *x, struct tally *t, uint32_t n, uint32_t end, cJSON *found)
{
    const char *suffix = x->names.list[n].suffix;
    uint32_t new_mask = 0, declared_mask = 0;
    struct culprits who = {.cnt = 0};
    for (; n < end && !strcmp(x->names.list[n].suffix, suffix); n++)
        look_at_name(x, t, n, &new_mask, &declared_mask, &who, found);
    t->suffixes += new_mask != 0;
    t->declared_suffixes += !new_mask && declared_mask;
    if (new_mask)
        list_hit(x, t, suffix, new_mask, &who, false);
    else if (declared_mask)
        list_hit(x, t, suffix, declared_mask, &who, true);
    if (declared_mask)
        declare(x, suffix, declared_mask, &who);
    return n;
}

struct ranked {
    uint32_t rule, probes, suffixes;
};

static int
by_suffixes(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->suffixes != y->suffixes)
        return x->suffixes > y->suffixes ? -1 : 1;
    return x->probes != y->probes ? (x->probes > y->probes ? -1 : 1) : (x->rule < y->rule ? -1 : x->rule > y->rule);
}

/* Rules by the suffixes they hit; the worst one's name into `worst`. */
static cJSON *
rules_json(const struct matrix *x, const struct tally *t, char *worst, size_t size)
{
    cJSON *a = cJSON_CreateArray();
    struct ranked *list = calloc(x->candidate.names_cnt + 1, sizeof(*list));
    uint32_t cnt = 0;
    *worst = 0;
    for (uint32_t r = 0; list && r < x->candidate.names_cnt; r++) {
        if (t->rules[r].probes)
            list[cnt++] = (struct ranked){r, t->rules[r].probes, t->rules[r].suffixes};
    }
    if (list)
        qsort(list, cnt, sizeof(*list), by_suffixes);
    for (uint32_t i = 0; i < cnt && i < PREFLIGHT_LISTED_MAX; i++) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "rule", preflight_rule_name(&x->candidate, list[i].rule));
        cJSON_AddNumberToObject(j, "suffixes", list[i].suffixes);
        cJSON_AddNumberToObject(j, "probes", list[i].probes);
        cJSON_AddItemToArray(a, j);
        if (i == 0)
            snprintf(worst, size, "%s", preflight_rule_name(&x->candidate, list[i].rule));
    }
    free(list);
    return a;
}

/* ---- judging ---- */

/* The popular names first, so that what matters is told within seconds; then the others. */
static int
judge_round(struct matrix *x, bool has_live, uint32_t first, uint32_t end, char *text)
{
    struct preflight_judging g;
    char why[PREFLIGHT_WHY_MAX];
    for (int is_live = 1; is_live >= 0; is_live--) {
        struct preflight_verdicts *v = is_live ? &x->live : &x->candidate;
        if (is_live && has_live)
            continue;
        preflight_judging_init(x->p, &g, is_live);
        g.first = first;
        g.cnt = end - first;
        g.total_ms = MATRIX_MS;
        g.make = make;
        g.name_item = name_item;
        g.progress = is_live ? NULL : progress;
        g.owner = x;
        if (preflight_judge(&g, v, why, sizeof(why))) {
            snprintf(text, PREFLIGHT_TEXT_MAX, "%s: %s", is_live ? "live" : "the rule set", why);
            return -1;
        }
    }
    x->round_done = end;
    return 0;
}

static void
tell_round(struct matrix *x)
{
    for (uint32_t i = 1; i < x->cnt && i < 1 + x->popular_cnt * PROBES_PER_NAME; i++) {
        const struct preflight_cell *b = &x->candidate.cells[i];
        if (!preflight_is_new(&x->live.cells[i], b) || b->flags & PREFLIGHT_DECLARED)
            continue;
        char name[320];
        name_item(x, i, name, sizeof(name));
        preflight_tell(x->p, "suffixes: %s is newly rejected: %s", name,
                       b->rules_cnt ? preflight_rule_name(&x->candidate, b->rules[0]) : "an event");
        return;
    }
}

static int
judge_all(struct matrix *x, char *text)
{
    const struct preflight_job *job = x->p->job;
    struct preflight_cache cache = {.folder = job->cache, .image = job->live_image, .thresholds = job->thresholds,
                                    .suffixes = &x->names, .date = (int64_t)x->p->date};
    bool has_live = !job->live_image || preflight_cache_read(&cache, x->live.cells, x->cnt);
    uint32_t front = 1 + x->popular_cnt * PROBES_PER_NAME;
    for (uint32_t i = 0; !job->live_image && i < x->cnt; i++)
        x->live.cells[i].flags = PREFLIGHT_JUDGED;
    if (judge_round(x, has_live, 0, front, text))
        return -1;
    tell_round(x);
    if (front < x->cnt && judge_round(x, has_live, front, x->cnt, text))
        return -1;
    if (!has_live)
        preflight_cache_write(&cache, x->live.cells, x->cnt);
    return 0;
}

/* ---- the check ---- */

static bool
conclude(struct matrix *x, struct tally *t, cJSON *found, char *text)
{
    char worst[PREFLIGHT_NAME_MAX];
    const struct preflight_cell *a = &x->live.cells[0], *b = &x->candidate.cells[0];
    bool is_neutral_bad = preflight_is_new(a, b);
    cJSON_AddNumberToObject(found, "suffixes", x->names.rules_cnt);
    cJSON_AddNumberToObject(found, "probes", x->cnt);
    cJSON_AddNumberToObject(found, "new_rejects", t->rejects);
    cJSON_AddNumberToObject(found, "hit_suffixes", t->suffixes);
    cJSON_AddNumberToObject(found, "declared_suffixes", t->declared_suffixes);
    cJSON_AddNumberToObject(found, "near", t->near);
    cJSON_AddNumberToObject(found, "live_rejects", t->live_rejects);
    cJSON_AddNumberToObject(found, "lost", t->lost);
    cJSON_AddItemToObject(found, "by_rule", rules_json(x, t, worst, sizeof(worst)));
    cJSON_AddItemToObject(found, "hits", t->hits);
    if (is_neutral_bad)
        preflight_warn(found, "a mail that names nobody is rejected, too");
    if (t->rejects)
        snprintf(text, PREFLIGHT_TEXT_MAX,
                 "%" PRIu32 " of %" PRIu32 " suffixes newly rejected (%s%s), most by %s; %" PRIu32 " of %" PRIu32
                 " probes", t->suffixes, x->names.rules_cnt, t->examples, t->suffixes > 8 ? ", ..." : "",
                 *worst ? worst : "an event", t->rejects, x->cnt);
    else
        snprintf(text, PREFLIGHT_TEXT_MAX,
                 "none of %" PRIu32 " suffixes newly rejected in %" PRIu32 " probes; %" PRIu32 " declared, %" PRIu32
                 " near", x->names.rules_cnt, x->cnt, t->declared_suffixes, t->near);
    return !t->rejects && !is_neutral_bad;
}

static bool
run(struct matrix *x, cJSON *found, char *text)
{
    struct tally t = {.rules = calloc(RULE_MAX + 1, sizeof(*t.rules))};
    if (!t.rules || !preflight_verdicts_init(&x->live, x->cnt) || !preflight_verdicts_init(&x->candidate, x->cnt)) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "no memory, or too many names");
        free(t.rules);
        return false;
    }
    bool ok = judge_all(x, text) == 0;
    if (ok) {
        t.hits = cJSON_CreateArray();
        for (uint32_t n = 0; n < x->names.cnt;)
            n = look_at_suffix(x, &t, n, x->names.cnt, found);
        ok = conclude(x, &t, found, text);
    }
    free(t.rules);
    return ok;
}

bool
preflight_check_suffixes(struct preflight *p, cJSON *found, char *text)
{
    struct matrix x = {.p = p};
    bool ok = preflight_suffixes_read(&x.names, p->job->suffix_list, text, PREFLIGHT_TEXT_MAX) == 0;
    x.cnt = 1 + x.names.cnt * PROBES_PER_NAME;
    x.popular_cnt = x.names.popular_cnt;
    if (ok)
        ok = run(&x, found, text);
    preflight_verdicts_fini(&x.live);
    preflight_verdicts_fini(&x.candidate);
    preflight_suffixes_free(&x.names);
    return ok;
}
