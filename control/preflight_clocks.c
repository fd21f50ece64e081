/* clocks: mails as they will be later. Each of a sample of ham, and a probe, is judged as it is and with all its dates moved so
 * that its newest is in an hour, tomorrow, next month, next New Year's day and 2038. What the candidate rejects only
 * then, and live does not, is a bomb. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/preflight_check.h"
#include "control/preflight_date.h"
#include "control/preflight_probe.h"

enum {
    CLOCKS_MS = 900 * 1000,
    SAMPLE_MAX = 500, /* mails; each is judged SHIFTS_CNT times */
    GROWTH = 1024     /* octets that a mail may grow: some dates become longer */
};

enum shift { SHIFT_NONE, SHIFT_NOW, SHIFT_HOUR, SHIFT_DAY, SHIFT_MONTH, SHIFT_YEAR, SHIFT_2038, SHIFTS_CNT };

static const char *const shift_names[SHIFTS_CNT] = {"as they are",  "now",      "in an hour", "tomorrow",
                                                    "next month", "New Year", "2038"};

/* Item: mail times SHIFTS_CNT plus shift. Mail 0 is a probe, then every step-th ham that has a date. */
struct clocks {
    struct preflight *p;
    const struct preflight_mail **mails;
    uint32_t cnt;
    int64_t at[SHIFTS_CNT];
    struct preflight_item probe;
    uint8_t *octets; /* of the mail that a child has at hand; its own after fork */
    size_t octets_max;
    struct preflight_verdicts live, candidate;
};

static int64_t
month_after(int64_t now, int months)
{
    time_t t = (time_t)now;
    struct tm tm;
    gmtime_r(&t, &tm);
    tm.tm_mon += months;
    if (tm.tm_mday > 28)
        tm.tm_mday = 28;
    return timegm(&tm);
}

static void
set_shifts(struct clocks *x)
{
    int64_t now = (int64_t)time(NULL);
    time_t t = (time_t)now;
    struct tm tm;
    gmtime_r(&t, &tm);
    struct tm year = {.tm_year = tm.tm_year + 1, .tm_mday = 1, .tm_hour = 12};
    struct tm end = {.tm_year = 2038 - 1900, .tm_mday = 20, .tm_hour = 12};
    x->at[SHIFT_NOW] = now;
    x->at[SHIFT_HOUR] = now + 3600;
    x->at[SHIFT_DAY] = now + 86400;
    x->at[SHIFT_MONTH] = month_after(now, 1);
    x->at[SHIFT_YEAR] = timegm(&year);
    x->at[SHIFT_2038] = timegm(&end);
}

static struct span
mail_of(const struct clocks *x, uint32_t idx)
{
    uint32_t n = idx / SHIFTS_CNT;
    return n ? (struct span){x->mails[n - 1]->octets, x->mails[n - 1]->len} : x->probe.octets;
}

static void
make(void *owner, uint32_t idx, struct preflight_item *item)
{
    struct clocks *x = owner;
    struct span mail = mail_of(x, idx);
    int64_t newest;
    item->octets = mail;
    item->suffix = idx / SHIFTS_CNT ? x->mails[idx / SHIFTS_CNT - 1]->suffix : NULL;
    if (idx % SHIFTS_CNT == SHIFT_NONE || !preflight_date_newest(mail.ptr, mail.len, &newest))
        return;
    size_t len = preflight_date_move(mail.ptr, mail.len, x->at[idx % SHIFTS_CNT] - newest, x->octets, x->octets_max);
    if (len)
        item->octets = (struct span){x->octets, len};
}

static void
name_item(void *owner, uint32_t idx, char *name, size_t size)
{
    const struct clocks *x = owner;
    uint32_t n = idx / SHIFTS_CNT;
    const char *path = n ? x->mails[n - 1]->name : "the probe", *slash = strrchr(path, '/');
    snprintf(name, size, "%s, %s", slash ? slash + 1 : path, shift_names[idx % SHIFTS_CNT]);
}

static bool
choose(struct clocks *x)
{
    const struct preflight_corpus *ham = &x->p->ham;
    uint32_t step = ham->cnt / SAMPLE_MAX + 1;
    int64_t date;
    x->octets_max = PREFLIGHT_ITEM_MAX;
    x->mails = calloc(ham->cnt / step + 1, sizeof(*x->mails));
    for (uint32_t i = 0; x->mails && i < ham->cnt; i += step) {
        if (!preflight_date_newest(ham->mails[i].octets, ham->mails[i].len, &date))
            continue;
        x->mails[x->cnt++] = &ham->mails[i];
        if (ham->mails[i].len + GROWTH > x->octets_max)
            x->octets_max = ham->mails[i].len + GROWTH;
    }
    x->octets = malloc(x->octets_max);
    preflight_probe(&x->probe, NULL, PLACE_FROM, DIRECTION_SENDER, (time_t)x->p->date);
    x->cnt++; /* the probe */
    return x->mails && x->octets;
}

