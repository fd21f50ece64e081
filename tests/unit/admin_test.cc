// The operators' socket: who may, whole and torn requests, and clients that mean harm.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <dirent.h>
#include <string>
#include <vector>

#include "control/admin.h"

namespace {

struct Desk {
    std::string folder;
    std::string path;
    struct admin *a = nullptr;
    uint64_t now = 1000;
    std::vector<std::pair<uint64_t, std::string>> asked;
    bool answers = true;
    std::string answer_with = "x";

    Desk()
    {
        char text[] = "/tmp/admin-test-XXXXXX";
        folder = mkdtemp(text);
        path = folder + "/s";
        struct admin_settings s = {};
        s.request = request;
        s.owner = this;
        char err[256];
        a = admin_open(path.c_str(), &s, err, sizeof(err));
        EXPECT_NE(nullptr, a) << err;
    }
    ~Desk()
    {
        admin_close(a);
        rmdir(folder.c_str());
    }

    static void
    request(void *owner, uint64_t id, const struct admin_who *who, const char *verb, const cJSON *)
    {
        Desk &d = *static_cast<Desk *>(owner);
        EXPECT_TRUE(who->may_push); // this test is the process's own user
        d.asked.push_back({id, verb});
        if (!d.answers)
            return;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddBoolToObject(o, "ok", true);
        cJSON_AddStringToObject(o, "with", d.answer_with.c_str());
        admin_say(d.a, id, o, true);
    }

    int
    connect()
    {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un at = {};
        at.sun_family = AF_UNIX;
        strcpy(at.sun_path, path.c_str());
        EXPECT_EQ(0, ::connect(fd, (sockaddr *)&at, sizeof(at)));
        return fd;
    }

    void
    tick(uint64_t ms = 10)
    {
        now += ms;
        admin_tick(a, now);
    }

    /* What it says until it closes. */
    std::string
    hear(int fd)
    {
        std::string all;
        char octets[65536];
        for (int round = 0; round < 200; round++) {
            tick();
            ssize_t n = recv(fd, octets, sizeof(octets), 0);
            if (n == 0)
                return all;
            if (n > 0)
                all.append(octets, (size_t)n);
        }
        return all + " (not closed)";
    }

