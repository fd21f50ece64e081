/* cost: the candidate's time beside live's, in one child that judges each mail with the one and the other in turn, so
 * that what else the machine does falls on both; of several turns each one's least counts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/preflight_check.h"
#include "control/preflight_hostile.h"
#include "scan/message.h"
#include "scan/ruleset.h"

enum {
    COST_MS = 300 * 1000,
    SAMPLE_MAX = 200, /* mails of each corpus */
    MAIL_MAX = 256 * 1024,
    TURNS = 4,
    TURNS_MAX = 24,

    /* What a tiny live set saves is no yardstick: below this time a set is cheap. A core then does 100 MB/s. */
    CHEAP_NS_OCTET = 10,
    CHEAP_NS_MAIL = 20000
};

/* One kind of mail. */
struct lap {
    const char *name;
    uint64_t octets, mails, live_ns, ns;
};

struct runner {
    struct span mail;
    uint64_t live_ns, ns; /* the least so far; 0: none */
};

struct course {
    struct scanner live, candidate;
    bool has_live;
    double limit;
};

/* Candidate's time over live's, or over what is cheap. */
static double
lap_ratio(const struct lap *lap, bool has_live)
{
    uint64_t cheap = lap->octets * CHEAP_NS_OCTET + lap->mails * CHEAP_NS_MAIL;
    uint64_t yardstick = lap->live_ns > cheap ? lap->live_ns : cheap;
    return has_live && yardstick ? (double)lap->ns / (double)yardstick : 0;
}

static uint64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t
time_one(struct scanner *sc, struct span mail)
{
    uint64_t begin = cpu_ns();
    struct message *m = message_new(sc);
    if (!m)
        abort();
    message_feed(m, mail.ptr, mail.len);
    message_end(m);
    message_free(m);
    return cpu_ns() - begin;
}

/* One turn of each: who is first changes from turn to turn. */
static void
take_turn(struct course *c, struct runner *r, unsigned turn)
{
    for (unsigned i = 0; i < 2; i++) {
        bool is_live = (turn + i) % 2;
        if (is_live && !c->has_live)
            continue;
        uint64_t ns = time_one(is_live ? &c->live : &c->candidate, r->mail);
        uint64_t *least = is_live ? &r->live_ns : &r->ns;
        *least = !*least || ns < *least ? ns : *least;
    }
}

/* Of several turns the least counts. While that looks bad there are more: noise goes away, a slow set stays slow. */
static void
run_lap(struct course *c, struct lap *lap, struct runner *runners, uint32_t cnt, struct preflight_pulse *pulse)
{
    for (unsigned turn = 0; turn < TURNS || (turn < TURNS_MAX && lap_ratio(lap, c->has_live) > c->limit); turn++) {
        lap->octets = lap->live_ns = lap->ns = 0;
        lap->mails = cnt;
        for (uint32_t i = 0; i < cnt; i++) {
            take_turn(c, &runners[i], turn);
            lap->octets += runners[i].mail.len;
            lap->live_ns += runners[i].live_ns;
            lap->ns += runners[i].ns;
            preflight_beat(pulse, i);
        }
    }
}

static uint32_t
choose(struct runner *runners, uint32_t cnt, const struct preflight_corpus *corpus)
{
    uint32_t step = corpus->cnt / SAMPLE_MAX + 1;
    for (uint32_t i = 0; i < corpus->cnt; i += step) {
        if (corpus->mails[i].len <= MAIL_MAX)
            runners[cnt++] = (struct runner){.mail = {corpus->mails[i].octets, corpus->mails[i].len}};
    }
    return cnt;
}

static bool
prepare(const struct preflight *p, struct scanner *sc, const char *image, struct preflight_pulse *pulse)
{
    struct ruleset *rs = preflight_load(image, pulse->why, sizeof(pulse->why));
    if (!rs || scanner_init(sc, 0, 1))
        return false;
    sc->live = rs;
    sc->thresholds = p->job->thresholds;
    return true;
}

