/* peer and peer_client against a data plane made of a socket and a thread: right, slow, silent, hostile. */
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "control/peer_client.h"

namespace
{

struct packet {
    struct link_header h;
    std::vector<char> body;
    int fd = -1;
};

/* Listens at a path; what is said on a connection is the test's business. */
struct plane {
    std::string path;
    int listener, fd = -1;
    plane()
    {
        static unsigned cnt;
        path = testing::TempDir() + "peer_test." + std::to_string(getpid()) + "." + std::to_string(cnt++);
        open();
    }
    ~plane()
    {
        drop();
        shut();
    }
    void open()
    {
        struct sockaddr_un at = {};
        at.sun_family = AF_UNIX;
        strcpy(at.sun_path, path.c_str());
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        EXPECT_EQ(0, bind(listener, (struct sockaddr *)&at, sizeof(at)));
        EXPECT_EQ(0, listen(listener, 4));
    }
    void shut()
    {
        close(listener);
        unlink(path.c_str());
    }
    void drop()
    {
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    void accept_one()
    {
        drop();
        fd = accept(listener, nullptr, nullptr);
        EXPECT_GE(fd, 0);
    }
    packet hear()
    {
        packet p;
        char octets[16384];
        struct iovec part = { octets, sizeof(octets) };
        char control[64];
        struct msghdr m = {};
        m.msg_iov = &part;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        ssize_t len = recvmsg(fd, &m, 0);
        EXPECT_GE(len, (ssize_t)sizeof(p.h));
        memcpy(&p.h, octets, sizeof(p.h));
        p.body.assign(octets + sizeof(p.h), octets + len);
        if (CMSG_FIRSTHDR(&m))
            memcpy(&p.fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
        return p;
    }
    void say(struct link_header h, const void *body, size_t len, std::vector<int> fds = {})
    {
        struct iovec parts[2] = { { &h, sizeof(h) }, { (void *)body, len } };
        alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
        struct msghdr m = {};
        m.msg_iov = parts;
        m.msg_iovlen = 2;
        if (!fds.empty()) {
            m.msg_control = control;
            m.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
        }
        EXPECT_EQ((ssize_t)(sizeof(h) + len), sendmsg(fd, &m, MSG_NOSIGNAL));
    }
    static struct link_header header(const packet &to, enum link_type type, size_t len)
    {
        return { LINK_MAGIC, LINK_VERSION, (uint16_t)type, (uint32_t)len, to.h.request };
    }
    void answer(const packet &to, enum link_type type, const char *text, uint32_t generation = 7)
    {
        struct link_answer a = {};
        a.generation = generation;
        strcpy(a.text, text);
        say(header(to, type, sizeof(a)), &a, sizeof(a));
    }
};

unsigned
open_fds()
{
    unsigned cnt = 0;
    for (int i = 0; i < 1024; i++)
        cnt += fcntl(i, F_GETFD) >= 0;
    return cnt;
}

/* A sealed memfd of `len`, what is in it by `fill`. */
int
page_fd(size_t len, const std::function<void(void *)> &fill)
{
    int fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    EXPECT_EQ(0, ftruncate(fd, (off_t)len));
    void *page = mmap(nullptr, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    fill(page);
    munmap(page, len);
    EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    return fd;
}

int
evidence_fd(size_t len = sizeof(struct link_evidence_page), uint32_t version = LINK_VERSION)
{
    return page_fd(len, [&](void *page) {
        auto e = (struct link_evidence_page *)page;
        e->magic = LINK_MAGIC;
        e->version = version;
        e->heartbeat = 42;
    });
}

const size_t ring_len = sizeof(struct link_ring) + 1024;

int
ring_fd()
{
    return page_fd(ring_len, [&](void *page) {
        auto r = (struct link_ring *)page;
        r->magic = LINK_MAGIC;
        r->version = LINK_VERSION;
        r->size = 1024;
        uint32_t len = 2;
        memcpy(r->octets, &len, 4);
        memcpy(r->octets + 4, "{}", 2);
        r->head = 8;
    });
}

/* Runs `call` with a data plane that hears one request and answers as `reply` says. */
enum peer_result
with(const std::function<void(plane &, const packet &)> &reply, const std::function<enum peer_result(int)> &call)
{
    plane p;
    char err[256];
    int fd = peer_connect(p.path.c_str(), err, sizeof(err));
    EXPECT_GE(fd, 0) << err;
    p.accept_one();
    std::thread t([&] {
        packet in = p.hear();
        reply(p, in);
        if (in.fd >= 0)
            close(in.fd);
        p.drop();
    });
    enum peer_result result = call(fd);
    t.join();
    close(fd);
    return result;
}

char err[256];

} // namespace

TEST(Peer, RequestsAndAnswers)
{
    struct link_answer a;
    struct link_stage stage = {};
    stage.generation = 9;
    stage.stage = LINK_STAGE_CANARY;
    EXPECT_EQ(PEER_DONE, with(
                             [&](plane &p, const packet &in) {
                                 EXPECT_EQ(LINK_STAGE, in.h.type);
                                 ASSERT_EQ(sizeof(stage), in.body.size());
                                 EXPECT_EQ(0, memcmp(&stage, in.body.data(), sizeof(stage)));
                                 p.answer(in, LINK_ACK, "");
                             },
                             [&](int fd) { return peer_stage(fd, &stage, &a, err, sizeof(err)); }));
    EXPECT_EQ(7u, a.generation);
    struct link_return back = {};
    EXPECT_EQ(PEER_REFUSED, with(
                                [&](plane &p, const packet &in) {
                                    EXPECT_EQ(LINK_RETURN, in.h.type);
                                    p.answer(in, LINK_NACK, "there is no previous one");
                                },
                                [&](int fd) { return peer_back(fd, LINK_RETURN, &back, &a, err, sizeof(err)); }));
    EXPECT_STREQ("there is no previous one", err);
    struct link_renew renew = { 9, 30000 };
    EXPECT_EQ(PEER_DONE, with([&](plane &p, const packet &in) { p.answer(in, LINK_ACK, ""); },
                              [&](int fd) { return peer_renew(fd, &renew, &a, err, sizeof(err)); }));
    struct link_load load = {};
    int image = memfd_create("image", 0);
    EXPECT_EQ(PEER_DONE, with(
                             [&](plane &p, const packet &in) {
                                 EXPECT_GE(in.fd, 0);
                                 p.answer(in, LINK_ACK, "IMAGE GOLDEN");
                             },
                             [&](int fd) { return peer_load(fd, image, &load, &a, err, sizeof(err)); }));
    EXPECT_STREQ("IMAGE GOLDEN", a.text);
    close(image);
}

TEST(Peer, HostileAnswersAreNone)
{
    struct link_state state = {};
    struct link_answer answer = {};
    memset(answer.text, 'x', sizeof(answer.text));
    struct fault {
        const char *name;
        std::function<void(plane &, const packet &)> reply;
    };
    auto send = [&](plane &p, struct link_header h, size_t len, std::vector<int> fds = {}) {
        std::vector<char> body(65536);
        memcpy(body.data(), &state, sizeof(state));
        p.say(h, body.data(), len, fds);
    };
    const size_t len = sizeof(state);
    const fault faults[] = {
        { "closed", [&](plane &, const packet &) {} },
        { "too short for a header", [&](plane &p, const packet &) { (void)!write(p.fd, "WEIR", 4); } },
        { "short body", [&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, len - 1), len - 1); } },
        { "long body", [&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, len + 8), len + 8); } },
        { "very long body", [&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, 60000), 60000); } },
        { "lying length", [&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, len), len - 8); } },
        { "another type", [&](plane &p, const packet &in) { send(p, p.header(in, LINK_PAGES, len), len); } },
        { "a type that is none", [&](plane &p, const packet &in) { send(p, p.header(in, (enum link_type)99, len), len); } },
        { "ACK to STATUS", [&](plane &p, const packet &in) { p.answer(in, LINK_ACK, ""); } },
        { "another number",
          [&](plane &p, const packet &in) {
              struct link_header h = p.header(in, LINK_STATE, len);
              h.request++;
              send(p, h, len);
          } },
        { "another version",
          [&](plane &p, const packet &in) {
              struct link_header h = p.header(in, LINK_STATE, len);
              h.version++;
              send(p, h, len);
          } },
        { "another magic",
          [&](plane &p, const packet &in) {
              struct link_header h = p.header(in, LINK_STATE, len);
              h.magic++;
              send(p, h, len);
          } },
        { "descriptors that nobody wants",
          [&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, len), len, { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 }); } },
        { "a stage that is none",
          [&](plane &p, const packet &in) {
              state.stage = LINK_STAGE_LIVE + 1;
              send(p, p.header(in, LINK_STATE, len), len);
              state.stage = 0;
          } },
        { "a reason that is none",
          [&](plane &p, const packet &in) {
              state.trip.reason = 0xffffffff;
              send(p, p.header(in, LINK_STATE, len), len);
              state.trip.reason = 0;
          } },
    };
    const unsigned before = open_fds();
    for (const fault &f : faults) {
        struct link_state s;
        err[0] = '\0';
        EXPECT_EQ(PEER_UNREACHABLE, with(f.reply, [&](int fd) { return peer_status(fd, &s, err, sizeof(err)); })) << f.name;
        EXPECT_NE('\0', err[0]) << f.name;
        EXPECT_EQ(before, open_fds()) << f.name;
    }
    /* Texts without an end get one. */
    memset(&state.trip.name, 'n', sizeof(state.trip.name));
    memset(&state.previous.digest, 'd', sizeof(state.previous.digest));
    struct link_state s;
    EXPECT_EQ(PEER_DONE, with([&](plane &p, const packet &in) { send(p, p.header(in, LINK_STATE, len), len); },
                              [&](int fd) { return peer_status(fd, &s, err, sizeof(err)); }));
    EXPECT_EQ(LINK_NAME_MAX - 1u, strlen(s.trip.name));
    EXPECT_EQ(LINK_DIGEST_LEN - 1u, strlen(s.previous.digest));
    EXPECT_EQ(PEER_REFUSED,
              with([&](plane &p, const packet &in) { p.say(p.header(in, LINK_NACK, sizeof(answer)), &answer, sizeof(answer)); },
                   [&](int fd) { return peer_status(fd, &s, err, sizeof(err)); }));
    EXPECT_EQ(LINK_TEXT_MAX - 1u, strlen(err));
}

