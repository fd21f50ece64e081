#include "scan/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/header.h"
#include "scan/limits.h"
#include "scan/list.h"
#include "scan/ruleset_private.h"

static bool
fail(char *err, size_t err_size, const char *text)
{
    snprintf(err, err_size, "%s", text);
    return false;
}

static bool
load_database(const void *image, const struct image_group *g, hs_database_t **out, char *err, size_t err_size)
{
    const char *octets = (const char *)image + g->database_off;
    hs_error_t rc = hs_deserialize_database(octets, (size_t)g->database_len, out);
    if (rc == HS_SUCCESS)
        return true;
    *out = NULL;
    if (rc == HS_DB_PLATFORM_ERROR)
        return fail(err, err_size, "compiled for a processor with features that this one has not");
    snprintf(err, err_size, "Hyperscan refuses a database (error %d)", rc);
    return false;
}

uint32_t
ruleset_pcre2_options(uint32_t hs_flags)
{
    return PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | (hs_flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0) |
           (hs_flags & HS_FLAG_DOTALL ? PCRE2_DOTALL : 0) | (hs_flags & HS_FLAG_MULTILINE ? PCRE2_MULTILINE : 0);
}

static bool
load_groups(struct ruleset *rs, const void *image, char *err, size_t err_size)
{
    const struct image_view *v = &rs->view;
    rs->groups = calloc(v->groups_cnt + 1, sizeof(*rs->groups));
    if (!rs->groups)
        return fail(err, err_size, "out of memory");
    for (uint32_t i = 0; i < v->groups_cnt; i++) {
        rs->groups[i].ids = v->lists + v->groups[i].ids_off;
        rs->groups[i].units = (enum image_units)v->groups[i].units;
        if (!load_database(image, &v->groups[i], &rs->groups[i].database, err, err_size))
            return false;
    }
    return true;
}

static bool
load_targets(struct ruleset *rs, char *err, size_t err_size)
{
    const struct image_view *v = &rs->view;
    for (unsigned k = 0; k < 2; k++) {
        rs->header_targets[k] = calloc(v->targets_cnt + 1, sizeof(*rs->header_targets[k]));
        rs->headers[k] = calloc(v->targets_cnt + 1, sizeof(*rs->headers[k]));
        if (!rs->header_targets[k] || !rs->headers[k])
            return fail(err, err_size, "out of memory");
    }
    for (uint32_t i = 0; i < v->targets_cnt; i++) {
        const struct image_target *t = &v->targets[i];
        struct ruleset_target *out = &rs->targets[t->target];
        if (t->target == TARGET_HEADER || t->target == TARGET_MIMEHEADER) {
            uint32_t idx = rs->headers_cnt[t->target]++;
            out = &rs->headers[t->target][idx];
            rs->header_targets[t->target][idx] =
                (struct header_target){ v->strings + t->name_off, (enum header_part)t->part,
                                        header_name_hash((const uint8_t *)v->strings + t->name_off,
                                                         strlen(v->strings + t->name_off)) };
        }
        *out = (struct ruleset_target){ t, rs->groups + t->groups_off, t->groups_cnt };
    }
    return true;
}

