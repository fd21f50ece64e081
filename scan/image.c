/* The building half of image.h: which rules there are, their code, and the file. image_pattern.c looks at each regex,
 * image_group.c makes the databases, image_order.c tells in which order metas are evaluated; image_verify.c is the
 * other half. Set-up code: it allocates as it likes and stops without memory. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/image_private.h"

#include <hs/hs.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/eval.h"
#include "scan/expr.h"
#include "scan/limits.h"
#include "scan/list.h"

void *
image_must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* Appends zeroed octets, returns where they begin. */
static size_t
extend(struct buffer *b, size_t len)
{
    if (b->len + len > b->max) {
        b->max = (b->len + len) * 2;
        b->octets = image_must(realloc(b->octets, b->max));
    }
    if (len)
        memset(b->octets + b->len, 0, len);
    b->len += len;
    return b->len - len;
}

size_t
image_append(struct buffer *b, const void *octets, size_t len)
{
    size_t at = extend(b, len);
    if (len)
        memcpy(b->octets + at, octets, len);
    return at;
}

void
image_append_u32(struct buffer *b, uint32_t value)
{
    image_append(b, &value, sizeof(value));
}

struct image_rule *
image_built_rule(struct builder *b, uint32_t id)
{
    return (struct image_rule *)(void *)b->sections[SECTION_RULES].octets + id;
}

static uint32_t
add_string(struct builder *b, const char *text)
{
    if (!text || !*text)
        return 0;
    return (uint32_t)image_append(&b->sections[SECTION_STRINGS], text, strlen(text) + 1);
}

/* ---- which rules there are ---- */

/* As in SpamAssassin, a score of 0 switches a rule off; a meta then sees 0. */
static bool
is_on(const struct rule *r)
{
    return r->kind > RULE_OFF && !rule_is_switched_off(r);
}

/* Marks rule i and what its expression leads to. */
static void
mark_live(struct builder *b, uint32_t i)
{
    uint32_t *stack = image_must(calloc(b->list->rules_cnt + 1, sizeof(*stack)));
    uint32_t code[EXPR_CODE_MAX];
    struct expr_error error;
    uint32_t cnt = 0;
    b->is_live[i] = true;
    stack[cnt++] = i;
    while (cnt > 0) {
        const struct rule *r = &b->list->rules[stack[--cnt]];
        if (r->kind != RULE_META)
            continue;
        size_t code_cnt = expr_parse(r->text, r->text_len, code, EXPR_CODE_MAX, &error);
        for (size_t k = 0; k < code_cnt; k++) {
            if (expr_op(code[k]) != EXPR_RULE)
                continue;
            size_t off = expr_operand(code[k]);
            const struct rule *named = rule_list_find(b->list, r->text + off,
                                                      expr_name_len(r->text + off, r->text_len - off));
            uint32_t idx = named ? (uint32_t)(named - b->list->rules) : 0;
            if (!named || b->is_live[idx] || !is_on(named))
                continue;
            b->is_live[idx] = true;
            stack[cnt++] = idx;
        }
    }
    free(stack);
}

static void
mark_rules(struct builder *b)
{
    struct rule_list *l = b->list;
    b->is_live = image_must(calloc(l->rules_cnt + 1, sizeof(*b->is_live)));
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        if (r->kind == RULE_EVAL && eval_find(r->eval_name) < 0) {
            char reason[160];
            snprintf(reason, sizeof(reason), "the function %.60s is not known here", r->eval_name);
            rule_turn_off(l, r, reason);
        }
    }
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        if (is_on(&l->rules[i]) && !b->is_live[i] && (!rule_is_sub(&l->rules[i]) || b->options->keeps_unused))
            mark_live(b, i);
    }
}

static bool
has_inner(const struct builder *b, uint32_t i)
{
    const struct rule *r = &b->list->rules[i];
    return (r->kind == RULE_HEADER || r->kind == RULE_MIMEHEADER) && r->is_negated && b->is_live[i];
}

