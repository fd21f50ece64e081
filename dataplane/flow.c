#include "dataplane/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/memory.h"

/* Buckets are filled from entry 0 without holes, and chained when a ninth key lands in one; a chain is kept
 * dense too, so capacity / 8 spare buckets are always enough, whatever an attacker finds. At 2-4 keys a
 * bucket on average, fewer than 1 in 40 has a second line. */
enum { BUCKET_CNT = 8, NONE = 0 };

struct bucket {
    uint16_t tag[BUCKET_CNT];
    uint32_t record[BUCKET_CNT]; /* number + 1; 0: free */
    uint32_t next;               /* spare bucket's index; 0: none (spare[0] is not used) */
    uint32_t unused[3];
};
_Static_assert(sizeof(struct bucket) == 64, "one cache line");

/* A record begins on a cache line, so that its key is one line. */
enum { RECORD_LEN = (sizeof(struct flow) + 63) / 64 * 64 };

static const uint32_t RECORD_FREE = UINT32_MAX;

struct flow_table {
    struct bucket *bucket, *spare;
    uint8_t *records;
    uint32_t mask, capacity, half_open_max;
    uint32_t cnt, half_open_cnt;
    uint32_t touched_cnt; /* records beyond were never used */
    uint32_t spare_touched_cnt;
    uint32_t spare_free; /* list through next */
    struct flow *free_list; /* through half_next */
    struct flow *half_oldest, *half_newest;
    uint64_t seed;
    size_t bucket_len, spare_len, records_len;
};

static struct flow *
record_at(const struct flow_table *t, uint32_t record)
{
    return (struct flow *)(void *)(t->records + (size_t)record * RECORD_LEN);
}

struct flow_table *
flow_table_new(uint32_t capacity, uint32_t half_open_max, uint64_t seed, int node)
{
    assert(capacity && capacity < 1u << 30);
    struct flow_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    uint32_t buckets = 1;
    while (buckets < capacity / 4)
        buckets *= 2;
    t->mask = buckets - 1;
    t->capacity = capacity;
    t->half_open_max = half_open_max;
    /* Not the seed itself: cores are chosen with it, and one core's keys must not share hash bits. */
    t->seed = seed ^ 0x9e3779b97f4a7c15;
    t->spare_touched_cnt = 1;
    t->bucket_len = (size_t)buckets * sizeof(struct bucket);
    t->spare_len = (capacity / BUCKET_CNT + 2) * sizeof(struct bucket);
    t->records_len = (size_t)capacity * RECORD_LEN;
    t->bucket = memory_map(t->bucket_len, node);
    t->spare = memory_map(t->spare_len, node);
    t->records = memory_map(t->records_len, node);
    if (!t->bucket || !t->spare || !t->records) {
        flow_table_free(t);
        return NULL;
    }
    return t;
}

void
flow_table_free(struct flow_table *t)
{
    if (!t)
        return;
    memory_unmap(t->bucket, t->bucket_len);
    memory_unmap(t->spare, t->spare_len);
    memory_unmap(t->records, t->records_len);
    free(t);
}

uint32_t
flow_hash(const struct flow_table *t, const struct flow_key *k)
{
    return flow_key_hash(k, t->seed, false);
}

void
flow_prefetch(const struct flow_table *t, uint32_t hash)
{
    __builtin_prefetch(&t->bucket[hash & t->mask]);
}

/* The low bits choose the bucket, the high ones are the tag. */
static uint16_t
tag_of(uint32_t hash)
{
    return (uint16_t)(hash >> 16);
}

/* Bit i: entry i has the tag. Free entries may match; their record is 0. */
static unsigned
tags_equal(const struct bucket *b, uint16_t tag)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < BUCKET_CNT; i++)
        mask |= (unsigned)(b->tag[i] == tag) << i;
    return mask;
}

static struct bucket *
bucket_next(const struct flow_table *t, const struct bucket *b)
{
    return b->next == NONE ? NULL : &t->spare[b->next];
}

struct flow *
flow_find(struct flow_table *t, const struct flow_key *k, uint32_t hash)
{
    uint16_t tag = tag_of(hash);
    for (struct bucket *b = &t->bucket[hash & t->mask]; b; b = bucket_next(t, b)) {
        for (unsigned m = tags_equal(b, tag); m; m &= m - 1) {
            uint32_t record = b->record[__builtin_ctz(m)];
            if (record == NONE)
                continue;
            struct flow *f = record_at(t, record - 1);
            if (memcmp(&f->key, k, sizeof(*k)) == 0)
                return f;
        }
    }
    return NULL;
}