/* What PCRE2 confirms, compiled; JIT is a help that may be missing. */
static bool
load_confirm(struct ruleset *rs, char *err, size_t err_size)
{
    const struct image_view *v = &rs->view;
    rs->confirm = calloc(v->rules_cnt + 1, sizeof(*rs->confirm));
    rs->count_idx = calloc(v->rules_cnt + 1, sizeof(*rs->count_idx));
    if (!rs->confirm || !rs->count_idx)
        return fail(err, err_size, "out of memory");
    for (uint32_t i = 0; i < v->rules_cnt; i++) {
        const struct image_rule *r = &v->rules[i];
        int error = 0;
        PCRE2_SIZE off = 0;
        rs->has_signatures = rs->has_signatures || r->signature;
        if (!(r->flags & IMAGE_RULE_CONFIRMED))
            continue;
        rs->confirm[i] = pcre2_compile((PCRE2_SPTR)(v->strings + r->pattern_off), PCRE2_ZERO_TERMINATED,
                                       ruleset_pcre2_options(r->pattern_flags), &error, &off, NULL);
        if (!rs->confirm[i]) {
            snprintf(err, err_size, "PCRE2 refuses the pattern of %.100s (error %d)", v->strings + r->name_off, error);
            return false;
        }
        pcre2_jit_compile(rs->confirm[i], PCRE2_JIT_COMPLETE);
        if (r->flags & IMAGE_RULE_COUNTED)
            rs->count_idx[i] = (uint16_t)++rs->counted_cnt;
    }
    return true;
}

static bool
load_evals(struct ruleset *rs, char *err, size_t err_size)
{
    const struct image_view *v = &rs->view;
    rs->evals = calloc(v->evals_cnt + 1, sizeof(*rs->evals));
    if (!rs->evals)
        return fail(err, err_size, "out of memory");
    for (uint32_t i = 0; i < v->evals_cnt; i++) {
        const struct image_eval *e = &v->evals[i];
        struct ruleset_eval *out = &rs->evals[rs->evals_cnt];
        const char *name = v->strings + e->name_off;
        int id = eval_find(name);
        if (id < 0) {
            snprintf(err, err_size, "the function %.60s is not known here", name);
            return false;
        }
        *out = (struct ruleset_eval){ .rule = e->rule, .fn = eval_function(id) };
        for (uint32_t k = 0; k < e->args_cnt; k++) {
            const char *arg = v->strings + e->arg_offs[k];
            out->args.arg[out->args.cnt++] = (struct span){ (const uint8_t *)arg, strlen(arg) };
        }
        if (!eval_check_args(id, &out->args, err, err_size) ||
            eval_prepare(id, &out->args, rs->threads_cnt, &out->prepared, err, err_size))
            return false;
        rs->evals_cnt++;
    }
    return true;
}

/* One scratch that fits every database, then one copy a thread. */
static bool
load_scratch(struct ruleset *rs, char *err, size_t err_size)
{
    hs_scratch_t **first = &rs->threads[0].scratch;
    bool is_good = true;
    for (uint32_t i = 0; i < rs->view.groups_cnt; i++)
        is_good = is_good && hs_alloc_scratch(rs->groups[i].database, first) == HS_SUCCESS;
    for (unsigned i = 1; is_good && *first && i < rs->threads_cnt; i++)
        is_good = hs_clone_scratch(*first, &rs->threads[i].scratch) == HS_SUCCESS;
    return is_good || fail(err, err_size, "Hyperscan cannot get its scratch memory");
}

/* What each worker needs beside its scratch. */
static bool
load_threads(struct ruleset *rs, char *err, size_t err_size)
{
    /* Octets; a pattern that needs more is no hit: hits.gave_up. */
    enum { JIT_STACK_MAX = 512 * 1024 };
    size_t rules = rs->view.rules_cnt + 1;
    for (unsigned i = 0; i < rs->threads_cnt; i++) {
        struct ruleset_thread *t = &rs->threads[i];
        t->candidates = calloc(rules, sizeof(*t->candidates));
        t->triggers = calloc(rules, sizeof(*t->triggers));
        t->values = calloc(rules, sizeof(*t->values));
        t->todo = calloc((size_t)rs->plan.words_cnt + 1, sizeof(*t->todo));
        t->match_data = pcre2_match_data_create(1, NULL);
        t->match_context = pcre2_match_context_create(NULL);
        t->jit_stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
        if (!t->candidates || !t->triggers || !t->values || !t->todo || !t->match_data ||
            !t->match_context || !t->jit_stack)
            return fail(err, err_size, "out of memory");
        pcre2_set_match_limit(t->match_context, CONFIRM_STEPS_MAX);
        pcre2_set_heap_limit(t->match_context, CONFIRM_HEAP_KIB);
        pcre2_jit_stack_assign(t->match_context, NULL, t->jit_stack);
    }
    return true;
}

