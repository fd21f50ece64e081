#include "control/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
uplink_init(struct uplink *u, const char *path, const uint64_t *ask_seq, const struct uplink_calls *calls)
{
    *u = (struct uplink){.path = path, .calls = *calls, .fd = -1, .ask_seq = ask_seq};
}

static void
unmap(struct uplink *u)
{
    if (u->page)
        munmap((void *)(uintptr_t)u->page, u->page_len);
    ring_unmap(&u->ring);
    u->page = NULL;
}

static void
down(struct uplink *u, const char *why)
{
    if (u->fd >= 0) {
        close(u->fd);
        u->fd = -1;
        u->cnt = 0;
        u->calls.down(u->calls.owner, why);
    }
    unmap(u);
    u->wait_ms = u->wait_ms ? u->wait_ms * 2 : UPLINK_AGAIN_MS;
    if (u->wait_ms > UPLINK_AGAIN_MAX_MS)
        u->wait_ms = UPLINK_AGAIN_MAX_MS;
    u->again_ms = u->now_ms + u->wait_ms;
}

void
uplink_fini(struct uplink *u)
{
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    unmap(u);
}

static bool
send_request(struct uplink *u, enum link_type type, const struct rollout_ask *ask, const void *body, size_t body_len,
             int fd)
{
    if (u->fd < 0 || u->cnt == UPLINK_FLIGHT_MAX)
        return false;
    struct link_header h = {LINK_MAGIC, LINK_VERSION, (uint16_t)type, (uint32_t)body_len, ++u->request};
    struct iovec parts[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)body, body_len}};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = body_len ? 2 : 1};
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
    }
    if (sendmsg(u->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(sizeof(h) + body_len))
        return false;
    struct uplink_flight *f = &u->flight[(u->first + u->cnt++) % UPLINK_FLIGHT_MAX];
    *f = (struct uplink_flight){.request = u->request, .type = type, .ask_seq = *u->ask_seq, .sent_ms = u->now_ms};
    if (ask)
        f->ask = *ask;
    f->ask.text = NULL;
    return true;
}

bool
uplink_ask(struct uplink *u, const struct rollout_ask *ask, const void *body, size_t body_len, int fd)
{
    return send_request(u, ask->type, ask, body, body_len, fd);
}

void
uplink_look(struct uplink *u)
{
    u->wants_status = true;
}

static void
connect_now(struct uplink *u)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(u->path) >= sizeof(at.sun_path))
        return;
    strcpy(at.sun_path, u->path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at))) {
        if (fd >= 0)
            close(fd);
        down(u, "");
        return;
    }
    u->fd = fd;
    u->first = u->cnt = 0;
    u->calls.up(u->calls.owner);
    send_request(u, LINK_ATTACH, NULL, NULL, 0, -1);
    u->wants_status = true;
}

/* ---- answers ---- */

struct packet {
    struct link_header h;
    union {
        struct link_answer answer;
        struct link_state state;
        struct link_pages pages;
        char octets[sizeof(struct link_state) + 64];
    } body;
};

static void
take_pages(struct uplink *u, const struct link_pages *pages, const int fds[2])
{
    char err[128] = "";
    unmap(u);
    if (!ring_map(&u->ring, fds[1], pages->ring_len, err, sizeof(err)))
        fprintf(stderr, "weir-control: link: %s: no records of messages\n", err);
    struct link_evidence_page *page =
        ring_page("evidence page", fds[0], pages->evidence_len, sizeof(*page), false, err, sizeof(err));
    if (page && (pages->evidence_len < sizeof(*page) || page->magic != LINK_MAGIC || page->version != LINK_VERSION)) {
        munmap(page, (size_t)pages->evidence_len);
        page = NULL;
    }
    if (!page)
        fprintf(stderr, "weir-control: link: no evidence page that can be read: %s\n", err);
    u->page = page;
    u->page_len = (size_t)pages->evidence_len;
}

