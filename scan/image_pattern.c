/* image_pattern: how each regex is to be looked for, found out from the regex alone. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/image_private.h"
#include "scan/match.h"
#include "scan/pattern.h"
#include "scan/pattern_share.h"

enum {
    /* What hits more of the built-in text's lines than this is no filter: PCRE2 looks at all of them. */
    FILTER_PERMILLE_MAX = 850,

    /* A native pattern of more octets alone is dear enough to look for its literals instead, if they are rare. */
    NATIVE_SIZE_MAX = 16 << 10,
    LITERAL_PERMILLE_MAX = 10,

    /* Octets of a literal; shorter ones are in every line. */
    LITERAL_LEN_MIN = 3
};

/* Before a pattern with /x: Hyperscan has no flag for it. A newline after, to end a comment. */
#define EXTENDED "(?x)"

static bool
is_regex(const struct rule *r)
{
    switch (r->kind) {
    case RULE_HEADER:
    case RULE_BODY:
    case RULE_RAWBODY:
    case RULE_FULL:
    case RULE_URI:
    case RULE_MIMEHEADER:
    case RULE_ATTACHMENT:
        return true;
    case RULE_NONE:
    case RULE_OFF:
    case RULE_EXISTS:
    case RULE_EVAL:
    case RULE_META:
        break;
    }
    return false;
}

static bool
is_stream(const struct rule *r)
{
    return r->kind == RULE_FULL || r->kind == RULE_ATTACHMENT;
}

static char *
full_text(const struct rule *r)
{
    char *text = NULL;
    if (asprintf(&text, "%s%s%s", r->is_extended ? EXTENDED : "", r->text, r->is_extended ? "\n" : "") < 0)
        abort();
    return text;
}

/* ---- PCRE2's opinion ---- */

static uint32_t
pcre2_options(unsigned flags)
{
    return PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | (flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0) |
           (flags & HS_FLAG_DOTALL ? PCRE2_DOTALL : 0) | (flags & HS_FLAG_MULTILINE ? PCRE2_MULTILINE : 0);
}

/* True when PCRE2 compiles it; else its error. */
static bool
pcre2_takes(const char *text, unsigned flags, int *error, size_t *off)
{
    PCRE2_SIZE at = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, pcre2_options(flags), error, &at, NULL);
    *off = at;
    pcre2_code_free(code);
    return code != NULL;
}

/* Perl takes these and PCRE2 does not: `$?`, `[\w-.]`, one name for two groups, patterns that are too large. Not the operator's mistake. */
static bool
is_perls_own(int error)
{
    return error == PCRE2_ERROR_QUANTIFIER_INVALID || error == PCRE2_ERROR_PATTERN_TOO_LARGE ||
           error == PCRE2_ERROR_PATTERN_TOO_COMPLICATED || error == PCRE2_ERROR_HEAP_FAILED ||
           error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH || error == PCRE2_ERROR_CLASS_INVALID_RANGE ||
           error == PCRE2_ERROR_DUPLICATE_SUBPATTERN_NAME;
}

/* Neither engine takes the pattern. */
static void
refuse(struct builder *b, struct rule *r, int error, size_t off)
{
    char why[128] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
    if (is_perls_own(error)) {
        char reason[200];
        snprintf(reason, sizeof(reason), "its regex can be compiled by neither Hyperscan nor PCRE2 (%s)", why);
        rule_turn_off(b->list, r, reason);
        return;
    }
    size_t prefix = r->is_extended ? strlen(EXTENDED) : 0;
    struct rule_place place = r->place;
    rule_list_say(b->list, RULE_ERROR, &place, rule_column(r, off > prefix ? off - prefix : 0), "%s: %s", r->name,
                  why);
}

/* ---- plans ---- */

/* Octets that a clean unit has not; match_is_clean() in match.c is the other half. */
static struct octet_set
clean_gone(void)
{
    struct octet_set gone = { { 0, 0, ~UINT64_C(0), ~UINT64_C(0) } };
    octet_set_add(&gone, '&');
    return gone;
}

/* Ways to find candidates for a pattern, each compiled alone: the pattern itself, loosened, its literals. */
static struct compile_solo *
variant(struct search_plan *plan, enum search_variant v)
{
    return &plan->solo[v];
}

static bool
is_filter(const struct compile_solo *s, uint32_t permille_max)
{
    return s->text && s->how != COMPILE_NOT && s->hit_permille <= permille_max;
}

static bool
is_better(const struct compile_solo *s, const struct compile_solo *than)
{
    return is_filter(s, FILTER_PERMILLE_MAX) &&
           (!is_filter(than, FILTER_PERMILLE_MAX) || s->hit_permille <= than->hit_permille);
}

/* After the solo compiles. What is native and small is exact and cheap; a large one that has rare literals is dearer
 * than to look for these and confirm. The rest goes by how few lines are left to PCRE2. */
