#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_random.h>

#include "dataplane/agent_private.h"
#include "dataplane/config.h"
#include "dataplane/log.h"
#include "dataplane/stats.h"

/* Empty rounds of every core, after the ports were shut off, that show that the rings are empty: a frame
 * takes two hops at most, and a core looks at all of its rings in one round. */
enum { DRAIN_ROUNDS = 8, DRAIN_MAX_MS = 5000 };

/* ---- set-up ---- */

static void
signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGHUP);
}

void
agent_block_signals(void)
{
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader of "messages = -" may go away */
}

void
agent_make_folder_of(const char *path)
{
    char folder[CONFIG_PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    for (char *at = folder + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST)
            return; /* bind or fopen will say it */
        *at = '/';
    }
}

static bool
open_messages(struct agent *a, const char *path)
{
    if (!*path)
        return true;
    if (strcmp(path, "-") == 0) {
        a->messages = stdout;
        return true;
    }
    agent_make_folder_of(path);
    a->messages = fopen(path, "ae");
    if (!a->messages)
        LOG_AT(ERR, "[log] messages: %s: %s\n", path, strerror(errno));
    return a->messages != NULL;
}

static uint64_t
random_number(void)
{
    uint64_t n;
    return getrandom(&n, sizeof(n), 0) == sizeof(n) ? n : rte_rand();
}

/* ---- what roles asks of the others ---- */

static void
begin_counting(void *arg, const struct plan *plan, uint32_t window)
{
    struct agent *a = arg;
    if (!a->tally)
        return;
    if (plan->generation_b != a->deferred_for) { /* what a former one deferred takes no place from it */
        deferred_clear(a->deferred);
        a->deferred_for = plan->generation_b;
    }
    if (tally_pair(a->tally, plan->a, plan->b) != 0)
        LOG_AT(ERR, "no memory: generation %u is not watched\n", plan->generation_b);
    else if (window > 0)
        tally_window(a->tally, plan->values.units_proven);
}

static void
cost_of_pairs(void *arg, uint64_t *messages, uint64_t *ns_a, uint64_t *ns_b)
{
    struct agent *a = arg;
    *messages = *ns_a = *ns_b = 0;
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        *messages += __atomic_load_n(&a->workers[i]->pl->counter[COUNTER_PAIRED], __ATOMIC_RELAXED);
    if (!a->evidence)
        return;
    *ns_a = __atomic_load_n(&a->evidence->table.ns_a, __ATOMIC_RELAXED);
    *ns_b = __atomic_load_n(&a->evidence->table.ns_b, __ATOMIC_RELAXED);
}

static uint64_t
messages_not_deferred(void *arg)
{
    const struct agent *a = arg;
    uint64_t cnt = 0;
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        cnt += __atomic_load_n(&a->workers[i]->pl->counter[COUNTER_DEFER_FULL], __ATOMIC_RELAXED);
    return cnt;
}

/* ---- making and ending ---- */

/* What is shared with the controller, and among the cores for two rule sets; only who has a link needs it. */
static bool
make_pages(struct agent *a)
{
    a->evidence = handover_page("weir-evidence", sizeof(*a->evidence), true, &a->evidence_fd);
    if (!a->evidence || handover_init(&a->handover, HANDOVER_SIZE) != 0) {
        LOG_AT(ERR, "no shared memory for the controller: %s\n", strerror(errno));
        return false;
    }
    a->evidence->magic = LINK_MAGIC;
    a->evidence->version = LINK_VERSION;
    a->evidence->instance = a->instance;
    a->tally = tally_new(&a->evidence->table, a->appliance->workers_cnt, random_number());
    a->deferred = deferred_new(random_number());
    if (!a->tally || !a->deferred) {
        LOG_AT(ERR, "no memory for evidence\n");
        return false;
    }
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++) {
        a->workers[i]->pl->second.tally = a->tally;
        a->workers[i]->pl->second.deferred = a->deferred;
    }
    return true;
}

static void
free_pages(struct agent *a)
{
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++) {
        a->workers[i]->pl->second.tally = NULL;
        a->workers[i]->pl->second.deferred = NULL;
    }
    tally_free(a->tally);
    deferred_free(a->deferred);
    if (a->handover.ring)
        handover_fini(&a->handover);
    if (!a->evidence)
        return;
    munmap(a->evidence, sizeof(*a->evidence));
    close(a->evidence_fd);
}

