#include "dataplane/tally.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    CACHE_LINE = 64,
    SEEN_WORDS = TALLY_SEEN_BITS / 64,
    PROBES_MAX = 256,  /* places looked at for a name: in a full table nearly all are within */
    SPINS_MAX = 10000, /* for a place that another core is writing */
    STATE_FREE = 0,
    STATE_WRITING = 1,
    STATE_READABLE = 2,
    SCORE_DIFFERS = 1 << 31
};

static_assert((LINK_STRATA_MAX & (LINK_STRATA_MAX - 1)) == 0, "places are masked");

/* A core is at the table. */
struct busy {
    _Alignas(CACHE_LINE) uint32_t is_busy;
};

struct tally {
    struct link_evidence *e;
    uint64_t seed;
    unsigned threads_cnt;
    struct busy *busy;
    uint64_t epoch; /* the page's, which is for others to read */

    /* written by the agent while the epoch is odd */
    uint32_t generation_a, generation_b;
    uint32_t *map; /* by rule of b: 1 + a's rule of that name, 0: none; SCORE_DIFFERS */
    uint32_t map_cnt;

    uint32_t kind_cnt[LINK_KIND_CNT]; /* places taken; atomic */
    struct link_stratum *kept;        /* the agent's, for windows */
    uint32_t units_proven;            /* of the last window */
    /* Suffixes that were proven when a pair in LIVE gave way to another one, by hash. Written while the epoch is odd. */
    uint32_t proven_a, proven_b, proven_cnt, proven_window;
    struct link_stratum *proven;
    uint32_t seen_cnt;                /* domains in it; atomic */
    uint64_t seen[SEEN_WORDS];
};

/* ---- pure ---- */

bool
tally_trips(const struct link_trip_table *t, uint64_t n, uint64_t k)
{
    return k > 0 && n <= t->n_max[k < LINK_TRIP_MAX ? k : LINK_TRIP_MAX - 1];
}

uint32_t
tally_share(enum link_kind kind)
{
    switch (kind) {
    case LINK_KIND_SENDER_SUFFIX:
        return LINK_STRATA_MAX / 2;
    case LINK_KIND_RCPT_DOMAIN:
        return LINK_STRATA_MAX / 4;
    case LINK_KIND_RCPT_SUFFIX:
    case LINK_KIND_RULE:
        return LINK_STRATA_MAX / 8;
    case LINK_KIND_ALL:
    case LINK_KIND_MIRROR:
    case LINK_KIND_ERROR:
    case LINK_KIND_CNT:
        break;
    }
    return 0;
}

const char *
tally_kind_name(enum link_kind kind)
{
    static const char *const names[LINK_KIND_CNT] = {"all",         "sender-suffix", "recipient-suffix", "recipient-domain",
                                                     "rule", "mirror",        "error"};
    return (unsigned)kind < LINK_KIND_CNT ? names[kind] : "?";
}

static struct tally_stratum
stratum_of(enum link_kind kind, struct span name)
{
    struct tally_stratum s = {.kind = kind};
    size_t cut = name.len > LINK_NAME_MAX - 1 ? name.len - (LINK_NAME_MAX - 1) : 0;
    s.len = (uint32_t)(name.len - cut);
    for (uint32_t i = 0; i < s.len; i++)
        s.name[i] = name.ptr[cut + i] ? (char)name.ptr[cut + i] : '?';
    s.hash = XXH3_64bits_withSeed(s.name, s.len, kind);
    return s;
}

void
tally_add(struct tally_mail *m, enum link_kind kind, struct span name)
{
    struct tally_stratum s = stratum_of(kind, name);
    for (uint32_t i = 0; i < m->strata_cnt; i++) {
        if (m->strata[i].kind == kind && m->strata[i].hash == s.hash)
            return;
    }
    if (m->strata_cnt < TALLY_STRATA_MAX)
        m->strata[m->strata_cnt++] = s;
}

/* ---- set-up and the agent ---- */

