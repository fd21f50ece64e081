/* corpora: ham that must pass and spam that must not, judged by live and by the candidate. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/preflight_check.h"

enum { CORPORA_MS = 1800 * 1000 };

/* Items: ham, then spam. */
struct replay {
    const struct preflight_corpus *ham, *spam;
    struct preflight_verdicts live, candidate;
};

static const struct preflight_mail *
mail_of(const struct replay *x, uint32_t idx)
{
    return idx < x->ham->cnt ? &x->ham->mails[idx] : &x->spam->mails[idx - x->ham->cnt];
}

static void
make(void *owner, uint32_t idx, struct preflight_item *item)
{
    const struct preflight_mail *m = mail_of(owner, idx);
    item->octets = (struct span){m->octets, m->len};
    item->suffix = m->suffix;
}

static void
name_item(void *owner, uint32_t idx, char *name, size_t size)
{
    const char *path = mail_of(owner, idx)->name, *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
}

/* ---- changed verdicts ---- */

/* Counts by name: of suffixes, or of rules. Few and far between, so a list will do. */
struct count {
    const char *name;
    uint32_t n, k;
};

struct counts {
    struct count *list;
    uint32_t cnt;
};

static struct count *
count_of(struct counts *c, const char *name)
{
    for (uint32_t i = 0; i < c->cnt; i++) {
        if (!strcmp(c->list[i].name, name))
            return &c->list[i];
    }
    struct count *list = reallocarray(c->list, c->cnt + 1, sizeof(*list));
    if (!list)
        abort();
    c->list = list;
    list[c->cnt] = (struct count){.name = name};
    return &list[c->cnt++];
}

struct tally {
    uint32_t ham_new, ham_declared, ham_live, spam_caught, spam_lost, spam_new, changed;
    uint32_t n, k; /* let through by live; of these rejected by the candidate */
    struct counts suffixes, rules;
};

static void
list_changed(const struct preflight *p, const struct replay *x, uint32_t idx)
{
    const struct preflight_cell *a = &x->live.cells[idx], *b = &x->candidate.cells[idx];
    char name[256];
    if (cJSON_GetArraySize(p->changed) >= PREFLIGHT_LISTED_MAX)
        return;
    cJSON *j = cJSON_CreateObject();
    name_item((void *)(uintptr_t)x, idx, name, sizeof(name));
    preflight_clean(name);
    cJSON_AddStringToObject(j, "mail", name);
    cJSON_AddStringToObject(j, "kind", idx < x->ham->cnt ? "ham" : "spam");
    cJSON_AddStringToObject(j, "suffix", mail_of(x, idx)->suffix);
    cJSON_AddStringToObject(j, "live", verdict_name((enum verdict)a->verdict));
    cJSON_AddStringToObject(j, "candidate", verdict_name((enum verdict)b->verdict));
    cJSON_AddNumberToObject(j, "score_live", a->score_milli / 1000.0);
    cJSON_AddNumberToObject(j, "score", b->score_milli / 1000.0);
    cJSON_AddItemToObject(j, "rules", preflight_rejects(b) ? preflight_rules_json(&x->candidate, b)
                                                           : preflight_rules_json(&x->live, a));
    cJSON_AddItemToArray(p->changed, j);
}

static void
count_unit(struct tally *t, const struct replay *x, uint32_t idx, bool is_new)
{
    const struct preflight_cell *b = &x->candidate.cells[idx];
    struct count *suffix = count_of(&t->suffixes, mail_of(x, idx)->suffix);
    t->n++;
    t->k += is_new;
    suffix->n++;
    suffix->k += is_new;
    for (unsigned i = 0; is_new && i < b->rules_cnt; i++)
        count_of(&t->rules, preflight_rule_name(&x->candidate, b->rules[i]))->k++;
}

static void
look_at(const struct preflight *p, struct tally *t, const struct replay *x, uint32_t idx)
{
    const struct preflight_cell *a = &x->live.cells[idx], *b = &x->candidate.cells[idx];
    bool is_ham = idx < x->ham->cnt, is_new = preflight_is_new(a, b);
    bool is_declared = b->flags & PREFLIGHT_DECLARED;
    t->ham_live += is_ham && preflight_rejects(a);
    t->ham_new += is_ham && is_new && !is_declared;
    t->ham_declared += is_ham && is_new && is_declared;
    t->spam_caught += !is_ham && preflight_rejects(a);
    t->spam_lost += !is_ham && preflight_rejects(a) && !preflight_rejects(b);
    t->spam_new += !is_ham && is_new;
    if (!preflight_rejects(a))
        count_unit(t, x, idx, is_new);
    if (preflight_rejects(a) != preflight_rejects(b)) {
        t->changed++;
        list_changed(p, x, idx);
    }
}

/* ---- what live traffic will show, as far as the corpora can say ---- */

