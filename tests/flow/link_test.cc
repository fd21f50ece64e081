// link: the agent's socket against weirctl's end of it, and against peers that mean harm.
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "control/link.h"
#include "dataplane/agent.h"
#include "dataplane/config.h"
#include "dataplane/roles.h"
#include "scan/image.h"
#include "scan/rule.h"

namespace {

struct Image {
    void *octets = nullptr;
    size_t len = 0;
    Image()
    {
        static const char text[] = "body A /one/\nscore A 1\nbody B /two/\nscore B 2\n";
        rule_list *l = rule_list_new();
        EXPECT_EQ(rule_list_parse(l, "t.cf", text, sizeof(text) - 1), 0);
        EXPECT_EQ(image_build(l, &octets, &len), 0);
        rule_list_free(l);
    }
    ~Image() { free(octets); }
};

int
memfd(const void *octets, size_t len)
{
    int fd = memfd_create("t", MFD_CLOEXEC);
    EXPECT_EQ(write(fd, octets, len), static_cast<ssize_t>(len));
    return fd;
}

int
open_fds()
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

// An agent with one worker that does not run, polled by a thread of its own.
class Link : public testing::Test
{
protected:
    void SetUp() override
    {
        strcpy(folder, "/tmp/weir-link.XXXXXX");
        ASSERT_NE(mkdtemp(folder), nullptr);
        path = std::string(folder) + "/deep/er/s.sock";
        strcpy(cfg->link_socket, path.c_str());
        cfg->link_mode = 0600;
        b->config = cfg.get();
        b->workers_cnt = 1;
        b->swap = swap_new(1);
        w->appliance = b.get();
        w->pl = static_cast<pipeline *>(calloc(1, sizeof(pipeline)));
        w->pl->counter[COUNTER_FLOWS] = 5;
        w->pl->counter[COUNTER_FLOWS_ENDED] = 2;
        workers[0] = w.get();
        a = agent_new(b.get(), workers);
        ASSERT_NE(a, nullptr);
        thread = std::thread([this] {
            while (!stop)
                agent_poll(a, 5);
        });
    }
    void TearDown() override
    {
        stop = true;
        thread.join();
        agent_free(a);
        EXPECT_NE(access(path.c_str(), F_OK), 0) << "the socket stayed behind";
        swap_free(b->swap);
        free(w->pl);
        rmdir((std::string(folder) + "/deep/er").c_str());
        rmdir((std::string(folder) + "/deep").c_str());
        EXPECT_EQ(rmdir(folder), 0);
    }
    int dial()
    {
        sockaddr_un at = {};
        at.sun_family = AF_UNIX;
        strcpy(at.sun_path, path.c_str());
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr *>(&at), sizeof(at)), 0);
        timeval wait = {10, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        return fd;
    }
    static bool send_raw(int fd, const std::string &octets, const std::vector<int> &fds)
    {
        char control[CMSG_SPACE(16 * sizeof(int))] = {};
        iovec part = {const_cast<char *>(octets.data()), octets.size()};
        msghdr m = {};
        m.msg_iov = &part;
        m.msg_iovlen = 1;
        if (!fds.empty()) {
            m.msg_control = control;
            m.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
        }
        return sendmsg(fd, &m, MSG_NOSIGNAL) >= 0;
    }
    static std::string packet(uint16_t type, const std::string &body)
    {
        link_header h = {LINK_MAGIC, LINK_VERSION, type, static_cast<uint32_t>(body.size()), 77};
        return std::string(reinterpret_cast<char *>(&h), sizeof(h)) + body;
    }
    static std::string load_packet(uint32_t generation = 0)
    {
        link_load l = {generation, 100, 0, 0};
        return packet(LINK_LOAD, std::string(reinterpret_cast<char *>(&l), sizeof(l)));
    }
    // Type of the answer, 0: the connection ended without one.
    static int answer(int fd, link_answer *body = nullptr)
    {
        struct {
            link_header h;
            char body[4096];
        } in;
        ssize_t n = recv(fd, &in, sizeof(in), 0);
        if (n < static_cast<ssize_t>(sizeof(link_header)))
            return 0;
        EXPECT_EQ(in.h.magic, LINK_MAGIC);
        EXPECT_EQ(in.h.body_len, static_cast<size_t>(n) - sizeof(link_header));
        if (body)
            memcpy(body, in.body, sizeof(*body));
        return in.h.type;
    }
    bool is_alive()
    {
        int fd = dial();
        send_raw(fd, packet(LINK_STATUS, ""), {});
        bool alive = answer(fd) == LINK_STATE;
        close(fd);
        return alive;
    }
    static bool is_hung_up(int fd)
    {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);
        return n == 0 || (n < 0 && errno == ECONNRESET);
    }

    char folder[64];
    std::string path;
    std::unique_ptr<config> cfg = std::make_unique<config>();
    std::unique_ptr<appliance> b = std::make_unique<appliance>();
    std::unique_ptr<worker> w = std::make_unique<worker>();
    worker *workers[1];
    agent *a = nullptr;
    std::atomic<bool> stop{false};
    std::thread thread;
    Image image;
};

} // namespace