struct agent *
agent_new(struct appliance *appliance, struct worker *const *workers)
{
    const struct config *c = appliance->config;
    struct agent *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->appliance = appliance;
    a->workers = workers;
    a->listen_fd = -1;
    a->start_ms = a->frames_seen_ms = worker_clock_ms();
    for (int i = 0; i < AGENT_PEERS_MAX; i++)
        a->peers[i].fd = -1;
    sigset_t set;
    signal_set(&set);
    a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    a->instance = random_number();
    const struct roles_hooks hooks = {a, begin_counting, cost_of_pairs, messages_not_deferred};
    a->roles = roles_new(appliance->swap, appliance->workers_cnt, appliance->golden, c->state, &hooks);
    bool is_up = a->roles && open_messages(a, c->messages);
    if (is_up && *c->link_socket)
        is_up = make_pages(a) &&
                (a->listen_fd = agent_listen(c->link_socket, (mode_t)c->link_mode, c->link_group)) >= 0;
    if (!is_up) {
        agent_free(a);
        return NULL;
    }
    return a;
}

void
agent_free(struct agent *a)
{
    if (!a)
        return;
    for (int i = 0; i < AGENT_PEERS_MAX; i++) {
        if (a->peers[i].fd >= 0)
            agent_hang_up(&a->peers[i]);
    }
    if (a->listen_fd >= 0) {
        close(a->listen_fd);
        unlink(a->appliance->config->link_socket);
    }
    roles_free(a->roles, a->is_to_end);
    free_pages(a);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    if (a->messages && a->messages != stdout)
        fclose(a->messages);
    free(a);
}

/* ---- records ---- */

unsigned
agent_drain(struct agent *a)
{
    unsigned cnt = 0;
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++) {
        if (a->workers[i]->records)
            cnt += record_drain(a->workers[i]->records, a->messages, a->handover.ring ? &a->handover : NULL);
    }
    if (cnt && a->messages && fflush(a->messages) != 0) {
        LOG_AT(ERR, "[log] messages: %s: %s\n", a->appliance->config->messages, strerror(errno));
        clearerr(a->messages);
    }
    return cnt;
}

/* ---- rule sets ---- */

int
agent_start_rules(struct agent *a, char *err, size_t err_size)
{
    return roles_start(a->roles, a->appliance->config->image, err, err_size);
}

/* ---- signals and the end ---- */

static void
log_stats(struct agent *a)
{
    char text[4096];
    struct stats s;
    stats_sum(&s, a->workers, a->appliance->workers_cnt);
    stats_line(&s, text, sizeof(text));
    LOG_AT(NOTICE, "stats: generation=%u %s\n", roles_live(a->roles), text);
}

static void
reopen_one(FILE *file, const char *key, const char *path)
{
    int ret = log_reopen(file, path);
    if (ret)
        LOG_AT(ERR, "[log] %s: %s: %s; it goes on in the old file\n", key, path, strerror(-ret));
}

static void
reopen_logs(struct agent *a)
{
    const struct config *c = a->appliance->config;
    LOG_AT(NOTICE, "SIGHUP: the files of [log] are opened anew\n");
    if (*c->log_file)
        reopen_one(rte_log_get_stream(), "file", c->log_file);
    if (a->messages && a->messages != stdout) {
        agent_drain(a); /* what was judged before belongs to the old file */
        reopen_one(a->messages, "messages", c->messages);
    }
}

static void
on_signal(struct agent *a)
{
    struct signalfd_siginfo info;
    while (read(a->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR1) {
            log_stats(a);
            continue;
        }
        if (info.ssi_signo == SIGHUP) {
            reopen_logs(a);
            continue;
        }
        LOG_AT(NOTICE, "%s: ending\n", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        a->is_to_end = true;
    }
}

static uint64_t
frames_received(const struct agent *a)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        sum += __atomic_load_n(&a->workers[i]->port_frames, __ATOMIC_RELAXED);
    return sum;
}