TEST(Peer, Attach)
{
    const unsigned before = open_fds();
    auto attach = [](struct link_pages sizes, std::vector<int> fds, struct peer_pages *pages) {
        enum peer_result result =
            with([&](plane &p, const packet &in) { p.say(p.header(in, LINK_PAGES, sizeof(sizes)), &sizes, sizeof(sizes), fds); },
                 [&](int fd) { return peer_attach(fd, pages, err, sizeof(err)); });
        for (int fd : fds)
            close(fd);
        return result;
    };
    const uint64_t e = sizeof(struct link_evidence_page);
    struct peer_pages pages = {};
    ASSERT_EQ(PEER_DONE, attach({ e, ring_len }, { evidence_fd(), ring_fd() }, &pages)) << err;
    EXPECT_EQ(42u, pages.evidence->heartbeat);
    size_t len;
    EXPECT_STREQ("{}", ring_next(&pages.ring, &len));
    peer_detach(&pages);
    EXPECT_EQ(nullptr, pages.evidence);
    EXPECT_EQ(before, open_fds());

    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { ring_fd(), evidence_fd() }, &pages)) << "the wrong way round";
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { evidence_fd() }, &pages)) << "one of two";
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, {}, &pages));
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { evidence_fd(), ring_fd(), ring_fd() }, &pages)) << "three";
    EXPECT_NE(PEER_DONE, attach({ e - 1, ring_len }, { evidence_fd(), ring_fd() }, &pages));
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { evidence_fd(e - 4096), ring_fd() }, &pages)) << "shorter than told";
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { evidence_fd(e, LINK_VERSION + 1), ring_fd() }, &pages));
    EXPECT_NE(PEER_DONE, attach({ e, UINT64_MAX }, { evidence_fd(), ring_fd() }, &pages));
    int pipes[2];
    ASSERT_EQ(0, pipe(pipes));
    EXPECT_NE(PEER_DONE, attach({ e, ring_len }, { pipes[0], pipes[1] }, &pages)) << "no memory at all";
    EXPECT_EQ(nullptr, pages.evidence);
    EXPECT_EQ(nullptr, pages.ring.page);
    EXPECT_EQ(before, open_fds());
}