TEST_F(Link, LoadAndStatus)
{
    struct stat st;
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    int fd = dial(), img = memfd(image.octets, image.len);
    link_answer ans;
    for (uint32_t g = 1; g <= 10; g++) {
        send_raw(fd, load_packet(), {img});
        ASSERT_EQ(answer(fd, &ans), LINK_ACK) << ans.text;
        EXPECT_EQ(ans.generation, g);
        EXPECT_EQ(strlen(ans.text), 64u);
    }
    send_raw(fd, load_packet(40), {img});
    ASSERT_EQ(answer(fd, &ans), LINK_ACK);
    EXPECT_EQ(ans.generation, 40u);
    send_raw(fd, load_packet(), {img});
    ASSERT_EQ(answer(fd, &ans), LINK_ACK);
    EXPECT_EQ(ans.generation, 41u);

    send_raw(fd, packet(LINK_STATUS, ""), {});
    struct {
        link_header h;
        link_state s;
    } in;
    ASSERT_EQ(recv(fd, &in, sizeof(in), 0), static_cast<ssize_t>(sizeof(in)));
    EXPECT_EQ(in.h.request, 77u);
    EXPECT_EQ(in.s.live.generation, 41u);
    EXPECT_EQ(in.s.live.rule_cnt, 2u);
    EXPECT_EQ(in.s.resident, 2u); // live, and previous to return to
    EXPECT_EQ(in.s.previous.generation, 40u);
    EXPECT_EQ(in.s.flows, 3u);
    close(img);
    close(fd);
}

TEST_F(Link, PagesCanBeReadAndNotBeCut)
{
    int fd = dial();
    for (int i = 0; i < 3; i++) {
        send_raw(fd, packet(LINK_ATTACH, ""), {});
        struct {
            link_header h;
            link_pages p;
        } in;
        char control[CMSG_SPACE(4 * sizeof(int))];
        iovec part = {&in, sizeof(in)};
        msghdr m = {};
        m.msg_iov = &part;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        ASSERT_EQ(recvmsg(fd, &m, MSG_CMSG_CLOEXEC), static_cast<ssize_t>(sizeof(in)));
        ASSERT_EQ(in.h.type, LINK_PAGES);
        ASSERT_EQ(CMSG_FIRSTHDR(&m)->cmsg_len, CMSG_LEN(2 * sizeof(int)));
        int fds[2];
        memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fds));
        EXPECT_EQ(in.p.evidence_len, sizeof(link_evidence_page));
        EXPECT_NE(ftruncate(fds[0], 0), 0);
        EXPECT_NE(ftruncate(fds[1], 0), 0);
        EXPECT_EQ(mmap(nullptr, in.p.evidence_len, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0), MAP_FAILED);
        void *at = mmap(nullptr, in.p.evidence_len, PROT_READ, MAP_SHARED, fds[0], 0);
        ASSERT_NE(at, MAP_FAILED);
        const link_evidence_page *page = static_cast<const link_evidence_page *>(at);
        EXPECT_EQ(page->magic, LINK_MAGIC);
        EXPECT_EQ(page->version, static_cast<uint32_t>(LINK_VERSION));
        uint64_t beat = __atomic_load_n(&page->heartbeat, __ATOMIC_RELAXED);
        usleep(100000);
        EXPECT_GT(__atomic_load_n(&page->heartbeat, __ATOMIC_RELAXED), beat);
        munmap(at, in.p.evidence_len);
        at = mmap(nullptr, in.p.ring_len, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
        ASSERT_NE(at, MAP_FAILED);
        memset(at, 0xff, sizeof(link_ring)); // whatever is scribbled there
        munmap(at, in.p.ring_len);
        close(fds[0]);
        close(fds[1]);
    }
    close(fd);
    EXPECT_TRUE(is_alive());
}