static bool
run_is_over(struct agent *a)
{
    const struct config *c = a->appliance->config;
    uint64_t frames = frames_received(a);
    if (frames != a->frames_seen) {
        a->frames_seen = frames;
        a->frames_seen_ms = worker_clock_ms();
    }
    if (c->stop_after_frames && frames >= c->stop_after_frames)
        return true;
    return c->stop_when_idle_ms && worker_clock_ms() - a->frames_seen_ms >= c->stop_when_idle_ms;
}

/* Ports shut off; every core empties its rings; then all leave. Records are written meanwhile, or a core
 * that waits for room would never get there. */
static void
stop_workers(struct agent *a)
{
    struct appliance *b = a->appliance;
    uint64_t start = worker_clock_ms();
    uint64_t rounds[CONFIG_CPUS_MAX];
    __atomic_store_n(&b->phase, WORKERS_DRAIN, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < b->workers_cnt; i++)
        rounds[i] = __atomic_load_n(&a->workers[i]->rounds, __ATOMIC_ACQUIRE);
    for (unsigned idle = 0; idle < b->workers_cnt && worker_clock_ms() - start < DRAIN_MAX_MS;) {
        agent_drain(a);
        usleep(200);
        idle = 0;
        for (unsigned i = 0; i < b->workers_cnt; i++) {
            uint64_t passed = __atomic_load_n(&a->workers[i]->rounds, __ATOMIC_ACQUIRE) - rounds[i];
            idle += passed >= DRAIN_ROUNDS &&
                    __atomic_load_n(&a->workers[i]->idle_rounds, __ATOMIC_ACQUIRE) >= DRAIN_ROUNDS;
        }
    }
    __atomic_store_n(&b->phase, WORKERS_STOP, __ATOMIC_RELEASE);
}

/* One step of everything that is not a packet. */
static void
step(struct agent *a)
{
    struct link_state state = {0};
    roles_step(a->roles, worker_clock_ms());
    agent_answer(a);
    if (!a->evidence)
        return;
    roles_state(a->roles, &state);
    __atomic_store_n(&a->evidence->trip_seq, state.trip.seq, __ATOMIC_RELEASE);
    __atomic_store_n(&a->evidence->heartbeat, a->evidence->heartbeat + 1, __ATOMIC_RELAXED);
}

void
agent_poll(struct agent *a, int timeout_ms)
{
    struct pollfd fds[2 + AGENT_PEERS_MAX];
    int most_ms = roles_is_busy(a->roles) ? AGENT_BUSY_MS : roles_is_watching(a->roles) ? ROLES_TICK_MS : timeout_ms;
    fds[0] = (struct pollfd){.fd = a->signal_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = a->listen_fd, .events = POLLIN};
    for (int i = 0; i < AGENT_PEERS_MAX; i++)
        fds[2 + i] = (struct pollfd){.fd = a->peers[i].fd, .events = a->peers[i].is_waiting ? 0 : POLLIN};
    if (poll(fds, 2 + AGENT_PEERS_MAX, timeout_ms < most_ms ? timeout_ms : most_ms) > 0) {
        if (fds[0].revents)
            on_signal(a);
        /* one packet a peer and round: a flood gets its share and no more */
        for (int i = 0; i < AGENT_PEERS_MAX; i++) {
            struct peer *p = &a->peers[i];
            if (p->is_waiting ? (fds[2 + i].revents & (POLLHUP | POLLERR)) != 0 : fds[2 + i].revents && !agent_receive(a, p))
                agent_hang_up(p);
        }
        if (fds[1].revents)
            agent_accept(a);
    }
    step(a);
}

int
agent_run(struct agent *a)
{
    bool is_short = a->appliance->config->stop_after_frames != 0; /* a core may be waiting for its records */
    uint64_t next_ms = 0;
    while (!a->is_to_end && !run_is_over(a)) {
        agent_poll(a, is_short ? 1 : AGENT_TICK_MS);
        uint64_t now_ms = worker_clock_ms();
        if (now_ms < next_ms && !is_short)
            continue; /* woken by a flood: records have their own beat */
        next_ms = now_ms + AGENT_TICK_MS / 2;
        agent_drain(a);
        if (a->deferred)
            deferred_sweep(a->deferred, now_ms);
        if (a->tally)
            tally_tend(a->tally);
    }
    a->is_to_end = true;
    stop_workers(a);
    return 0;
}
