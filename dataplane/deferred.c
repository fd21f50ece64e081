#include "dataplane/deferred.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    BUCKET_WORDS = 8,
    WORDS = 4 * DEFERRED_MAX,
    BUCKETS = WORDS / BUCKET_WORDS,
    DOMAIN_BUCKETS = DEFERRED_DOMAIN_MAX / BUCKET_WORDS,
    SWEEPS = 256,
    /* a word: tag 32, tries 8, minute 24 (31 years) */
    TRIES_SHIFT = 24,
    TAG_SHIFT = 32,
    MINUTE_MASK = (1 << 24) - 1
};

struct deferred {
    uint64_t seed;
    uint32_t sweep_at; /* the agent's: the next part */
    uint32_t used __attribute__((aligned(64)));
    uint64_t word[WORDS] __attribute__((aligned(64)));
};

struct deferred *
deferred_new(uint64_t seed)
{
    struct deferred *d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (d == MAP_FAILED)
        return NULL;
    d->seed = seed;
    return d;
}

void
deferred_free(struct deferred *d)
{
    if (d)
        munmap(d, sizeof(*d));
}

static int
by_octets(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int cmp = len ? memcmp(x->ptr, y->ptr, len) : 0;
    return cmp ? cmp : x->len < y->len ? -1 : x->len > y->len;
}

/* Parts are hashed one by one, so "a" + "bc" is not "ab" + "c". */
static uint64_t
mix(uint64_t h, struct span s)
{
    uint64_t part[2] = {h, s.len ? XXH3_64bits_withSeed(s.ptr, s.len, h) : 0};
    return XXH3_64bits_withSeed(part, sizeof(part), s.len);
}

uint64_t
deferred_key(const struct deferred *d, struct span domain, struct span mail_from, struct span *rcpt, size_t rcpt_cnt,
             struct span message_id, uint64_t octets_hash)
{
    uint64_t block = mix(d->seed, domain) & (BUCKETS - 1) & ~(uint64_t)(DOMAIN_BUCKETS - 1);
    uint64_t h = mix(d->seed, mail_from);
    if (rcpt_cnt > 1)
        qsort(rcpt, rcpt_cnt, sizeof(*rcpt), by_octets);
    for (size_t i = 0; i < rcpt_cnt; i++)
        h = mix(h, rcpt[i]);
    if (!message_id.len)
        message_id = (struct span){(const uint8_t *)&octets_hash, sizeof(octets_hash)};
    h = mix(h, message_id);
    return (h & ~(uint64_t)(BUCKETS - 1)) | block | (h & (DOMAIN_BUCKETS - 1));
}

static uint64_t *
bucket_of(struct deferred *d, uint64_t key)
{
    return &d->word[key % BUCKETS * BUCKET_WORDS];
}

static uint32_t
minute_of(uint64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & MINUTE_MASK;
}

static uint64_t
word_of(uint64_t key, unsigned tries, uint64_t now_ms)
{
    return key >> TAG_SHIFT << TAG_SHIFT | (uint64_t)tries << TRIES_SHIFT | minute_of(now_ms);
}

/* Tries are at least 1, so a word in use is never 0. */
static unsigned
tries_of(uint64_t word)
{
    return word >> TRIES_SHIFT & DEFERRED_TRIES_MAX;
}

static bool
is_of(uint64_t word, uint64_t key)
{
    return word && word >> TAG_SHIFT == key >> TAG_SHIFT;
}

/* What was written by a core whose clock is a little ahead is of now, and not of 31 years ago. */
static bool
is_too_old(uint64_t word, uint64_t now_ms)
{
    uint32_t age = (minute_of(now_ms) - (uint32_t)word) & MINUTE_MASK;
    return word && age > DEFERRED_KEEP_MIN && age <= MINUTE_MASK / 2;
}

static uint64_t
load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static bool
change(uint64_t *at, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(at, &from, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool
forget(struct deferred *d, uint64_t *at, uint64_t word)
{
    if (!change(at, word, 0))
        return false;
    __atomic_fetch_sub(&d->used, 1, __ATOMIC_RELAXED);
    return true;
}

/* A place in the count, before one in the table. */
static bool
reserve(struct deferred *d, uint32_t max)
{
    uint32_t limit = max < DEFERRED_MAX ? max : DEFERRED_MAX;
    if (__atomic_fetch_add(&d->used, 1, __ATOMIC_RELAXED) < limit)
        return true;
    __atomic_fetch_sub(&d->used, 1, __ATOMIC_RELAXED);
    return false;
}

static enum deferred_answer
insert(struct deferred *d, uint64_t key, uint64_t now_ms, uint32_t max)
{
    uint64_t *bucket = bucket_of(d, key);
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        uint64_t word = load(&bucket[i]);
        if (is_too_old(word, now_ms))
            forget(d, &bucket[i], word);
    }
    if (!reserve(d, max))
        return DEFERRED_FULL;
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        if (load(&bucket[i]) == 0 && change(&bucket[i], 0, word_of(key, 1, now_ms)))
            return DEFERRED_AGAIN;
    }
    __atomic_fetch_sub(&d->used, 1, __ATOMIC_RELAXED);
    return DEFERRED_CROWDED;
}

enum deferred_answer
deferred_try(struct deferred *d, uint64_t key, uint64_t now_ms, unsigned tries_max, uint32_t max, unsigned *tries)
{
    uint64_t *bucket = bucket_of(d, key);
    unsigned most = tries_max < DEFERRED_TRIES_MAX ? tries_max : DEFERRED_TRIES_MAX;
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        uint64_t word = load(&bucket[i]);
        while (is_of(word, key) && !is_too_old(word, now_ms)) {
            *tries = tries_of(word);
            if (*tries >= most && forget(d, &bucket[i], word))
                return DEFERRED_ENOUGH;
            if (*tries < most && change(&bucket[i], word, word_of(key, *tries + 1, now_ms))) {
                ++*tries;
                return DEFERRED_AGAIN;
            }
            word = load(&bucket[i]); /* the same message on another core */
        }
    }
    *tries = most ? 1 : 0;
    if (!most)
        return DEFERRED_ENOUGH;
    return insert(d, key, now_ms, max);
}

unsigned
deferred_take(struct deferred *d, uint64_t key)
{
    uint64_t *bucket = bucket_of(d, key);
    for (unsigned i = 0; i < BUCKET_WORDS; i++) {
        uint64_t word = load(&bucket[i]);
        while (is_of(word, key)) {
            if (forget(d, &bucket[i], word))
                return tries_of(word);
            word = load(&bucket[i]);
        }
    }
    return 0;
}

uint32_t
deferred_used(const struct deferred *d)
{
    return __atomic_load_n(&d->used, __ATOMIC_RELAXED);
}

void
deferred_clear(struct deferred *d)
{
    if (!deferred_used(d))
        return;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t word = load(&d->word[i]);
        if (word)
            forget(d, &d->word[i], word);
    }
}

void
deferred_sweep(struct deferred *d, uint64_t now_ms)
{
    uint32_t part = d->sweep_at++ % SWEEPS;
    if (!deferred_used(d))
        return;
    for (uint32_t i = part * (WORDS / SWEEPS); i < (part + 1) * (WORDS / SWEEPS); i++) {
        uint64_t word = load(&d->word[i]);
        if (is_too_old(word, now_ms))
            forget(d, &d->word[i], word);
    }
}
