/* The agent's end of the link: its socket, its peers, their packets. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "dataplane/agent_private.h"
#include "dataplane/log.h"
#include "dataplane/stats.h"

enum { REQUEST_MAX = sizeof(struct link_header) + sizeof(struct link_stage) };

/* ---- the socket ---- */

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

/* Who is not root but of the group can talk to us. */
static int
give_to_group(const char *path, const char *group)
{
    char room[4096];
    struct group g, *found = NULL;
    if (!*group)
        return 0;
    int ret = getgrnam_r(group, &g, room, sizeof(room), &found);
    if (!found) {
        LOG_AT(ERR, "[link] group: there is no group %s%s%s\n", group, ret ? ": " : "", ret ? strerror(ret) : "");
        return -1;
    }
    if (chown(path, (uid_t)-1, found->gr_gid) == 0)
        return 0;
    LOG_AT(ERR, "[link] group: %s: %s\n", group, strerror(errno));
    return -1;
}

int
agent_listen(const char *path, mode_t mode, const char *group)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    agent_make_folder_of(path);
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
    if (ret == 0 && give_to_group(path, group) != 0) {
        close(fd);
        unlink(path);
        return -1;
    }
    if (ret != 0 || chmod(path, mode) != 0 || listen(fd, AGENT_PEERS_MAX) != 0) {
        LOG_AT(ERR, "link %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

void
agent_hang_up(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
}

/* ---- packets ---- */

/* A peer that does not take its answer is not waited for. */
static bool
answer_with(const struct peer *p, enum link_type type, uint32_t request, const void *body, uint32_t body_len, const int *fds,
            unsigned fds_cnt)
{
    struct link_header h = {LINK_MAGIC, LINK_VERSION, (uint16_t)type, body_len, request};
    struct iovec parts[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)body, body_len}};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (fds_cnt) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(fds_cnt * sizeof(int));
        *CMSG_FIRSTHDR(&m) = (struct cmsghdr){CMSG_LEN(fds_cnt * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, fds_cnt * sizeof(int));
    }
    return sendmsg(p->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + body_len);
}

static bool
answer(const struct peer *p, enum link_type type, uint32_t request, const void *body, uint32_t body_len)
{
    return answer_with(p, type, request, body, body_len, NULL, 0);
}

/* Always false: the connection ends. */
static bool
reject(const struct agent *a, const struct peer *p, uint32_t request, const char *why)
{
    struct link_answer body = {.generation = roles_live(a->roles)};
    snprintf(body.text, sizeof(body.text), "%s", why);
    answer(p, LINK_NACK, request, &body, sizeof(body));
    LOG_AT(WARNING, "link: a bad packet: %s\n", why);
    return false;
}

/* ---- requests that are answered at once ---- */

static bool
answer_now(const struct agent *a, const struct peer *p, const struct link_header *h, bool is_ack, const char *text)
{
    struct link_answer body = {.generation = roles_live(a->roles)};
    snprintf(body.text, sizeof(body.text), "%s", text);
    return answer(p, is_ack ? LINK_ACK : LINK_NACK, h->request, &body, sizeof(body));
}

static bool
on_status(struct agent *a, struct peer *p, const struct link_header *h)
{
    struct link_state body = {.worker_cnt = a->appliance->workers_cnt,
                              .instance = a->instance,
                              .uptime_ms = worker_clock_ms() - a->start_ms};
    struct stats s = {0};
    roles_state(a->roles, &body);
    for (unsigned i = 0; i < a->appliance->workers_cnt; i++)
        stats_add(&s, a->workers[i]);
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
    body.paired = s.counter[COUNTER_PAIRED];
    body.shed = s.counter[COUNTER_SHED];
    body.disagreed = s.counter[COUNTER_DISAGREED];
    body.deferred = s.counter[COUNTER_DEFERRED];
    body.retried = s.counter[COUNTER_RETRIED];
    body.defer_used = a->deferred ? deferred_used(a->deferred) : 0;
    return answer(p, LINK_STATE, h->request, &body, sizeof(body));
}

static bool
on_renew(struct agent *a, struct peer *p, const struct link_header *h, const struct link_renew *renew)
{
    char err[LINK_TEXT_MAX] = "";
    bool is_good = roles_renew(a->roles, renew, err, sizeof(err)) == 0;
    return answer_now(a, p, h, is_good, err);
}

static bool
on_attach(struct agent *a, const struct peer *p, const struct link_header *h)
{
    struct link_pages body = {sizeof(*a->evidence), a->handover.page_len};
    const int fds[] = {a->evidence_fd, a->handover.fd};
    handover_offer(&a->handover);
    return answer_with(p, LINK_PAGES, h->request, &body, sizeof(body), fds, RTE_DIM(fds));
}

/* ---- all requests ---- */