/* Indices: rules in the order in which their names first appear, then the inner rules. */
static bool
number_rules(struct builder *b)
{
    struct rule_list *l = b->list;
    b->ids = image_must(calloc(l->rules_cnt + 1, sizeof(*b->ids)));
    b->matchers = image_must(calloc(l->rules_cnt + 1, sizeof(*b->matchers)));
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        b->ids[i] = b->is_live[i] ? b->rules_cnt++ : NO_ID;
        b->matchers[i] = b->ids[i];
    }
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        if (has_inner(b, i))
            b->matchers[i] = b->rules_cnt++;
        if (b->rules_cnt >= RULE_MAX) {
            rule_list_say(l, RULE_ERROR, &l->rules[i].place, 0, "more than %d rules, inner ones included", RULE_MAX);
            return false;
        }
    }
    for (uint32_t i = 0; i < b->candidates_cnt; i++)
        b->candidates[i].matcher = b->matchers[b->candidates[i].rule];
    return true;
}

/* ---- units ---- */

static bool
unit_of(const struct rule *r, struct unit *u)
{
    *u = (struct unit){ .target = TARGET_HEADER };
    switch (r->kind) {
    case RULE_MIMEHEADER:
        u->target = TARGET_MIMEHEADER;
        u->header = r->header;
        u->part = r->part;
        return true;
    case RULE_HEADER:
    case RULE_EXISTS:
        u->header = r->header;
        u->part = r->part;
        return true;
    case RULE_BODY:
        u->target = TARGET_BODY;
        return true;
    case RULE_RAWBODY:
        u->target = TARGET_RAWBODY;
        return true;
    case RULE_URI:
        u->target = TARGET_URI;
        return true;
    case RULE_FULL:
        u->target = TARGET_FULL;
        return true;
    case RULE_ATTACHMENT:
        u->target = TARGET_ATTACHMENT;
        return true;
    case RULE_NONE:
    case RULE_OFF:
    case RULE_EVAL:
    case RULE_META:
        break;
    }
    return false;
}

static struct unit *
find_unit(struct builder *b, const struct unit *like)
{
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        struct unit *u = &b->units[i];
        if (u->target == like->target && u->part == like->part &&
            (!u->header || !strcmp(u->header, like->header)))
            return u;
    }
    b->units = image_must(reallocarray(b->units, b->units_cnt + 1, sizeof(*b->units)));
    b->units[b->units_cnt] = *like;
    return &b->units[b->units_cnt++];
}

static void
add_index(uint32_t **list, uint32_t *cnt, uint32_t idx)
{
    if ((*cnt & (*cnt - 1)) == 0)
        *list = image_must(reallocarray(*list, *cnt ? 2 * *cnt : 1, sizeof(**list)));
    (*list)[(*cnt)++] = idx;
}

static void
group_units(struct builder *b)
{
    struct unit like;
    for (uint32_t i = 0; i < b->list->rules_cnt; i++) {
        if (!b->is_live[i] || !unit_of(&b->list->rules[i], &like))
            continue;
        struct unit *u = find_unit(b, &like);
        add_index(&u->rules, &u->rules_cnt, i);
    }
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        unit_of(&b->list->rules[b->candidates[i].rule], &like);
        struct unit *u = find_unit(b, &like);
        add_index(&u->candidates, &u->candidates_cnt, i);
    }
}

/* True when the rule's regex matches `value`. */
static bool
matches(const struct rule *r, const char *value)
{
    int error;
    PCRE2_SIZE off;
    uint32_t options = (r->flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0) |
                       (r->flags & HS_FLAG_DOTALL ? PCRE2_DOTALL : 0) |
                       (r->flags & HS_FLAG_MULTILINE ? PCRE2_MULTILINE : 0) |
                       (r->is_extended ? PCRE2_EXTENDED : 0);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)r->text, r->text_len, options, &error, &off, NULL);
    if (!code)
        return false; /* too large for PCRE2, so it is not one that matches '' */
    pcre2_match_data *data = image_must(pcre2_match_data_create(1, NULL));
    bool is_match = pcre2_match(code, (PCRE2_SPTR)value, strlen(value), 0, 0, data, NULL) >= 0;
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return is_match;
}

/* What a header rule says about a message without the header: its pattern is tried on [if-unset: X], else
 * on '' (in SpamAssassin an undefined value, which Perl matches as ''). */