/* ---- what was found ---- */

struct tally {
    uint32_t rejects[SHIFTS_CNT], live_too[SHIFTS_CNT], near[SHIFTS_CNT];
    cJSON *examples;
};

static void
list_reject(const struct clocks *x, struct tally *t, uint32_t idx)
{
    char name[256];
    if (cJSON_GetArraySize(t->examples) >= PREFLIGHT_LISTED_MAX)
        return;
    cJSON *j = cJSON_CreateObject();
    name_item((void *)(uintptr_t)x, idx, name, sizeof(name));
    preflight_clean(name);
    cJSON_AddStringToObject(j, "mail", name);
    cJSON_AddStringToObject(j, "when", shift_names[idx % SHIFTS_CNT]);
    cJSON_AddItemToObject(j, "rules", preflight_rules_json(&x->candidate, &x->candidate.cells[idx]));
    cJSON_AddItemToArray(t->examples, j);
}

static void
look_at(const struct clocks *x, struct tally *t, uint32_t idx)
{
    uint32_t shift = idx % SHIFTS_CNT;
    const struct preflight_cell *before = &x->candidate.cells[idx - shift], *then = &x->candidate.cells[idx];
    if (shift == SHIFT_NONE || preflight_rejects(before))
        return;
    if (preflight_rejects(then) && preflight_rejects(&x->live.cells[idx])) {
        t->live_too[shift]++;
    } else if (preflight_rejects(then)) {
        t->rejects[shift]++;
        list_reject(x, t, idx);
    } else if (preflight_is_near(x->p, before, then) && preflight_is_near(x->p, &x->live.cells[idx], then)) {
        t->near[shift]++;
    }
}

static bool
conclude(struct clocks *x, struct tally *t, cJSON *found, char *text)
{
    uint32_t worst = 0, total = 0;
    cJSON *list = cJSON_AddArrayToObject(found, "shifts");
    for (uint32_t s = SHIFT_NOW; s < SHIFTS_CNT; s++) {
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "when", shift_names[s]);
        cJSON_AddNumberToObject(j, "new_rejects", t->rejects[s]);
        cJSON_AddNumberToObject(j, "live_too", t->live_too[s]);
        cJSON_AddNumberToObject(j, "near", t->near[s]);
        cJSON_AddItemToArray(list, j);
        total += t->rejects[s];
        if (t->rejects[s] > t->rejects[worst])
            worst = s;
        if (t->near[s])
            preflight_warn(found, "%s: the score of %" PRIu32 " mails jumps", shift_names[s], t->near[s]);
        if (t->live_too[s])
            preflight_warn(found, "%s: %" PRIu32 " mails will be rejected, by live as well", shift_names[s],
                           t->live_too[s]);
    }
    cJSON_AddNumberToObject(found, "mails", x->cnt);
    const char *rule = cJSON_GetStringValue(
        cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(t->examples, 0), "rules"), 0));
    if (total)
        snprintf(text, PREFLIGHT_TEXT_MAX, "%" PRIu32 " of %" PRIu32 " mails will be rejected %s: %s",
                 t->rejects[worst], x->cnt, shift_names[worst], rule ? rule : "an event");
    else
        snprintf(text, PREFLIGHT_TEXT_MAX, "%" PRIu32 " mails at %d times: no verdict changes with the clock", x->cnt,
                 SHIFTS_CNT - 1);
    cJSON_AddItemToObject(found, "rejects", t->examples);
    return !total;
}

static bool
run(struct clocks *x, cJSON *found, char *text)
{
    struct preflight_judging g = {.make = make, .name_item = name_item, .owner = x, .total_ms = CLOCKS_MS};
    struct tally t = {0};
    if (!choose(x)) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "no memory");
        return false;
    }
    set_shifts(x);
    if (preflight_judge_both(x->p, &g, x->cnt * SHIFTS_CNT, &x->live, &x->candidate, text))
        return false;
    t.examples = cJSON_CreateArray();
    for (uint32_t i = 0; i < x->cnt * SHIFTS_CNT; i++)
        look_at(x, &t, i);
    return conclude(x, &t, found, text);
}

bool
preflight_check_clocks(struct preflight *p, cJSON *found, char *text)
{
    static struct clocks x; /* a probe's room is large */
    if (!p->s->shifts) {
        snprintf(text, PREFLIGHT_TEXT_MAX, "off in the settings");
        return true;
    }
    if (preflight_need_corpus(p, text))
        return false;
    memset(&x, 0, sizeof(x));
    x.p = p;
    bool ok = run(&x, found, text);
    free(x.mails);
    free(x.octets);
    preflight_verdicts_fini(&x.live);
    preflight_verdicts_fini(&x.candidate);
    return ok;
}
