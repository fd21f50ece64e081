// swap: rule sets change each millisecond under cores that hold messages; a set that is still used is never
// freed. The sets are real ones, so under AddressSanitizer a use after free ends the test.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "dataplane/swap.h"
#include "scan/image.h"
#include "scan/rule.h"
#include "scan/ruleset.h"

namespace {

enum { THREADS = 3 };

struct Image {
    void *octets = nullptr;
    size_t len = 0;
    Image()
    {
        static const char text[] = "body A /one/\nscore A 1\nbody B /two/\nscore B 2\n";
        rule_list *l = rule_list_new();
        EXPECT_EQ(rule_list_parse(l, "t.cf", text, sizeof(text) - 1), 0) << rule_list_diagnostics(l);
        EXPECT_EQ(image_build(l, &octets, &len), 0) << rule_list_diagnostics(l);
        rule_list_free(l);
    }
    ~Image() { free(octets); }
    ruleset *load(uint32_t generation) const
    {
        char err[256] = "";
        ruleset *rs = ruleset_load(octets, len, generation, THREADS, err, sizeof(err));
        EXPECT_NE(rs, nullptr) << err;
        return rs;
    }
};

// rs becomes live, alone.
int
publish(swap *s, ruleset *rs, unsigned wait_ms)
{
    swap_roles roles = {};
    roles.live = rs;
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    int ret;
    while ((ret = swap_publish(s, &roles)) == -EBUSY && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    return ret;
}

} // namespace

TEST(Swap, EmptyUntilPublished)
{
    swap *s = swap_new(THREADS);
    EXPECT_EQ(swap_live(s), nullptr);
    EXPECT_TRUE(swap_settle(s, 0));
    EXPECT_EQ(swap_reap(s), 0u);
    Image image;
    ruleset *rs = image.load(1);
    EXPECT_EQ(publish(s, rs, 0), 0);
    EXPECT_EQ(swap_live(s), rs);
    EXPECT_EQ(swap_reap(s), 1u);
    swap_free(s);
}

TEST(Swap, OldOneStaysUntilEveryCoreReported)
{
    Image image;
    swap *s = swap_new(THREADS);
    publish(s, image.load(1), 0);
    swap_online(s, 0);
    publish(s, image.load(2), 0);
    EXPECT_FALSE(swap_settle(s, 5)); /* core 0 may still load the old one */
    EXPECT_EQ(swap_reap(s), 2u);
    swap_quiescent(s, 0);
    EXPECT_TRUE(swap_settle(s, 0));
    EXPECT_EQ(swap_reap(s), 1u);
    publish(s, image.load(3), 0);
    swap_offline(s, 0); /* a core that sleeps holds nothing up */
    EXPECT_EQ(swap_reap(s), 1u);
    swap_free(s);
}

TEST(Swap, PinsKeepSetsAndTheCapRefuses)
{
    Image image;
    swap *s = swap_new(THREADS);
    std::vector<ruleset *> sets;
    for (uint32_t g = 1; g <= SWAP_RESIDENT_MAX; g++) {
        sets.push_back(image.load(g));
        ASSERT_EQ(publish(s, sets.back(), 0), 0);
        ruleset_pin(sets.back(), 1);
        EXPECT_EQ(swap_reap(s), g);
    }
    ruleset *more = image.load(9);
    EXPECT_EQ(publish(s, more, 20), -EBUSY);
    EXPECT_EQ(swap_live(s), sets.back());
    ruleset_unpin(sets[1], 1);
    EXPECT_EQ(publish(s, more, 0), 0); /* any place will do */
    EXPECT_EQ(swap_live(s), more);
    for (size_t i = 0; i < sets.size(); i++) {
        if (i != 1)
            ruleset_unpin(sets[i], 1);
    }
    EXPECT_EQ(swap_reap(s), 1u);
    swap_free(s);
}

TEST(Swap, WhatDrainsForTooLongExpiresWhenThereIsNoRoom)
{
    Image image;
    swap *s = swap_new(THREADS);
    swap_set_drain(s, 0);
    std::vector<ruleset *> sets;
    for (uint32_t g = 1; g < SWAP_RESIDENT_MAX; g++) {
        sets.push_back(image.load(g));
        ruleset_pin(sets.back(), 1);
        publish(s, sets.back(), 0);
    }
    EXPECT_EQ(swap_reap(s), SWAP_RESIDENT_MAX - 1u);
    EXPECT_FALSE(ruleset_is_expired(sets[0])); /* nobody needs its room */
    publish(s, image.load(9), 0);
    swap_set_drain(s, SWAP_DRAIN_MS);
    EXPECT_EQ(swap_reap(s), (unsigned)SWAP_RESIDENT_MAX);
    EXPECT_FALSE(ruleset_is_expired(sets[0])); /* not yet */
    swap_set_drain(s, 0);
    EXPECT_EQ(swap_reap(s), (unsigned)SWAP_RESIDENT_MAX);
    EXPECT_TRUE(ruleset_is_expired(sets[0]) && ruleset_is_expired(sets[1]) && ruleset_is_expired(sets[2]));
    EXPECT_FALSE(ruleset_is_expired(swap_live(s)));
    for (ruleset *rs : sets)
        ruleset_unpin(rs, 1);
    EXPECT_EQ(swap_reap(s), 1u);
    swap_free(s);
}

TEST(Swap, EveryMillisecondUnderMessages)
{
    Image image;
    swap *s = swap_new(THREADS);
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> begun{0}, ended{0}, wrong{0}, rounds{0};
    ASSERT_EQ(publish(s, image.load(1), 0), 0);

    auto core = [&](unsigned idx) {
        struct Held {
            ruleset *rs;
            uint32_t generation;
        };
        std::mt19937 random(idx);
        std::vector<Held> held;
        uint32_t newest = 0;
        swap_online(s, idx);
        while (!stop) {
            ruleset *live = swap_live(s);
            uint32_t generation = ruleset_generation(live);
            wrong += generation < newest; /* a core never goes back */
            newest = generation;
            for (int i = 0; i < 4; i++) {
                /* messages begin, are scanned for some rounds, and end in any order */
                if (held.size() < 8 && random() % 2) {
                    ruleset_pin(live, idx);
                    held.push_back({live, generation});
                    begun++;
                } else if (!held.empty()) {
                    size_t at = random() % held.size();
                    wrong += ruleset_generation(held[at].rs) != held[at].generation;
                    wrong += ruleset_rule_cnt(held[at].rs) != 2;
                    ruleset_unpin(held[at].rs, idx);
                    held.erase(held.begin() + static_cast<long>(at));
                    ended++;
                }
            }
            swap_quiescent(s, idx);
            rounds++;
            if (random() % 256 == 0) { /* sleeps with messages open, as an idle core does */
                swap_offline(s, idx);
                std::this_thread::sleep_for(std::chrono::microseconds(50));
                swap_online(s, idx);
            }
        }
        for (Held &h : held) {
            ruleset_unpin(h.rs, idx);
            ended++;
        }
        swap_offline(s, idx);
    };
    std::vector<std::thread> cores;
    for (unsigned i = 0; i < THREADS; i++)
        cores.emplace_back(core, i);

    unsigned swaps = 0, busy = 0, settled = 0;
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
    for (uint32_t g = 2; std::chrono::steady_clock::now() < end; g++) {
        ruleset *rs = image.load(g);
        ASSERT_NE(rs, nullptr);
        if (publish(s, rs, 100) == 0) {
            swaps++;
            settled += swap_settle(s, 1000);
        } else {
            busy++;
            ruleset_free(rs);
        }
        EXPECT_LE(swap_reap(s), static_cast<unsigned>(SWAP_RESIDENT_MAX));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stop = true;
    for (std::thread &t : cores)
        t.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(begun, ended);
    EXPECT_GT(swaps, 10u);
    EXPECT_EQ(settled, swaps);
    EXPECT_EQ(swap_reap(s), 1u);
    printf("%u swaps (%u busy), %lu rounds, %lu messages\n", swaps, busy, rounds.load(), begun.load());
    swap_free(s);
}

TEST(Swap, AReturnGoesDownTheChainAndIsToldOnceEach)
{
    Image image;
    swap *s = swap_new(THREADS);
    swap_roles roles = {};
    link_stage watched = {}, values = {};
    watched.share_ppm = 7;
    values.share_ppm = 9;
    ruleset *previous = image.load(1), *live = image.load(2), *candidate = image.load(3);
    roles.live = live;
    roles.previous = previous;
    roles.candidate = candidate;
    roles.stage = LINK_STAGE_SHADOW;
    roles.values = &values;
    roles.watched = &watched;
    ASSERT_EQ(swap_publish(s, &roles), 0);
    const plan *top = swap_plan(s);
    EXPECT_EQ(top->generation_a, 2u);
    EXPECT_EQ(top->generation_b, 3u);
    EXPECT_EQ(top->values.share_ppm, 9u);
    link_trip why = {};
    why.reason = LINK_REASON_EVIDENCE;
    ASSERT_TRUE(swap_return(s, top, &why));
    EXPECT_FALSE(swap_return(s, top, &why));
    EXPECT_TRUE(ruleset_is_returned(candidate));
    const plan *middle = swap_plan(s);
    EXPECT_EQ(middle->stage, LINK_STAGE_LIVE);
    EXPECT_EQ(middle->generation_a, 1u);
    EXPECT_EQ(middle->generation_b, 2u);
    EXPECT_EQ(middle->values.share_ppm, 7u);
    EXPECT_EQ(swap_publish(s, &roles), -EAGAIN); // first the return is to be told
    ASSERT_TRUE(swap_return(s, middle, &why)); // a second one before the first was told
    EXPECT_TRUE(ruleset_is_returned(live));
    EXPECT_EQ(swap_live(s), previous);
    EXPECT_FALSE(swap_return(s, swap_plan(s), &why)); // nothing to return to
    swap_returned told;
    ASSERT_TRUE(swap_take_return(s, &told));
    EXPECT_EQ(told.trip.generation, 3u);
    EXPECT_EQ(told.trip.back_to, 2u);
    ASSERT_TRUE(swap_take_return(s, &told));
    EXPECT_EQ(told.trip.generation, 2u);
    EXPECT_EQ(told.trip.back_to, 1u);
    EXPECT_FALSE(swap_take_return(s, &told));
    EXPECT_EQ(swap_reap(s), 1u);
    swap_free(s);
}

// All threads want every return, the agent publishes meanwhile: each plan is left at most once, and nothing that a
// thread still looks at is freed (AddressSanitizer, ThreadSanitizer).
TEST(Swap, ManyThreadsWantTheSameReturn)
{
    Image image;
    swap *s = swap_new(THREADS);
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> won{0}, mixed{0};
    ruleset *live = image.load(1);
    swap_roles roles = {};
    roles.live = live;
    ASSERT_EQ(swap_publish(s, &roles), 0);
    auto core = [&](unsigned idx) {
        link_trip why = {};
        why.reason = LINK_REASON_EVIDENCE;
        swap_online(s, idx);
        while (!stop) {
            const plan *p = swap_take(s, idx);
            if (p->other) {
                mixed += ruleset_generation(p->b) != p->generation_b || ruleset_generation(p->a) != 1;
                why.n = p->generation_b;
                won += swap_return(s, p, &why);
            }
            swap_quiescent(s, idx);
        }
        swap_offline(s, idx);
    };
    std::vector<std::thread> cores;
    for (unsigned i = 0; i < THREADS; i++)
        cores.emplace_back(core, i);
    uint64_t told_cnt = 0, published = 0;
    ruleset *candidate = nullptr;
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (uint32_t g = 2; told_cnt < 200 && std::chrono::steady_clock::now() < end;) {
        swap_returned told;
        while (swap_take_return(s, &told)) {
            EXPECT_EQ(told.trip.generation, g);
            EXPECT_EQ(told.trip.n, g); // of the thread that won
            told_cnt++;
            candidate = nullptr;
            g++;
        }
        bool is_new = !candidate;
        if (is_new)
            candidate = image.load(g);
        roles.candidate = candidate;
        // STAGED, then SHADOW, then again and again: cores are at it between any two of them
        roles.stage = is_new ? LINK_STAGE_STAGED : LINK_STAGE_SHADOW;
        int ret = swap_publish(s, &roles);
        published += ret == 0;
        if (ret && is_new) {
            ruleset_free(candidate);
            candidate = nullptr;
        }
    }
    stop = true;
    for (std::thread &t : cores)
        t.join();
    swap_returned told;
    while (swap_take_return(s, &told))
        told_cnt++;
    EXPECT_EQ(won, told_cnt);
    EXPECT_EQ(mixed, 0u);
    EXPECT_GE(told_cnt, 200u);
    EXPECT_FALSE(ruleset_is_returned(live));
    printf("%lu plans, %lu returns\n", published, told_cnt);
    swap_free(s);
}
