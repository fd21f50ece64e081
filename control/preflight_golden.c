/* golden: the mails that are built in (scan/golden.h): the digest that every worker of the data plane must come to as
 * well, and those with a right answer: what must be caught, and what must never be refused. Else a blind set, or one
 * that breaks mail's own machinery, goes unseen. */
#include <string.h>

#include "control/preflight_check.h"
#include "scan/golden.h"
#include "scan/ruleset.h"

enum { GOLDEN_MS = 60 * 1000 };

static struct span
span_of(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* The first recipient stands for all. */
static void
make(void *owner, uint32_t idx, struct preflight_item *item)
{
    const struct golden_mail *g = golden_mail(idx);
    (void)owner;
    item->octets = span_of(g->text);
    item->suffix = g->suffix;
    item->has_envelope = true;
    item->ip = span_of(g->client ? g->client : "");
    item->helo = span_of(g->helo ? g->helo : "");
    item->mail_from = span_of(g->mail_from);
    item->rcpt = span_of(g->rcpt[0] ? g->rcpt[0] : "");
}

static void
name_item(void *owner, uint32_t idx, char *name, size_t size)
{
    (void)owner;
    snprintf(name, size, "%s", idx < golden_cnt() ? golden_mail(idx)->name : "?");
}

static bool
is_right(uint32_t idx, const struct preflight_cell *c)
{
    enum golden_want want = golden_mail(idx)->want;
    return want == GOLDEN_ANY || preflight_rejects(c) == (want == GOLDEN_CATCH);
}

/* True: the candidate is not worse than live. Without live what should be caught is only told. */
static bool
compare(const struct preflight *p, uint32_t i, const struct preflight_cell *a, const struct preflight_cell *b,
        cJSON *found)
{
    bool is_catch = golden_mail(i)->want == GOLDEN_CATCH;
    if (is_right(i, b))
        return true;
    if (!is_catch && b->flags & PREFLIGHT_DECLARED) {
        preflight_warn(found, "%s is rejected, as declared for .%s", golden_mail(i)->name, golden_mail(i)->suffix);
        return true;
    }
    if (p->job->live_image ? is_right(i, a) : !is_catch)
        return false;
    preflight_warn(found, "%s is %s%s", golden_mail(i)->name, is_catch ? "not caught" : "rejected",
                   p->job->live_image ? ", as with live" : "");
    return true;
}

static bool
conclude(const struct preflight *p, const struct preflight_verdicts *live, const struct preflight_verdicts *candidate,
         cJSON *found, char *text)
{
    cJSON *list = cJSON_AddArrayToObject(found, "mails");
    unsigned wrong = 0;
    for (uint32_t i = 0; i < candidate->cnt; i++) {
        const struct preflight_cell *b = &candidate->cells[i];
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "mail", golden_mail(i)->name);
        cJSON_AddStringToObject(j, "verdict", verdict_name((enum verdict)b->verdict));
        cJSON_AddItemToObject(j, "rules", preflight_rules_json(candidate, b));
        cJSON_AddItemToArray(list, j);
        if (compare(p, i, &live->cells[i], b, found))
            continue;
        size_t len = strlen(text);
        snprintf(text + len, PREFLIGHT_TEXT_MAX - len, "%s%s is %s", wrong++ ? "; " : "", golden_mail(i)->name,
                 golden_mail(i)->want == GOLDEN_CATCH ? "no longer caught" : "rejected");
    }
    return !wrong;
}

static cJSON *
digest(void *owner, struct preflight_pulse *pulse)
{
    const struct preflight *p = owner;
    char text[GOLDEN_TEXT_LEN];
    struct scanner sc;
    struct ruleset *rs = preflight_load(p->job->candidate_image, pulse->why, sizeof(pulse->why));
    if (!rs)
        return NULL;
    if (scanner_init(&sc, 0, 2) || golden_digest(&sc, rs, &p->job->thresholds, text)) {
        snprintf(pulse->why, sizeof(pulse->why), "no memory");
        return NULL;
    }
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "golden", text);
    return j;
}

static bool
take_digest(struct preflight *p, cJSON *found, char *text)
{
    struct preflight_judging g;
    preflight_judging_init(p, &g, false);
    struct preflight_question q = {.memory_max = g.memory_max, .total_ms = GOLDEN_MS, .make = digest, .owner = p};
    cJSON *j = preflight_ask(&q, text, PREFLIGHT_TEXT_MAX);
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItem(j, "golden"));
    bool ok = hex && strlen(hex) == GOLDEN_TEXT_LEN - 1 && strspn(hex, "0123456789abcdef") == GOLDEN_TEXT_LEN - 1;
    if (ok)
        cJSON_AddStringToObject(found, "golden", hex);
    else if (!*text)
        snprintf(text, PREFLIGHT_TEXT_MAX, "the digest makes no sense");
    cJSON_Delete(j);
    return ok;
}

bool
preflight_check_golden(struct preflight *p, cJSON *found, char *text)
{
    struct preflight_verdicts live, candidate;
    struct preflight_judging g = {.make = make, .name_item = name_item, .owner = p, .total_ms = GOLDEN_MS};
    if (!take_digest(p, found, text))
        return false;
    bool ok = preflight_judge_both(p, &g, golden_cnt(), &live, &candidate, text) == 0 &&
              conclude(p, &live, &candidate, found, text);
    if (ok)
        snprintf(text, PREFLIGHT_TEXT_MAX, "%u mails; GTUBE, EICAR, null sender, delivery status, postmaster@, abuse@: %s",
                 golden_cnt(), p->job->live_image ? "no worse than live" : "none wrongly rejected");
    preflight_verdicts_fini(&live);
    preflight_verdicts_fini(&candidate);
    return ok;
}
