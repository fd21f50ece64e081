/* The table of hash signatures:
 *
 *     header | names' places, uint32_t each | MD5 group | SHA-1 group | SHA-256 group | allowed groups | names
 *
 * A group is an array of { uint32_t size; uint8_t hash[len] }, ascending by (size, hash), so that a look-up is a
 * binary search; any size is 0xffffffff and so comes last. A signature's index is its place in the groups as
 * they follow one another. All that is looked up is in fixed-width little-endian fields at multiples of 4. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/attachment.h"
#include "scan/signature.h"
#include "scan/signature_private.h"

#define TABLE_MAGIC "WeirSig\n"

enum { TABLE_VERSION = 1, GROUP_CNT = 3 };

struct table_group {
    uint64_t off; /* from the start of the table */
    uint64_t cnt;
};

struct table {
    char magic[8];
    uint32_t version;
    int32_t score_milli;
    uint64_t len; /* of the table */
    struct table_group hits[GROUP_CNT]; /* MD5, SHA-1, SHA-256 */
    struct table_group allowed[GROUP_CNT];
    struct table_group names_offs; /* uint32_t: of the names' start */
    struct table_group names;      /* cnt: octets; NUL-terminated strings */
};
static_assert(sizeof(struct table) == 24 + 16 * (2 * GROUP_CNT + 2), "no padding in the table");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they are");

static const uint8_t hash_lens[GROUP_CNT] = { 16, 20, 32 };

static uint32_t
read_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static size_t
entry_len(unsigned group)
{
    return sizeof(uint32_t) + hash_lens[group];
}

/* Building */

static int
compare(const void *a_, const void *b_, void *names)
{
    const struct signature_hash *a = *(const struct signature_hash *const *)a_;
    const struct signature_hash *b = *(const struct signature_hash *const *)b_;
    if (a->is_allowed != b->is_allowed)
        return a->is_allowed ? 1 : -1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    int order = memcmp(a->octets, b->octets, a->len);
    return order ? order : strcmp((const char *)names + a->name_off, (const char *)names + b->name_off);
}

static bool
is_same(const struct signature_hash *a, const struct signature_hash *b)
{
    return a->is_allowed == b->is_allowed && a->len == b->len && a->size == b->size &&
           !memcmp(a->octets, b->octets, a->len);
}

/* Sorted, each hash and size once (of several names the first in the alphabet). */
static const struct signature_hash **
sort(const struct signature_list *l, size_t *cnt)
{
    const struct signature_hash **sorted = signature_must(calloc(l->hashes_cnt + 1, sizeof(struct signature_hash *)));
    for (size_t i = 0; i < l->hashes_cnt; i++)
        sorted[i] = &l->hashes[i];
    qsort_r(sorted, l->hashes_cnt, sizeof(struct signature_hash *), compare, l->names);
    *cnt = 0;
    for (size_t i = 0; i < l->hashes_cnt; i++) {
        if (*cnt == 0 || !is_same(sorted[*cnt - 1], sorted[i]))
            sorted[(*cnt)++] = sorted[i];
    }
    return sorted;
}

static struct table_group *
group_of(struct table *t, const struct signature_hash *h, unsigned *group)
{
    *group = h->len == 16 ? 0 : h->len == 20 ? 1 : 2;
    return h->is_allowed ? &t->allowed[*group] : &t->hits[*group];
}

/* Counts, then places: the groups lie in the order in which the hashes are sorted. */
static void
lay_out(struct table *t, const struct signature_list *l, const struct signature_hash **sorted, size_t cnt)
{
    unsigned group;
    for (size_t i = 0; i < cnt; i++) {
        group_of(t, sorted[i], &group)->cnt++;
        if (sorted[i]->is_allowed)
            continue;
        t->names_offs.cnt++;
        t->names.cnt += strlen(l->names + sorted[i]->name_off) + 1;
    }
    t->names_offs.off = sizeof(*t);
    uint64_t at = sizeof(*t) + t->names_offs.cnt * sizeof(uint32_t);
    for (unsigned i = 0; i < GROUP_CNT; i++) {
        t->hits[i].off = at;
        at += t->hits[i].cnt * entry_len(i);
    }
    for (unsigned i = 0; i < GROUP_CNT; i++) {
        t->allowed[i].off = at;
        at += t->allowed[i].cnt * entry_len(i);
    }
    t->names.off = at;
    t->len = at + t->names.cnt;
}

