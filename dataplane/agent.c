#include "dataplane/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "control/link.h"
#include "dataplane/config.h"
#include "dataplane/log.h"
#include "dataplane/stats.h"

/* Empty rounds of every core, after the ports were shut off, that show that the rings are empty: a frame
 * takes two hops at most, and a core looks at all of its rings in one round. */
enum { DRAIN_ROUNDS = 8, DRAIN_MAX_MS = 5000, REQUEST_MAX = sizeof(struct link_header) + sizeof(struct link_load) };

struct peer {
    int fd; /* -1: free */
    uint64_t heard_ms;
};

struct agent {
    struct appliance *appliance;
    struct worker *const *workers;
    int signal_fd, listen_fd;
    struct peer peers[AGENT_PEERS_MAX];
    FILE *messages; /* NULL: none are written */
    uint32_t last_generation;
    uint64_t start_ms;
    uint64_t frames_seen, frames_seen_ms; /* for stop_when_idle_ms */
    bool is_to_end;
};

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

static void
make_folder_of(const char *path)
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

/* A socket that nobody answers is a dead process's; one that is answered is not ours to take. */
static bool
is_in_use(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool in_use = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return in_use;
}

static int
listen_at(const char *path, mode_t mode)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    make_folder_of(path);
    if (is_in_use(&at)) {
        LOG_AT(ERR, "link %s: another weir-dataplane answers there\n", path);
        return -1;
    }
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0777 & ~mode); /* never open to more than it shall be, not even for a moment */
    int ret = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof(at));
    umask(old);
    if (ret != 0 || chmod(path, mode) != 0 || listen(fd, AGENT_PEERS_MAX) != 0) {
        LOG_AT(ERR, "link %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
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
    make_folder_of(path);
    a->messages = fopen(path, "ae");
    if (!a->messages)
        LOG_AT(ERR, "[log] messages: %s: %s\n", path, strerror(errno));
    return a->messages != NULL;
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
    bool is_up = open_messages(a, c->messages);
    if (is_up && *c->link_socket)
        is_up = (a->listen_fd = listen_at(c->link_socket, (mode_t)c->link_mode)) >= 0;
    if (!is_up) {
        agent_free(a);
        return NULL;
    }
    return a;
}

static void
hang_up(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
}

void
agent_free(struct agent *a)
{
    if (!a)
        return;
    for (int i = 0; i < AGENT_PEERS_MAX; i++) {
        if (a->peers[i].fd >= 0)
            hang_up(&a->peers[i]);
    }
    if (a->listen_fd >= 0) {
        close(a->listen_fd);
        unlink(a->appliance->config->link_socket);
    }
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
        if (a->workers[i]->records && a->messages)
            cnt += record_drain(a->workers[i]->records, a->messages, NULL);
    }
    if (cnt && fflush(a->messages) != 0) {
        LOG_AT(ERR, "[log] messages: %s: %s\n", a->appliance->config->messages, strerror(errno));
        clearerr(a->messages);
    }
    return cnt;
}

/* ---- rule sets ---- */

int
agent_load(struct agent *a, const void *image, size_t len, uint32_t *generation, unsigned wait_ms,
           uint32_t *swap_us, char *err, size_t err_size)
{
    struct swap *swap = a->appliance->swap;
    uint32_t number = *generation ? *generation : a->last_generation + 1;
    struct ruleset *rs = ruleset_load(image, len, number, a->appliance->workers_cnt, err, err_size);
    if (!rs)
        return -1;
    uint64_t start = worker_clock_ms();
    wait_ms = wait_ms < AGENT_WAIT_MAX_MS ? wait_ms : AGENT_WAIT_MAX_MS;
    uint64_t tsc = rte_rdtsc();
    const struct swap_roles roles = {.live = rs};
    while (swap_publish(swap, &roles) != 0) {
        if (worker_clock_ms() - start >= wait_ms) {
            ruleset_free(rs);
            snprintf(err, err_size, "%d rule sets are still in use by messages in transit", SWAP_RESIDENT_MAX);
            return -1;
        }
        agent_drain(a);
        usleep(1000);
        tsc = rte_rdtsc();
    }
    bool is_settled = swap_settle(swap, AGENT_SETTLE_MS);
    *swap_us = (uint32_t)((rte_rdtsc() - tsc) / (rte_get_tsc_hz() / 1000000));
    *generation = number;
    if (number > a->last_generation)
        a->last_generation = number;
    LOG_AT(NOTICE, "generation %u is live: %u rules, %s, swapped in %u us%s\n", number, ruleset_rule_cnt(rs),
           ruleset_digest(rs), *swap_us, is_settled ? "" : "; a core has not reported yet");
    return 0;
}