/* Keeps what the ruleset needs of the checked image `v`: everything in front of the databases, which live
 * in memory of Hyperscan's once loaded. */
static bool
keep_tables(struct ruleset *rs, const struct image_view *v)
{
    size_t len = (size_t)v->header->sections[SECTION_DATABASES].off;
    rs->image = malloc(len);
    if (!rs->image)
        return false;
    memcpy(rs->image, v->header, len);
    rs->view = *v;
    image_view_move(&rs->view, rs->image);
    return true;
}

static bool
load(struct ruleset *rs, const void *image, size_t len, char *err, size_t err_size)
{
    struct image_view v;
    size_t threads_size = rs->threads_cnt * sizeof(*rs->threads);
    rs->threads = aligned_alloc(RULESET_CACHE_LINE, threads_size);
    if (!rs->threads)
        return fail(err, err_size, "out of memory");
    memset(rs->threads, 0, threads_size);
    if (image_view_open(image, len, &v, err, err_size))
        return false;
    if (!keep_tables(rs, &v))
        return fail(err, err_size, "out of memory");
    for (unsigned i = 0; i < sizeof(v.header->sha256); i++)
        snprintf(rs->digest + 2 * i, 3, "%02x", v.header->sha256[i]);
    if (v.sets)
        rs->sets = list_table_verify(rs->view.sets, (size_t)v.header->sections[SECTION_SETS].len);
    if (!score_plan_init(&rs->plan, &rs->view))
        return fail(err, err_size, "out of memory");
    return load_groups(rs, image, err, err_size) && load_targets(rs, err, err_size) &&
           load_confirm(rs, err, err_size) && load_evals(rs, err, err_size) && load_scratch(rs, err, err_size) &&
           load_threads(rs, err, err_size);
}

struct ruleset *
ruleset_load(const void *image, size_t len, uint32_t generation, unsigned threads_max, char *err,
             size_t err_size)
{
    if (threads_max < 1 || threads_max > SCANNER_THREADS_MAX) {
        fail(err, err_size, "the number of threads is out of range");
        return NULL;
    }
    if (len > IMAGE_LEN_MAX) {
        fail(err, err_size, "larger than 1 GiB");
        return NULL;
    }
    /* Copied before it is checked: the caller's may be a mapping that somebody else can write. */
    struct ruleset *rs = calloc(1, sizeof(*rs));
    void *copy = malloc(len ? len : 1);
    if (!rs || !copy) {
        fail(err, err_size, "out of memory");
        free(rs);
        free(copy);
        return NULL;
    }
    memcpy(copy, image, len);
    rs->generation = generation;
    rs->threads_cnt = threads_max;
    bool is_loaded = load(rs, copy, len, err, err_size);
    free(copy);
    if (is_loaded)
        return rs;
    ruleset_free(rs);
    return NULL;
}

void
ruleset_free(struct ruleset *rs)
{
    if (!rs)
        return;
    for (unsigned i = 0; rs->threads && i < rs->threads_cnt; i++) {
        struct ruleset_thread *t = &rs->threads[i];
        match_streams_free(t);
        hs_free_scratch(t->scratch);
        pcre2_match_data_free(t->match_data);
        pcre2_match_context_free(t->match_context);
        pcre2_jit_stack_free(t->jit_stack);
        free(t->candidates);
        free(t->triggers);
        free(t->values);
        free(t->todo);
    }
    for (uint32_t i = 0; rs->groups && i < rs->view.groups_cnt; i++)
        hs_free_database(rs->groups[i].database);
    for (uint32_t i = 0; rs->confirm && i < rs->view.rules_cnt; i++)
        pcre2_code_free(rs->confirm[i]);
    for (uint32_t i = 0; i < rs->evals_cnt; i++)
        eval_release(rs->evals[i].prepared);
    for (unsigned k = 0; k < 2; k++) {
        free(rs->header_targets[k]);
        free(rs->headers[k]);
    }
    score_plan_fini(&rs->plan);
    free(rs->groups);
    free(rs->confirm);
    free(rs->count_idx);
    free(rs->evals);
    free(rs->threads);
    free(rs->image);
    free(rs);
}

