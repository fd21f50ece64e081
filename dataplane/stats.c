#include "dataplane/stats.h"

#include <pthread.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "dataplane/log.h"

static const char *const names[COUNTER_CNT] = {
#define X(id, name, help) name,
    COUNTER_LIST(X)
#undef X
};

const char *
counter_name(enum counter c)
{
    return (unsigned)c < COUNTER_CNT ? names[c] : "?";
}

static void
add_all(uint64_t *to, const uint64_t *from, unsigned cnt)
{
    for (unsigned i = 0; i < cnt; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void
stats_add(struct stats *s, const struct worker *w)
{
    add_all(s->counter, w->pl->counter, COUNTER_CNT);
    add_all(s->message, w->pl->scanner.message_cnt, VERDICT_CNT);
    add_all(s->event, w->pl->scanner.event_cnt, EVENT_CNT);
}

void
stats_sum(struct stats *s, struct worker *const *workers, unsigned workers_cnt)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < workers_cnt; i++)
        stats_add(s, workers[i]);
    if (workers_cnt)
        swap_read_pauses(workers[0]->appliance->swap, &s->pauses);
}

uint64_t
stats_dropped(const struct stats *s)
{
    static const enum counter lost[] = {COUNTER_TX_FULL,    COUNTER_TX_TOO_LONG,       COUNTER_OUTBOX_FULL,
                                        COUNTER_BAD_FRAMES, COUNTER_BAD_CHECKSUM,      COUNTER_STORE_FULL,
                                        COUNTER_STEER_FULL, COUNTER_FRAGMENTS_DROPPED, COUNTER_NO_MBUF};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
        sum += s->counter[lost[i]];
    return sum;
}

static const char *const pause_names[SWAP_PAUSE_BUCKETS] = {
    "swap-pause-under-128ns", "swap-pause-under-256ns", "swap-pause-under-512ns", "swap-pause-under-1us",
    "swap-pause-under-2us",   "swap-pause-under-4us",   "swap-pause-under-8us",   "swap-pause-under-16us",
    "swap-pause-under-32us",  "swap-pause-under-65us",  "swap-pause-under-131us", "swap-pause-under-262us",
    "swap-pause-under-524us", "swap-pause-under-1ms",   "swap-pause-under-2ms",   "swap-pause-longer"};

/* Calls fn for every count: group, name, value. */
static void
each(const struct stats *s, void (*fn)(void *arg, const char *group, const char *name, uint64_t n), void *arg)
{
    for (int i = 0; i < COUNTER_CNT; i++)
        fn(arg, "counters", names[i], s->counter[i]);
    for (int i = 0; i < VERDICT_CNT; i++)
        fn(arg, "messages", verdict_name((enum verdict)i), s->message[i]);
    for (int i = EVENT_NONE + 1; i < EVENT_CNT; i++)
        fn(arg, "events", event_name((enum event)i), s->event[i]);
    for (int i = 0; i < SWAP_PAUSE_BUCKETS; i++)
        fn(arg, "pauses", pause_names[i], s->pauses.bucket[i]);
    fn(arg, "pauses", "swap-pause-max-ns", s->pauses.max_ns);
}

struct line {
    char *text;
    size_t size, len;
};

static void
line_item(void *arg, const char *group, const char *name, uint64_t n)
{
    struct line *l = arg;
    static const char *const prefix[] = {"", "message-", "event-"};
    unsigned i = *group == 'm' ? 1 : *group == 'e' ? 2 : 0;
    if (n == 0 || l->len + 1 >= l->size)
        return;
    int len = snprintf(l->text + l->len, l->size - l->len, "%s%s%s=%llu", l->len ? " " : "", prefix[i], name,
                       (unsigned long long)n);
    l->len += len > 0 ? (size_t)len : 0;
}

void
stats_line(const struct stats *s, char *text, size_t size)
{
    struct line l = {text, size, 0};
    *text = '\0';
    each(s, line_item, &l);
}

static void
json_item(void *arg, const char *group, const char *name, uint64_t n)
{
    cJSON *root = arg, *to = cJSON_GetObjectItem(root, group);
    if (!to)
        to = cJSON_AddObjectToObject(root, group);
    if (n)
        cJSON_AddNumberToObject(to, name, (double)n);
}