static void
settle(struct search_plan *plan, const struct rule *r)
{
    const struct compile_solo *own = variant(plan, VARIANT_OWN);
    const struct compile_solo *loose = variant(plan, VARIANT_LOOSE);
    const struct compile_solo *literal = variant(plan, VARIANT_LITERAL);
    bool is_native = own->how == COMPILE_NATIVE;
    const struct compile_solo *best = own;
    if (is_native && own->size >= NATIVE_SIZE_MAX && is_filter(literal, LITERAL_PERMILLE_MAX))
        best = literal;
    if (!is_native && is_better(loose, best))
        best = loose;
    if (!is_native && is_better(literal, best))
        best = literal;
    plan->best = (enum search_variant)(best - plan->solo);
    plan->how = best->how == COMPILE_NATIVE || is_filter(best, FILTER_PERMILLE_MAX) ? SEARCH_PATTERN : SEARCH_ALWAYS;
    plan->needs_confirm = r->tflags & RULE_MULTIPLE || best != own || !is_native;
    plan->times = best == literal ? plan->literal_times : 1;
    plan->flags = best->flags | (best->how == COMPILE_PREFILTER ? HS_FLAG_PREFILTER : 0);
    if (plan->times > 1)
        plan->flags &= ~(unsigned)HS_FLAG_SINGLEMATCH; /* they are counted */
}

static void
prepare(struct search_plan *plan, enum search_variant v, char *text, unsigned flags)
{
    plan->is_used = true;
    /* ALLOWEMPTY: what matches '' is a rule like any other in SpamAssassin. No UTF8: it matches octets. */
    *variant(plan, v) = (struct compile_solo){ .text = text,
                                               .flags = flags | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY };
}

/* (?:abc|def), every octet written out. NULL: the pattern has no literals that are worth it. */
static char *
literals_text(const struct pattern *p, const struct octet_set *gone, int *times)
{
    struct pattern_literals *l = image_must(calloc(1, sizeof(*l)));
    char *text = NULL;
    bool is_good = pattern_literals(p, gone, l);
    for (unsigned i = 0; is_good && i < l->cnt; i++)
        is_good = l->len[i] >= LITERAL_LEN_MIN;
    if (is_good) {
        text = image_must(malloc(l->cnt * (PATTERN_LITERAL_LEN_MAX * 4 + 1) + 8));
        char *at = text + sprintf(text, "(?:");
        for (unsigned i = 0; i < l->cnt; i++) {
            at += sprintf(at, "%s", i ? "|" : "");
            for (unsigned k = 0; k < l->len[i]; k++)
                at += sprintf(at, "\\x%02x", (uint8_t)l->text[i][k]);
        }
        sprintf(at, ")");
        *times = l->times;
    }
    free(l);
    return text;
}

static void
add_literals(struct search_plan *plan, const struct pattern *p, const struct octet_set *gone)
{
    char *text = p ? literals_text(p, gone, &plan->literal_times) : NULL;
    if (text)
        prepare(plan, VARIANT_LITERAL, text, HS_FLAG_CASELESS);
}

/* Every live regex becomes a candidate; those whose pattern is smaller on clean units have two plans. */
static void
collect(struct builder *b, struct pattern **parsed)
{
    static const struct octet_set none;
    struct octet_set gone = clean_gone();
    struct rule_list *l = b->list;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        if (!b->is_live[i] || !is_regex(r))
            continue;
        uint32_t idx = b->candidates_cnt++;
        struct candidate *c = &b->candidates[idx];
        c->rule = i;
        prepare(&c->all, VARIANT_OWN, full_text(r), r->flags);
        parsed[idx] = pattern_parse(r->text, r->text_len, r->is_extended);
        if (is_stream(r) || !parsed[idx])
            continue;
        add_literals(&c->all, parsed[idx], &none);
        char *pruned = NULL;
        switch (pattern_without(parsed[idx], &gone, &pruned)) {
        case PATTERN_SAME:
            break;
        case PATTERN_NOTHING:
            c->has_clean = true;
            c->clean.how = SEARCH_NEVER;
            break;
        case PATTERN_PRUNED:
            c->has_clean = true;
            prepare(&c->clean, VARIANT_OWN, pruned, r->flags);
            add_literals(&c->clean, parsed[idx], &gone);
            break;
        }
    }
}

