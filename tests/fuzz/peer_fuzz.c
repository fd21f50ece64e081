/* The controller's end of the link against a data plane that says anything. Operations of the input:
 *
 *     0 ask something   1 answer the oldest request as it should be, with changes   2 octets as they come   3 time passes
 *     4 the data plane closes, or opens again   5 answers are fetched
 *
 * Each number that was given gets one answer, in the order of asking; what is said to be done has numbers that are enums
 * and texts that end and can be shown; what is mapped is a ring; no descriptor stays open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/peer_client.h"
#include "feed.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED_MAX = 64, RING_LEN = sizeof(struct link_ring) + 1024 };

struct run {
    struct feed f;
    struct peer_client *c;
    int plane; /* -1: closed */
    uint64_t now_ms;
    uint32_t asked[ASKED_MAX]; /* not answered yet */
    unsigned asked_cnt;
    struct link_header last; /* request that the data plane has heard */
};

static char path[64];
static int listener = -1, evidence_fd, ring_fd, first_fd; /* first_fd: lowest free descriptor at rest */

/* ---- the data plane ---- */

static int
page(size_t len, bool is_ring)
{
    int fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    MUST(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(at != MAP_FAILED);
    if (is_ring)
        *(struct link_ring *)at = (struct link_ring){.magic = LINK_MAGIC, .version = LINK_VERSION, .size = 1024};
    else
        *(struct link_evidence_page *)at = (struct link_evidence_page){.magic = LINK_MAGIC, .version = LINK_VERSION};
    munmap(at, len);
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return fd;
}

static void
end(void)
{
    unlink(path);
}

static void
open_listener(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "/tmp/weir-peer-fuzz.%d", (int)getpid());
    strcpy(at.sun_path, path);
    unlink(path);
    evidence_fd = page(sizeof(struct link_evidence_page), false);
    ring_fd = page(RING_LEN, true);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    MUST(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 4) == 0);
    atexit(end);
    first_fd = dup(0);
    close(first_fd);
}