void
signature_table_build(const struct signature_list *l, void **octets, size_t *len)
{
    size_t cnt;
    const struct signature_hash **sorted = sort(l, &cnt);
    struct table t = { .version = TABLE_VERSION, .score_milli = l->score_milli };
    memcpy(t.magic, TABLE_MAGIC, sizeof(t.magic));
    lay_out(&t, l, sorted, cnt);
    uint8_t *out = signature_must(calloc(1, t.len));
    memcpy(out, &t, sizeof(t));
    uint8_t *entry = out + t.hits[0].off;
    uint32_t name_off = 0;
    for (size_t i = 0; i < cnt; i++) {
        memcpy(entry, &sorted[i]->size, sizeof(uint32_t));
        memcpy(entry + sizeof(uint32_t), sorted[i]->octets, sorted[i]->len);
        entry += sizeof(uint32_t) + sorted[i]->len;
        if (sorted[i]->is_allowed)
            continue;
        const char *name = l->names + sorted[i]->name_off;
        memcpy(out + t.names_offs.off + i * sizeof(uint32_t), &name_off, sizeof(name_off));
        memcpy(out + t.names.off + name_off, name, strlen(name) + 1);
        name_off += (uint32_t)strlen(name) + 1;
    }
    free(sorted);
    *octets = out;
    *len = t.len;
}

/* Verifying */

static int
fail(char *err, size_t err_size, const char *why)
{
    snprintf(err, err_size, "signature table: %s", why);
    return -1;
}

static int
compare_entries(const uint8_t *a, const uint8_t *b, size_t hash_len)
{
    uint32_t a_size = read_u32(a);
    uint32_t b_size = read_u32(b);
    if (a_size != b_size)
        return a_size < b_size ? -1 : 1;
    return memcmp(a + sizeof(uint32_t), b + sizeof(uint32_t), hash_len);
}

/* The group begins at *at and is in order; *at moves behind it. */
static bool
check_group(const uint8_t *octets, const struct table_group *g, unsigned group, uint64_t *at, uint64_t len)
{
    size_t each = entry_len(group);
    if (g->off != *at || g->cnt > SIGNATURE_HASH_MAX || g->cnt > (len - *at) / each)
        return false;
    *at += g->cnt * each;
    for (uint64_t i = 1; i < g->cnt; i++) {
        const uint8_t *entry = octets + g->off + i * each;
        if (compare_entries(entry - each, entry, hash_lens[group]) >= 0)
            return false;
    }
    return true;
}

/* Every name begins where the one before it ends, and the last one ends the table. */
static bool
check_names(const uint8_t *octets, const struct table *t)
{
    uint64_t at = 0;
    for (uint64_t i = 0; i < t->names_offs.cnt; i++) {
        if (at == t->names.cnt || read_u32(octets + t->names_offs.off + i * sizeof(uint32_t)) != at)
            return false;
        const uint8_t *nul = memchr(octets + t->names.off + at, 0, t->names.cnt - at);
        if (!nul || nul == octets + t->names.off + at)
            return false;
        at = (uint64_t)(nul - octets) - t->names.off + 1;
    }
    return at == t->names.cnt;
}

