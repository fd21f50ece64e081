#include "control/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_NUMBER = 1 }; /* a connection asks once at a time, so a constant tells stale answers apart */

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

/* fd < 0: none goes along. */
static bool
send_request(int peer, enum link_type type, const void *body, size_t body_len, int fd)
{
    struct link_header h = {LINK_MAGIC, LINK_VERSION, (uint16_t)type, (uint32_t)body_len, REQUEST_NUMBER};
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
    return sendmsg(peer, &m, MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + body_len);
}

/* One answer: its type, or -1 when it is none. body has room for body_size; short bodies are an error. */
static int
receive_answer(int peer, struct link_answer *a, struct link_state *s)
{
    union {
        struct {
            struct link_header h;
            union {
                struct link_answer a;
                struct link_state s;
            } body;
        } packet;
        char octets[sizeof(struct link_header) + sizeof(struct link_state) + sizeof(struct link_answer)];
    } in;
    ssize_t len;
    do
        len = recv(peer, &in, sizeof(in), 0);
    while (len < 0 && errno == EINTR);
    struct link_header *h = &in.packet.h;
    if (len < (ssize_t)sizeof(*h) || h->magic != LINK_MAGIC || h->version != LINK_VERSION ||
        h->body_len != (size_t)len - sizeof(*h))
        return -1;
    if ((h->type == LINK_ACK || h->type == LINK_NACK) && h->body_len == sizeof(*a)) {
        *a = in.packet.body.a;
        a->text[sizeof(a->text) - 1] = '\0';
        return h->type;
    }
    if (s && h->type == LINK_STATE && h->body_len == sizeof(*s)) {
        *s = in.packet.body.s;
        s->live.digest[sizeof(s->live.digest) - 1] = '\0';
        return h->type;
    }
    return -1;
}

static enum peer_result
no_answer(char *err, size_t err_size)
{
    bool is_late = errno == EAGAIN;
    snprintf(err, err_size, is_late ? "no answer within %d s" : "the data plane gave no answer that can be read",
             PEER_WAIT_S);
    return PEER_UNREACHABLE;
}

enum peer_result
peer_load(int peer, int image_fd, const struct link_load *load, struct link_answer *a, char *err, size_t err_size)
{
    errno = 0;
    if (!send_request(peer, LINK_LOAD, load, sizeof(*load), image_fd))
        return no_answer(err, err_size);
    int type = receive_answer(peer, a, NULL);
    if (type == LINK_ACK)
        return PEER_DONE;
    if (type != LINK_NACK)
        return no_answer(err, err_size);
    snprintf(err, err_size, "%s", a->text);
    return PEER_REFUSED;
}

enum peer_result
peer_status(int peer, struct link_state *s, char *err, size_t err_size)
{
    struct link_answer a;
    errno = 0;
    if (!send_request(peer, LINK_STATUS, NULL, 0, -1))
        return no_answer(err, err_size);
    int type = receive_answer(peer, &a, s);
    if (type == LINK_STATE)
        return PEER_DONE;
    if (type != LINK_NACK)
        return no_answer(err, err_size);
    snprintf(err, err_size, "%s", a.text);
    return PEER_REFUSED;
}