/* Compiles variants [from, to] of every plan alone. */
static void
compile_variants(struct builder *b, enum search_variant from, enum search_variant to)
{
    size_t max = (size_t)b->candidates_cnt * 2 * VARIANT_CNT + 1, cnt = 0;
    struct compile_solo *solo = image_must(calloc(max, sizeof(*solo)));
    struct compile_solo **where = image_must(calloc(max, sizeof(struct compile_solo *)));
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct search_plan *plans[] = { &b->candidates[i].all, &b->candidates[i].clean };
        for (unsigned k = 0; k < 2; k++) {
            for (unsigned v = from; v <= to; v++) {
                if (plans[k]->solo[v].text)
                    where[cnt++] = &plans[k]->solo[v];
            }
        }
    }
    for (size_t i = 0; i < cnt; i++)
        solo[i] = *where[i];
    compile_solo(solo, cnt, &b->options->compile);
    for (size_t i = 0; i < cnt; i++)
        *where[i] = solo[i];
    free(solo);
    free(where);
}

static void
loosen(struct search_plan *plan, const struct rule *r, const struct pattern *p, const struct octet_set *gone)
{
    const struct compile_solo *own = variant(plan, VARIANT_OWN);
    if (!p || !plan->is_used || own->how == COMPILE_NATIVE || is_stream(r))
        return;
    if (own->is_over_limit && variant(plan, VARIANT_LITERAL)->text)
        return; /* it would be over the limit, too */
    char *text = pattern_loosened(p, gone, 2);
    if (text)
        prepare(plan, VARIANT_LOOSE, text, r->flags);
}

/* What Hyperscan does not take as it is: a simpler pattern that finds a little more, to be confirmed. */
static void
compile_loosened(struct builder *b, struct pattern **parsed)
{
    static const struct octet_set none;
    struct octet_set gone = clean_gone();
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct candidate *c = &b->candidates[i];
        const struct rule *r = &b->list->rules[c->rule];
        loosen(&c->all, r, parsed[i], &none);
        loosen(&c->clean, r, parsed[i], &gone);
    }
    compile_variants(b, VARIANT_LOOSE, VARIANT_LOOSE);
}

static void
plan_free(struct search_plan *plan)
{
    for (unsigned v = 0; v < VARIANT_CNT; v++)
        free((char *)plan->solo[v].text);
}

/* False: the rule is out. */
static bool
settle_candidate(struct builder *b, struct candidate *c)
{
    struct rule *r = &b->list->rules[c->rule];
    int error = 0;
    size_t off = 0;
    bool has_pcre2 = pcre2_takes(variant(&c->all, VARIANT_OWN)->text, r->flags, &error, &off);
    settle(&c->all, r);
    if (c->clean.is_used)
        settle(&c->clean, r);
    /* Not for PCRE2 alone on every line: that would cost more than all other rules. */
    bool is_cheap = c->clean.is_used ? c->clean.how != SEARCH_ALWAYS : c->all.how != SEARCH_ALWAYS;
    if (!has_pcre2 && error == PCRE2_ERROR_PATTERN_TOO_LARGE && !r->is_extended && is_cheap) {
        int shared_error;
        size_t shared_off;
        c->shared = pattern_share(variant(&c->all, VARIANT_OWN)->text);
        has_pcre2 = c->shared && pcre2_takes(c->shared, r->flags, &shared_error, &shared_off);
    }
    bool needs_pcre2 = c->all.needs_confirm || (c->clean.is_used && c->clean.needs_confirm);
    if (is_stream(r) && needs_pcre2) {
        if (variant(&c->all, VARIANT_OWN)->how == COMPILE_NOT && !has_pcre2)
            refuse(b, r, error, off);
        else
            rule_turn_off(b->list, r, "it needs PCRE2 or counts its matches, which is not done over a stream");
        return false;
    }
    if (needs_pcre2 && !has_pcre2) {
        refuse(b, r, error, off);
        return false;
    }
    return true;
}

bool
image_patterns(struct builder *b)
{
    struct rule_list *l = b->list;
    b->candidates = image_must(calloc(l->rules_cnt + 1, sizeof(*b->candidates)));
    struct pattern **parsed = image_must(calloc(l->rules_cnt + 1, sizeof(struct pattern *)));
    collect(b, parsed);
    compile_variants(b, VARIANT_OWN, VARIANT_LITERAL);
    compile_loosened(b, parsed);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct candidate *c = &b->candidates[i];
        bool is_kept = settle_candidate(b, c);
        if (!is_kept)
            b->is_live[c->rule] = false;
        pattern_free(parsed[i]);
        struct candidate out = *c;
        *c = (struct candidate){ 0 };
        if (is_kept) {
            b->candidates[kept++] = out;
            continue;
        }
        free(out.shared);
        plan_free(&out.all);
        plan_free(&out.clean);
    }
    b->candidates_cnt = kept;
    free(parsed);
    return rule_list_errors(l) == 0;
}

void
image_patterns_free(struct builder *b)
{
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        free(b->candidates[i].shared);
        plan_free(&b->candidates[i].all);
        plan_free(&b->candidates[i].clean);
    }
    free(b->candidates);
}
