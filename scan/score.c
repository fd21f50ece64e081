#include "scan/score.h"

#include "scan/expr.h"
#include "scan/ruleset_private.h"

static void
evaluate_code(const struct image_view *v, struct hits *h)
{
    float values[RULE_MAX + 1]; /* a hit is worth 1 so far */
    for (uint32_t i = 0; i < v->rules_cnt; i++)
        values[i] = hits_get(h, i);
    for (uint32_t i = 0; i < v->order_cnt; i++) {
        const struct image_rule *r = &v->rules[v->order[i]];
        double value = expr_eval(v->code + r->code_off, r->code_cnt, values);
        if (value == 0)
            continue;
        hits_set(h, v->order[i]);
        values[v->order[i]] = value > 0 ? (float)value : 1; /* as SpamAssassin's got_hit */
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
score_evaluate(const struct ruleset *rs, struct hits *h, const struct thresholds *t, struct judgement *j)
{
    const struct image_view *v = &rs->view;
    int64_t score = 0;
    j->generation = rs->generation;
    j->rules_total = 0;
    j->rules_cnt = 0;
    evaluate_code(v, h);
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
