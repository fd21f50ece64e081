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

enum {
    /* A prefilter that hits more of the built-in text's lines than this is no filter: literals or nothing. */
    PREFILTER_PERMILLE_MAX = 60
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

/* Perl takes these and PCRE2 does not: `$?`, patterns that are too large. Not the operator's mistake. */
static bool
is_perls_own(int error)
{
    return error == PCRE2_ERROR_QUANTIFIER_INVALID || error == PCRE2_ERROR_PATTERN_TOO_LARGE ||
           error == PCRE2_ERROR_PATTERN_TOO_COMPLICATED || error == PCRE2_ERROR_HEAP_FAILED ||
           error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH;
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

static bool
plan_literals(struct search_plan *plan, const struct pattern *p, const struct octet_set *gone)
{
    struct pattern_literals *literals = p ? image_must(calloc(1, sizeof(*literals))) : NULL;
    if (!literals || !pattern_literals(p, gone, literals)) {
        free(literals);
        return false;
    }
    for (unsigned i = 0; i < literals->cnt; i++) {
        if (literals->len[i] < 3) { /* in every line */
            free(literals);
            return false;
        }
    }
    plan->literals = literals;
    return true;
}

/* After the solo compile. */
static void
settle(struct search_plan *plan, const struct rule *r, const struct pattern *p, const struct octet_set *gone)
{
    const struct compile_solo *s = &plan->solo;
    plan->needs_confirm = r->tflags & RULE_MULTIPLE || s->how != COMPILE_NATIVE;
    if (s->how == COMPILE_NATIVE ||
        (s->how == COMPILE_PREFILTER && s->hit_permille <= PREFILTER_PERMILLE_MAX)) {
        plan->how = SEARCH_PATTERN;
        plan->flags = s->flags | (s->how == COMPILE_PREFILTER ? HS_FLAG_PREFILTER : 0);
    } else if (plan_literals(plan, p, gone)) {
        plan->how = SEARCH_TRIGGER;
    } else {
        plan->how = SEARCH_ALWAYS;
    }
}

static void
prepare(struct search_plan *plan, char *text, unsigned flags)
{
    plan->text = text;
    /* ALLOWEMPTY: what matches '' is a rule like any other in SpamAssassin. No UTF8: it matches octets. */
    plan->solo = (struct compile_solo){ .text = text,
                                        .flags = flags | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY };
}

/* Every live regex becomes a candidate; those whose pattern is smaller on clean units have two plans. */
static void
collect(struct builder *b, struct pattern **parsed)
{
    struct octet_set gone = clean_gone();
    struct rule_list *l = b->list;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        struct rule *r = &l->rules[i];
        if (!b->is_live[i] || !is_regex(r))
            continue;
        uint32_t idx = b->candidates_cnt++;
        struct candidate *c = &b->candidates[idx];
        c->rule = i;
        prepare(&c->all, full_text(r), r->flags);
        parsed[idx] = pattern_parse(r->text, r->text_len, r->is_extended);
        if (is_stream(r) || !parsed[idx])
            continue;
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
            prepare(&c->clean, pruned, r->flags);
            break;
        }
    }
}

static void
compile_alone(struct builder *b)
{
    struct compile_solo *solo = image_must(calloc(2 * (size_t)b->candidates_cnt + 1, sizeof(*solo)));
    size_t cnt = 0;
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        solo[cnt++] = b->candidates[i].all.solo;
        if (b->candidates[i].clean.text)
            solo[cnt++] = b->candidates[i].clean.solo;
    }
    compile_solo(solo, cnt, &b->options->compile);
    cnt = 0;
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        b->candidates[i].all.solo = solo[cnt++];
        if (b->candidates[i].clean.text)
            b->candidates[i].clean.solo = solo[cnt++];
    }
    free(solo);
}

/* False: the rule is out. */
static bool
settle_candidate(struct builder *b, struct candidate *c, const struct pattern *p)
{
    static const struct octet_set none;
    struct octet_set gone = clean_gone();
    struct rule *r = &b->list->rules[c->rule];
    int error = 0;
    size_t off = 0;
    bool has_pcre2 = pcre2_takes(c->all.text, r->flags, &error, &off);
    settle(&c->all, r, p, &none);
    if (c->clean.text)
        settle(&c->clean, r, p, &gone);
    bool needs_pcre2 = c->all.needs_confirm || (c->clean.text && c->clean.needs_confirm);
    if (is_stream(r) && needs_pcre2) {
        if (c->all.solo.how == COMPILE_NOT && !has_pcre2)
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
    compile_alone(b);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct candidate *c = &b->candidates[i];
        bool is_kept = settle_candidate(b, c, parsed[i]);
        if (!is_kept)
            b->is_live[c->rule] = false;
        pattern_free(parsed[i]);
        struct candidate out = *c;
        *c = (struct candidate){ 0 };
        if (is_kept) {
            b->candidates[kept++] = out;
            continue;
        }
        free(out.all.text);
        free(out.all.literals);
        free(out.clean.text);
        free(out.clean.literals);
    }
    b->candidates_cnt = kept;
    free(parsed);
    return rule_list_errors(l) == 0;
}

void
image_patterns_free(struct builder *b)
{
    for (uint32_t i = 0; i < b->candidates_cnt; i++) {
        struct candidate *c = &b->candidates[i];
        free(c->all.text);
        free(c->all.literals);
        free(c->clean.text);
        free(c->clean.literals);
    }
    free(b->candidates);
}
