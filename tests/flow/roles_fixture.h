/* roles_fixture: the rule sets' roles (dataplane/roles.h) with cores that are threads: they take up plans, judge the
 * golden set and trip as workers do. Each request is waited for; a test may have a core judge otherwise or be stuck. */
#ifndef WEIR_TESTS_FLOW_ROLES_FIXTURE_H
#define WEIR_TESTS_FLOW_ROLES_FIXTURE_H

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/roles.h"
#include "dataplane/worker.h"
#include "scan/image.h"
#include "scan/rule.h"

enum { CORES = 3 };

struct Image {
    void *octets = nullptr;
    size_t len = 0;
    explicit Image(const std::string &name)
    {
        std::string text = "body " + name + " /" + name + "/\nscore " + name + " 1\n";
        rule_list *l = rule_list_new();
        EXPECT_EQ(rule_list_parse(l, "t.cf", text.c_str(), text.size()), 0) << rule_list_diagnostics(l);
        EXPECT_EQ(image_build(l, &octets, &len), 0) << rule_list_diagnostics(l);
        rule_list_free(l);
    }
    ~Image() { free(octets); }
    int fd() const
    {
        int fd = memfd_create("image", MFD_CLOEXEC);
        EXPECT_EQ(write(fd, octets, len), static_cast<ssize_t>(len));
        return fd;
    }
};

inline Image &
image(unsigned i)
{
    static std::map<unsigned, std::unique_ptr<Image>> all;
    if (!all[i])
        all[i] = std::make_unique<Image>("RULE_" + std::to_string(i));
    return *all[i];
}

inline uint64_t
now_ms()
{
    return worker_clock_ms();
}

// What the hooks say and were told.
struct World {
    std::atomic<uint64_t> messages{0}, a{0}, b{0}, not_deferred{0};
    std::vector<std::string> begun;
};

class Roles : public testing::Test
{
protected:
    void SetUp() override { start(""); }
    void TearDown() override { end(true); }