uint32_t
ruleset_generation(const struct ruleset *rs)
{
    return rs->generation;
}

const char *
ruleset_digest(const struct ruleset *rs)
{
    return rs->digest;
}

uint32_t
ruleset_rule_cnt(const struct ruleset *rs)
{
    return rs->view.rules_cnt;
}

const char *
ruleset_rule_name(const struct ruleset *rs, uint32_t idx)
{
    return rs->view.strings + rs->view.rules[idx].name_off;
}

const char *
ruleset_rule_describe(const struct ruleset *rs, uint32_t idx)
{
    return rs->view.strings + rs->view.rules[idx].describe_off;
}

bool
ruleset_rule_is_reported(const struct ruleset *rs, uint32_t idx)
{
    return rs->view.rules[idx].flags & IMAGE_RULE_REPORTED;
}

uint32_t
ruleset_counted_cnt(const struct ruleset *rs)
{
    return rs->counted_cnt;
}

bool
ruleset_has_evals(const struct ruleset *rs)
{
    return rs->evals_cnt > 0;
}

const struct list_table *
ruleset_lists(const struct ruleset *rs)
{
    return rs->sets;
}

const void *
ruleset_signatures(const struct ruleset *rs)
{
    return rs->view.signatures;
}

uint32_t
ruleset_signature_rule(const struct ruleset *rs)
{
    return rs->view.header->signature_rule;
}

bool
ruleset_required_score_milli(const struct ruleset *rs, int32_t *score_milli)
{
    *score_milli = rs->view.header->required_score_milli;
    return *score_milli != INT32_MAX;
}

int32_t
ruleset_rule_score_milli(const struct ruleset *rs, uint32_t idx)
{
    return rs->view.rules[idx].score_milli;
}

/* Only the owner writes its count, so a load and a store are enough. The release pairs with the acquire in
 * ruleset_pinned: who sees 0 sees everything that the last message did as done. */
static void
add_pins(struct ruleset *rs, unsigned thread_idx, uint64_t delta)
{
    _Atomic uint64_t *pins = &rs->threads[thread_idx].pins;
    uint64_t now = atomic_load_explicit(pins, memory_order_relaxed);
    atomic_store_explicit(pins, now + delta, memory_order_release);
}

void
ruleset_pin(struct ruleset *rs, unsigned thread_idx)
{
    add_pins(rs, thread_idx, 1);
}

void
ruleset_unpin(struct ruleset *rs, unsigned thread_idx)
{
    add_pins(rs, thread_idx, UINT64_MAX);
}

uint64_t
ruleset_pinned(const struct ruleset *rs)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < rs->threads_cnt; i++)
        sum += atomic_load_explicit(&rs->threads[i].pins, memory_order_acquire);
    return sum;
}

void
ruleset_mark_returned(struct ruleset *rs)
{
    atomic_store_explicit(&rs->is_returned, true, memory_order_release);
}

bool
ruleset_is_returned(const struct ruleset *rs)
{
    return atomic_load_explicit(&rs->is_returned, memory_order_acquire);
}

void
ruleset_mark_expired(struct ruleset *rs)
{
    atomic_store_explicit(&rs->is_expired, true, memory_order_relaxed);
}

bool
ruleset_is_expired(const struct ruleset *rs)
{
    return atomic_load_explicit(&rs->is_expired, memory_order_relaxed);
}
