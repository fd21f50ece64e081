#include "control/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    REQUEST_NUMBER = 1, /* a blocking connection asks once at a time, so a constant tells stale answers apart */
    FDS_MAX = 8         /* that one packet can bring us; of more the kernel closes the rest */
};

int
peer_connect(const char *socket_path, char *err, size_t err_size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(at.sun_path)) {
        snprintf(err, err_size, "%s: longer than a socket's path may be", socket_path);
        return -1;
    }
    strcpy(at.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
        snprintf(err, err_size, "%s: %s", socket_path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    struct timeval wait = {PEER_WAIT_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    return fd;
}

/* ---- one packet ---- */

int
peer_send(int peer, enum link_type type, uint32_t number, const void *body, size_t body_len, int fd)
{
    struct link_header h = {LINK_MAGIC, LINK_VERSION, (uint16_t)type, (uint32_t)body_len, number};
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
    ssize_t sent;
    do
        sent = sendmsg(peer, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)(sizeof(h) + body_len) ? 0 : sent < 0 ? -errno : -EMSGSIZE;
}

void
peer_answer_close(struct peer_answer *a)
{
    for (int i = 0; i < 2; i++) {
        if (a->fds[i] >= 0)
            close(a->fds[i]);
        a->fds[i] = -1;
    }
}

/* Keeps the descriptors of a packet in fds, the first two; the others are closed. Returns how many came. */
static unsigned
take_fds(struct msghdr *m, int fds[2])
{
    unsigned cnt = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t off = 0; CMSG_LEN(off + sizeof(int)) <= c->cmsg_len; off += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + off, sizeof(fd));
            if (cnt < 2)
                fds[cnt] = fd;
            else
                close(fd);
            cnt++;
        }
    }
    return cnt;
}

/* It is shown on terminals. */
static void
end_text(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (; *text; text++)
        *text = *text >= ' ' && *text <= '~' ? *text : '?';
}

#define END_TEXT(text) end_text(text, sizeof(text))

/* Numbers that are used as enums are ones. */
static bool
check_state(struct link_state *s)
{
    END_TEXT(s->live.digest);
    END_TEXT(s->candidate.digest);
    END_TEXT(s->previous.digest);
    END_TEXT(s->trip.name);
    END_TEXT(s->trip.text);
    return s->stage <= LINK_STAGE_LIVE && s->trip.reason <= LINK_REASON_CRASHES && s->trip.kind < LINK_KIND_CNT &&
           s->worker_cnt <= LINK_WORKERS_MAX;
}

union body {
    struct link_answer answer;
    struct link_state state;
    struct link_pages pages;
};

static bool
take_body(union body *in, const struct link_header *h, unsigned fds_cnt, struct peer_answer *a)
{
    if ((h->type == LINK_ACK || h->type == LINK_NACK) && h->body_len == sizeof(in->answer) && fds_cnt == 0) {
        a->answer = in->answer;
        END_TEXT(a->answer.text);
        a->result = h->type == LINK_ACK ? PEER_DONE : PEER_REFUSED;
        if (a->result == PEER_REFUSED)
            memcpy(a->err, a->answer.text, sizeof(a->err));
        return a->result == PEER_REFUSED || (a->request != LINK_STATUS && a->request != LINK_ATTACH);
    }
    a->result = PEER_DONE;
    if (h->type == LINK_STATE && a->request == LINK_STATUS && h->body_len == sizeof(in->state) && fds_cnt == 0) {
        a->state = in->state;
        return check_state(&a->state);
    }
    if (h->type == LINK_PAGES && a->request == LINK_ATTACH && h->body_len == sizeof(in->pages) && fds_cnt == 2) {
        a->pages = in->pages;
        return true;
    }
    return false;
}

static int
fail(struct peer_answer *a, int rc, const char *why)
{
    peer_answer_close(a);
    a->result = PEER_UNREACHABLE;
    snprintf(a->err, sizeof(a->err), "%s", why);
    return rc;
}

