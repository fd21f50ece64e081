#include "control/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "control/evidence_mix.h"

enum { NAMES_SLOTS = 4 * LINK_STRATA_MAX };

#define TERM_LOG_MAX 600.0 /* a stratum's part of M is cut there, so that 4096 of them can be summed */
#define YEAR_MS UINT64_C(31536000000)
#define YEAR_WINDOWS_MAX 65536.0 /* of windows of seconds, in tests */

/* How alpha is shared (evidence.h). */
#define PART_LIVE 0.5
#define PART_M 0.40
#define PART_MIRROR 0.10
#define PART_ERROR 0.10
#define PART_TABLE 0.05
#define PART_TABLE_STRATA 0.25

static const double kind_weight[LINK_KIND_CNT] = {
    [LINK_KIND_ALL] = 0.20,         [LINK_KIND_SENDER_SUFFIX] = 0.25, [LINK_KIND_RCPT_SUFFIX] = 0.15,
    [LINK_KIND_RCPT_DOMAIN] = 0.15, [LINK_KIND_RULE] = 0.15,
};
#define NOVEL_WEIGHT 0.10
#define PER_SQUARE (6 / (M_PI * M_PI)) /* sum of PER_SQUARE/j^2 over j = 1, 2, ... is 1 */

const struct evidence_settings evidence_settings_default = {
    .alpha = 1e-6, .rho_all = 0.005, .rho_stratum = 0.01, .rho_mirror = 0.2, .rho_error = 1e-4};

/* ---- names: what was said of strata beforehand ---- */

struct name {
    uint32_t kind; /* LINK_KIND_CNT: free */
    uint32_t rank; /* 1: the largest of its kind; 0: not known */
    double rho;    /* 0: not declared */
    char name[LINK_NAME_MAX];
};

/* What a stratum of the page came to; by its place there. */
struct seen {
    bool is_seen, is_rule;
    uint16_t kind;
    uint32_t n_base;
    uint64_t nk; /* as it was read */
    uint64_t n, k;
    double weight, log_weight;
    double log_e;
    double term; /* weight * E, E cut at TERM_LOG_MAX */
    struct mix mix;
    char name[LINK_NAME_MAX];
};

struct evidence {
    struct evidence_settings settings;
    struct mix stratum, mirror, error; /* mixtures of the rho that are not declared */
    double rho_all;
    uint32_t known_cnt[LINK_KIND_CNT];
    uint32_t names_cnt;
    struct name names[NAMES_SLOTS]; /* open addressing, at most a quarter used */

    /* Of the epoch that is being read. */
    bool has_epoch;
    uint64_t epoch;
    uint64_t window_cnt; /* LIVE windows so far: this one's number */
    uint32_t novel_cnt;
    double cash;                                              /* weight that nobody has */
    bool is_taken[LINK_KIND_CNT][LINK_STRATA_MAX + 1];        /* places of a kind */
    struct seen all;
    uint32_t seen_cnt;
    struct seen seen[LINK_STRATA_MAX];
};

static double
raised(double rho, double declared)
{
    return declared > rho ? declared : rho;
}

struct evidence *
evidence_new(const struct evidence_settings *s)
{
    struct evidence *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->settings = *s;
    e->rho_all = s->rho_all;
    mix_init(&e->stratum, s->rho_stratum);
    mix_init(&e->mirror, s->rho_mirror);
    mix_init(&e->error, s->rho_error);
    for (size_t i = 0; i < NAMES_SLOTS; i++)
        e->names[i].kind = LINK_KIND_CNT;
    return e;
}

void
evidence_free(struct evidence *e)
{
    free(e);
}

/* The free slot or the one of that name. FNV-1a: the names come from operators and our own journal. */
static struct name *
find_name(struct evidence *e, uint32_t kind, const char *name)
{
    uint32_t hash = 2166136261u ^ kind;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    for (;; hash++) {
        struct name *slot = &e->names[hash % NAMES_SLOTS];
        if (slot->kind == LINK_KIND_CNT || (slot->kind == kind && strcmp(slot->name, name) == 0))
            return slot;
    }
}