static void
list_absent(struct builder *b, const struct unit *u, struct image_target *t)
{
    struct buffer *lists = &b->sections[SECTION_LISTS];
    t->absent_off = (uint32_t)(lists->len / sizeof(uint32_t));
    for (uint32_t i = 0; i < u->candidates_cnt; i++) {
        const struct candidate *c = &b->candidates[u->candidates[i]];
        const struct rule *r = &b->list->rules[c->rule];
        if (!u->header || !matches(r, r->unset ? r->unset : ""))
            continue;
        image_append_u32(lists, c->matcher);
        t->absent_cnt++;
    }
}

static void
list_present(struct builder *b, const struct unit *u, struct image_target *t)
{
    t->present_off = (uint32_t)(b->sections[SECTION_LISTS].len / sizeof(uint32_t));
    for (uint32_t i = 0; i < u->rules_cnt; i++) {
        if (b->list->rules[u->rules[i]].kind != RULE_EXISTS)
            continue;
        image_append_u32(&b->sections[SECTION_LISTS], b->ids[u->rules[i]]);
        t->present_cnt++;
    }
}

static void
build_targets(struct builder *b)
{
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        const struct unit *u = &b->units[i];
        struct image_target t = {
            .target = u->target,
            .part = u->part,
            .name_off = add_string(b, u->header),
        };
        list_present(b, u, &t);
        list_absent(b, u, &t);
        image_append(&b->sections[SECTION_TARGETS], &t, sizeof(t));
    }
}

/* ---- rules and their code ---- */

/* Puts the image's indices into the code of meta `r`. A name that no rule has counts 0. */
static void
resolve(struct builder *b, const struct rule *r, uint32_t *code, size_t code_cnt)
{
    for (size_t i = 0; i < code_cnt; i++) {
        if (expr_op(code[i]) != EXPR_RULE)
            continue;
        size_t off = expr_operand(code[i]);
        size_t len = expr_name_len(r->text + off, r->text_len - off);
        const struct rule *named = rule_list_find(b->list, r->text + off, len);
        uint32_t id = named ? b->ids[named - b->list->rules] : NO_ID;
        code[i] = id == NO_ID ? expr_code(EXPR_CONST, 0) : expr_code(EXPR_RULE, id);
    }
}

static void
add_code(struct builder *b, const struct rule *r, uint32_t inner, bool is_negation, struct image_rule *out)
{
    uint32_t code[EXPR_CODE_MAX];
    size_t cnt = 0;
    struct expr_error error;
    if (r->kind == RULE_META) {
        cnt = expr_parse(r->text, r->text_len, code, EXPR_CODE_MAX, &error);
        resolve(b, r, code, cnt);
    } else if (is_negation) {
        code[cnt++] = expr_code(EXPR_RULE, inner);
        code[cnt++] = expr_code(EXPR_NOT, 0);
    }
    if (cnt == 0)
        return;
    out->code_off = (uint32_t)(b->sections[SECTION_CODE].len / sizeof(*code));
    out->code_cnt = (uint32_t)cnt;
    image_append(&b->sections[SECTION_CODE], code, cnt * sizeof(*code));
}

/* What is needed to confirm or explain a match. */
static void
add_pattern(struct builder *b, const struct rule *r, const char *shared, struct image_rule *out)
{
    char *text = NULL;
    if (shared)
        text = image_must(strdup(shared));
    else if (asprintf(&text, "%s%s%s", r->is_extended ? "(?x)" : "", r->text, r->is_extended ? "\n" : "") < 0)
        abort();
    out->pattern_off = add_string(b, text);
    out->pattern_flags = r->flags & (HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_MULTILINE);
    out->flags |= r->tflags & RULE_NOSUBJECT && r->kind == RULE_BODY ? IMAGE_RULE_NOSUBJECT : 0;
    if (r->tflags & RULE_MULTIPLE) {
        out->flags |= IMAGE_RULE_COUNTED | IMAGE_RULE_CONFIRMED;
        out->maxhits = r->maxhits && r->maxhits < UINT16_MAX ? r->maxhits : UINT16_MAX;
    }
    free(text);
}

