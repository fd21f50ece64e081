#include "scan/score_plan.h"

#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/expr_private.h"

/* A value on the stack of the machine, of which is known: */
struct operand {
    uint32_t code_at; /* where its instructions begin */
    uint32_t set_at;  /* where the set that it needs begins in planner.set; it ends where the next one's begins */
    bool needs_none;  /* there is no such set */
    double cost;      /* of the set: how often its rules are named */
};

struct planner {
    const struct image_view *v;
    uint32_t *named; /* by rule: how often metas name it */
    uint32_t set[EXPR_CODE_MAX + 1];
    uint32_t set_cnt;
    struct operand stack[EXPR_STACK_MAX + 2];
    uint32_t top;
};

static void
add(struct planner *p, struct operand *o, uint32_t rule)
{
    p->set[p->set_cnt++] = rule;
    o->cost += 1 + p->named[rule];
}

/* All that code[from .. to) names, if it is 0 for none of them; else nothing helps. */
static void
need_all(struct planner *p, struct operand *o, const uint32_t *code, uint32_t to)
{
    p->set_cnt = o->set_at;
    o->cost = 0;
    o->needs_none = expr_eval(code + o->code_at, to - o->code_at, NULL) != 0;
    for (uint32_t i = o->code_at; !o->needs_none && i < to; i++) {
        if (expr_op(code[i]) == EXPR_RULE)
            add(p, o, expr_operand(code[i]));
    }
}

/* One of the two sets is enough: that of `a`, which is in front, or that of `b`, which goes there. */
static void
need_cheaper(struct planner *p, struct operand *a, const struct operand *b)
{
    if (b->needs_none || (!a->needs_none && a->cost <= b->cost)) {
        p->set_cnt = b->set_at;
        return;
    }
    uint32_t cnt = p->set_cnt - b->set_at;
    memmove(p->set + a->set_at, p->set + b->set_at, cnt * sizeof(*p->set));
    p->set_cnt = a->set_at + cnt;
    a->needs_none = false;
    a->cost = b->cost;
}

static void
step(struct planner *p, const uint32_t *code, uint32_t at)
{
    enum expr_op op = (enum expr_op)expr_op(code[at]);
    unsigned arity = expr_arity(op);
    p->top -= arity;
    struct operand *o = &p->stack[p->top++];
    if (!arity)
        *o = (struct operand){ .code_at = at, .set_at = p->set_cnt, .needs_none = false };
    bool is_known = arity == 2 && !(o[0].needs_none && o[1].needs_none);
    if (op == EXPR_AND && is_known) {
        need_cheaper(p, o, o + 1);
    } else if (op == EXPR_OR && is_known) {
        o->needs_none = o[0].needs_none || o[1].needs_none; /* sets lie behind each other: both are one */
        o->cost += o[1].cost;
        p->set_cnt = o->needs_none ? o->set_at : p->set_cnt;
    } else {
        need_all(p, o, code, at + 1);
    }
}

/* What the meta at this place of the order needs: p->set, or p->stack[0].needs_none. */
static void
plan_meta(struct planner *p, uint32_t place)
{
    const struct image_rule *r = &p->v->rules[p->v->order[place]];
    p->top = p->set_cnt = 0;
    for (uint32_t i = 0; i < r->code_cnt; i++)
        step(p, p->v->code + r->code_off, i);
}

static void
count_names(struct planner *p)
{
    const struct image_view *v = p->v;
    for (uint32_t place = 0; place < v->order_cnt; place++) {
        const struct image_rule *r = &v->rules[v->order[place]];
        for (uint32_t i = 0; i < r->code_cnt; i++) {
            uint32_t word = v->code[r->code_off + i];
            if (expr_op(word) == EXPR_RULE)
                p->named[expr_operand(word)]++;
        }
    }
}

/* Two passes: how many wait for each rule, then which. */
static bool
list_waits(struct score_plan *out, struct planner *p)
{
    const struct image_view *v = p->v;
    for (uint32_t place = 0; place < v->order_cnt; place++) {
        plan_meta(p, place);
        if (p->stack[0].needs_none)
            out->always[place / 64] |= UINT64_C(1) << place % 64;
        for (uint32_t i = 0; i < p->set_cnt; i++)
            out->waits_at[p->set[i] + 1]++;
    }
    for (uint32_t i = 0; i < v->rules_cnt; i++)
        out->waits_at[i + 1] += out->waits_at[i];
    out->waits = calloc((size_t)out->waits_at[v->rules_cnt] + 1, sizeof(*out->waits));
    uint32_t *next = calloc((size_t)v->rules_cnt + 1, sizeof(*next));
    bool is_good = out->waits && next;
    for (uint32_t place = 0; is_good && place < v->order_cnt; place++) {
        plan_meta(p, place);
        for (uint32_t i = 0; i < p->set_cnt; i++)
            out->waits[out->waits_at[p->set[i]] + next[p->set[i]]++] = place;
    }
    free(next);
    return is_good;
}

bool
score_plan_init(struct score_plan *out, const struct image_view *v)
{
    struct planner *p = calloc(1, sizeof(*p));
    out->words_cnt = (v->order_cnt + 63) / 64;
    out->always = calloc((size_t)out->words_cnt + 1, sizeof(*out->always));
    out->waits_at = calloc((size_t)v->rules_cnt + 1, sizeof(*out->waits_at));
    bool is_good = p && out->always && out->waits_at;
    if (is_good) {
        p->v = v;
        p->named = calloc((size_t)v->rules_cnt + 1, sizeof(*p->named));
        is_good = p->named != NULL;
    }
    if (is_good) {
        count_names(p);
        is_good = list_waits(out, p);
    }
    if (p)
        free(p->named);
    free(p);
    return is_good;
}

void
score_plan_fini(struct score_plan *p)
{
    free(p->always);
    free(p->waits_at);
    free(p->waits);
}