    std::string
    ask(const std::string &text)
    {
        int fd = connect();
        tick();
        EXPECT_EQ((ssize_t)text.size(), send(fd, text.data(), text.size(), MSG_NOSIGNAL));
        std::string said = hear(fd);
        close(fd);
        tick();
        return said;
    }
};

size_t
descriptors()
{
    size_t cnt = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        cnt++;
    closedir(d);
    return cnt;
}

TEST(Admin, ARequestHasOneAnswer)
{
    Desk d;
    EXPECT_EQ("{\"ok\":true,\"with\":\"x\"}\n", d.ask("{\"verb\":\"status\"}\n"));
    ASSERT_EQ(1u, d.asked.size());
    EXPECT_EQ("status", d.asked[0].second);
}

TEST(Admin, InAnyPieces)
{
    Desk d;
    const std::string text = "{\"verb\":\"gen-list\",\"limit\":3}\n";
    for (size_t cut = 1; cut < text.size(); cut++) {
        int fd = d.connect();
        d.tick();
        send(fd, text.data(), cut, MSG_NOSIGNAL);
        d.tick();
        send(fd, text.data() + cut, text.size() - cut, MSG_NOSIGNAL);
        EXPECT_EQ("{\"ok\":true,\"with\":\"x\"}\n", d.hear(fd)) << cut;
        close(fd);
    }
}

TEST(Admin, BadInputIsAnAnswer)
{
    Desk d;
    for (const char *bad : {"\n", "x\n", "[]\n", "7\n", "{}\n", "{\"verb\":7}\n", "{\"verb\":\"a\"\n", "\xff\xfe\n",
                            "{\"verb\":{\"verb\":\"status\"}}\n", "null\n"}) {
        std::string said = d.ask(bad);
        EXPECT_NE(std::string::npos, said.find("\"ok\":false")) << bad << said;
        EXPECT_NE(std::string::npos, said.find("\"code\":2")) << bad << said;
    }
    // Nested without end, and NULs.
    EXPECT_NE(std::string::npos, d.ask(std::string(60000, '[') + "\n").find("\"ok\":false"));
    EXPECT_NE(std::string::npos, d.ask(std::string(100, '\0') + "\n").find("\"ok\":false"));
    EXPECT_TRUE(d.asked.empty());
    EXPECT_NE(std::string::npos, d.ask("{\"verb\":\"status\"}\n").find("\"ok\":true"));
}

TEST(Admin, ALineTooLongIsToldSo)
{
    Desk d;
    std::string said;
    int fd = d.connect();
    d.tick();
    std::string flood(ADMIN_LINE_MAX, 'a');
    size_t sent = 0;
    for (int i = 0; i < 50 && sent < flood.size(); i++) {
        ssize_t n = send(fd, flood.data() + sent, flood.size() - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        d.tick();
    }
    said = d.hear(fd);
    EXPECT_NE(std::string::npos, said.find("too long")) << said;
    close(fd);
}

TEST(Admin, WhoSendsNothingLosesTheConnection)
{
    Desk d;
    std::vector<int> idle;
    for (int i = 0; i < ADMIN_PEERS_MAX; i++) {
        idle.push_back(d.connect());
        if (i % 2)
            send(idle.back(), "{\"ver", 6, MSG_NOSIGNAL);
        d.tick(1);
    }
    // The next one is told, not left hanging; and when the idle ones are gone there is room.
    int fd = d.connect();
    EXPECT_NE(std::string::npos, d.hear(fd).find("too many"));
    close(fd);
    d.tick(ADMIN_IDLE_MS + 1);
    EXPECT_NE(std::string::npos, d.ask("{\"verb\":\"status\"}\n").find("\"ok\":true"));
    for (int i : idle)
        close(i);
}

TEST(Admin, WhoDoesNotReadLosesTheConnection)
{
    Desk d;
    d.answers = false;
    int fd = d.connect();
    d.tick();
    send(fd, "{\"verb\":\"push\"}\n", 16, MSG_NOSIGNAL);
    d.tick();
    ASSERT_EQ(1u, d.asked.size());
    uint64_t id = d.asked[0].first;
    const std::string big(100000, 'p');
    for (int i = 0; i < 100 && admin_has(d.a, id); i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "progress", big.c_str());
        admin_say(d.a, id, o, false);
        d.tick(1);
    }
    EXPECT_FALSE(admin_has(d.a, id)) << "more than ADMIN_OUT_MAX waits for it";
    close(fd);
    // And one whose answer is small but never read.
    fd = d.connect();
    int small = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    d.answers = true;
    d.answer_with = std::string(1 << 20, 'y');
    d.tick();
    send(fd, "{\"verb\":\"push\"}\n", 16, MSG_NOSIGNAL);
    d.tick();
    d.tick(ADMIN_IDLE_MS + 1);
    d.tick();
    struct pollfd p[ADMIN_PEERS_MAX + 1];
    EXPECT_EQ(1u, admin_poll(d.a, p)) << "only the listener";
    close(fd);
}

TEST(Admin, WhoWaitsForALongTimeMay)
{
    Desk d;
    d.answers = false;
    int fd = d.connect();
    d.tick();
    // What is sent after the request is passed over, however much.
    send(fd, "{\"verb\":\"push\"}\n{\"verb\":\"push\"}\n", 32, MSG_NOSIGNAL);
    for (int i = 0; i < 100; i++) {
        send(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 32, MSG_NOSIGNAL);
        d.tick(10000);
    }
    ASSERT_EQ(1u, d.asked.size());
    ASSERT_TRUE(admin_has(d.a, d.asked[0].first));
    admin_refuse(d.a, d.asked[0].first, 1, "after all: no");
    EXPECT_NE(std::string::npos, d.hear(fd).find("after all"));
    close(fd);
}

TEST(Admin, WhoLeavesIsForgotten)
{
    Desk d;
    d.answers = false;
    size_t before = descriptors();
    for (int i = 0; i < 1000; i++) {
        int fd = d.connect();
        d.tick(1);
        if (i % 3)
            send(fd, "{\"verb\":\"push\"}\n", i % 3 == 1 ? 16 : 9, MSG_NOSIGNAL);
        d.tick(1);
        close(fd);
        d.tick(1);
        d.tick(1);
    }
    EXPECT_EQ(before, descriptors());
    for (auto &[id, verb] : d.asked) {
        EXPECT_FALSE(admin_has(d.a, id));
        admin_refuse(d.a, id, 1, "to nobody");
    }
}

TEST(Admin, ASocketThatLiesThereIsReplacedAndGoesAtTheEnd)
{
    std::string path;
    {
        Desk d;
        path = d.path;
        struct stat st;
        EXPECT_EQ(0, stat(path.c_str(), &st));
        EXPECT_EQ(0666u, st.st_mode & 0777u);
    }
    EXPECT_NE(0, access(path.c_str(), F_OK));
    char err[256];
    struct admin_settings s = {};
    EXPECT_EQ(nullptr, admin_open("/nowhere/at/all", &s, err, sizeof(err)));
    EXPECT_EQ(nullptr, admin_open(std::string(200, 'x').c_str(), &s, err, sizeof(err)));
}

} // namespace