static void
build_rules(struct builder *b)
{
    struct rule_list *l = b->list;
    extend(&b->sections[SECTION_RULES], b->rules_cnt * sizeof(struct image_rule));
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const struct rule *r = &l->rules[i];
        if (b->ids[i] == NO_ID)
            continue;
        struct image_rule out = {
            .name_off = add_string(b, r->name),
            .describe_off = add_string(b, r->describe),
            .score_milli = rule_score_milli(r),
            .flags = rule_is_sub(r) ? 0 : IMAGE_RULE_REPORTED,
            .signature = r->is_signature && r->kind == RULE_ATTACHMENT ? 1 + r->signature_target : 0,
        };
        add_code(b, r, b->matchers[i], has_inner(b, i), &out);
        *image_built_rule(b, b->ids[i]) = out;
        if (has_inner(b, i))
            *image_built_rule(b, b->matchers[i]) =
                (struct image_rule){ .name_off = out.name_off, .describe_off = out.describe_off };
    }
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        const struct candidate *c = &b->candidates[i];
        struct image_rule *out = image_built_rule(b, c->matcher);
        add_pattern(b, &l->rules[c->rule], c->shared, out);
        if (c->all.needs_confirm || (c->clean.is_used && c->clean.needs_confirm))
            out->flags |= IMAGE_RULE_CONFIRMED;
        int times = c->clean.is_used && c->clean.times < c->all.times ? c->clean.times : c->all.times;
        out->triggers_min = times > 1 && times < 256 ? (uint32_t)times : 1;
    }
}

static void
build_evals(struct builder *b)
{
    for (uint32_t i = 0; i < b->list->rules_cnt; i++) {
        const struct rule *r = &b->list->rules[i];
        if (!b->is_live[i] || r->kind != RULE_EVAL)
            continue;
        struct image_eval e = { .rule = b->ids[i], .name_off = add_string(b, r->eval_name) };
        for (unsigned k = 0; k < r->eval_args_cnt && k < IMAGE_EVAL_ARGS_MAX; k++)
            e.arg_offs[e.args_cnt++] = add_string(b, r->eval_args[k]);
        image_append(&b->sections[SECTION_EVALS], &e, sizeof(e));
    }
}

/* Wrong arguments are found where they are written, not when the image is loaded. */
static void
check_evals(struct builder *b)
{
    struct rule_list *l = b->list;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        struct eval_args args = { .cnt = 0 };
        struct eval_prepared *prepared = NULL;
        char err[160];
        if (!b->is_live[i] || r->kind != RULE_EVAL)
            continue;
        for (unsigned k = 0; k < r->eval_args_cnt && k < EVAL_ARGS_MAX; k++)
            args.arg[args.cnt++] = (struct span){ (const uint8_t *)r->eval_args[k], strlen(r->eval_args[k]) };
        int id = eval_find(r->eval_name);
        if (r->eval_args_cnt > EVAL_ARGS_MAX)
            snprintf(err, sizeof(err), "more than %d arguments", EVAL_ARGS_MAX);
        else if (eval_check_args(id, &args, err, sizeof(err)) &&
                 eval_prepare(id, &args, 1, &prepared, err, sizeof(err)) == 0) {
            eval_release(prepared);
            continue;
        }
        rule_turn_off(l, r, err);
        b->is_live[i] = false;
    }
}

static void
build_sets(struct builder *b)
{
    uint8_t *octets = NULL;
    size_t len = 0;
    unsigned left_out = 0;
    if (b->list->lists_cnt == 0)
        return;
    if (list_table_build(b->list, &octets, &len, &left_out))
        abort();
    image_append(&b->sections[SECTION_SETS], octets, len);
    free(octets);
}

static void
build_signatures(struct builder *b)
{
    void *octets = NULL;
    size_t len = 0;
    if (!b->options->signatures || signature_list_hash_cnt(b->options->signatures) == 0)
        return;
    signature_table_build(b->options->signatures, &octets, &len);
    image_append(&b->sections[SECTION_SIGNATURES], octets, len);
    free(octets);
}

/* ---- the file ---- */

/* The rule that a known hash hits, after all others. */
static uint32_t
add_signature_rule(struct builder *b)
{
    if (!b->options->signatures || signature_list_hash_cnt(b->options->signatures) == 0)
        return b->rules_cnt;
    struct image_rule r = { .name_off = add_string(b, "MALWARE_HASH"),
                            .describe_off = add_string(b, "A part whose hash is that of known malware"),
                            .score_milli = SIGNATURE_SCORE_MILLI,
                            .flags = IMAGE_RULE_REPORTED };
    image_append(&b->sections[SECTION_RULES], &r, sizeof(r));
    return b->rules_cnt++;
}

