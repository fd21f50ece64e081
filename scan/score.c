#include "scan/score.h"

#include <string.h>

#include "scan/explain.h"
#include "scan/expr.h"
#include "scan/ruleset_private.h"

/* Hits as numbers. */
static void
fill_values(const struct ruleset *rs, const struct hits *h, float *values, uint64_t *todo)
{
    const struct image_view *v = &rs->view;
    memcpy(todo, rs->plan.always, rs->plan.words_cnt * sizeof(*todo));
    memset(values, 0, v->rules_cnt * sizeof(*values));
    for (uint32_t base = 0; base < v->rules_cnt; base += 64) {
        for (uint64_t word = h->bits[base / 64]; word; word &= word - 1) {
            uint32_t idx = base + (uint32_t)__builtin_ctzll(word);
            values[idx] = rs->count_idx[idx] ? h->counts[rs->count_idx[idx] - 1] : 1;
            score_plan_hit(&rs->plan, idx, todo);
        }
    }
}

static void
note_computed(const struct ruleset *rs, struct hits *h, uint32_t rule)
{
    if (hits_get(h, rule))
        return;
    hits_set(h, rule);
    if (h->explain && rs->view.rules[rule].name_off) {
        struct explain_hit hit = { .rule = rule, .target = "", .confirmed = EXPLAIN_COMPUTED };
        h->explain->hit(h->explain->owner, &hit);
    }
}

static void
run_evals(const struct ruleset *rs, const struct eval_facts *facts, struct hits *h, float *values, uint64_t *todo)
{
    for (uint32_t i = 0; i < rs->evals_cnt; i++) {
        const struct ruleset_eval *e = &rs->evals[i];
        double value = eval_call(e->fn, facts, &e->args, e->prepared);
        if (value == 0)
            continue;
        values[e->rule] = value > 0 ? (float)value : 1;
        note_computed(rs, h, e->rule);
        score_plan_hit(&rs->plan, e->rule, todo);
    }
}

/* A meta puts only later ones on the list, so what is behind in `todo` stays done. */
static void
evaluate_code(const struct ruleset *rs, struct hits *h, float *values, uint64_t *todo)
{
    const struct image_view *v = &rs->view;
    for (uint32_t w = 0; w < rs->plan.words_cnt; w++) {
        while (todo[w]) {
            uint32_t idx = v->order[64 * w + (uint32_t)__builtin_ctzll(todo[w])];
            const struct image_rule *r = &v->rules[idx];
            todo[w] &= todo[w] - 1;
            double value = expr_eval(v->code + r->code_off, r->code_cnt, values);
            if (value == 0)
                continue;
            values[idx] = value > 0 ? (float)value : 1; /* as SpamAssassin's got_hit */
            note_computed(rs, h, idx);
            score_plan_hit(&rs->plan, idx, todo);
        }
    }
}

static enum verdict
verdict_of(int32_t score_milli, const struct thresholds *t)
{
    const struct {
        int32_t at;
        enum verdict verdict;
    } steps[] = {
        { t->drop_milli, VERDICT_DROP },
        { t->refuse_milli, VERDICT_REFUSE },
        { t->defer_milli, VERDICT_DEFER },
        { t->tag_milli, VERDICT_TAG },
    };
    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i].at != INT32_MAX && score_milli >= steps[i].at)
            return steps[i].verdict;
    }
    return VERDICT_ACCEPT;
}

static void
note(const struct image_rule *r, uint32_t idx, int64_t *score, struct judgement *j)
{
    *score += r->score_milli;
    if (!(r->flags & IMAGE_RULE_REPORTED))
        return;
    j->rules_total++;
    if (j->rules_cnt < JUDGEMENT_RULES_MAX)
        j->rules[j->rules_cnt++] = (uint16_t)idx;
}

void
score_evaluate(const struct ruleset *rs, unsigned thread_idx, const struct eval_facts *facts, struct hits *h,
               const struct thresholds *t, struct judgement *j)
{
    const struct image_view *v = &rs->view;
    int64_t score = 0;
    j->generation = rs->generation;
    j->rules_total = 0;
    j->rules_cnt = 0;
    float *values = rs->threads[thread_idx].values;
    uint64_t *todo = rs->threads[thread_idx].todo;
    if (v->order_cnt > 0 || facts)
        fill_values(rs, h, values, todo);
    if (facts)
        run_evals(rs, facts, h, values, todo);
    evaluate_code(rs, h, values, todo);
    for (uint32_t base = 0; base < v->rules_cnt; base += 64) {
        for (uint64_t word = h->bits[base / 64]; word; word &= word - 1) {
            uint32_t idx = base + (uint32_t)__builtin_ctzll(word);
            if (idx < v->rules_cnt)
                note(&v->rules[idx], idx, &score, j);
        }
    }
    /* 65,535 rules of 100,000 points each do not fit; what saturates is far beyond any threshold. */
    if (score > INT32_MAX - 1)
        score = INT32_MAX - 1;
    if (score < INT32_MIN)
        score = INT32_MIN;
    j->score_milli = (int32_t)score;
    j->verdict = verdict_of(j->score_milli, t);
}