int
peer_receive(int peer, enum link_type request, uint32_t number, struct peer_answer *a)
{
    struct {
        struct link_header h;
        union body body;
        char beyond; /* so that a packet that is too long is seen to be */
    } in;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = {&in, sizeof(in)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    memset(a, 0, sizeof(*a));
    a->request = request;
    a->number = number;
    a->fds[0] = a->fds[1] = -1;
    /* A peer that ends with requests unread is told of first (ECONNRESET, once), what it said before that comes after. */
    ssize_t len;
    bool is_reset = false;
    do
        len = recvmsg(peer, &m, MSG_CMSG_CLOEXEC);
    while (len < 0 && (errno == EINTR || (errno == ECONNRESET && !is_reset && (is_reset = true))));
    if (len < 0)
        return fail(a, errno == EWOULDBLOCK ? -EAGAIN : -errno, strerror(errno));
    unsigned fds_cnt = take_fds(&m, a->fds);
    if (len == 0)
        return fail(a, -ECONNRESET, "the data plane has closed the connection");
    bool is_one = (size_t)len >= sizeof(in.h) && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && in.h.magic == LINK_MAGIC &&
                  in.h.version == LINK_VERSION && in.h.request == number && in.h.body_len == (size_t)len - sizeof(in.h);
    if (!is_one || !take_body(&in.body, &in.h, fds_cnt, a))
        return fail(a, -EPROTO, "the data plane gave no answer that can be read");
    return 0;
}

/* ---- pages ---- */

bool
peer_map(struct peer_answer *a, struct peer_pages *pages, char *err, size_t err_size)
{
    struct peer_pages new = {0};
    if (a->pages.evidence_len == sizeof(struct link_evidence_page))
        new.evidence = ring_page("evidence page", a->fds[0], a->pages.evidence_len, a->pages.evidence_len, false, err,
                                 err_size);
    else
        snprintf(err, err_size, "the data plane's evidence page: not of the size that is known here");
    bool ok = new.evidence;
    if (ok && (new.evidence->magic != LINK_MAGIC || new.evidence->version != LINK_VERSION)) {
        snprintf(err, err_size, "the data plane's evidence page: not one that is known here");
        ok = false;
    }
    ok = ok && ring_map(&new.ring, a->fds[1], a->pages.ring_len, err, err_size);
    peer_answer_close(a);
    if (ok)
        *pages = new;
    else
        peer_detach(&new);
    return ok;
}

void
peer_detach(struct peer_pages *pages)
{
    if (pages->evidence)
        munmap((void *)(uintptr_t)pages->evidence, sizeof(*pages->evidence));
    pages->evidence = NULL;
    ring_unmap(&pages->ring);
}

/* ---- requests that wait ---- */

static enum peer_result
ask(int peer, enum link_type type, const void *body, size_t body_len, int fd, struct peer_answer *a, char *err,
    size_t err_size)
{
    int rc = peer_send(peer, type, REQUEST_NUMBER, body, body_len, fd);
    if (rc) {
        memset(a, 0, sizeof(*a));
        a->fds[0] = a->fds[1] = -1;
        a->result = PEER_UNREACHABLE;
        snprintf(a->err, sizeof(a->err), "the data plane cannot be asked: %s", strerror(-rc));
    } else if (peer_receive(peer, type, REQUEST_NUMBER, a) == -EAGAIN) {
        snprintf(a->err, sizeof(a->err), "no answer within %d s", PEER_WAIT_S);
    }
    if (a->result != PEER_DONE)
        snprintf(err, err_size, "%s", a->err);
    return a->result;
}

/* Requests that are answered by ACK. */
static enum peer_result
order(int peer, enum link_type type, const void *body, size_t body_len, int fd, struct link_answer *answer, char *err,
      size_t err_size)
{
    struct peer_answer a;
    enum peer_result result = ask(peer, type, body, body_len, fd, &a, err, err_size);
    *answer = a.answer;
    return result;
}

enum peer_result
peer_load(int peer, int image_fd, const struct link_load *load, struct link_answer *a, char *err, size_t err_size)
{
    return order(peer, LINK_LOAD, load, sizeof(*load), image_fd, a, err, err_size);
}

enum peer_result
peer_stage(int peer, const struct link_stage *stage, struct link_answer *a, char *err, size_t err_size)
{
    return order(peer, LINK_STAGE, stage, sizeof(*stage), -1, a, err, err_size);
}

enum peer_result
peer_back(int peer, enum link_type type, const struct link_return *back, struct link_answer *a, char *err, size_t err_size)
{
    return order(peer, type, back, sizeof(*back), -1, a, err, err_size);
}

enum peer_result
peer_renew(int peer, const struct link_renew *renew, struct link_answer *a, char *err, size_t err_size)
{
    return order(peer, LINK_RENEW, renew, sizeof(*renew), -1, a, err, err_size);
}

enum peer_result
peer_status(int peer, struct link_state *s, char *err, size_t err_size)
{
    struct peer_answer a;
    enum peer_result result = ask(peer, LINK_STATUS, NULL, 0, -1, &a, err, err_size);
    if (result == PEER_DONE)
        *s = a.state;
    return result;
}

enum peer_result
peer_attach(int peer, struct peer_pages *pages, char *err, size_t err_size)
{
    struct peer_answer a;
    enum peer_result result = ask(peer, LINK_ATTACH, NULL, 0, -1, &a, err, err_size);
    if (result == PEER_DONE && !peer_map(&a, pages, err, err_size))
        result = PEER_UNREACHABLE;
    return result;
}
