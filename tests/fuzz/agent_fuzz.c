/* The data plane's end of the link against controllers that say anything. Operations of the input, by one of three peers:
 *
 *     0 connects, or leaves   1 a request as it should be, with changes   2 octets as they come   3 hears   4 many
 *     descriptors   5 the agent gets some rounds
 *
 * An answer is one that link.h knows, to a request of this connection, at most one each; what is live is a set that was
 * loaded; in the end an honest peer is answered, and no descriptor stays open. Images are good ones, one that is cut, and
 * one that grows. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>

#include "control/link.h"
#include "dataplane/agent.h"
#include "dataplane/config.h"
#include "dataplane/pipeline.h"
#include "feed.h"
#include "must.h"
#include "scan/image.h"
#include "scan/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEERS = 3, IMAGES = 4, ROUNDS_MAX = 5000 };

struct dialler {
    int fd; /* -1: not connected */
    unsigned asked, answered;
};

struct run {
    struct feed f;
    struct dialler peers[PEERS];
};

static char folder[64], path[96];
static int images[IMAGES];
static struct agent *agent;
static struct config config;
static struct appliance appliance;
static struct worker worker;

/* ---- set-up ---- */

static int
file_of(const void *octets, size_t len)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, octets, len) == (ssize_t)len);
    return fd;
}

static void
make_images(void)
{
    static const char text[] = "body A /one/\nscore A 6\n";
    void *octets;
    size_t len;
    struct rule_list *l = rule_list_new();
    MUST(rule_list_parse(l, "t.cf", text, sizeof(text) - 1) == 0 && image_build(l, &octets, &len) == 0);
    rule_list_free(l);
    images[0] = file_of(octets, len);
    images[1] = file_of(octets, len / 2);
    images[2] = file_of("", 0);
    images[3] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(octets);
}

static void
end(void)
{
    unlink(path);
    rmdir(folder);
}

static void
set_up(void)
{
    static char words[][24] = {"fuzz",  "--no-huge",   "-m",          "64", "--no-pci", "--no-telemetry",
                               "--no-shconf", "--log-level=1", "-l", "0"};
    char *args[11] = {0};
    for (unsigned i = 0; i < 10; i++)
        args[i] = words[i];
    MUST(rte_eal_init(10, args) >= 0); /* for the clock */
    strcpy(folder, "/tmp/weir-agent-fuzz.XXXXXX");
    MUST(mkdtemp(folder));
    atexit(end);
    snprintf(path, sizeof(path), "%s/s", folder);
    make_images();
    snprintf(config.link_socket, sizeof(config.link_socket), "%s", path);
    config.link_mode = 0600;
    appliance.config = &config;
    appliance.workers_cnt = 1;
    worker.appliance = &appliance;
    worker.pl = calloc(1, sizeof(*worker.pl));
}

static unsigned
open_fds(void)
{
    unsigned cnt = 0;
    for (int fd = 0; fd < 256; fd++)
        cnt += fcntl(fd, F_GETFD) >= 0;
    return cnt;
}

/* ---- what peers do ---- */