TEST_F(Link, RequestsOfTheRolloutAreAnswered)
{
    int fd = dial();
    link_answer ans;
    link_stage stage = {};
    link_return what = {};
    link_renew renew = {};
    auto octets = [](const auto &body) { return std::string(reinterpret_cast<const char *>(&body), sizeof(body)); };
    for (const std::string &p : {packet(LINK_STAGE, octets(stage)), packet(LINK_DROP, octets(what)),
                                 packet(LINK_RETURN, octets(what)), packet(LINK_RENEW, octets(renew))}) {
        send_raw(fd, p, {});
        EXPECT_EQ(answer(fd, &ans), LINK_NACK);
        EXPECT_NE(ans.text[0], '\0');
        int bad = dial();
        send_raw(bad, p + "x", {});
        EXPECT_EQ(answer(bad), LINK_NACK);
        EXPECT_TRUE(is_hung_up(bad));
        close(bad);
    }
    // Two requests at once: answered in order.
    int img = memfd(image.octets, image.len);
    send_raw(fd, load_packet(), {img});
    send_raw(fd, packet(LINK_RETURN, octets(what)), {});
    EXPECT_EQ(answer(fd), LINK_ACK);
    EXPECT_EQ(answer(fd), LINK_NACK);
    send_raw(fd, load_packet(), {img});
    EXPECT_EQ(answer(fd, &ans), LINK_ACK);
    what.generation = ans.generation;
    send_raw(fd, packet(LINK_RETURN, octets(what)), {});
    EXPECT_EQ(answer(fd, &ans), LINK_ACK) << ans.text;
    EXPECT_EQ(ans.generation, what.generation - 1);
    close(img);
    close(fd);
}