/* Reads a regular file whole. NULL with a sentence. Free with munmap(len). */
static void *
read_image(int fd, size_t *len, char *err, size_t err_size)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        snprintf(err, err_size, "the descriptor is not a regular file");
        return NULL;
    }
    if (st.st_size <= 0 || st.st_size > AGENT_IMAGE_MAX) {
        snprintf(err, err_size, "an image of %lld octets; 1 to %d are taken", (long long)st.st_size,
                 AGENT_IMAGE_MAX);
        return NULL;
    }
    *len = (size_t)st.st_size;
    uint8_t *image = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image == MAP_FAILED) {
        snprintf(err, err_size, "no memory for an image of %zu octets", *len);
        return NULL;
    }
    for (size_t at = 0; at < *len;) {
        ssize_t n = pread(fd, image + at, *len - at, (off_t)at);
        if (n > 0) {
            at += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        snprintf(err, err_size, "the image cannot be read: %s", n ? strerror(errno) : "it became shorter");
        munmap(image, *len);
        return NULL;
    }
    return image;
}

static int
load_fd(struct agent *a, int fd, uint32_t *generation, unsigned wait_ms, uint32_t *swap_us, char *err,
        size_t err_size)
{
    size_t len;
    void *image = read_image(fd, &len, err, err_size);
    if (!image)
        return -1;
    int ret = agent_load(a, image, len, generation, wait_ms, swap_us, err, err_size);
    munmap(image, len);
    return ret;
}

int
agent_load_file(struct agent *a, const char *path, char *err, size_t err_size)
{
    uint32_t generation = 0, swap_us;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        snprintf(err, err_size, "%s", strerror(errno));
        return -1;
    }
    int ret = load_fd(a, fd, &generation, 0, &swap_us, err, err_size);
    close(fd);
    return ret;
}

/* ---- the link ---- */

static uint32_t
live_generation(const struct agent *a)
{
    const struct ruleset *live = swap_live(a->appliance->swap);
    return live ? ruleset_generation(live) : 0;
}

/* A peer that does not take its answer is not waited for. */
static bool
answer(const struct peer *p, enum link_type type, uint32_t request, const void *body, uint32_t body_len)
{
    struct link_header h = {LINK_MAGIC, LINK_VERSION, (uint16_t)type, body_len, request};
    struct iovec parts[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)body, body_len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(p->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + body_len);
}

/* Always false: the connection ends. */
static bool
reject(const struct agent *a, const struct peer *p, uint32_t request, const char *why)
{
    struct link_answer body = {.generation = live_generation(a)};
    snprintf(body.text, sizeof(body.text), "%s", why);
    answer(p, LINK_NACK, request, &body, sizeof(body));
    LOG_AT(WARNING, "link: a bad packet: %s\n", why);
    return false;
}

static bool
on_load(struct agent *a, const struct peer *p, const struct link_header *h, const struct link_load *load, int fd)
{
    struct link_answer body = {0};
    uint32_t generation = load->generation;
    int ret = load_fd(a, fd, &generation, load->wait_ms, &body.swap_us, body.text, sizeof(body.text));
    body.generation = live_generation(a);
    if (ret == 0)
        snprintf(body.text, sizeof(body.text), "%s", ruleset_digest(swap_live(a->appliance->swap)));
    else
        LOG_AT(WARNING, "link: an image was refused: %s\n", body.text);
    return answer(p, ret == 0 ? LINK_ACK : LINK_NACK, h->request, &body, sizeof(body));
}

static bool
on_status(struct agent *a, const struct peer *p, const struct link_header *h)
{
    struct link_state body = {.resident = swap_reap(a->appliance->swap),
                              .worker_cnt = a->appliance->workers_cnt,
                              .uptime_ms = worker_clock_ms() - a->start_ms};
    struct stats s = {0};
    const struct ruleset *live = swap_live(a->appliance->swap);
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        stats_add(&s, a->workers[i]);
    if (live) {
        body.live.generation = ruleset_generation(live);
        body.live.rule_cnt = ruleset_rule_cnt(live);
        snprintf(body.live.digest, sizeof(body.live.digest), "%s", ruleset_digest(live));
    }
    /* read at different instants: never less than none */
    if (s.counter[COUNTER_FLOWS] > s.counter[COUNTER_FLOWS_ENDED])
        body.flows = s.counter[COUNTER_FLOWS] - s.counter[COUNTER_FLOWS_ENDED];
    for (int v = 0; v < VERDICT_CNT; v++)
        body.messages[v] = s.message[v];
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        body.rx_frames += __atomic_load_n(&a->workers[i]->port_frames, __ATOMIC_RELAXED);
    body.tx_frames = s.counter[COUNTER_TX_FRAMES];
    body.dropped_frames = stats_dropped(&s);
    body.blind_sessions = s.event[EVENT_STARTTLS_BLIND];
    return answer(p, LINK_STATE, h->request, &body, sizeof(body));
}