// ---- the client of a poll loop; the clock is the test's ----

TEST(PeerClient, ConnectsAsksAndHears)
{
    plane p;
    struct peer_client *c = peer_client_new(p.path.c_str());
    EXPECT_FALSE(peer_client_is_up(c));
    EXPECT_EQ(0u, peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 0)) << "not before it is up";
    peer_client_work(c, 0);
    ASSERT_TRUE(peer_client_is_up(c)) << peer_client_why(c);
    p.accept_one();
    struct link_renew renew = { 3, 1000 };
    uint32_t one = peer_client_ask(c, LINK_RENEW, &renew, sizeof(renew), -1, 0);
    uint32_t two = peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 0);
    ASSERT_NE(0u, one);
    ASSERT_NE(one, two);
    struct peer_answer a;
    EXPECT_FALSE(peer_client_next(c, &a));
    packet first = p.hear(), second = p.hear();
    EXPECT_EQ(one, first.h.request);
    p.answer(first, LINK_ACK, "");
    struct link_state state = {};
    state.live.generation = 12;
    p.say(p.header(second, LINK_STATE, sizeof(state)), &state, sizeof(state));
    struct pollfd poll_fd = { peer_client_fd(c), peer_client_events(c), 0 };
    ASSERT_EQ(1, poll(&poll_fd, 1, 5000));
    peer_client_work(c, 1);
    ASSERT_TRUE(peer_client_next(c, &a));
    EXPECT_EQ(one, a.number);
    EXPECT_EQ(PEER_DONE, a.result);
    ASSERT_TRUE(peer_client_next(c, &a));
    EXPECT_EQ(two, a.number);
    EXPECT_EQ(12u, a.state.live.generation);
    EXPECT_FALSE(peer_client_next(c, &a));
    peer_client_free(c);
}

