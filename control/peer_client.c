#include "control/peer_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum request_state { REQUEST_WAITS, REQUEST_SENT, REQUEST_ANSWERED };

/* From ask to next. Those of a queue are in the order of asking: answered ones, then sent ones, then waiting ones. */
struct request {
    enum request_state state;
    enum link_type type;
    uint32_t number;
    uint64_t late_ms;
    int fd;
    size_t body_len;
    uint8_t body[sizeof(struct link_stage)];
    struct peer_answer answer;
};

struct peer_client {
    struct sockaddr_un at;
    int fd;
    uint64_t retry_ms; /* not before */
    uint64_t connections;
    uint32_t last_number;
    char why[LINK_TEXT_MAX];
    unsigned first, cnt; /* of the queue, a circle */
    struct request queue[PEER_CLIENT_MAX];
};

static struct request *
at(struct peer_client *c, unsigned i)
{
    return &c->queue[(c->first + i) % PEER_CLIENT_MAX];
}

static void
forget_fd(struct request *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

/* ---- the connection ---- */

struct peer_client *
peer_client_new(const char *socket_path)
{
    struct peer_client *c = calloc(1, sizeof(*c));
    if (!c || strlen(socket_path) >= sizeof(c->at.sun_path)) {
        free(c);
        return NULL;
    }
    c->at.sun_family = AF_UNIX;
    strcpy(c->at.sun_path, socket_path);
    c->fd = -1;
    snprintf(c->why, sizeof(c->why), "not connected yet");
    return c;
}

void
peer_client_hang_up(struct peer_client *c, const char *why, uint64_t now_ms)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    c->retry_ms = now_ms + PEER_CLIENT_RETRY_MS;
    snprintf(c->why, sizeof(c->why), "%s", why);
    for (unsigned i = 0; i < c->cnt; i++) {
        struct request *r = at(c, i);
        if (r->state == REQUEST_ANSWERED)
            continue;
        forget_fd(r);
        r->state = REQUEST_ANSWERED;
        memset(&r->answer, 0, sizeof(r->answer));
        r->answer.result = PEER_UNREACHABLE;
        r->answer.request = r->type;
        r->answer.number = r->number;
        r->answer.fds[0] = r->answer.fds[1] = -1;
        memcpy(r->answer.err, c->why, sizeof(c->why));
    }
}

void
peer_client_free(struct peer_client *c)
{
    struct peer_answer a;
    if (!c)
        return;
    peer_client_hang_up(c, "", 0);
    while (peer_client_next(c, &a))
        peer_answer_close(&a);
    free(c);
}

/* A local connection is there at once or not at all (EAGAIN: too many wait to be accepted). */
static void
connect_now(struct peer_client *c, uint64_t now_ms)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&c->at, sizeof(c->at)) == 0) {
        c->fd = fd;
        c->connections++;
        c->why[0] = '\0';
        return;
    }
    snprintf(c->why, sizeof(c->why), "%s: %s", c->at.sun_path, strerror(errno));
    c->retry_ms = now_ms + PEER_CLIENT_RETRY_MS;
    if (fd >= 0)
        close(fd);
}

bool
peer_client_is_up(const struct peer_client *c)
{
    return c->fd >= 0;
}

uint64_t
peer_client_connections(const struct peer_client *c)
{
    return c->connections;
}

const char *
peer_client_why(const struct peer_client *c)
{
    return c->why;
}

int
peer_client_fd(const struct peer_client *c)
{
    return c->fd;
}

/* ---- requests ---- */

/* The first one in this state; NULL: none. */
static struct request *
first_in(const struct peer_client *c, enum request_state state)
{
    for (unsigned i = 0; i < c->cnt; i++) {
        struct request *r = at((struct peer_client *)(uintptr_t)c, i);
        if (r->state == state)
            return r;
    }
    return NULL;
}

short
peer_client_events(const struct peer_client *c)
{
    return first_in(c, REQUEST_WAITS) ? POLLIN | POLLOUT : POLLIN;
}

uint64_t
peer_client_due(const struct peer_client *c)
{
    uint64_t due = UINT64_MAX;
    if (c->fd < 0)
        return c->retry_ms;
    for (unsigned i = 0; i < c->cnt; i++) {
        const struct request *r = at((struct peer_client *)(uintptr_t)c, i);
        if (r->state != REQUEST_ANSWERED && r->late_ms < due)
            due = r->late_ms;
    }
    return due;
}