static void
write_image(struct builder *b, uint32_t signature_rule, void **image, size_t *len)
{
    struct image_header h = { .version = IMAGE_VERSION, .signature_rule = signature_rule };
    memcpy(h.magic, IMAGE_MAGIC, sizeof(h.magic));
    h.required_score_milli = b->list->has_required_score ? b->list->required_score_milli : INT32_MAX;
    image_hyperscan_version(h.hyperscan, sizeof(h.hyperscan));
    memcpy(h.platform, b->platform, sizeof(h.platform));
    size_t at = sizeof(h);
    for (unsigned i = 0; i < SECTION_CNT; i++) {
        at += -at % IMAGE_ALIGN;
        h.sections[i] = (struct image_section){ at, b->sections[i].len };
        at += b->sections[i].len;
    }
    h.len = at;
    struct image_group *groups = (void *)b->sections[SECTION_GROUPS].octets;
    for (size_t i = 0; i < b->sections[SECTION_GROUPS].len / sizeof(*groups); i++)
        groups[i].database_off += h.sections[SECTION_DATABASES].off;
    uint8_t *file = image_must(calloc(1, at));
    memcpy(file, &h, sizeof(h));
    for (unsigned i = 0; i < SECTION_CNT; i++) {
        if (b->sections[i].len)
            memcpy(file + h.sections[i].off, b->sections[i].octets, b->sections[i].len);
    }
    if (!image_sha256(file + IMAGE_HASHED_FROM, at - IMAGE_HASHED_FROM,
                      file + offsetof(struct image_header, sha256)))
        abort();
    *image = file;
    *len = at;
}

static void
builder_fini(struct builder *b)
{
    for (uint32_t i = 0; i < b->units_cnt; i++) {
        free(b->units[i].rules);
        free(b->units[i].candidates);
    }
    for (unsigned i = 0; i < SECTION_CNT; i++)
        free(b->sections[i].octets);
    image_patterns_free(b);
    free(b->units);
    free(b->is_live);
    free(b->ids);
    free(b->matchers);
}

static void
tell_prices(const struct builder *b, image_price_fn *fn, void *owner)
{
    for (uint32_t i = 0; fn && i < b->candidates_cnt; i++) {
        const struct candidate *c = &b->candidates[i];
        const struct search_plan *plan = c->clean.is_used ? &c->clean : &c->all; /* what most units meet */
        static const char *const how[] = { "native", "literals + PCRE2", "loosened + PCRE2" };
        const struct compile_solo *best = &plan->solo[plan->best];
        bool is_prefilter = plan->best == VARIANT_OWN && plan->needs_confirm;
        struct image_price price = { .scan_ps = best->scan_ps,
                                     .compile_us = c->all.solo[VARIANT_OWN].compile_us,
                                     .size = best->size,
                                     .how = plan->how == SEARCH_ALWAYS ? "PCRE2"
                                            : is_prefilter             ? "prefilter + PCRE2"
                                                                       : how[plan->best] };
        fn(owner, b->list->rules[c->rule].name, &price);
    }
}

int
image_build_with(struct rule_list *list, const struct image_options *options, image_price_fn *fn, void *owner,
                 void **image, size_t *len)
{
    if (options->signatures)
        image_signatures(list, options->signatures);
    rule_list_finish(list);
    if (rule_list_errors(list))
        return -1;
    struct builder b = { .list = list, .options = options };
    image_append(&b.sections[SECTION_STRINGS], "", 1);
    mark_rules(&b);
    check_evals(&b);
    if (image_patterns(&b) && number_rules(&b)) {
        build_rules(&b);
        image_order(&b);
        build_evals(&b);
        group_units(&b);
        build_targets(&b);
        if (rule_list_errors(list) == 0)
            image_groups(&b);
        build_sets(&b);
        build_signatures(&b);
        tell_prices(&b, fn, owner);
    }
    bool is_good = rule_list_errors(list) == 0;
    if (is_good) {
        uint32_t signature_rule = add_signature_rule(&b);
        write_image(&b, signature_rule, image, len);
    }
    builder_fini(&b);
    return is_good ? 0 : -1;
}

int
image_build(struct rule_list *list, void **image, size_t *len)
{
    static const struct image_options options;
    return image_build_with(list, &options, NULL, NULL, image, len);
}