/* As the page has it: the end of a long one, lower case but for rules. */
static void
fit_name(char to[LINK_NAME_MAX], uint32_t kind, const char *name)
{
    size_t len = strlen(name);
    size_t cut = len < LINK_NAME_MAX ? 0 : len - (LINK_NAME_MAX - 1);
    memset(to, 0, LINK_NAME_MAX);
    for (size_t i = 0; cut + i < len; i++) {
        char c = name[cut + i];
        to[i] = kind != LINK_KIND_RULE && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
}

static struct name *
get_name(struct evidence *e, enum link_kind kind, const char *name)
{
    char fit[LINK_NAME_MAX];
    fit_name(fit, kind, name);
    struct name *slot = find_name(e, kind, fit);
    if (slot->kind == LINK_KIND_CNT) {
        if (e->names_cnt == LINK_STRATA_MAX)
            return NULL;
        e->names_cnt++;
        slot->kind = kind;
        memcpy(slot->name, fit, sizeof(fit));
    }
    return slot;
}

void
evidence_know(struct evidence *e, enum link_kind kind, const char *name)
{
    if (kind != LINK_KIND_SENDER_SUFFIX && kind != LINK_KIND_RCPT_SUFFIX && kind != LINK_KIND_RCPT_DOMAIN)
        return;
    struct name *slot = get_name(e, kind, name);
    if (slot && slot->rank == 0)
        slot->rank = ++e->known_cnt[kind];
}

void
evidence_declare(struct evidence *e, enum link_kind kind, const char *name, double rho)
{
    if (!(rho > 0))
        return;
    if (kind == LINK_KIND_ALL) {
        e->rho_all = raised(e->rho_all, rho);
    } else if (kind == LINK_KIND_MIRROR) {
        mix_init(&e->mirror, raised(e->mirror.rho, rho));
    } else if (kind == LINK_KIND_ERROR) {
        mix_init(&e->error, raised(e->error.rho, rho));
    } else {
        struct name *slot = get_name(e, kind, name);
        if (slot)
            slot->rho = raised(slot->rho, rho);
    }
}

/* ---- for the data plane ---- */

/* The name with the largest declared rho below `below` (or equal to it, and later in the table than `after`). */
static const struct name *
next_declared(const struct evidence *e, const struct name *after)
{
    const struct name *best = NULL;
    for (const struct name *at = e->names; at < e->names + NAMES_SLOTS; at++) {
        if (at->kind == LINK_KIND_CNT || !(at->rho > e->settings.rho_stratum))
            continue;
        if (after && (at->rho > after->rho || (at->rho == after->rho && at <= after)))
            continue;
        if (!best || at->rho > best->rho)
            best = at;
    }
    return best;
}

void
evidence_stage(const struct evidence *e, uint32_t window_ms, struct link_stage *to)
{
    double alpha = e->settings.alpha * (window_ms ? PART_LIVE : 1 - PART_LIVE);
    if (window_ms)
        alpha /= fmin(fmax((double)(YEAR_MS / window_ms), 1), YEAR_WINDOWS_MAX);
    const struct name *declared = NULL;
    double rho_rule = 0, limit_stratum = -log(alpha * PART_TABLE_STRATA / LINK_STRATA_MAX);
    to->exempt_cnt = 0;
    memset(to->exempt, 0, sizeof(to->exempt));
    while ((declared = next_declared(e, declared)) != NULL && to->exempt_cnt < LINK_EXEMPT_MAX) {
        struct link_exempt *x = &to->exempt[to->exempt_cnt++];
        x->kind = declared->kind;
        memcpy(x->name, declared->name, sizeof(x->name));
        if (x->kind == LINK_KIND_RULE)
            rho_rule = fmax(rho_rule, declared->rho);
    }
    double limit = -log(alpha * PART_TABLE);
    evidence_trip_table(e->rho_all, limit, &to->trip_all);
    evidence_trip_table(e->mirror.rho, limit, &to->trip_mirror);
    evidence_trip_table(e->error.rho, limit, &to->trip_error);
    evidence_trip_table(declared ? declared->rho : e->settings.rho_stratum, limit_stratum, &to->trip_stratum);
    evidence_trip_table(rho_rule, limit_stratum, &to->trip_declared); /* an exempt stratum's share of alpha is unspent */
}

/* ---- reading the page ---- */

static void
begin_epoch(struct evidence *e, uint64_t epoch, uint32_t window)
{
    bool is_next = e->has_epoch && window > 0;
    e->has_epoch = true;
    e->epoch = epoch;
    /* The page's number survives our restart, ours its restart. */
    e->window_cnt = window == 0 ? 0 : e->window_cnt + is_next > window ? e->window_cnt + is_next : window;
    e->novel_cnt = 0;
    e->seen_cnt = 0;
    memset(e->is_taken, 0, sizeof(e->is_taken));
    for (size_t i = 0; i < LINK_STRATA_MAX; i++)
        e->seen[i].is_seen = false;
    e->all = (struct seen){.is_seen = true, .kind = LINK_KIND_ALL, .weight = kind_weight[LINK_KIND_ALL]};
    e->all.log_weight = log(e->all.weight);
    e->all.term = e->all.weight;
    mix_init(&e->all.mix, e->rho_all);
    e->cash = 1 - e->all.weight;
}

/* A stratum's part of the budget, given before its outcomes count. A place that does not exist or that another has
 * already gets nothing: only a page that lies has such. */
static double
take_weight(struct evidence *e, uint32_t kind, const char *name, uint32_t order)
{
    double weight = kind_weight[kind];
    uint32_t place = order;
    if (e->known_cnt[kind] > 0) {
        place = find_name(e, kind, name)->rank;
        if (place == 0) {
            double j = ++e->novel_cnt;
            return NOVEL_WEIGHT * PER_SQUARE / (j * j);
        }
    }
    if (place == 0 || place > LINK_STRATA_MAX || e->is_taken[kind][place])
        return 0;
    e->is_taken[kind][place] = true;
    return weight * PER_SQUARE / ((double)place * place);
}

/* The first sight of a stratum. */
static void
take_stratum(struct evidence *e, struct seen *s, const struct link_stratum *from, uint32_t kind)
{
    union {
        uint64_t word[LINK_NAME_MAX / 8];
        char text[LINK_NAME_MAX];
    } name;
    for (size_t i = 0; i < LINK_NAME_MAX / 8; i++)
        name.word[i] = __atomic_load_n((const uint64_t *)(const void *)(from->name + 8 * i), __ATOMIC_RELAXED);
    name.text[LINK_NAME_MAX - 1] = '\0';
    for (char *at = name.text; *at; at++) /* it is shown on terminals */
        *at = *at > ' ' && *at <= '~' ? *at : '?';
    *s = (struct seen){.is_seen = true, .is_rule = kind == LINK_KIND_RULE, .kind = (uint16_t)kind};
    memcpy(s->name, name.text, strlen(name.text));
    s->n_base = __atomic_load_n(&from->n_base, __ATOMIC_RELAXED);
    s->weight = take_weight(e, kind, s->name, __atomic_load_n(&from->order, __ATOMIC_RELAXED));
    s->log_weight = log(s->weight); /* -inf when it has none */
    s->term = s->weight;
    e->cash -= s->weight;
    e->seen_cnt++;
    double rho = find_name(e, kind, s->name)->rho;
    if (rho > e->settings.rho_stratum)
        mix_init(&s->mix, rho);
    else
        s->mix = e->stratum;
}

static void
take_counts(struct seen *s, uint64_t n, uint64_t k)
{
    s->n = n;
    s->k = k < n ? k : n;
    s->log_e = mix_log_e(&s->mix, s->n, s->k);
    s->term = exp(fmin(s->log_e + s->log_weight, TERM_LOG_MAX));
}

/* Takes up new strata and counts. Rules wait for ALL's count, which is read after theirs, so never lags behind. */
static void
scan_strata(struct evidence *e, const struct link_evidence *t)
{
    for (size_t i = 0; i < LINK_STRATA_MAX; i++) {
        const struct link_stratum *from = &t->strata[i];
        struct seen *s = &e->seen[i];
        if (!s->is_seen) {
            if (__atomic_load_n(&from->state, __ATOMIC_ACQUIRE) != 2)
                continue;
            uint32_t kind = __atomic_load_n(&from->kind, __ATOMIC_RELAXED);
            if (kind == LINK_KIND_ALL || kind > LINK_KIND_RULE)
                continue;
            take_stratum(e, s, from, kind);
        }
        uint64_t nk = __atomic_load_n(&from->nk, __ATOMIC_RELAXED);
        bool is_changed = nk != s->nk;
        s->nk = nk;
        if (is_changed && !s->is_rule)
            take_counts(s, nk >> 32, nk & UINT32_MAX);
    }
}

static void
read_rules(struct evidence *e)
{
    for (size_t i = 0; i < LINK_STRATA_MAX; i++) {
        struct seen *s = &e->seen[i];
        if (!s->is_seen || !s->is_rule)
            continue;
        uint64_t n = e->all.n > s->n_base ? e->all.n - s->n_base : 0;
        uint64_t k = s->nk & UINT32_MAX;
        k = k < n ? k : n;
        if (n != s->n || k != s->k)
            take_counts(s, n, k);
    }
}

/* Its part for this epoch. */
static double
epoch_alpha(const struct evidence *e)
{
    double j = (double)e->window_cnt;
    return e->settings.alpha * (j > 0 ? PART_LIVE * PER_SQUARE / (j * j) : 1 - PART_LIVE);
}

static double
m_limit(const struct evidence *e)
{
    return -log(epoch_alpha(e) * PART_M);
}

static void
tell(const struct seen *s, double limit_m, struct evidence_stratum *to)
{
    *to = (struct evidence_stratum){.kind = (enum link_kind)s->kind, .n = s->n, .k = s->k, .log_e = s->log_e,
                                    .rho = s->mix.rho, .is_localised = s->log_e + s->log_weight >= limit_m};
    memcpy(to->name, s->name, sizeof(to->name));
}

static void
add_worst(const struct seen *s, struct evidence_reading *r)
{
    if (r->worst_cnt == EVIDENCE_WORST_MAX && s->log_e <= r->worst[r->worst_cnt - 1].log_e)
        return;
    uint32_t at = r->worst_cnt < EVIDENCE_WORST_MAX ? r->worst_cnt++ : EVIDENCE_WORST_MAX - 1;
    for (; at > 0 && r->worst[at - 1].log_e < s->log_e; at--)
        r->worst[at] = r->worst[at - 1];
    tell(s, r->limit_m, &r->worst[at]);
}

static void
sum_up(const struct evidence *e, struct evidence_reading *r)
{
    double sum = fmax(e->cash, 0) + e->all.term;
    add_worst(&e->all, r);
    for (size_t i = 0; i < LINK_STRATA_MAX; i++) {
        const struct seen *s = &e->seen[i];
        if (!s->is_seen)
            continue;
        sum += s->term;
        add_worst(s, r);
    }
    r->log_m = log(sum);
    r->n = e->all.n;
    r->k = e->all.k;
    r->strata_cnt = e->seen_cnt;
}

static double
family_log_e(const struct mix *m, uint64_t nk)
{
    uint64_t n = nk >> 32, k = nk & UINT32_MAX;
    return mix_log_e(m, n, k < n ? k : n);
}

bool
evidence_read(struct evidence *e, const struct link_evidence *t, struct evidence_reading *r)
{
    uint64_t epoch = __atomic_load_n(&t->epoch, __ATOMIC_ACQUIRE);
    if (epoch & 1)
        return false;
    if (!e->has_epoch || epoch != e->epoch)
        begin_epoch(e, epoch, __atomic_load_n(&t->window, __ATOMIC_RELAXED));
    scan_strata(e, t);
    uint64_t all = __atomic_load_n(&t->nk_all, __ATOMIC_ACQUIRE);
    uint64_t mirror = __atomic_load_n(&t->nk_mirror, __ATOMIC_RELAXED);
    uint64_t error = __atomic_load_n(&t->nk_error, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&t->epoch, __ATOMIC_RELAXED) != epoch) {
        e->epoch = epoch - 1; /* odd: never equal, so the next reading begins anew */
        return false;
    }
    if (all != e->all.nk)
        take_counts(&e->all, all >> 32, all & UINT32_MAX);
    e->all.nk = all;
    read_rules(e);
    *r = (struct evidence_reading){.limit_m = m_limit(e),
                                   .limit_mirror = -log(epoch_alpha(e) * PART_MIRROR),
                                   .limit_error = -log(epoch_alpha(e) * PART_ERROR)};
    sum_up(e, r);
    r->log_mirror = family_log_e(&e->mirror, mirror);
    r->log_error = family_log_e(&e->error, error);
    if (r->log_m >= r->limit_m)
        r->family = LINK_KIND_ALL;
    else if (r->log_mirror >= r->limit_mirror)
        r->family = LINK_KIND_MIRROR;
    else if (r->log_error >= r->limit_error)
        r->family = LINK_KIND_ERROR;
    else
        return true;
    r->trips = true;
    return true;
}