static int
dial(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

static void
leave(struct dialler *p)
{
    if (p->fd >= 0)
        close(p->fd);
    *p = (struct dialler){.fd = -1};
}

static void
send_it(struct dialler *p, const void *octets, size_t len, const int *fds, unsigned fds_cnt)
{
    struct iovec part = {(void *)(uintptr_t)octets, len};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds_cnt) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(fds_cnt * sizeof(int));
        control.head = (struct cmsghdr){CMSG_LEN(fds_cnt * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), fds, fds_cnt * sizeof(int));
    }
    p->asked += sendmsg(p->fd, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Small generation numbers, so that requests find what others loaded. */
static void
request(struct run *r, struct dialler *p)
{
    static const size_t lens[] = {[LINK_LOAD] = sizeof(struct link_load),     [LINK_STATUS] = 0,
                                  [LINK_STAGE] = sizeof(struct link_stage),   [LINK_DROP] = sizeof(struct link_return),
                                  [LINK_RETURN] = sizeof(struct link_return), [LINK_RENEW] = sizeof(struct link_renew),
                                  [LINK_ATTACH] = 0};
    static struct {
        struct link_header h;
        union {
            struct link_load load;
            struct link_stage stage;
            struct link_return what;
            struct link_renew renew;
        } body;
    } out;
    static const uint16_t types[] = {LINK_LOAD, LINK_STAGE, LINK_DROP, LINK_RETURN, LINK_RENEW, LINK_STATUS, LINK_ATTACH};
    uint8_t how = feed_u8(&r->f), generation = feed_u8(&r->f), more = feed_u8(&r->f);
    uint16_t type = types[how % 7];
    memset(&out, 0, sizeof(out));
    out.h = (struct link_header){LINK_MAGIC, LINK_VERSION, type, (uint32_t)lens[type], p->asked};
    out.body.load.generation = generation % 8; /* at the same place in all of them */
    if (type == LINK_LOAD)
        out.body.load = (struct link_load){generation % 8, 0, more & 1, 0};
    else if (type == LINK_STAGE)
        out.body.stage = (struct link_stage){.generation = generation % 8, .stage = more % 7, .share_ppm = 1000000,
                                             .lease_ms = more & 8 ? 0 : 60000, .budget_permille = 500, .defer_tries = 2};
    else if (type == LINK_RENEW)
        out.body.renew.lease_ms = more;
    if (how & 0x80)
        feed_patch(&r->f, &out.h, sizeof(out.h));
    if (how & 0x40)
        feed_patch(&r->f, &out.body, lens[type]);
    send_it(p, &out, sizeof(out.h) + lens[type], &images[more >> 4 & 3 & -(more >> 7)], type == LINK_LOAD);
}

static void
raw(struct run *r, struct dialler *p, bool has_fds)
{
    static uint8_t octets[sizeof(struct link_header) + sizeof(struct link_stage) + 64];
    int fds[16];
    size_t len = ((size_t)feed_u8(&r->f) << 8 | feed_u8(&r->f)) % sizeof(octets);
    struct link_header h = {LINK_MAGIC, LINK_VERSION, LINK_LOAD, (uint32_t)len, p->asked};
    feed_into(&r->f, octets, len);
    if (has_fds && len >= sizeof(h))
        memcpy(octets, &h, sizeof(h));
    for (unsigned i = 0; i < 16; i++)
        fds[i] = images[i % IMAGES];
    send_it(p, octets, len, fds, has_fds ? 1 + feed_u8(&r->f) % 16 : 0);
}

/* False: nothing is there. */
static bool
hear(struct dialler *p, uint16_t *type)
{
    static struct {
        struct link_header h;
        union {
            struct link_answer answer;
            struct link_state state;
            struct link_pages pages;
        } body;
        char beyond;
    } in;
    char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec part = {&in, sizeof(in)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *type = 0;
    if (len <= 0)
        return false;
    MUST(!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && (size_t)len >= sizeof(in.h));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fds[2] = {-1, -1};
    if (c)
        memcpy(fds, CMSG_DATA(c), sizeof(fds));
    for (int i = 0; i < 2; i++)
        MUST((fds[i] >= 0) == (in.h.type == LINK_PAGES) && (fds[i] < 0 || close(fds[i]) == 0));
    MUST(in.h.magic == LINK_MAGIC && in.h.version == LINK_VERSION && in.h.body_len == (size_t)len - sizeof(in.h));
    MUST(++p->answered <= p->asked);
    *type = in.h.type;
    if (in.h.type == LINK_ACK || in.h.type == LINK_NACK) {
        MUST(in.h.body_len == sizeof(in.body.answer) && memchr(in.body.answer.text, 0, LINK_TEXT_MAX));
        MUST(in.h.type == LINK_ACK || *in.body.answer.text);
    } else if (in.h.type == LINK_STATE) {
        const struct link_state *s = &in.body.state;
        MUST(in.h.body_len == sizeof(*s) && s->stage <= LINK_STAGE_LIVE && s->resident <= 4);
        MUST((s->live.generation != 0) == (strlen(s->live.digest) == 64));
        MUST((s->candidate.generation != 0) == (strlen(s->candidate.digest) == 64));
        MUST(!s->candidate.generation || s->candidate.generation != s->live.generation);
        MUST(s->trip.reason <= LINK_REASON_CRASHES && s->trip.kind < LINK_KIND_CNT);
    } else {
        MUST(in.h.type == LINK_PAGES && in.h.body_len == sizeof(in.body.pages));
    }
    return true;
}

static void
do_one(struct run *r)
{
    uint8_t op = feed_u8(&r->f);
    struct dialler *p = &r->peers[op / 8 % PEERS];
    uint16_t type;
    if (p->fd < 0 || op % 8 == 0) {
        bool was_connected = p->fd >= 0;
        leave(p);
        if (!was_connected)
            p->fd = dial();
    } else if (op % 8 == 1 || op % 8 >= 6) {
        request(r, p);
    } else if (op % 8 == 2 || op % 8 == 4) {
        raw(r, p, op % 8 == 4);
    } else if (op % 8 == 3) {
        while (hear(p, &type))
            ;
    }
    for (unsigned i = 0; i < (op % 8 == 5 ? 20 : 1); i++)
        agent_poll(agent, 0);
}

static void
honest_end(void)
{
    struct dialler p = {.fd = dial(), .asked = 1};
    struct link_header h = {LINK_MAGIC, LINK_VERSION, LINK_STATUS, 0, 7};
    uint16_t type = 0;
    MUST(send(p.fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h));
    for (unsigned i = 0; i < ROUNDS_MAX && !type; i++) {
        agent_poll(agent, 1);
        hear(&p, &type);
    }
    MUST(type == LINK_STATE);
    close(p.fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!*folder)
        set_up();
    struct run r = {.f = {data, size}, .peers = {{.fd = -1}, {.fd = -1}, {.fd = -1}}};
    unsigned fds = open_fds();
    appliance.swap = swap_new(1);
    struct worker *workers[1] = {&worker};
    agent = agent_new(&appliance, workers);
    MUST(appliance.swap && agent);
    for (unsigned ops = 0; r.f.left && ops < 100; ops++)
        do_one(&r);
    honest_end();
    for (unsigned i = 0; i < PEERS; i++)
        leave(&r.peers[i]);
    agent_free(agent);
    swap_free(appliance.swap);
    MUST(open_fds() == fds);
    return 0;
}
