// persist: killed at each step of each change, the next start finds the right image.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "dataplane/persist.h"

namespace {

char err[256];

persist_image
gen(uint32_t n)
{
    char digest[65];
    snprintf(digest, sizeof(digest), "%064x", n);
    return persist_image_of(n, std::string(digest).substr(48).c_str());
}

const persist_image none = {};
int steps_left;

void
die_at(const char *)
{
    if (steps_left-- == 0)
        kill(getpid(), SIGKILL);
}

class Persist : public testing::Test
{
protected:
    void SetUp() override
    {
        strcpy(folder, "/tmp/weir-persist.XXXXXX");
        ASSERT_NE(mkdtemp(folder), nullptr);
    }
    void TearDown() override { EXPECT_EQ(system(("rm -rf " + std::string(folder)).c_str()), 0); }
    persist *open() { return persist_open(folder, err, sizeof(err)); }
    void keep(persist *p, uint32_t n)
    {
        persist_image i = gen(n);
        std::string octets = "image " + std::to_string(n);
        ASSERT_EQ(persist_write(p, &i, octets.data(), octets.size(), err, sizeof(err)), 0) << err;
    }
    int point(persist *p, uint32_t live, uint32_t previous)
    {
        persist_image l = live ? gen(live) : none, v = previous ? gen(previous) : none;
        return persist_point(p, &l, &v, err, sizeof(err));
    }
    // What a start would begin with; whole.
    persist_start look(uint64_t now_ms = 1000)
    {
        persist *p = open();
        EXPECT_NE(p, nullptr) << err;
        persist_start s = {};
        persist_begin(p, now_ms, &s);
        for (const persist_image *i : {&s.first, &s.second}) {
            if (i->generation == 0)
                continue;
            char path[4200], octets[64] = "";
            persist_path(p, i, path, sizeof(path));
            FILE *f = fopen(path, "r");
            EXPECT_NE(f, nullptr) << path;
            if (!f)
                continue;
            EXPECT_GT(fread(octets, 1, sizeof(octets) - 1, f), 0u);
            fclose(f);
            EXPECT_EQ(std::string(octets), "image " + std::to_string(i->generation));
        }
        persist_close(p);
        return s;
    }
    // Runs fn in a child that is killed before its n-th step. False: it came through.
    bool killed_at(int n, const std::function<void(persist *)> &fn)
    {
        pid_t child = fork();
        if (child == 0) {
            persist *p = open();
            steps_left = n;
            persist_set_hook(p, die_at);
            fn(p);
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        return WIFSIGNALED(status);
    }
    char folder[64];
};

} // namespace

TEST_F(Persist, NothingThere)
{
    persist_start s = look();
    EXPECT_EQ(s.first.generation, 0u);
    EXPECT_EQ(s.last_generation, 0u);
    EXPECT_FALSE(s.was_unclean);
}

TEST_F(Persist, OneProcessAFolder)
{
    persist *p = open();
    EXPECT_EQ(open(), nullptr);
    EXPECT_NE(strstr(err, "in use"), nullptr) << err;
    persist_close(p);
}

TEST_F(Persist, KilledAtEachStepOfGoingLive)
{
    int n = 0;
    for (;; n++) {
        SCOPED_TRACE(n);
        persist *p = open();
        keep(p, 7);
        keep(p, 8);
        ASSERT_EQ(point(p, 8, 7), 0) << err;
        ASSERT_EQ(persist_running(p, 8, 0, 8, err, sizeof(err)), 0);
        persist_end(p);
        persist_close(p);
        bool was_killed = killed_at(n, [&](persist *q) {
            keep(q, 9);
            point(q, 9, 8);
            persist_running(q, 9, 0, 9, err, sizeof(err));
            persist_sweep(q, &none);
        });
        persist_start s = look();
        EXPECT_TRUE(s.first.generation == 8 || s.first.generation == 9) << s.first.generation;
        if (s.first.generation == 9) {
            EXPECT_EQ(s.second.generation, 8u);
        }
        EXPECT_EQ(s.crashed, 0u);
        if (!was_killed) {
            EXPECT_EQ(s.first.generation, 9u);
            break;
        }
        ASSERT_EQ(system(("rm -rf " + std::string(folder) + "/*").c_str()), 0);
    }
    EXPECT_GT(n, 10);
}

TEST_F(Persist, KilledAtEachStepOfAReturn)
{
    int n = 0;
    for (;; n++) {
        SCOPED_TRACE(n);
        persist *p = open();
        keep(p, 8);
        keep(p, 9);
        ASSERT_EQ(point(p, 9, 8), 0) << err;
        persist_close(p);
        bool was_killed = killed_at(n, [&](persist *q) {
            point(q, 8, 0);
            persist_running(q, 8, 0, 9, err, sizeof(err));
            persist_sweep(q, &none);
        });
        persist_start s = look();
        EXPECT_TRUE(s.first.generation == 8 || n <= 1) << s.first.generation; // from the first switch on
        EXPECT_EQ(s.last_generation, 9u);
        if (!was_killed) {
            EXPECT_EQ(s.first.generation, 8u);
            EXPECT_EQ(s.second.generation, 0u);
            break;
        }
        ASSERT_EQ(system(("rm -rf " + std::string(folder) + "/*").c_str()), 0);
    }
    EXPECT_GT(n, 4);
}

TEST_F(Persist, CrashesAreCountedByGenerationAndTime)
{
    auto run = [&](uint32_t live, uint32_t candidate) {
        persist *p = open();
        EXPECT_EQ(persist_running(p, live, candidate, 9, err, sizeof(err)), 0) << err;
        persist_close(p); // without persist_end
    };
    persist *p = open();
    keep(p, 8);
    keep(p, 9);
    point(p, 9, 8);
    persist_close(p);
    run(9, 0);
    persist_start s = look(1000);
    EXPECT_TRUE(s.was_unclean);
    EXPECT_EQ(s.crashed, 0u);
    run(9, 0);
    s = look(1000 + PERSIST_CRASHES_MS + 1); // too long ago
    EXPECT_EQ(s.crashed, 0u);
    run(9, 10);
    s = look(1000 + PERSIST_CRASHES_MS + 2); // of a candidate
    EXPECT_EQ(s.unclean_candidate, 10u);
    EXPECT_EQ(s.crashed, 0u);
    run(9, 0);
    s = look(1000 + PERSIST_CRASHES_MS + 3);
    EXPECT_EQ(s.crashed, 9u);
    EXPECT_EQ(s.first.generation, 8u);
    EXPECT_EQ(s.second.generation, 0u);
    // Another boot: the machine went down.
    FILE *f = fopen((std::string(folder) + "/running").c_str(), "w");
    fputs("boot=another live=9 candidate=0\n", f);
    fclose(f);
    EXPECT_FALSE(look().was_unclean);
}

TEST_F(Persist, StrangeNamesAndTexts)
{
    persist *p = open();
    keep(p, 8);
    point(p, 8, 0);
    persist_close(p);
    for (const char *to : {"../../etc/passwd", "gen-8-xyz.image", "gen-0-0000000000000008.image",
                           "gen-99999999999-0000000000000008.image", "gen-8-0000000000000008.image.image", "gen-8", "/"}) {
        std::string link = std::string(folder) + "/live";
        unlink(link.c_str());
        ASSERT_EQ(symlink(to, link.c_str()), 0);
        EXPECT_EQ(look().first.generation, 0u) << to;
    }
    for (const char *name : {"last", "running", "crashes"}) {
        FILE *f = fopen((std::string(folder) + "/" + name).c_str(), "w");
        for (int i = 0; i < 5000; i++)
            fputs(i % 3 ? "boot=\xff -1 99999999999999999999\n" : "%s%n\n", f);
        fclose(f);
        look();
    }
}

TEST_F(Persist, SweepKeepsWhatIsNamedAndTheCandidate)
{
    persist *p = open();
    for (uint32_t n = 1; n <= 6; n++)
        keep(p, n);
    point(p, 5, 3);
    persist_image candidate = gen(6);
    persist_sweep(p, &candidate);
    for (uint32_t n = 1; n <= 6; n++) {
        persist_image i = gen(n);
        EXPECT_EQ(persist_has(p, &i), n == 3 || n >= 5) << n;
    }
    persist_close(p);
}