/* What can come: length of the body, and descriptors. */
static const struct {
    const char *name;
    uint32_t body_len;
    unsigned fds_cnt;
} requests[] = {
    [LINK_LOAD] = {"LOAD", sizeof(struct link_load), 1},
    [LINK_STATUS] = {"STATUS", 0, 0},
    [LINK_STAGE] = {"STAGE", sizeof(struct link_stage), 0},
    [LINK_DROP] = {"DROP", sizeof(struct link_return), 0},
    [LINK_RETURN] = {"RETURN", sizeof(struct link_return), 0},
    [LINK_RENEW] = {"RENEW", sizeof(struct link_renew), 0},
    [LINK_ATTACH] = {"ATTACH", 0, 0},
};

/* The body is whole. */
static bool
on_request(struct agent *a, struct peer *p, const struct link_header *h, const uint8_t *octets, const int *fds)
{
    union {
        struct link_load load;
        struct link_stage stage;
        struct link_return what;
        struct link_renew renew;
    } body;
    memcpy(&body, octets, h->body_len);
    bool is_taken = false;
    switch (h->type) {
    case LINK_STATUS:
        return on_status(a, p, h);
    case LINK_RENEW:
        return on_renew(a, p, h, &body.renew);
    case LINK_LOAD:
        is_taken = roles_ask_load(a->roles, p->id, h->request, &body.load, fds[0]);
        break;
    case LINK_STAGE:
        is_taken = roles_ask_stage(a->roles, p->id, h->request, &body.stage);
        break;
    case LINK_DROP:
        is_taken = roles_ask_drop(a->roles, p->id, h->request, &body.what);
        break;
    case LINK_RETURN:
        is_taken = roles_ask_return(a->roles, p->id, h->request, &body.what);
        break;
    default:
        return on_attach(a, p, h);
    }
    p->is_waiting = is_taken;
    return is_taken || answer_now(a, p, h, false, "too many requests are under way");
}

/* One packet with its descriptors. True: go on with this peer. */
static bool
on_packet(struct agent *a, struct peer *p, const uint8_t *octets, size_t len, bool is_cut, const int *fds, unsigned fds_cnt)
{
    struct link_header h = {0};
    char text[LINK_TEXT_MAX];
    if (is_cut || len < sizeof(h))
        return reject(a, p, 0, is_cut ? "longer than any request" : "shorter than a header");
    memcpy(&h, octets, sizeof(h));
    if (h.magic != LINK_MAGIC)
        return reject(a, p, h.request, "not a packet of this link (magic)");
    if (h.version != LINK_VERSION)
        return reject(a, p, h.request, "another version of the link");
    if (h.body_len != len - sizeof(h))
        return reject(a, p, h.request, "a length that is not the packet's");
    if (h.type >= RTE_DIM(requests) || !requests[h.type].name)
        return reject(a, p, h.request, "not a request that is known");
    if (h.body_len != requests[h.type].body_len || fds_cnt != requests[h.type].fds_cnt) {
        snprintf(text, sizeof(text), "%s has a body of %u octets and %u descriptors", requests[h.type].name,
                 requests[h.type].body_len, requests[h.type].fds_cnt);
        return reject(a, p, h.request, text);
    }
    return on_request(a, p, &h, octets + sizeof(h), fds);
}

void
agent_answer(struct agent *a)
{
    for (struct roles_answer done; roles_answered(a->roles, &done);) {
        for (int i = 0; i < AGENT_PEERS_MAX; i++) {
            struct peer *p = &a->peers[i];
            if (p->fd < 0 || p->id != done.peer)
                continue;
            p->is_waiting = false;
            p->heard_ms = worker_clock_ms();
            if (!answer(p, done.is_ack ? LINK_ACK : LINK_NACK, done.request, &done.body, sizeof(done.body)))
                agent_hang_up(p);
        }
    }
}

bool
agent_receive(struct agent *a, struct peer *p)
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

/* Which of two gives way to a new one: who waits for nothing, and of these who was silent for longer. */
static bool
is_sooner(const struct peer *p, const struct peer *than)
{
    return p->is_waiting != than->is_waiting ? than->is_waiting : p->heard_ms < than->heard_ms;
}

void
agent_accept(struct agent *a)
{
    int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct peer *place = &a->peers[0];
    for (int i = 0; i < AGENT_PEERS_MAX; i++) {
        struct peer *p = &a->peers[i];
        if (p->fd < 0 || (place->fd >= 0 && is_sooner(p, place)))
            place = p;
        if (p->fd < 0)
            break;
    }
    if (place->fd >= 0)
        agent_hang_up(place); /* the longest silent one: idle connections must not keep an operator out */
    place->fd = fd;
    place->id = ++a->last_peer;
    place->is_waiting = false;
    place->heard_ms = worker_clock_ms();
}