struct tally *
tally_new(struct link_evidence *e, unsigned threads_cnt, uint64_t seed)
{
    struct tally *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->e = e;
    t->seed = seed;
    t->threads_cnt = threads_cnt;
    t->busy = aligned_alloc(CACHE_LINE, threads_cnt * sizeof(*t->busy));
    t->kept = calloc(LINK_STRATA_MAX, sizeof(*t->kept));
    t->proven = calloc(LINK_STRATA_MAX, sizeof(*t->proven));
    if (!t->busy || !t->kept || !t->proven) {
        tally_free(t);
        return NULL;
    }
    memset(t->busy, 0, threads_cnt * sizeof(*t->busy));
    return t;
}

void
tally_free(struct tally *t)
{
    if (!t)
        return;
    free(t->busy);
    free(t->kept);
    free(t->proven);
    free(t->map);
    free(t);
}

/* Nobody counts until go_on(): who looks at the epoch from now on leaves, who looked before is waited for. */
static void
stop(struct tally *t)
{
    __atomic_store_n(&t->epoch, t->epoch + 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < t->threads_cnt; i++) {
        while (__atomic_load_n(&t->busy[i].is_busy, __ATOMIC_SEQ_CST))
            sched_yield();
    }
}

static void
go_on(struct tally *t)
{
    __atomic_store_n(&t->epoch, t->epoch + 1, __ATOMIC_SEQ_CST);
}

/* The same, and who reads the page is told of a reset. */
static void
hold(struct tally *t)
{
    stop(t);
    __atomic_store_n(&t->e->epoch, t->epoch, __ATOMIC_SEQ_CST);
}

static void
resume(struct tally *t)
{
    __atomic_store_n(&t->e->epoch, t->epoch + 1, __ATOMIC_RELEASE);
    go_on(t);
}

static void
clear_seen(struct tally *t)
{
    memset(t->seen, 0, sizeof(t->seen));
    t->seen_cnt = 0;
}

static void
clear(struct tally *t)
{
    struct link_evidence *e = t->e;
    clear_seen(t);
    memset(t->kind_cnt, 0, sizeof(t->kind_cnt));
    memset(e->strata, 0, sizeof(e->strata));
    e->strata_cnt = 0;
    e->nk_all = e->nk_mirror = e->nk_error = 0;
    e->repeats = e->strata_full = 0;
}

/* Rules by name, to be found while the map is made. */
struct names {
    uint32_t *place; /* 1 + rule, 0: free */
    uint32_t mask;
};

static uint32_t
name_hash(const char *name)
{
    return (uint32_t)XXH3_64bits(name, strlen(name));
}

static bool
index_names(struct names *n, const struct ruleset *rs)
{
    uint32_t cnt = ruleset_rule_cnt(rs), size = 64;
    while (size < 2 * cnt)
        size *= 2;
    n->place = calloc(size, sizeof(*n->place));
    n->mask = size - 1;
    for (uint32_t i = 0; n->place && i < cnt; i++) {
        if (!ruleset_rule_is_reported(rs, i))
            continue;
        uint32_t at = name_hash(ruleset_rule_name(rs, i)) & n->mask;
        while (n->place[at])
            at = (at + 1) & n->mask;
        n->place[at] = i + 1;
    }
    return n->place != NULL;
}

static uint32_t
find_name(const struct names *n, const struct ruleset *rs, const char *name)
{
    uint32_t at = name_hash(name) & n->mask;
    while (n->place[at] && strcmp(ruleset_rule_name(rs, n->place[at] - 1), name) != 0)
        at = (at + 1) & n->mask;
    return n->place[at];
}

static uint32_t *
make_map(const struct ruleset *a, const struct ruleset *b)
{
    uint32_t cnt = ruleset_rule_cnt(b);
    uint32_t *map = calloc(cnt + 1, sizeof(*map));
    struct names names = {0};
    if (!map || !index_names(&names, a)) {
        free(map);
        return NULL;
    }
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t place = find_name(&names, a, ruleset_rule_name(b, i));
        bool differs = place && ruleset_rule_score_milli(a, place - 1) != ruleset_rule_score_milli(b, i);
        map[i] = place | (differs ? (uint32_t)SCORE_DIFFERS : 0);
    }
    free(names.place);
    return map;
}

void
tally_tend(struct tally *t)
{
    if (__atomic_load_n(&t->seen_cnt, __ATOMIC_RELAXED) < TALLY_SEEN_MAX)
        return;
    stop(t);
    clear_seen(t);
    go_on(t);
}