static cJSON *
lap_json(const struct lap *lap, bool has_live)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "name", lap->name);
    cJSON_AddNumberToObject(j, "octets", (double)lap->octets);
    cJSON_AddNumberToObject(j, "mails", (double)lap->mails);
    cJSON_AddNumberToObject(j, "ns", (double)lap->ns);
    cJSON_AddNumberToObject(j, "ns_per_octet", lap->octets ? (double)lap->ns / (double)lap->octets : 0);
    if (has_live) {
        cJSON_AddNumberToObject(j, "live_ns", (double)lap->live_ns);
        cJSON_AddNumberToObject(j, "ratio", lap_ratio(lap, true));
    }
    return j;
}

static cJSON *
race(void *owner, struct preflight_pulse *pulse)
{
    static uint8_t hostile[PREFLIGHT_HOSTILE_LEN];
    static struct runner runners[2 * SAMPLE_MAX];
    const struct preflight *p = owner;
    struct course c = {.has_live = p->job->live_image != NULL, .limit = p->s->cost_permille / 1000.0};
    if (!prepare(p, &c.candidate, p->job->candidate_image, pulse) ||
        (c.has_live && !prepare(p, &c.live, p->job->live_image, pulse)))
        return NULL;
    cJSON *j = cJSON_CreateObject(), *laps = cJSON_AddArrayToObject(j, "laps");
    struct lap corpus = {.name = "corpus"};
    run_lap(&c, &corpus, runners, choose(runners, choose(runners, 0, &p->ham), &p->spam), pulse);
    cJSON_AddItemToArray(laps, lap_json(&corpus, c.has_live));
    for (int kind = 0; kind < HOSTILE_CNT; kind++) {
        struct lap lap = {.name = preflight_hostile_name((enum preflight_hostile)kind)};
        struct runner one = {.mail = {hostile, preflight_hostile_mail((enum preflight_hostile)kind, hostile)}};
        run_lap(&c, &lap, &one, 1, pulse);
        cJSON_AddItemToArray(laps, lap_json(&lap, c.has_live));
    }
    return j;
}

/* ---- what was found ---- */

static double
number(const cJSON *j, const char *name)
{
    const cJSON *n = cJSON_GetObjectItem(j, name);
    return cJSON_IsNumber(n) && n->valuedouble >= 0 ? n->valuedouble : 0;
}

static bool
conclude(const struct preflight *p, const cJSON *laps, char *text)
{
    double worst = 0, limit = p->s->cost_permille / 1000.0;
    const char *worst_name = "?";
    const cJSON *lap;
    cJSON_ArrayForEach(lap, laps)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(lap, "name"));
        if (number(lap, "ratio") >= worst && name) {
            worst = number(lap, "ratio");
            worst_name = name;
        }
    }
    double octet_ns = number(cJSON_GetArrayItem(laps, 0), "ns_per_octet");
    if (!p->job->live_image)
        snprintf(text, PREFLIGHT_TEXT_MAX, "%.0f ns an octet on the corpus; there is no live set to compare with",
                 octet_ns);
    else
        snprintf(text, PREFLIGHT_TEXT_MAX,
                 "%.0f ns an octet on the corpus, %.2f times live's (at most %.2f); worst: %s, %.2f times", octet_ns,
                 number(cJSON_GetArrayItem(laps, 0), "ratio"), limit, worst_name, worst);
    return worst <= limit;
}

bool
preflight_check_cost(struct preflight *p, cJSON *found, char *text)
{
    struct preflight_judging g;
    preflight_judging_init(p, &g, false);
    struct preflight_question q = {.memory_max = 2 * g.memory_max, .total_ms = COST_MS, .make = race, .owner = p};
    if (preflight_need_corpus(p, text))
        return false;
    cJSON *j = preflight_ask(&q, text, PREFLIGHT_TEXT_MAX);
    cJSON *laps = cJSON_DetachItemFromObject(j, "laps");
    cJSON_Delete(j);
    if (!laps)
        return false;
    cJSON_AddItemToObject(found, "laps", laps);
    return conclude(p, laps, text);
}