/* Each request is answered once, whatever happens to the connection. */
TEST(PeerClient, LostConnectionAnswersAllAndComesBack)
{
    plane p;
    struct peer_client *c = peer_client_new(p.path.c_str());
    peer_client_work(c, 0);
    p.accept_one();
    uint32_t numbers[3];
    for (auto &n : numbers)
        n = peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 0);
    packet first = p.hear();
    p.answer(first, LINK_NACK, "no");
    p.drop();
    p.shut();
    peer_client_work(c, 10);
    EXPECT_FALSE(peer_client_is_up(c));
    EXPECT_NE('\0', *peer_client_why(c));
    struct peer_answer a;
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(peer_client_next(c, &a)) << i;
        EXPECT_EQ(numbers[i], a.number);
        EXPECT_EQ(i == 0 ? PEER_REFUSED : PEER_UNREACHABLE, a.result);
    }
    EXPECT_FALSE(peer_client_next(c, &a));
    EXPECT_EQ(10u + PEER_CLIENT_RETRY_MS, peer_client_due(c));
    peer_client_work(c, 10 + PEER_CLIENT_RETRY_MS);
    EXPECT_FALSE(peer_client_is_up(c)) << "nobody listens";
    p.open();
    peer_client_work(c, 11 + PEER_CLIENT_RETRY_MS);
    EXPECT_FALSE(peer_client_is_up(c)) << "too early";
    peer_client_work(c, 10 + 2 * PEER_CLIENT_RETRY_MS);
    EXPECT_TRUE(peer_client_is_up(c));
    EXPECT_EQ(2u, peer_client_connections(c));
    peer_client_free(c);
}