/* ---- strata ---- */

static uint32_t
n_of(uint64_t nk)
{
    return (uint32_t)(nk >> 32);
}

static uint32_t
k_of(uint64_t nk)
{
    return (uint32_t)nk;
}

/* Its place is ours: fills it in and shows it. */
static void
write_stratum(struct tally *t, struct link_stratum *place, const struct tally_stratum *s, uint32_t n_base)
{
    place->kind = (uint16_t)s->kind;
    place->flags = 0;
    place->order = __atomic_add_fetch(&t->kind_cnt[s->kind], 1, __ATOMIC_RELAXED);
    place->n_base = n_base;
    place->hash = s->hash;
    memcpy(place->name, s->name, LINK_NAME_MAX);
    __atomic_add_fetch(&t->e->strata_cnt, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&place->state, STATE_READABLE, __ATOMIC_RELEASE);
}

static bool
is_stratum(const struct link_stratum *place, const struct tally_stratum *s)
{
    return place->kind == s->kind && place->hash == s->hash && memcmp(place->name, s->name, LINK_NAME_MAX) == 0;
}

/* Its state once nobody writes it; STATE_WRITING: the writer was stopped in the middle, and is not waited for. */
static uint32_t
settled_state(const struct link_stratum *place)
{
    uint32_t state = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; state == STATE_WRITING && i < SPINS_MAX; i++) {
        __builtin_ia32_pause();
        state = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE);
    }
    return state;
}

/* The place of s. is_made: not NULL: when it has none, a new one with n_base. NULL: it has none, or there is no room. */
static struct link_stratum *
find_stratum(struct tally *t, const struct tally_stratum *s, bool *is_made, uint32_t n_base)
{
    uint64_t first = XXH3_64bits_withSeed(&s->hash, sizeof(s->hash), t->seed); /* nobody can aim at a neighbourhood */
    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        struct link_stratum *place = &t->e->strata[(first + i) & (LINK_STRATA_MAX - 1)];
        uint32_t state = settled_state(place);
        if (state == STATE_FREE) {
            if (!is_made || __atomic_load_n(&t->kind_cnt[s->kind], __ATOMIC_RELAXED) >= tally_share(s->kind))
                return NULL;
            if (__atomic_compare_exchange_n(&place->state, &state, STATE_WRITING, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED)) {
                write_stratum(t, place, s, n_base);
                *is_made = true;
                return place;
            }
            state = settled_state(place);
        }
        if (state != STATE_READABLE)
            return NULL;
        if (is_stratum(place, s))
            return place;
    }
    return NULL;
}

/* ---- what outlives a pair or a window ---- */

static int
by_order(const void *a, const void *b)
{
    uint32_t x = ((const struct link_stratum *)a)->order, y = ((const struct link_stratum *)b)->order;
    return x < y ? -1 : x > y;
}

static int
by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct link_stratum *)a)->hash, y = ((const struct link_stratum *)b)->hash;
    return x < y ? -1 : x > y;
}

/* Sender suffixes that are proven now; how many. */
static uint32_t
take_proven(const struct tally *t, uint32_t units_proven, struct link_stratum *to)
{
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < LINK_STRATA_MAX; i++) {
        const struct link_stratum *s = &t->e->strata[i];
        if (s->state == STATE_READABLE && s->kind == LINK_KIND_SENDER_SUFFIX &&
            ((s->flags & LINK_STRATUM_PROVEN) || n_of(s->nk) >= units_proven))
            to[cnt++] = *s;
    }
    return cnt;
}

/* Into the empty table, in the order of before. */
static void
put_proven(struct tally *t, struct link_stratum *list, uint32_t cnt)
{
    qsort(list, cnt, sizeof(*list), by_order);
    for (uint32_t i = 0; i < cnt; i++) {
        struct tally_stratum s = {.kind = LINK_KIND_SENDER_SUFFIX, .hash = list[i].hash};
        memcpy(s.name, list[i].name, LINK_NAME_MAX);
        bool is_made;
        struct link_stratum *place = find_stratum(t, &s, &is_made, 0);
        if (place)
            place->flags = LINK_STRATUM_PROVEN;
    }
}