static void
add_predicted(cJSON *list, const char *kind, const struct count *c)
{
    if (!c->k || c->n < PREFLIGHT_STRATUM_MIN || cJSON_GetArraySize(list) >= PREFLIGHT_LISTED_MAX)
        return;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "kind", kind);
    cJSON_AddStringToObject(j, "name", c->name);
    cJSON_AddNumberToObject(j, "n", c->n);
    cJSON_AddNumberToObject(j, "k", c->k);
    cJSON_AddNumberToObject(j, "share", (double)c->k / c->n);
    cJSON_AddItemToArray(list, j);
}

static void
predict(cJSON *predicted, struct tally *t)
{
    cJSON_AddNumberToObject(predicted, "n", t->n);
    cJSON_AddNumberToObject(predicted, "k", t->k);
    cJSON_AddNumberToObject(predicted, "all", t->n ? (double)t->k / t->n : 0);
    cJSON *strata = cJSON_AddArrayToObject(predicted, "strata");
    for (uint32_t i = 0; i < t->suffixes.cnt; i++)
        add_predicted(strata, "sender-suffix", &t->suffixes.list[i]);
    cJSON *rules = cJSON_AddArrayToObject(predicted, "rules");
    for (uint32_t i = 0; i < t->rules.cnt; i++) {
        t->rules.list[i].n = t->n;
        add_predicted(rules, "rule", &t->rules.list[i]);
    }
}

static cJSON *
changed_by(const struct counts *c)
{
    cJSON *a = cJSON_CreateArray();
    for (uint32_t i = 0; i < c->cnt && cJSON_GetArraySize(a) < PREFLIGHT_LISTED_MAX; i++) {
        if (!c->list[i].k)
            continue;
        cJSON *j = cJSON_CreateObject();
        cJSON_AddStringToObject(j, "name", *c->list[i].name ? c->list[i].name : "(none)");
        cJSON_AddNumberToObject(j, "new_rejects", c->list[i].k);
        cJSON_AddItemToArray(a, j);
    }
    return a;
}

/* ---- the check ---- */

static double
ppm(uint32_t part, uint32_t whole)
{
    return whole ? 1e6 * part / whole : 0;
}

static bool
conclude(struct preflight *p, const struct replay *x, struct tally *t, cJSON *found, char *text)
{
    double ham_ppm = ppm(t->ham_new, x->ham->cnt), lost_ppm = ppm(t->spam_lost, t->spam_caught);
    cJSON_AddNumberToObject(found, "ham", x->ham->cnt);
    cJSON_AddNumberToObject(found, "spam", x->spam->cnt);
    cJSON_AddNumberToObject(found, "ham_new_rejects", t->ham_new);
    cJSON_AddNumberToObject(found, "ham_declared", t->ham_declared);
    cJSON_AddNumberToObject(found, "ham_live_rejects", t->ham_live);
    cJSON_AddNumberToObject(found, "spam_caught_by_live", t->spam_caught);
    cJSON_AddNumberToObject(found, "spam_lost", t->spam_lost);
    cJSON_AddNumberToObject(found, "spam_newly_caught", t->spam_new);
    cJSON_AddNumberToObject(found, "changed", t->changed);
    cJSON_AddItemToObject(found, "by_suffix", changed_by(&t->suffixes));
    cJSON_AddItemToObject(found, "by_rule", changed_by(&t->rules));
    if (x->ham->is_cut || x->spam->is_cut)
        preflight_warn(found, "the corpora are larger than what is read of them");
    if (!t->spam_caught && x->spam->cnt && p->job->live_image)
        preflight_warn(found, "live catches no spam of the corpus: lost spam cannot show");
    snprintf(text, PREFLIGHT_TEXT_MAX,
             "%" PRIu32 " of %" PRIu32 " ham newly rejected (%.0f ppm of %" PRIu32 "), %" PRIu32 " of %" PRIu32
             " caught spam lost (%.0f ppm of %" PRIu32 "), %" PRIu32 " newly caught",
             t->ham_new, x->ham->cnt, ham_ppm, p->s->ham_rejects_ppm, t->spam_lost, t->spam_caught, lost_ppm,
             p->s->spam_lost_ppm, t->spam_new);
    return ham_ppm <= p->s->ham_rejects_ppm && lost_ppm <= p->s->spam_lost_ppm;
}

bool
preflight_check_corpora(struct preflight *p, cJSON *found, char *text)
{
    struct replay x = {.ham = &p->ham, .spam = &p->spam};
    struct tally t = {0};
    struct preflight_judging g = {.make = make, .name_item = name_item, .owner = &x, .total_ms = CORPORA_MS};
    if (preflight_need_corpus(p, text))
        return false;
    uint32_t cnt = x.ham->cnt + x.spam->cnt;
    bool ok = preflight_judge_both(p, &g, cnt, &x.live, &x.candidate, text) == 0;
    if (ok) {
        for (uint32_t i = 0; i < cnt; i++)
            look_at(p, &t, &x, i);
        ok = conclude(p, &x, &t, found, text);
        predict(p->predicted, &t);
    }
    free(t.suffixes.list);
    free(t.rules.list);
    preflight_verdicts_fini(&x.live);
    preflight_verdicts_fini(&x.candidate);
    return ok;
}
