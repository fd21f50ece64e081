#include "scan/image_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "scan/expr.h"

/* Kahn's algorithm by repeated passes over a list of who waits for whom. */

struct edges {
    uint32_t *first; /* by rule: index into `next`/`user`, NO_ID at the end */
    uint32_t *next;
    uint32_t *user;
    uint32_t cnt;
    uint32_t *waits; /* by rule: operands with code that have no place yet */
};

static const struct image_rule *
built_rules(const struct builder *b)
{
    return (const void *)b->sections[SECTION_RULES].octets;
}

static const uint32_t *
built_code(const struct builder *b)
{
    return (const void *)b->sections[SECTION_CODE].octets;
}

static void
edges_init(struct edges *e, const struct builder *b)
{
    const struct image_rule *rules = built_rules(b);
    const uint32_t *code = built_code(b);
    size_t code_cnt = b->sections[SECTION_CODE].len / sizeof(*code);
    e->first = image_must(calloc(b->rules_cnt + 1, sizeof(*e->first)));
    e->waits = image_must(calloc(b->rules_cnt + 1, sizeof(*e->waits)));
    e->next = image_must(calloc(code_cnt + 1, sizeof(*e->next)));
    e->user = image_must(calloc(code_cnt + 1, sizeof(*e->user)));
    e->cnt = 0;
    for (uint32_t i = 0; i < b->rules_cnt; i++)
        e->first[i] = NO_ID;
    for (uint32_t i = 0; i < b->rules_cnt; i++) {
        for (uint32_t k = 0; k < rules[i].code_cnt; k++) {
            uint32_t word = code[rules[i].code_off + k];
            if (expr_op(word) != EXPR_RULE || !rules[expr_operand(word)].code_cnt)
                continue;
            e->user[e->cnt] = i;
            e->next[e->cnt] = e->first[expr_operand(word)];
            e->first[expr_operand(word)] = e->cnt++;
            e->waits[i]++;
        }
    }
}

static void
edges_fini(struct edges *e)
{
    free(e->first);
    free(e->next);
    free(e->user);
    free(e->waits);
}

/* The entry of the list behind index `id` of the image. */
static const struct rule *
rule_of(const struct builder *b, uint32_t id)
{
    for (uint32_t i = 0; i < b->list->rules_cnt; i++) {
        if (b->ids[i] == id)
            return &b->list->rules[i];
    }
    abort();
}

/* An operand of rule `id` that waits itself; such a rule always has one. */
static uint32_t
waiting_operand(const struct builder *b, const struct edges *e, uint32_t id)
{
    const struct image_rule *r = &built_rules(b)[id];
    for (uint32_t k = 0; k < r->code_cnt; k++) {
        uint32_t word = built_code(b)[r->code_off + k];
        if (expr_op(word) == EXPR_RULE && e->waits[expr_operand(word)])
            return expr_operand(word);
    }
    abort();
}

static void
say_cycle(struct builder *b, const struct edges *e)
{
    enum { NAMES_MAX = 10 };
    uint32_t id = 0;
    while (!e->waits[id])
        id++;
    for (uint32_t i = 0; i < b->rules_cnt; i++) /* from whatever leads to the circle, into it */
        id = waiting_operand(b, e, id);
    const struct rule *r = rule_of(b, id);
    char path[(RULE_NAME_MAX + 4) * (NAMES_MAX + 2)];
    size_t len = (size_t)snprintf(path, sizeof(path), "%s", r->name);
    uint32_t at = id;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        at = waiting_operand(b, e, at);
        len += (size_t)snprintf(path + len, sizeof(path) - len, " -> %s", rule_of(b, at)->name);
        if (at == id)
            break;
    }
    if (at != id)
        snprintf(path + len, sizeof(path) - len, " -> ...");
    rule_list_say(b->list, RULE_ERROR, &r->place, 0, "%s depends on itself: %s", r->name, path);
}

void
image_order(struct builder *b)
{
    struct edges e;
    edges_init(&e, b);
    const struct image_rule *rules = built_rules(b);
    struct buffer *order = &b->sections[SECTION_ORDER];
    size_t with_code = 0;
    for (uint32_t i = 0; i < b->rules_cnt; i++) {
        with_code += rules[i].code_cnt > 0;
        if (rules[i].code_cnt && !e.waits[i])
            image_append_u32(order, i);
    }
    for (size_t done = 0; done * sizeof(uint32_t) < order->len; done++) {
        uint32_t id = ((const uint32_t *)(const void *)order->octets)[done];
        for (uint32_t edge = e.first[id]; edge != NO_ID; edge = e.next[edge]) {
            if (--e.waits[e.user[edge]] == 0)
                image_append_u32(order, e.user[edge]);
        }
    }
    if (order->len / sizeof(uint32_t) != with_code)
        say_cycle(b, &e);
    edges_fini(&e);
}
