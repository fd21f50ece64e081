// sim: a small part of tests/sim/rollout_sim.cc, which has the figures. The model counts as the product does.
#include <gtest/gtest.h>

#include "tests/sim/traffic.h"

using namespace sim;

// Twenty times alpha's share is what a broken statistic would show at least (a z-test looked at 500 times: 12 %).
TEST(Sim, GoodPushesStay)
{
    Traffic traffic;
    for (Edge edge : {EDGE_ALL, EDGE_HALF}) {
        Push push(edge_settings(1e-2, edge));
        auto is_hot = half_of_suffixes(3);
        NullCount c;
        for (uint64_t i = 0; i < 600; i++)
            c.add(null_push(traffic, push, i, 1500, edge, is_hot));
        EXPECT_LE(c.any, 6u); // mean 3 at most, were every bound an equality
        EXPECT_LT(c.off, 1e-9);
    }
}

TEST(Sim, ABadSuffixGoesBackSoonByEither)
{
    Traffic traffic;
    Push push(evidence_settings_default);
    for (uint64_t seed = 0; seed < 30; seed++) {
        Random random(seed);
        push.begin(0);
        unsigned units = 0, by_m = 0, by_table = 0;
        for (unsigned i = 0; i < 5000 && !(by_m && by_table); i++) {
            Mail m = traffic.fresh(random);
            if (random.chance(0.01)) {
                m.sender_suffix = SENDER_SUFFIXES;
                m.b_rejects = true;
                units++;
            }
            const Trips &t = deliver_unit(push, m);
            if (t.m && !by_m) {
                by_m = units;
                EXPECT_LT(push.verify(), 1e-9);
            }
            by_table = by_table ? by_table : t.table ? units : 0;
        }
        EXPECT_GE(by_m, 4u);
        EXPECT_LE(by_m, 7u);
        EXPECT_EQ(by_table, 6u);
    }
}

TEST(Sim, OneBulkSenderIsOneUnit)
{
    Traffic traffic;
    Push push(evidence_settings_default);
    for (uint64_t seed = 0; seed < 5; seed++) {
        Random random(seed);
        Once once(14);
        push.begin(0);
        for (unsigned i = 0; i < 10000; i++) {
            Mail m = traffic.from_population(random);
            if (random.chance(0.4)) {
                m.sender_domain = SENDER_DOMAINS;
                m.sender_suffix = 1;
                m.b_rejects = true;
            }
            ASSERT_FALSE(deliver(push, once, m).any()) << i;
        }
    }
}

TEST(Sim, ASpamWaveThatBothRejectIsNothing)
{
    Traffic traffic;
    Push push(evidence_settings_default);
    Random random(5);
    Once once(14);
    for (unsigned i = 0; i < 20000; i++) {
        Mail m = traffic.fresh(random);
        m.a_rejects = m.b_rejects = random.chance(i < 10000 ? 0.02 : 0.6);
        ASSERT_FALSE(deliver(push, once, m).any()) << i;
    }
    EXPECT_GT(push.mirror.n, 5000u);
}