static void
send_waiting(struct peer_client *c, uint64_t now_ms)
{
    for (struct request *r; c->fd >= 0 && (r = first_in(c, REQUEST_WAITS));) {
        int rc = peer_send(c->fd, r->type, r->number, r->body, r->body_len, r->fd);
        if (rc == -EAGAIN)
            return;
        if (rc) {
            peer_client_hang_up(c, strerror(-rc), now_ms);
            return;
        }
        forget_fd(r);
        r->state = REQUEST_SENT;
    }
}

/* Also when nothing was asked: what comes then is a close, or nonsense. */
static void
receive(struct peer_client *c, uint64_t now_ms)
{
    while (c->fd >= 0) {
        struct request *r = first_in(c, REQUEST_SENT);
        struct peer_answer a;
        int rc = peer_receive(c->fd, r ? r->type : LINK_STATUS, r ? r->number : 0, &a);
        if (rc == -EAGAIN)
            return;
        if (rc || !r) {
            peer_answer_close(&a);
            peer_client_hang_up(c, rc ? a.err : "the data plane answered what nobody asked", now_ms);
            return;
        }
        r->answer = a;
        r->state = REQUEST_ANSWERED;
    }
}

static void
give_up_late(struct peer_client *c, uint64_t now_ms)
{
    for (unsigned i = 0; c->fd >= 0 && i < c->cnt; i++) {
        const struct request *r = at(c, i);
        if (r->state != REQUEST_ANSWERED && now_ms >= r->late_ms)
            peer_client_hang_up(c, "the data plane's answer is late", now_ms);
    }
}

void
peer_client_work(struct peer_client *c, uint64_t now_ms)
{
    if (c->fd < 0 && now_ms >= c->retry_ms)
        connect_now(c, now_ms);
    if (c->fd < 0)
        return;
    receive(c, now_ms); /* first: an answer that is there is not late */
    send_waiting(c, now_ms);
    give_up_late(c, now_ms);
}

static uint64_t
wait_of(enum link_type type, const void *body, size_t body_len)
{
    if (type == LINK_STAGE)
        return PEER_CLIENT_WAIT_LOAD_MS;
    if (type != LINK_LOAD || body_len != sizeof(struct link_load))
        return PEER_CLIENT_WAIT_MS;
    return PEER_CLIENT_WAIT_LOAD_MS + (uint64_t)((const struct link_load *)body)->wait_ms;
}

/* Answers come in order: who waits behind a LOAD is not late before that is. */
static uint64_t
late_after(struct peer_client *c, uint64_t late_ms)
{
    for (unsigned i = 0; i < c->cnt; i++) {
        const struct request *r = at(c, i);
        if (r->state != REQUEST_ANSWERED && r->late_ms > late_ms)
            late_ms = r->late_ms;
    }
    return late_ms;
}

uint32_t
peer_client_ask(struct peer_client *c, enum link_type type, const void *body, size_t body_len, int fd, uint64_t now_ms)
{
    if (c->fd < 0 || c->cnt == PEER_CLIENT_MAX || body_len > sizeof(c->queue[0].body))
        return 0;
    int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (fd >= 0 && copy < 0)
        return 0;
    uint64_t late_ms = late_after(c, now_ms + wait_of(type, body, body_len));
    struct request *r = at(c, c->cnt++);
    memset(r, 0, sizeof(*r));
    c->last_number += c->last_number == UINT32_MAX ? 2 : 1; /* 0 is none */
    r->type = type;
    r->number = c->last_number;
    r->fd = copy;
    r->late_ms = late_ms;
    r->body_len = body_len;
    if (body_len)
        memcpy(r->body, body, body_len);
    uint32_t number = r->number;
    send_waiting(c, now_ms);
    return number;
}

bool
peer_client_next(struct peer_client *c, struct peer_answer *a)
{
    if (c->cnt == 0 || at(c, 0)->state != REQUEST_ANSWERED)
        return false;
    *a = at(c, 0)->answer;
    c->first = (c->first + 1) % PEER_CLIENT_MAX;
    c->cnt--;
    return true;
}