/* One packet with its descriptors. True: go on with this peer. */
static bool
on_packet(struct agent *a, const struct peer *p, const uint8_t *octets, size_t len, bool is_cut, const int *fds,
          unsigned fds_cnt)
{
    struct link_header h = {0};
    if (is_cut || len < sizeof(h))
        return reject(a, p, 0, is_cut ? "longer than any request" : "shorter than a header");
    memcpy(&h, octets, sizeof(h));
    if (h.magic != LINK_MAGIC)
        return reject(a, p, h.request, "not a packet of this link (magic)");
    if (h.version != LINK_VERSION)
        return reject(a, p, h.request, "another version of the link");
    if (h.body_len != len - sizeof(h))
        return reject(a, p, h.request, "a length that is not the packet's");
    if (h.type == LINK_STATUS) {
        if (h.body_len != 0 || fds_cnt != 0)
            return reject(a, p, h.request, "STATUS has neither body nor descriptor");
        return on_status(a, p, &h);
    }
    struct link_load load;
    if (h.type != LINK_LOAD)
        return reject(a, p, h.request, "not a request that is known");
    if (h.body_len != sizeof(load) || fds_cnt != 1)
        return reject(a, p, h.request, "LOAD has a body of 8 octets and one descriptor");
    memcpy(&load, octets + sizeof(h), sizeof(load));
    return on_load(a, p, &h, &load, fds[0]);
}

/* Receives at most one packet; every descriptor in it is closed here. True: go on with this peer. */
static bool
receive(struct agent *a, struct peer *p)
{
    uint8_t octets[REQUEST_MAX + 1];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(4 * sizeof(int))]; /* those that do not fit the kernel closes */
    } control;
    struct iovec part = {octets, sizeof(octets)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    int fds[8];
    unsigned fds_cnt = 0;
    for (struct cmsghdr *c = len >= 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < n && fds_cnt < 8; i++)
            memcpy(&fds[fds_cnt++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
    bool is_cut = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || len > (ssize_t)REQUEST_MAX;
    bool is_kept = false;
    if (len > 0) { /* 0: the peer has gone, or sent an empty packet, which is as good */
        p->heard_ms = worker_clock_ms();
        is_kept = on_packet(a, p, octets, (size_t)len, is_cut, fds, fds_cnt);
    }
    while (fds_cnt > 0)
        close(fds[--fds_cnt]);
    return is_kept;
}

static void
accept_peer(struct agent *a)
{
    int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct peer *place = &a->peers[0];
    for (int i = 0; i < AGENT_PEERS_MAX; i++) {
        struct peer *p = &a->peers[i];
        if (p->fd < 0 || (place->fd >= 0 && p->heard_ms < place->heard_ms))
            place = p;
        if (p->fd < 0)
            break;
    }
    if (place->fd >= 0)
        hang_up(place); /* the longest silent one: idle connections must not keep an operator out */
    place->fd = fd;
    place->heard_ms = worker_clock_ms();
}

/* ---- signals and the end ---- */

static void
log_stats(struct agent *a)
{
    char text[4096];
    struct stats s = {0};
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        stats_add(&s, a->workers[i]);
    stats_line(&s, text, sizeof(text));
    LOG_AT(NOTICE, "stats: generation=%u %s\n", live_generation(a), text);
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

void
agent_poll(struct agent *a, int timeout_ms)
{
    struct pollfd fds[2 + AGENT_PEERS_MAX];
    fds[0] = (struct pollfd){.fd = a->signal_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = a->listen_fd, .events = POLLIN};
    for (int i = 0; i < AGENT_PEERS_MAX; i++)
        fds[2 + i] = (struct pollfd){.fd = a->peers[i].fd, .events = POLLIN};
    if (poll(fds, 2 + AGENT_PEERS_MAX, timeout_ms) <= 0)
        return;
    if (fds[0].revents)
        on_signal(a);
    /* one packet a peer and round: a flood gets its share and no more */
    for (int i = 0; i < AGENT_PEERS_MAX; i++) {
        if (fds[2 + i].revents && !receive(a, &a->peers[i]))
            hang_up(&a->peers[i]);
    }
    if (fds[1].revents)
        accept_peer(a);
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
            continue; /* woken by a flood: records and sets have their own beat */
        next_ms = now_ms + AGENT_TICK_MS / 2;
        agent_drain(a);
        swap_reap(a->appliance->swap);
    }
    stop_workers(a);
    return 0;
}
