#include "scan/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/limits.h"
#include "scan/ruleset_private.h"

static bool
fail(char *err, size_t err_size, const char *text)
{
    snprintf(err, err_size, "%s", text);
    return false;
}

static bool
load_database(const void *image, const struct image_target *t, hs_database_t **out, char *err,
              size_t err_size)
{
    if (t->database_len == 0)
        return true;
    const char *octets = (const char *)image + t->database_off;
    hs_error_t rc = hs_deserialize_database(octets, (size_t)t->database_len, out);
    if (rc == HS_SUCCESS)
        return true;
    *out = NULL;
    if (rc == HS_DB_PLATFORM_ERROR)
        return fail(err, err_size, "compiled for a processor with features that this one has not");
    snprintf(err, err_size, "Hyperscan refuses a database (error %d)", rc);
    return false;
}

static bool
load_targets(struct ruleset *rs, const void *image, char *err, size_t err_size)
{
    const struct image_view *v = &rs->view;
    rs->header_targets = calloc(v->targets_cnt + 1, sizeof(*rs->header_targets));
    rs->header_images = calloc(v->targets_cnt + 1, sizeof(*rs->header_images));
    rs->header_databases = calloc(v->targets_cnt + 1, sizeof(*rs->header_databases));
    if (!rs->header_targets || !rs->header_images || !rs->header_databases)
        return fail(err, err_size, "out of memory");
    for (uint32_t i = 0; i < v->targets_cnt; i++) {
        const struct image_target *t = &v->targets[i];
        hs_database_t **database = &rs->databases[t->target];
        if (t->target == TARGET_HEADER) {
            database = &rs->header_databases[rs->headers_cnt];
            rs->header_images[rs->headers_cnt] = t;
            rs->header_targets[rs->headers_cnt++] =
                (struct header_target){ v->strings + t->name_off, (enum header_part)t->part };
        }
        if (!load_database(image, t, database, err, err_size))
            return false;
    }
    return true;
}

/* One scratch that fits every database, then one copy a thread. */
static bool
load_scratch(struct ruleset *rs, char *err, size_t err_size)
{
    hs_scratch_t **first = &rs->threads[0].scratch;
    bool is_good = true;
    for (unsigned i = 0; i < TARGET_CNT; i++) {
        if (rs->databases[i])
            is_good = is_good && hs_alloc_scratch(rs->databases[i], first) == HS_SUCCESS;
    }
    for (uint32_t i = 0; i < rs->headers_cnt; i++) {
        if (rs->header_databases[i])
            is_good = is_good && hs_alloc_scratch(rs->header_databases[i], first) == HS_SUCCESS;
    }
    for (unsigned i = 1; is_good && *first && i < rs->threads_cnt; i++)
        is_good = hs_clone_scratch(*first, &rs->threads[i].scratch) == HS_SUCCESS;
    return is_good || fail(err, err_size, "Hyperscan cannot get its scratch memory");
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
    return load_targets(rs, image, err, err_size) && load_scratch(rs, err, err_size);
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
        match_streams_free(&rs->threads[i]);
        hs_free_scratch(rs->threads[i].scratch);
    }
    for (unsigned i = 0; i < TARGET_CNT; i++)
        hs_free_database(rs->databases[i]);
    for (uint32_t i = 0; i < rs->headers_cnt; i++)
        hs_free_database(rs->header_databases[i]);
    free(rs->header_targets);
    free(rs->header_images);
    free(rs->header_databases);
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