    void start(const std::string &state, const char *first = "")
    {
        s = swap_new(CORES);
        g = std::make_unique<golden_run>();
        thresholds t = {};
        t.tag_milli = t.defer_milli = t.drop_milli = INT32_MAX;
        t.refuse_milli = 5000;
        golden_run_init(g.get(), CORES, &t);
        roles_hooks hooks = {};
        hooks.arg = &world;
        hooks.begin = [](void *arg, const plan *p, uint32_t window) {
            static_cast<World *>(arg)->begun.push_back(std::to_string(p->generation_a) + "," +
                                                       std::to_string(p->generation_b) + "," + std::to_string(window));
        };
        hooks.cost = [](void *arg, uint64_t *messages, uint64_t *a, uint64_t *b) {
            World *w = static_cast<World *>(arg);
            *messages = w->messages, *a = w->a, *b = w->b;
        };
        hooks.not_deferred = [](void *arg) { return static_cast<World *>(arg)->not_deferred.load(); };
        r = roles_new(s, CORES, g.get(), state.c_str(), &hooks);
        ASSERT_NE(r, nullptr);
        char err[256];
        started = roles_start(r, first, err, sizeof(err)) == 0;
        stop = false;
        for (unsigned i = 0; i < CORES; i++)
            cores.emplace_back([this, i] { core(i); });
    }
    void end(bool is_clean)
    {
        stop = true;
        for (std::thread &t : cores)
            t.join();
        cores.clear();
        roles_free(r, is_clean);
        swap_free(s);
    }
    void core(unsigned idx)
    {
        scanner sc;
        EXPECT_EQ(scanner_init(&sc, idx, 4), 0);
        uint32_t salt = 0;
        swap_online(s, idx);
        while (!stop) {
            const plan *p = swap_take(s, idx);
            sc.live = p->live;
            // A core that judges otherwise: it is given another threshold.
            if (__atomic_load_n(&g->rs, __ATOMIC_ACQUIRE) && is_odd && idx == 1) {
                golden_core *c = &g->core[idx];
                if (c->run != g->number) {
                    snprintf(c->text, sizeof(c->text), "%064u", ++salt);
                    __atomic_store_n(&c->run, __atomic_load_n(&g->number, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
                }
            } else if (!(is_stuck && idx == 2)) {
                golden_run_step(g.get(), idx, &sc);
            }
            if (link_trip *why = trips.load(); why && p->other && idx == trip_core && swap_return(s, p, why))
                trips = nullptr;
            // A message that begins and ends. Pins of index 0 are the test's own: each index has one thread.
            if (p->live && idx != 0) {
                ruleset_pin(p->live, idx);
                if (p->other)
                    ruleset_pin(p->other, idx), ruleset_unpin(p->other, idx);
                ruleset_unpin(p->live, idx);
            }
            swap_quiescent(s, idx);
            std::this_thread::yield();
        }
        swap_offline(s, idx);
        scanner_fini(&sc);
    }

    // ---- requests, each until its answer

    roles_answer wait(uint64_t peer)
    {
        roles_answer a = {};
        for (uint64_t end = now_ms() + 20000; now_ms() < end;) {
            roles_step(r, now_ms() + ahead_ms);
            while (roles_answered(r, &a)) {
                if (a.peer == peer)
                    return a;
                others.push_back(a);
            }
            usleep(200);
        }
        ADD_FAILURE() << "no answer";
        return a;
    }
    roles_answer load(unsigned i, uint32_t generation, bool is_candidate, uint32_t wait_ms = 2000)
    {
        link_load l = {generation, wait_ms, is_candidate ? static_cast<uint32_t>(LINK_LOAD_STAGE) : 0, 0};
        int fd = image(i).fd();
        EXPECT_TRUE(roles_ask_load(r, ++peer, 1, &l, fd));
        close(fd);
        return wait(peer);
    }
    roles_answer candidate(uint32_t generation) { return load(generation, generation, true); }
    roles_answer live(uint32_t generation) { return load(generation, generation, false); }
    roles_answer stage(uint32_t generation, link_stage_id id, uint32_t lease_ms = 60000)
    {
        values.generation = generation;
        values.stage = id;
        values.lease_ms = id == LINK_STAGE_LIVE ? 0 : lease_ms;
        EXPECT_TRUE(roles_ask_stage(r, ++peer, 1, &values));
        return wait(peer);
    }
    roles_answer go(bool is_return, uint32_t generation, uint32_t reason = LINK_REASON_OPERATOR)
    {
        link_return w = {generation, reason, "because"};
        EXPECT_TRUE(is_return ? roles_ask_return(r, ++peer, 1, &w) : roles_ask_drop(r, ++peer, 1, &w));
        return wait(peer);
    }
    link_state state()
    {
        link_state st = {};
        roles_step(r, now_ms() + ahead_ms);
        roles_state(r, &st);
        return st;
    }
    // "live/candidate/previous STAGE"
    std::string books()
    {
        static const char *const names[] = {"NONE", "STAGED", "SHADOW", "CANARY", "PROBATION", "LIVE"};
        link_state st = state();
        return std::to_string(st.live.generation) + "/" + std::to_string(st.candidate.generation) + "/" +
               std::to_string(st.previous.generation) + " " + names[st.stage];
    }
    template <typename Fn> bool soon(Fn fn, int ms = 5000)
    {
        for (uint64_t end = now_ms() + static_cast<uint64_t>(ms); now_ms() < end; usleep(500)) {
            if (fn())
                return true;
        }
        return false;
    }
    // A core that trips now, on evidence.
    void trip_by_core(unsigned idx)
    {
        static link_trip why;
        memset(&why, 0, sizeof(why));
        why.reason = LINK_REASON_EVIDENCE;
        why.kind = LINK_KIND_SENDER_SUFFIX;
        why.n = why.k = 6;
        why.by_data_plane = 1;
        strcpy(why.name, "co.uk");
        trip_core = idx;
        trips = &why;
        EXPECT_TRUE(soon([&] { return trips == nullptr; }));
    }

    struct swap *s = nullptr;
    std::unique_ptr<golden_run> g;
    struct roles *r = nullptr;
    World world;
    std::vector<std::thread> cores;
    std::atomic<bool> stop{false}, is_odd{false}, is_stuck{false};
    std::atomic<link_trip *> trips{nullptr};
    std::atomic<unsigned> trip_core{0};
    std::vector<roles_answer> others;
    link_stage values = {};
    uint64_t peer = 0, ahead_ms = 0;
    bool started = false;
};

#endif