void
stats_json(const struct stats *s, FILE *to)
{
    cJSON *root = cJSON_CreateObject();
    each(s, json_item, root);
    char *text = cJSON_PrintUnformatted(root);
    if (text)
        fprintf(to, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* ---- telemetry, whose thread outlives the workers ---- */

static struct {
    pthread_mutex_t lock;
    struct worker *const *workers;
    unsigned workers_cnt;
} published = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
add_u64(struct rte_tel_data *d, const char *name, uint64_t n)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
    rte_tel_data_add_dict_uint(d, name, n);
#else
    rte_tel_data_add_dict_u64(d, name, n);
#endif
}

/* A dict of DPDK holds 256 entries: counters and messages always, events and pauses that happened. */
static void
dict_item(void *arg, const char *group, const char *name, uint64_t n)
{
    char text[RTE_TEL_MAX_STRING_LEN];
    if ((*group == 'e' || *group == 'p') && n == 0)
        return;
    snprintf(text, sizeof(text), "%s%s", *group == 'm' ? "message_" : *group == 'e' ? "event_" : "", name);
    for (char *at = text; *at; at++) {
        if (*at == '-')
            *at = '_'; /* DPDK 23.03 and later refuse names with a dash */
    }
    add_u64(arg, text, n);
}

static int
on_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
    (void)cmd, (void)params;
    struct stats sum;
    rte_tel_data_start_dict(d);
    pthread_mutex_lock(&published.lock);
    stats_sum(&sum, published.workers, published.workers_cnt);
    for (unsigned i = 0; i < published.workers_cnt; i++) {
        struct worker *w = published.workers[i];
        struct rte_tel_data *one = rte_tel_data_alloc();
        struct stats s = {0};
        char name[32];
        stats_add(&s, w);
        if (!one)
            continue;
        rte_tel_data_start_dict(one);
        each(&s, dict_item, one);
        add_u64(one, "rounds", __atomic_load_n(&w->rounds, __ATOMIC_RELAXED));
        add_u64(one, "sleeps", __atomic_load_n(&w->sleeps, __ATOMIC_RELAXED));
        snprintf(name, sizeof(name), "worker_%u", i);
        rte_tel_data_add_dict_container(d, name, one, 0);
    }
    pthread_mutex_unlock(&published.lock);
    each(&sum, dict_item, d);
    return 0;
}

static void
add_bucket(struct rte_tel_data *d, uint64_t n)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
    rte_tel_data_add_array_uint(d, n);
#else
    rte_tel_data_add_array_u64(d, n);
#endif
}

static int
on_swap(const char *cmd, const char *params, struct rte_tel_data *d)
{
    (void)cmd, (void)params;
    struct stats s;
    struct rte_tel_data *buckets = rte_tel_data_alloc();
    pthread_mutex_lock(&published.lock);
    stats_sum(&s, published.workers, published.workers_cnt);
    pthread_mutex_unlock(&published.lock);
    rte_tel_data_start_dict(d);
    add_u64(d, "cnt", s.pauses.cnt);
    add_u64(d, "max_ns", s.pauses.max_ns);
    if (!buckets)
        return 0;
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
    rte_tel_data_start_array(buckets, RTE_TEL_UINT_VAL);
#else
    rte_tel_data_start_array(buckets, RTE_TEL_U64_VAL);
#endif
    for (int i = 0; i < SWAP_PAUSE_BUCKETS; i++)
        add_bucket(buckets, s.pauses.bucket[i]);
    rte_tel_data_add_dict_container(d, "bucket", buckets, 0);
    return 0;
}

void
stats_publish(struct worker *const *workers, unsigned workers_cnt)
{
    pthread_mutex_lock(&published.lock);
    published.workers = workers;
    published.workers_cnt = workers_cnt;
    pthread_mutex_unlock(&published.lock);
    if (rte_telemetry_register_cmd("/weir/stats", on_stats, "Counts of all workers and their sum") != 0)
        LOG_AT(WARNING, "no telemetry: /weir/stats was not registered\n");
    if (rte_telemetry_register_cmd("/weir/swap", on_swap, "How long cores took to take up a plan: bucket i under 128 << i ns"))
        LOG_AT(WARNING, "no telemetry: /weir/swap was not registered\n");
}

void
stats_withdraw(void)
{
    pthread_mutex_lock(&published.lock);
    published.workers_cnt = 0;
    pthread_mutex_unlock(&published.lock);
}