/* A candidate's pair takes the place of one in LIVE, and will give it back if it goes. */
static void
keep_proven(struct tally *t)
{
    if (t->e->window == 0)
        return;
    t->proven_a = t->generation_a;
    t->proven_b = t->generation_b;
    t->proven_window = t->e->window;
    t->proven_cnt = take_proven(t, t->units_proven, t->proven);
    qsort(t->proven, t->proven_cnt, sizeof(*t->proven), by_hash);
}

static bool
was_proven(const struct tally *t, const struct tally_stratum *s)
{
    const struct link_stratum key = {.hash = s->hash};
    const struct link_stratum *found = bsearch(&key, t->proven, t->proven_cnt, sizeof(*t->proven), by_hash);
    return found && memcmp(found->name, s->name, LINK_NAME_MAX) == 0;
}

int
tally_pair(struct tally *t, const struct ruleset *a, const struct ruleset *b)
{
    if (!a || !b || (ruleset_generation(a) == t->generation_a && ruleset_generation(b) == t->generation_b))
        return 0;
    uint32_t *map = make_map(a, b), *old = t->map;
    hold(t);
    keep_proven(t);
    clear(t);
    t->e->ns_a = t->e->ns_b = 0;
    t->e->window = 0;
    t->map = map;
    t->map_cnt = map ? ruleset_rule_cnt(b) : 0;
    t->generation_a = t->e->generation_a = map ? ruleset_generation(a) : 0;
    t->generation_b = t->e->generation_b = map ? ruleset_generation(b) : 0;
    if (map && t->generation_a == t->proven_a && t->generation_b == t->proven_b) {
        put_proven(t, t->proven, t->proven_cnt);
        t->e->window = t->proven_window; /* each has its part of alpha once */
    }
    resume(t);
    free(old);
    return map ? 0 : -ENOMEM;
}

void
tally_window(struct tally *t, uint32_t units_proven)
{
    hold(t);
    uint32_t cnt = take_proven(t, units_proven, t->kept);
    clear(t);
    put_proven(t, t->kept, cnt);
    t->units_proven = units_proven;
    t->e->window++;
    resume(t);
}

/* ---- cores ---- */

/* False: the counts are being reset. */
static bool
enter(struct tally *t, unsigned thread_idx)
{
    __atomic_store_n(&t->busy[thread_idx].is_busy, 1, __ATOMIC_SEQ_CST);
    if (!(__atomic_load_n(&t->epoch, __ATOMIC_SEQ_CST) & 1))
        return true;
    __atomic_store_n(&t->busy[thread_idx].is_busy, 0, __ATOMIC_RELEASE);
    return false;
}

static void
leave(struct tally *t, unsigned thread_idx)
{
    __atomic_store_n(&t->busy[thread_idx].is_busy, 0, __ATOMIC_RELEASE);
}