/* ---- index ---- */

static uint32_t
spare_get(struct flow_table *t)
{
    uint32_t idx = t->spare_free;
    if (idx != NONE)
        t->spare_free = t->spare[idx].next;
    else
        idx = t->spare_touched_cnt++;
    assert((size_t)idx * sizeof(struct bucket) < t->spare_len);
    memset(&t->spare[idx], 0, sizeof(struct bucket));
    return idx;
}

static void
index_add(struct flow_table *t, uint32_t hash, uint32_t record)
{
    struct bucket *b = &t->bucket[hash & t->mask];
    while (b->next != NONE)
        b = &t->spare[b->next];
    unsigned i = 0;
    while (i < BUCKET_CNT && b->record[i] != NONE)
        i++;
    if (i == BUCKET_CNT) {
        b->next = spare_get(t);
        b = &t->spare[b->next];
        i = 0;
    }
    b->tag[i] = tag_of(hash);
    b->record[i] = record + 1;
}

/* The chain's last entry takes the place of the one that goes. */
static void
index_remove(struct flow_table *t, uint32_t hash, uint32_t record)
{
    struct bucket *hole = NULL, *before = NULL, *b = &t->bucket[hash & t->mask];
    unsigned hole_idx = 0;
    for (;;) {
        for (unsigned i = 0; i < BUCKET_CNT; i++) {
            if (b->record[i] == record + 1) {
                hole = b;
                hole_idx = i;
            }
        }
        if (b->next == NONE)
            break;
        before = b;
        b = &t->spare[b->next];
    }
    assert(hole);
    unsigned last = BUCKET_CNT - 1;
    while (b->record[last] == NONE)
        last--;
    hole->tag[hole_idx] = b->tag[last];
    hole->record[hole_idx] = b->record[last];
    b->record[last] = NONE;
    if (last == 0 && before) {
        uint32_t idx = before->next;
        before->next = NONE;
        t->spare[idx].next = t->spare_free;
        t->spare_free = idx;
    }
}

/* ---- half-open, oldest first ---- */

static void
half_open_append(struct flow_table *t, struct flow *f)
{
    f->half_prev = t->half_newest;
    f->half_next = NULL;
    *(t->half_newest ? &t->half_newest->half_next : &t->half_oldest) = f;
    t->half_newest = f;
    f->is_half_open = true;
    t->half_open_cnt++;
}

void
flow_established(struct flow_table *t, struct flow *f)
{
    if (!f->is_half_open)
        return;
    *(f->half_prev ? &f->half_prev->half_next : &t->half_oldest) = f->half_next;
    *(f->half_next ? &f->half_next->half_prev : &t->half_newest) = f->half_prev;
    f->half_next = f->half_prev = NULL;
    f->is_half_open = false;
    t->half_open_cnt--;
}

struct flow *
flow_half_open_surplus(struct flow_table *t)
{
    return t->half_open_cnt >= t->half_open_max ? t->half_oldest : NULL;
}

/* ---- records ---- */

struct flow *
flow_add(struct flow_table *t, const struct flow_key *k, uint32_t hash)
{
    if (t->cnt == t->capacity)
        return NULL;
    uint32_t record;
    struct flow *f = t->free_list;
    if (f) {
        t->free_list = f->half_next;
        record = (uint32_t)(((uint8_t *)f - t->records) / RECORD_LEN);
    } else {
        record = t->touched_cnt++;
        f = record_at(t, record);
    }
    memset(f, 0, sizeof(*f));
    f->key = *k;
    f->record = record;
    f->hash = hash;
    f->state = FLOW_SYN;
    t->cnt++;
    half_open_append(t, f);
    index_add(t, hash, record);
    return f;
}

void
flow_remove(struct flow_table *t, struct flow *f)
{
    assert(f->record != RECORD_FREE);
    flow_established(t, f);
    index_remove(t, f->hash, f->record);
    f->record = RECORD_FREE;
    f->half_next = t->free_list;
    t->free_list = f;
    t->cnt--;
}

uint32_t
flow_cnt(const struct flow_table *t)
{
    return t->cnt;
}

uint32_t
flow_half_open_cnt(const struct flow_table *t)
{
    return t->half_open_cnt;
}

void
flow_each(struct flow_table *t, void (*fn)(struct flow *f, void *arg), void *arg)
{
    for (uint32_t i = 0; i < t->touched_cnt; i++) {
        struct flow *f = record_at(t, i);
        if (f->record == i)
            fn(f, arg);
    }
}