/* ---- what was read ---- */

uint32_t
evidence_with_units(const struct evidence *e, enum link_kind kind, uint64_t units)
{
    uint32_t cnt = 0;
    for (size_t i = 0; i < LINK_STRATA_MAX; i++)
        cnt += e->seen[i].is_seen && e->seen[i].kind == kind && e->seen[i].n >= units;
    return cnt;
}

/* Most units first; of as many, the earlier place in the page. */
static int
compare_units(const void *a, const void *b)
{
    const struct seen *const *x = a, *const *y = b;
    if ((*x)->n != (*y)->n)
        return (*x)->n > (*y)->n ? -1 : 1;
    return *x < *y ? -1 : 1;
}

uint32_t
evidence_strata(const struct evidence *e, struct evidence_stratum *to, uint32_t max)
{
    const struct seen *sorted[LINK_STRATA_MAX];
    uint32_t cnt = 0;
    for (size_t i = 0; i < LINK_STRATA_MAX; i++) {
        if (e->seen[i].is_seen)
            sorted[cnt++] = &e->seen[i];
    }
    qsort(sorted, cnt, sizeof(*sorted), compare_units);
    cnt = cnt < max ? cnt : max;
    for (uint32_t i = 0; i < cnt; i++)
        tell(sorted[i], m_limit(e), &to[i]);
    return cnt;
}