TEST_F(Link, ImagesThatAreRefusedLeaveTheLiveOne)
{
    int fd = dial();
    link_answer ans;
    int good = memfd(image.octets, image.len);
    send_raw(fd, load_packet(), {good});
    ASSERT_EQ(answer(fd, &ans), LINK_ACK);
    std::string text(static_cast<char *>(image.octets), image.len);
    std::vector<std::string> bad = {"", "x", std::string(100000, '\0'), text.substr(0, text.size() / 2), text + "x"};
    for (size_t at : {size_t(0), size_t(8), text.size() / 2, text.size() - 1}) {
        bad.push_back(text);
        bad.back()[at] = static_cast<char>(bad.back()[at] ^ 1);
    }
    for (const std::string &b1 : bad) {
        int img = memfd(b1.data(), b1.size());
        send_raw(fd, load_packet(), {img});
        EXPECT_EQ(answer(fd, &ans), LINK_NACK) << b1.size();
        EXPECT_EQ(ans.generation, 1u);
        EXPECT_NE(ans.text[0], '\0');
        close(img);
    }
    int huge = memfd_create("huge", 0), null = open("/dev/zero", O_RDONLY), dir = open("/", O_RDONLY), pipes[2];
    ASSERT_EQ(ftruncate(huge, ROLES_IMAGE_MAX + 1L), 0);
    ASSERT_EQ(pipe(pipes), 0);
    int write_only = open((std::string(folder) + "/w").c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(write(write_only, "xxx", 3), 3);
    unlink((std::string(folder) + "/w").c_str());
    for (int img : {huge, null, dir, pipes[0], write_only}) {
        send_raw(fd, load_packet(), {img});
        EXPECT_EQ(answer(fd, &ans), LINK_NACK);
        EXPECT_NE(ans.text[0], '\0');
        close(img);
    }
    close(pipes[1]);
    close(good);
    close(fd);
    EXPECT_TRUE(is_alive());
}

TEST_F(Link, BadPacketsEndTheirConnection)
{
    int img = memfd(image.octets, image.len);
    std::string load = load_packet(), status = packet(LINK_STATUS, "");
    auto with = [](std::string p, size_t at, char octet) {
        p[at] = octet;
        return p;
    };
    struct {
        std::string octets;
        std::vector<int> fds;
    } bad[] = {
        {"x", {}},
        {load.substr(0, 15), {img}},
        {load.substr(0, 20), {img}},
        {load, {}},
        {load, {img, img}},
        {load, std::vector<int>(16, img)},
        {load + "x", {img}},
        {load + std::string(100000, 'x'), {img}},
        {status, {img}},
        {status + "x", {}},
        {with(status, 0, 'x'), {}},
        {with(status, 4, 9), {}},
        {with(status, 6, 9), {}},
        {with(status, 6, LINK_ACK), {}},
        {with(status, 8, 9), {}},
        {with(load, 11, '\xff'), {img}},
    };
    for (auto &one : bad) {
        int fd = dial();
        ASSERT_TRUE(send_raw(fd, one.octets, one.fds));
        EXPECT_EQ(answer(fd), LINK_NACK) << one.octets.size();
        EXPECT_TRUE(is_hung_up(fd));
        close(fd);
    }
    close(img);
    EXPECT_TRUE(is_alive());
    EXPECT_EQ(swap_live(b->swap), nullptr);
}

TEST_F(Link, RandomPacketsWithDescriptorsLeakNothing)
{
    EXPECT_TRUE(is_alive());
    usleep(50000);
    int before = open_fds(), img = memfd("x", 1);
    std::mt19937 random(1);
    for (int i = 0; i < 2000; i++) {
        int fd = dial();
        std::string octets = random() % 2 ? load_packet() : packet(LINK_STATUS, "");
        for (int k = random() % 4; k > 0; k--)
            octets[random() % octets.size()] = static_cast<char>(random());
        octets.resize(random() % 3 ? octets.size() : random() % (octets.size() + 8));
        send_raw(fd, octets, std::vector<int>(random() % 4, img));
        if (random() % 2)
            answer(fd);
        close(fd);
    }
    close(img);
    EXPECT_TRUE(is_alive());
    usleep(50000);
    EXPECT_EQ(open_fds(), before);
}

TEST_F(Link, ManyConnectionsDoNotKeepAnotherOut)
{
    std::vector<int> idle;
    for (int i = 0; i < 200; i++)
        idle.push_back(dial());
    EXPECT_TRUE(is_alive());
    for (int fd : idle)
        close(fd);
    EXPECT_TRUE(is_alive());
}

TEST_F(Link, PeerThatFloodsAndNeverReads)
{
    int flood = dial();
    fcntl(flood, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 20000; i++)
        send_raw(flood, packet(LINK_STATUS, ""), {});
    EXPECT_TRUE(is_alive());
    close(flood);
    EXPECT_TRUE(is_alive());
}

TEST_F(Link, SocketThatIsAnsweredIsNotTaken)
{
    EXPECT_EQ(agent_new(b.get(), workers), nullptr);
    EXPECT_TRUE(is_alive());
}