static void
send_it(struct run *r, const struct link_header *h, const void *body, size_t len, unsigned fds_cnt)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)h, sizeof(*h)}, {(void *)(uintptr_t)body, len}};
    int fds[4] = {evidence_fd, ring_fd, ring_fd, evidence_fd};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    if (fds_cnt) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(fds_cnt * sizeof(int));
        control.head = (struct cmsghdr){CMSG_LEN(fds_cnt * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), fds, fds_cnt * sizeof(int));
    }
    if (r->plane >= 0)
        sendmsg(r->plane, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Hears one request; then the answer that it should have, changed as the input says. */
static void
answer(struct run *r)
{
    static char octets[sizeof(struct link_header) + sizeof(struct link_stage)];
    ssize_t len = r->plane >= 0 ? recv(r->plane, octets, sizeof(octets), MSG_DONTWAIT) : -1;
    if (len >= (ssize_t)sizeof(r->last))
        memcpy(&r->last, octets, sizeof(r->last));
    union {
        struct link_answer answer;
        struct link_state state;
        struct link_pages pages;
    } body = {0};
    bool is_status = r->last.type == LINK_STATUS, is_attach = r->last.type == LINK_ATTACH;
    struct link_header h = r->last;
    h.type = is_status ? LINK_STATE : is_attach ? LINK_PAGES : LINK_ACK;
    h.body_len = is_status ? sizeof(body.state) : is_attach ? sizeof(body.pages) : sizeof(body.answer);
    if (is_attach)
        body.pages = (struct link_pages){sizeof(struct link_evidence_page), RING_LEN};
    size_t body_len = h.body_len;
    uint8_t how = feed_u8(&r->f);
    if (how & 1)
        feed_patch(&r->f, &h, sizeof(h));
    if (how & 2)
        feed_patch(&r->f, &body, sizeof(body));
    if (how & 4)
        body_len = (size_t)feed_u8(&r->f) * 4;
    send_it(r, &h, &body, body_len < sizeof(body) ? body_len : sizeof(body), how & 8 ? how >> 4 & 3 : is_attach ? 2 : 0);
}

static void
close_or_open(struct run *r)
{
    if (r->plane >= 0) {
        close(r->plane);
        r->plane = -1;
        return;
    }
    peer_client_work(r->c, r->now_ms);
    r->plane = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* ---- the controller ---- */

static void
ask(struct run *r)
{
    static const struct {
        enum link_type type;
        size_t body_len;
    } requests[] = {{LINK_STATUS, 0},
                    {LINK_ATTACH, 0},
                    {LINK_LOAD, sizeof(struct link_load)},
                    {LINK_RENEW, sizeof(struct link_renew)},
                    {LINK_RETURN, sizeof(struct link_return)},
                    {LINK_STAGE, sizeof(struct link_stage)}};
    static const char body[sizeof(struct link_stage)];
    unsigned i = feed_u8(&r->f) % (sizeof(requests) / sizeof(*requests));
    uint32_t number = peer_client_ask(r->c, requests[i].type, body, requests[i].body_len,
                                      requests[i].type == LINK_LOAD ? ring_fd : -1, r->now_ms);
    MUST(!number || r->asked_cnt < PEER_CLIENT_MAX);
    if (number)
        r->asked[r->asked_cnt++] = number;
}

static void
check_text(const char *text, size_t size)
{
    MUST(memchr(text, '\0', size));
    for (; *text; text++)
        MUST(*text >= ' ' && *text <= '~');
}

static void
check_done(struct peer_answer *a)
{
    char err[LINK_TEXT_MAX];
    struct peer_pages pages = {0};
    if (a->request == LINK_STATUS) {
        MUST(a->state.stage <= LINK_STAGE_LIVE && a->state.trip.reason <= LINK_REASON_CRASHES);
        MUST(a->state.trip.kind < LINK_KIND_CNT && a->state.worker_cnt <= LINK_WORKERS_MAX);
        check_text(a->state.live.digest, sizeof(a->state.live.digest));
        check_text(a->state.candidate.digest, sizeof(a->state.candidate.digest));
        check_text(a->state.previous.digest, sizeof(a->state.previous.digest));
        check_text(a->state.trip.name, sizeof(a->state.trip.name));
        check_text(a->state.trip.text, sizeof(a->state.trip.text));
    } else if (a->request != LINK_ATTACH) {
        check_text(a->answer.text, sizeof(a->answer.text));
    } else if (peer_map(a, &pages, err, sizeof(err))) {
        MUST(pages.evidence && pages.ring.page && pages.ring.size == 1024);
        peer_detach(&pages);
    } else {
        MUST(*err && !pages.evidence && !pages.ring.page);
    }
}

static void
fetch(struct run *r)
{
    struct peer_answer a;
    while (peer_client_next(r->c, &a)) {
        MUST(r->asked_cnt && a.number == r->asked[0]);
        memmove(r->asked, r->asked + 1, --r->asked_cnt * sizeof(*r->asked));
        MUST((a.result == PEER_DONE) == (a.err[0] == '\0') || a.result == PEER_REFUSED);
        check_text(a.err, sizeof(a.err));
        MUST(a.result == PEER_DONE || (a.fds[0] < 0 && a.fds[1] < 0));
        if (a.result == PEER_DONE)
            check_done(&a);
        peer_answer_close(&a);
    }
}

static void
do_one(struct run *r)
{
    struct link_header h;
    uint8_t octets[64];
    switch (feed_u8(&r->f) % 6) {
    case 0:
        ask(r);
        break;
    case 1:
        answer(r);
        break;
    case 2:
        feed_into(&r->f, &h, sizeof(h));
        feed_into(&r->f, octets, sizeof(octets));
        send_it(r, &h, octets, feed_u8(&r->f) % sizeof(octets), 0);
        break;
    case 3:
        r->now_ms += (uint64_t)feed_u8(&r->f) * 500;
        break;
    case 4:
        close_or_open(r);
        break;
    default:
        fetch(r);
    }
    peer_client_work(r->c, r->now_ms);
    MUST(peer_client_is_up(r->c) == (peer_client_fd(r->c) >= 0));
    MUST(peer_client_is_up(r->c) || *peer_client_why(r->c));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (listener < 0)
        open_listener();
    struct run r = {.f = {data, size}, .c = peer_client_new(path), .plane = -1, .now_ms = 1000};
    MUST(r.c);
    close_or_open(&r);
    MUST(r.plane >= 0);
    for (unsigned ops = 0; r.f.left && ops < 200; ops++)
        do_one(&r);
    /* In the end everything that was asked is answered. */
    if (r.plane >= 0)
        close(r.plane);
    peer_client_work(r.c, r.now_ms);
    peer_client_hang_up(r.c, "the end", r.now_ms);
    fetch(&r);
    MUST(r.asked_cnt == 0);
    peer_client_free(r.c);
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        close(fd);
    int fd = dup(0);
    MUST(fd == first_fd);
    close(fd);
    return 0;
}