static void
end_texts(struct link_state *s)
{
    struct link_role *roles[] = {&s->live, &s->candidate, &s->previous};
    for (unsigned i = 0; i < 3; i++)
        roles[i]->digest[LINK_DIGEST_LEN - 1] = '\0';
    s->trip.name[LINK_NAME_MAX - 1] = '\0';
    s->trip.text[LINK_TEXT_MAX - 1] = '\0';
}

/* NULL, or what is wrong with it. */
static const char *
take_answer(struct uplink *u, struct packet *p, size_t len, const int fds[2])
{
    if (len < sizeof(p->h) || p->h.magic != LINK_MAGIC || p->h.version != LINK_VERSION ||
        p->h.body_len != len - sizeof(p->h))
        return "an answer that is none";
    if (!u->cnt || u->flight[u->first].request != p->h.request)
        return "an answer to nothing";
    struct uplink_flight f = u->flight[u->first];
    u->first = (u->first + 1) % UPLINK_FLIGHT_MAX;
    u->cnt--;
    bool is_answer = (p->h.type == LINK_ACK || p->h.type == LINK_NACK) && p->h.body_len == sizeof(p->body.answer);
    if (is_answer)
        p->body.answer.text[LINK_TEXT_MAX - 1] = '\0';
    if (f.type == LINK_STATUS && p->h.type == LINK_STATE && p->h.body_len == sizeof(p->body.state)) {
        end_texts(&p->body.state);
        u->wait_ms = 0;
        u->calls.state(u->calls.owner, &p->body.state, f.ask_seq);
    } else if (f.type == LINK_ATTACH && p->h.type == LINK_PAGES && p->h.body_len == sizeof(p->body.pages)) {
        take_pages(u, &p->body.pages, fds);
    } else if (f.type == LINK_ATTACH && is_answer) {
        unmap(u); /* it has none: no evidence */
    } else if (is_answer && f.type != LINK_STATUS) {
        u->calls.answered(u->calls.owner, &f.ask, p->h.type == LINK_ACK, &p->body.answer);
        u->wants_status = true;
    } else {
        return "an answer to something else";
    }
    return NULL;
}

/* False: nothing more now. */
static bool
receive(struct uplink *u)
{
    struct packet p;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec part = {&p, sizeof(p)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(u->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    int fds[4] = {-1, -1, -1, -1};
    size_t fds_cnt = 0;
    for (struct cmsghdr *c = len > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        size_t cnt = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
                                                                               : 0;
        for (size_t i = 0; i < cnt && fds_cnt < 4; i++)
            memcpy(&fds[fds_cnt++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
    const char *why = len <= 0                    ? "the data plane closed the link"
                      : m.msg_flags & MSG_TRUNC ? "an answer longer than any"
                                                  : take_answer(u, &p, (size_t)len, fds);
    for (size_t i = 0; i < fds_cnt; i++)
        close(fds[i]);
    if (why)
        down(u, why);
    return u->fd >= 0;
}

void
uplink_tick(struct uplink *u, uint64_t now_ms)
{
    u->now_ms = now_ms;
    if (u->fd < 0 && now_ms >= u->again_ms)
        connect_now(u);
    for (unsigned round = 0; u->fd >= 0 && round < UPLINK_FLIGHT_MAX && receive(u); round++)
        ;
    if (u->fd < 0)
        return;
    if (u->cnt && now_ms - u->flight[u->first].sent_ms > UPLINK_WAIT_MS) {
        down(u, "the data plane does not answer");
        return;
    }
    bool is_asked = false;
    for (unsigned i = 0; i < u->cnt; i++)
        is_asked = is_asked || u->flight[(u->first + i) % UPLINK_FLIGHT_MAX].type == LINK_STATUS;
    if (!is_asked && (u->wants_status || now_ms - u->status_ms >= UPLINK_STATUS_MS) &&
        send_request(u, LINK_STATUS, NULL, NULL, 0, -1)) {
        u->wants_status = false;
        u->status_ms = now_ms;
    }
}