static void
add(uint64_t *to, uint64_t n)
{
    __atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

/* Whether this domain is new to the stratum of that hash: true once, whoever asks. */
static bool
is_new(struct tally *t, uint64_t stratum, struct span domain)
{
    uint64_t h = XXH3_64bits_withSeed(domain.ptr, domain.len, t->seed ^ stratum);
    uint64_t bits = UINT64_C(1) << (h >> 58) | UINT64_C(1) << (h >> 52 & 63);
    uint64_t old = __atomic_fetch_or(&t->seen[h % SEEN_WORDS], bits, __ATOMIC_RELAXED);
    if ((old & bits) != bits) {
        __atomic_fetch_add(&t->seen_cnt, 1, __ATOMIC_RELAXED);
        return true;
    }
    add(&t->e->repeats, 1);
    return false;
}

/* One unit; n and k with it. */
static uint64_t
count_unit(uint64_t *nk, bool is_bad)
{
    return __atomic_add_fetch(nk, (UINT64_C(1) << 32) + is_bad, __ATOMIC_RELAXED);
}

static bool
is_exempt(const struct link_stage *v, enum link_kind kind, const char *name)
{
    for (uint32_t i = 0; i < v->exempt_cnt && i < LINK_EXEMPT_MAX; i++) {
        if (v->exempt[i].kind == (uint32_t)kind && strncmp(v->exempt[i].name, name, LINK_NAME_MAX) == 0)
            return true;
    }
    return false;
}

/* NULL: the stratum does not trip here. */
static const struct link_trip_table *
table_of(const struct link_stage *v, enum link_kind kind, const char *name)
{
    if (is_exempt(v, kind, name))
        return kind == LINK_KIND_RULE ? &v->trip_declared : NULL;
    return kind == LINK_KIND_ALL ? &v->trip_all : kind == LINK_KIND_MIRROR ? &v->trip_mirror
           : kind == LINK_KIND_ERROR ? &v->trip_error : &v->trip_stratum;
}

/* What is counted into, while one mail is. */
struct counting {
    struct tally *t;
    const struct tally_mail *m;
    const struct link_stage *v;
    struct link_trip *why;
    bool is_bad;      /* newly rejected, and not as was declared */
    bool has_tripped; /* the first one is told */
};

static void
check(struct counting *c, enum link_kind kind, const char *name, uint32_t n, uint32_t k)
{
    static const char *const what[LINK_KIND_CNT] = {[LINK_KIND_MIRROR] = "are no longer rejected",
                                                    [LINK_KIND_ERROR] = "could not be scanned"};
    const struct link_trip_table *table = c->has_tripped ? NULL : table_of(c->v, kind, name);
    if (!table || !tally_trips(table, n, k))
        return;
    c->has_tripped = true;
    *c->why = (struct link_trip){.reason = LINK_REASON_EVIDENCE, .kind = kind, .n = n, .k = k, .by_data_plane = 1};
    memcpy(c->why->name, name, strnlen(name, LINK_NAME_MAX - 1));
    snprintf(c->why->text, sizeof(c->why->text), "%s%s%s: %u of %u units %s", tally_kind_name(kind), *name ? " " : "",
             c->why->name, k, n, what[kind] ? what[kind] : "are newly rejected");
}

static void
count_family(struct counting *c, uint64_t *nk, enum link_kind kind, bool is_bad)
{
    uint64_t now = count_unit(nk, is_bad);
    if (is_bad)
        check(c, kind, "", n_of(now), k_of(now));
}

static void
count_stratum(struct counting *c, const struct tally_stratum *s)
{
    bool is_made;
    struct link_stratum *place = find_stratum(c->t, s, &is_made, 0);
    if (!place) {
        add(&c->t->e->strata_full, 1);
        return;
    }
    if (!is_new(c->t, s->hash, c->m->sender))
        return;
    uint64_t now = count_unit(&place->nk, c->is_bad);
    if (c->is_bad)
        check(c, s->kind, s->name, n_of(now), k_of(now));
}

/* k alone; n is ALL's since the rule was first seen. */
static void
count_rule(struct counting *c, const char *name, uint32_t all_n)
{
    struct tally_stratum s =
        stratum_of(LINK_KIND_RULE, (struct span){(const uint8_t *)name, strlen(name)});
    bool is_made = false;
    struct link_stratum *place = find_stratum(c->t, &s, &is_made, all_n);
    if (!place)
        add(&c->t->e->strata_full, 1);
    if (!place || is_made)
        return;
    uint32_t k = k_of(__atomic_add_fetch(&place->nk, 1, __ATOMIC_RELAXED));
    uint32_t n = n_of(__atomic_load_n(&c->t->e->nk_all, __ATOMIC_RELAXED)) - place->n_base;
    /* another core's unit may be behind the base of ours */
    check(c, LINK_KIND_RULE, s.name, (int32_t)n > (int32_t)k ? n : k, k);
}

static void
count_rules(struct counting *c, uint32_t all_n)
{
    const struct tally_mail *m = c->m;
    const struct tally *t = c->t;
    if (!m->a || !m->b)
        return;
    const struct ruleset *rs = message_ruleset(m->b);
    unsigned cnt = 0;
    for (uint32_t i = message_next_hit(m->b, 0); i < t->map_cnt && cnt < TALLY_RULES_MAX;
         i = message_next_hit(m->b, i + 1)) {
        uint32_t was = t->map[i] & ~(uint32_t)SCORE_DIFFERS;
        if (!ruleset_rule_is_reported(rs, i) || ruleset_rule_score_milli(rs, i) == 0)
            continue;
        if (was && !(t->map[i] & (uint32_t)SCORE_DIFFERS) && message_hit(m->a, was - 1))
            continue;
        count_rule(c, ruleset_rule_name(rs, i), all_n);
        cnt++;
    }
}

/* Whether new would accept it without what declared rules add: what the others add together is nothing, and with as
 * many points old accepts. */
static bool
is_as_declared(const struct counting *c)
{
    const struct tally_mail *m = c->m;
    const struct tally *t = c->t;
    if (c->v->exempt_cnt == 0 || !m->a || !m->b)
        return false;
    const struct ruleset *a = message_ruleset(m->a), *b = message_ruleset(m->b);
    int64_t others = (int64_t)m->b_milli - m->a_milli;
    for (uint32_t i = message_next_hit(m->b, 0); i < t->map_cnt && others > 0; i = message_next_hit(m->b, i + 1)) {
        uint32_t was = t->map[i] & ~(uint32_t)SCORE_DIFFERS;
        int32_t before = was && message_hit(m->a, was - 1) ? ruleset_rule_score_milli(a, was - 1) : 0;
        int32_t more = ruleset_rule_score_milli(b, i) - before;
        if (more > 0 && ruleset_rule_is_reported(b, i) && is_exempt(c->v, LINK_KIND_RULE, ruleset_rule_name(b, i)))
            others -= more;
    }
    return others <= 0;
}

/* Mail that the old set accepts. */
static void
count_accepted(struct counting *c)
{
    const struct tally_mail *m = c->m;
    c->is_bad = m->b_rejects && !is_as_declared(c);
    if (is_new(c->t, LINK_KIND_ALL, m->sender)) {
        uint64_t now = count_unit(&c->t->e->nk_all, c->is_bad);
        if (m->b_rejects)
            count_rules(c, n_of(now)); /* before ALL: who is to blame is the better reason */
        for (uint32_t i = 0; i < m->strata_cnt; i++)
            count_stratum(c, &m->strata[i]);
        if (c->is_bad)
            check(c, LINK_KIND_ALL, "", n_of(now), k_of(now));
        return;
    }
    for (uint32_t i = 0; i < m->strata_cnt; i++)
        count_stratum(c, &m->strata[i]);
}

bool
tally_count(struct tally *t, unsigned thread_idx, const struct tally_mail *m, const struct link_stage *values,
            struct link_trip *why)
{
    struct counting c = {.t = t, .m = m, .v = values, .why = why};
    if (!enter(t, thread_idx))
        return false;
    if (m->generation_a == t->generation_a && m->generation_b == t->generation_b && t->map) {
        add(&t->e->ns_a, m->ns_a);
        add(&t->e->ns_b, m->ns_b);
        count_family(&c, &t->e->nk_error, LINK_KIND_ERROR, m->is_error);
        if (m->is_comparable && !m->a_rejects)
            count_accepted(&c);
        else if (m->is_comparable && is_new(t, LINK_KIND_MIRROR, m->sender))
            count_family(&c, &t->e->nk_mirror, LINK_KIND_MIRROR, !m->b_rejects);
    }
    leave(t, thread_idx);
    return c.has_tripped;
}

/* In the table. */
static bool
is_proven(struct tally *t, const struct tally_stratum *s, uint32_t units_proven)
{
    const struct link_stratum *place = find_stratum(t, s, NULL, 0);
    return place && ((place->flags & LINK_STRATUM_PROVEN) ||
                     n_of(__atomic_load_n(&place->nk, __ATOMIC_RELAXED)) >= units_proven);
}

bool
tally_is_proven(struct tally *t, unsigned thread_idx, uint32_t generation_b, struct span suffix, uint32_t units_proven)
{
    struct tally_stratum s = stratum_of(LINK_KIND_SENDER_SUFFIX, suffix);
    bool is = false;
    if (!units_proven)
        return true;
    if (!enter(t, thread_idx))
        return false;
    if (generation_b == t->generation_b)
        is = is_proven(t, &s, units_proven);
    else if (generation_b == t->proven_b)
        is = was_proven(t, &s);
    leave(t, thread_idx);
    return is;
}