TEST(PeerClient, WhoWaitsBehindALoadIsNotLateBeforeIt)
{
    plane p;
    struct peer_client *c = peer_client_new(p.path.c_str());
    peer_client_work(c, 1000);
    p.accept_one();
    struct link_load load = {};
    int image = memfd_create("image", 0);
    peer_client_ask(c, LINK_LOAD, &load, sizeof(load), image, 1000);
    close(image);
    peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 1000);
    peer_client_work(c, 999 + PEER_CLIENT_WAIT_LOAD_MS);
    EXPECT_TRUE(peer_client_is_up(c)) << "the data plane answers in order";
    peer_client_work(c, 1000 + PEER_CLIENT_WAIT_LOAD_MS);
    EXPECT_FALSE(peer_client_is_up(c));
    peer_client_free(c);
}

TEST(PeerClient, LateAnswersEndTheConnection)
{
    plane p;
    struct peer_client *c = peer_client_new(p.path.c_str());
    peer_client_work(c, 1000);
    p.accept_one();
    struct link_load load = {};
    load.wait_ms = 100;
    int image = memfd_create("image", 0);
    peer_client_ask(c, LINK_LOAD, &load, sizeof(load), image, 1000);
    close(image);
    peer_client_work(c, 1000 + PEER_CLIENT_WAIT_MS);
    EXPECT_TRUE(peer_client_is_up(c)) << "a load takes its time";
    EXPECT_EQ(1100u + PEER_CLIENT_WAIT_LOAD_MS, peer_client_due(c));
    packet in = p.hear();
    EXPECT_GE(in.fd, 0);
    close(in.fd);
    p.answer(in, LINK_ACK, "");
    peer_client_work(c, 1100 + PEER_CLIENT_WAIT_LOAD_MS);
    EXPECT_TRUE(peer_client_is_up(c)) << "an answer that is there is not late";
    peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 70000);
    peer_client_work(c, 70000 + PEER_CLIENT_WAIT_MS);
    EXPECT_FALSE(peer_client_is_up(c));
    struct peer_answer a;
    ASSERT_TRUE(peer_client_next(c, &a));
    EXPECT_EQ(PEER_DONE, a.result);
    ASSERT_TRUE(peer_client_next(c, &a));
    EXPECT_EQ(PEER_UNREACHABLE, a.result);
    peer_client_free(c);
}

TEST(PeerClient, NeverMoreThanItsQueueAndNeverBlocks)
{
    plane p;
    const unsigned before = open_fds();
    struct peer_client *c = peer_client_new(p.path.c_str());
    peer_client_work(c, 0);
    p.accept_one();
    struct link_stage stage = {};
    int image = memfd_create("image", 0);
    unsigned taken = 0;
    while (peer_client_ask(c, LINK_STAGE, &stage, sizeof(stage), image, 0))
        taken++;
    close(image);
    EXPECT_EQ((unsigned)PEER_CLIENT_MAX, taken);
    EXPECT_EQ(0u, peer_client_ask(c, LINK_STAGE, &stage, sizeof(stage) + 1, -1, 0));
    peer_client_work(c, 1);
    p.drop();
    peer_client_work(c, 2);
    struct peer_answer a;
    while (peer_client_next(c, &a))
        taken--;
    EXPECT_EQ(0u, taken);
    peer_client_free(c);
    EXPECT_EQ(before, open_fds());
}

TEST(PeerClient, WhatNobodyAskedForEndsTheConnection)
{
    std::mt19937 rnd(5);
    for (int turn = 0; turn < 300; turn++) {
        plane p;
        struct peer_client *c = peer_client_new(p.path.c_str());
        peer_client_work(c, 0);
        p.accept_one();
        uint32_t number = turn % 2 ? peer_client_ask(c, LINK_STATUS, nullptr, 0, -1, 0) : 0;
        std::vector<char> junk(1 + rnd() % 3000);
        for (auto &o : junk)
            o = (char)rnd();
        struct link_header h = { LINK_MAGIC, LINK_VERSION, (uint16_t)(rnd() % 13), (uint32_t)junk.size(), number };
        p.say(h, junk.data(), junk.size());
        peer_client_work(c, 1);
        EXPECT_FALSE(peer_client_is_up(c));
        struct peer_answer a;
        EXPECT_EQ(number != 0, peer_client_next(c, &a));
        EXPECT_FALSE(peer_client_next(c, &a));
        peer_client_free(c);
    }
}