int
signature_table_verify(const void *table, size_t len, char *err, size_t err_size)
{
    const uint8_t *octets = table;
    struct table t;
    if (len < sizeof(t))
        return fail(err, err_size, "shorter than its header");
    memcpy(&t, octets, sizeof(t));
    if (memcmp(t.magic, TABLE_MAGIC, sizeof(t.magic)) || t.version != TABLE_VERSION)
        return fail(err, err_size, "not one, or of another version");
    if (t.len != len)
        return fail(err, err_size, "its length is not what it says");
    uint64_t at = sizeof(t);
    if (t.names_offs.off != at || t.names_offs.cnt > (len - at) / sizeof(uint32_t))
        return fail(err, err_size, "names' places outside");
    at += t.names_offs.cnt * sizeof(uint32_t);
    for (unsigned i = 0; i < 2 * GROUP_CNT; i++) {
        const struct table_group *g = i < GROUP_CNT ? &t.hits[i] : &t.allowed[i - GROUP_CNT];
        if (!check_group(octets, g, i % GROUP_CNT, &at, len))
            return fail(err, err_size, "hashes outside or out of order");
    }
    if (t.hits[0].cnt + t.hits[1].cnt + t.hits[2].cnt != t.names_offs.cnt)
        return fail(err, err_size, "not one name for each hash");
    if (t.names.off != at || t.names.cnt != len - at || !check_names(octets, &t))
        return fail(err, err_size, "names outside or out of order");
    return 0;
}

/* Looking up */

unsigned
signature_table_hashes(const void *table)
{
    static const unsigned bits[GROUP_CNT] = { ATTACHMENT_MD5, ATTACHMENT_SHA1, ATTACHMENT_SHA256 };
    const struct table *t = table;
    unsigned hashes = 0;
    /* What is only allowed matters for a hit of a pattern too. */
    for (unsigned i = 0; i < GROUP_CNT; i++)
        hashes |= t->hits[i].cnt + t->allowed[i].cnt ? bits[i] : 0;
    return hashes;
}

uint32_t
signature_table_cnt(const void *table)
{
    return (uint32_t)((const struct table *)table)->names_offs.cnt;
}

int32_t
signature_table_score(const void *table)
{
    return ((const struct table *)table)->score_milli;
}

const char *
signature_table_name(const void *table, uint32_t idx)
{
    const struct table *t = table;
    const uint8_t *octets = table;
    uint32_t off = read_u32(octets + t->names_offs.off + idx * sizeof(uint32_t));
    return (const char *)octets + t->names.off + off;
}

/* The place of (size, hash) in the group, or -1. */
static int64_t
search(const void *table, const struct table_group *g, unsigned group, uint32_t size, const uint8_t *hash)
{
    uint8_t key[sizeof(uint32_t) + 32];
    memcpy(key, &size, sizeof(size));
    memcpy(key + sizeof(size), hash, hash_lens[group]);
    const uint8_t *entries = (const uint8_t *)table + g->off;
    uint64_t from = 0;
    uint64_t to = g->cnt;
    while (from < to) {
        uint64_t middle = (from + to) / 2;
        int order = compare_entries(key, entries + middle * entry_len(group), hash_lens[group]);
        if (order == 0)
            return (int64_t)middle;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return -1;
}

static int64_t
search_sizes(const void *table, const struct table_group *g, unsigned group, uint64_t size, const uint8_t *hash)
{
    if (!hash || g->cnt == 0)
        return -1;
    int64_t found = -1;
    if (size < SIGNATURE_SIZE_ANY)
        found = search(table, g, group, (uint32_t)size, hash);
    return found >= 0 ? found : search(table, g, group, SIGNATURE_SIZE_ANY, hash);
}

int64_t
signature_table_find(const void *table, const uint8_t *md5, const uint8_t *sha1, const uint8_t *sha256,
                     uint64_t size)
{
    const struct table *t = table;
    const uint8_t *hashes[GROUP_CNT] = { md5, sha1, sha256 };
    for (unsigned i = 0; i < GROUP_CNT; i++) {
        if (search_sizes(table, &t->allowed[i], i, size, hashes[i]) >= 0)
            return SIGNATURE_ALLOWED;
    }
    int64_t before = 0;
    for (unsigned i = 0; i < GROUP_CNT; i++) {
        int64_t found = search_sizes(table, &t->hits[i], i, size, hashes[i]);
        if (found >= 0)
            return before + found;
        before += (int64_t)t->hits[i].cnt;
    }
    return SIGNATURE_NONE;
}
