// The life of a generation beside a data plane that returns alone, restarts, loses its disk or is somebody else's.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/rollout_fake.h"

namespace {

TEST(RolloutPlane, OneThatIsToGoAndHasNothingToGoToIsLiveForAPerson)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t first = w.first(), n = w.push_to("LIVE"), number = 0;
    ASSERT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &number, w.m.err)) << w.m.err;
    w.m.flight.clear(); // it never got there,
    rollout_link_down(&w.m.r);
    w.plane.restart(true); // and previous is lost
    for (int i = 0; i < 3; i++)
        w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(n));
    ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &number, w.m.err)) << w.m.err;
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(number));
    EXPECT_EQ("QUARANTINED", w.m.state(n));
}

TEST(RolloutPlane, ReturnedAlone)
{
    for (const char *stage : {"SHADOW", "CANARY", "PROBATION"}) {
        World w;
        uint32_t old = w.first(), n = w.push_to(stage);
        w.plane.drop(LINK_REASON_EVIDENCE, true);
        w.m.pass();
        EXPECT_EQ("QUARANTINED", w.m.state(n)) << stage;
        EXPECT_EQ("LIVE", w.m.state(old));
        EXPECT_TRUE(w.did("notice TRIPPED"));
        EXPECT_TRUE(w.did("notice RETURNED"));
        EXPECT_EQ(77u, w.m.trip_ms) << "its own time: told again after a crash it is the same incident";
    }
    World w;
    uint32_t old = w.first(), n = w.push_to("LIVE");
    w.plane.back(LINK_REASON_SLOW, true);
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ("LIVE", w.m.state(old));
    EXPECT_EQ(old, w.m.r.live);
}

TEST(RolloutPlane, ALeaseThatRanOutIsForAPerson)
{
    World w;
    w.first();
    uint32_t n = w.push_to("CANARY");
    w.plane.drop(LINK_REASON_LEASE, true);
    w.m.pass();
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_NE(nullptr, strstr(w.m.find(n)->text, "lease"));
    EXPECT_FALSE(rollout_is_quarantined(&w.m.r, w.m.find(n)->digest));
    uint32_t other = w.push_to("LIVE"); // it holds nobody up
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.climb();
    EXPECT_EQ("LIVE", w.m.state(n));
    EXPECT_EQ("RETIRED", w.m.state(other));
}

TEST(RolloutPlane, RestartedOnceHeldTwiceBack)
{
    World w;
    uint32_t old = w.first(), n = w.push_to("CANARY");
    w.plane.restart(true);
    w.m.pass();
    EXPECT_EQ("HELD", w.m.state(n));
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err));
    for (int i = 0; i < 20 && w.m.state(n) != "CANARY"; i++) {
        w.m.read(w.m.find(n)->units_before + 1000);
        w.m.pass(500);
    }
    w.plane.restart(true);
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ(old, w.plane.s.live.generation);
}

TEST(RolloutPlane, RestartedByPeopleItIsHeldHoweverOften)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t first = w.first(), n = w.push_to("CANARY");
    for (int i = 0; i < 3; i++) { // with a folder it knows how it ended, and would tell of a crash
        w.plane.restart(true);
        w.plane.s.persisted = first;
        w.m.pass();
        ASSERT_EQ("HELD", w.m.state(n)) << i;
        ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
        for (int k = 0; k < 100 && w.m.state(n) != "CANARY"; k++) {
            w.m.read(w.m.find(n)->units_before + 1000);
            w.m.pass(500);
        }
    }
    for (int i = 0; i < 2; i++) {
        w.plane.restart(true);
        w.plane.s.persisted = first;
        w.plane.trip(n, first, LINK_REASON_CRASHES, true);
        w.m.pass();
        EXPECT_EQ(i ? "QUARANTINED" : "HELD", w.m.state(n));
        rollout_resume(&w.m.r, n, &who, w.m.err);
        w.m.pass();
    }
}

TEST(RolloutPlane, OneThatLostItsDiskGetsItsRulesBack)
{
    World w;
    w.first();
    uint32_t n = w.push_to("LIVE");
    w.plane.restart(false);
    w.m.doings.clear();
    w.m.pass();
    EXPECT_EQ(n, w.plane.s.live.generation);
    EXPECT_TRUE(w.did("ask LOAD-live"));
    EXPECT_EQ("LIVE", w.m.state(n));
    w.push_to("LIVE");
}

TEST(RolloutPlane, AnUnknownCandidateIsDropped)
{
    World w;
    w.first();
    w.plane.s.candidate = FakePlane::role(40, "strange");
    w.plane.s.stage = LINK_STAGE_CANARY;
    w.m.pass();
    EXPECT_EQ(0u, w.plane.s.candidate.generation);
    uint32_t n = w.push_to("LIVE");
    EXPECT_GT(n, 40u) << "its number is not used again";
}

TEST(RolloutPlane, WhatSomebodyElsePushedIsTakenUp)
{
    World w;
    uint32_t old = w.first();
    w.plane.s.previous = w.plane.s.live;
    w.plane.s.live = FakePlane::role(9, "by hand");
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(9));
    EXPECT_EQ("RETIRED", w.m.state(old));
    uint32_t n = w.push_to("LIVE");
    EXPECT_EQ(10u, n);
    // And one that bears a number of ours.
    w.plane.s.live = FakePlane::role(n, "forged");
    w.m.pass();
    EXPECT_TRUE(w.m.r.is_foreign);
    EXPECT_EQ(0u, w.m.r.live);
    w.push_to("LIVE");
    EXPECT_FALSE(w.m.r.is_foreign);
}

TEST(RolloutPlane, WithoutALinkATripIsKeptForLater)
{
    for (const char *stage : {"CANARY", "LIVE"}) {
        World w;
        uint32_t old = w.first(), n = w.push_to(stage);
        w.m.is_linked = false;
        rollout_link_down(&w.m.r);
        w.m.read(3000, 9, true);
        EXPECT_EQ("ROLLED_BACK", w.m.state(n));
        w.m.is_linked = true;
        w.m.pass();
        w.m.pass();
        EXPECT_EQ("QUARANTINED", w.m.state(n)) << stage;
        EXPECT_EQ(old, w.plane.s.live.generation) << stage;
        EXPECT_EQ("LIVE", w.m.state(old)) << stage;
    }
}

TEST(RolloutPlane, APreviousThatCannotBeDroppedIsAskedForOnce)
{
    World w;
    uint32_t first = w.first(), copy = 0;
    w.push_to("LIVE");
    w.push_to("LIVE");
    w.plane.refuse["DROP"] = "an older data plane";
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &copy, w.m.err)) << w.m.err;
    w.m.doings.clear();
    for (int i = 0; i < 5; i++)
        w.m.pass();
    EXPECT_EQ(1, std::count(w.m.doings.begin(), w.m.doings.end(), "ask DROP"));
    EXPECT_EQ("LIVE", w.m.state(copy));
    EXPECT_NE(0, rollout_rollback(&w.m.r, 0, &who, &copy, w.m.err)) << "it went back itself";
}

TEST(RolloutPlane, AStateOlderThanARequestIsPassedOver)
{
    World w;
    w.first();
    uint32_t n = w.push_to("STAGED");
    link_state before = w.plane.s;
    uint64_t seq = w.m.r.ask_seq;
    rollout_tick(&w.m.r, w.m.now, w.m.now); // asks for SHADOW
    rollout_state(&w.m.r, &before, seq);
    EXPECT_EQ("SHADOW", w.m.state(n));
    w.m.deliver();
    rollout_state(&w.m.r, &before, seq);
    EXPECT_EQ("SHADOW", w.m.state(n));
}

TEST(RolloutPlane, OneThatBeganAnewWatchesWhatIsLiveAgain)
{
    World w;
    uint32_t first = w.first(), n = w.push_to("LIVE");
    w.m.pass();
    ASSERT_TRUE(w.m.find(n)->is_watched);
    w.plane.restart(true);
    w.m.pass();
    EXPECT_FALSE(w.m.find(n)->is_watched) << "previous is not loaded yet";
    w.m.doings.clear();
    w.plane.s.previous = FakePlane::role(first, w.m.find(first)->digest);
    for (int i = 0; i < 5; i++)
        w.m.pass();
    EXPECT_TRUE(w.m.find(n)->is_watched);
    EXPECT_EQ((uint32_t)LINK_STAGE_LIVE, w.plane.s.stage);
    EXPECT_EQ(1, std::count(w.m.doings.begin(), w.m.doings.end(), "ask LIVE"));
    EXPECT_FALSE(w.did("notice IS_LIVE")) << "which is no news";
    w.m.read(2000, 9, true);
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(first));
}

TEST(RolloutPlane, OneThatDoesNotWatchAgainIsAskedOnce)
{
    World w;
    uint32_t first = w.first(), n = w.push_to("LIVE");
    w.plane.restart(true);
    w.plane.s.previous = FakePlane::role(first, w.m.find(first)->digest);
    w.plane.refuse["LIVE"] = "no memory";
    w.m.doings.clear();
    for (int i = 0; i < 20; i++)
        w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(n));
    EXPECT_EQ(1, std::count(w.m.doings.begin(), w.m.doings.end(), "ask LIVE"));
    EXPECT_EQ(1, std::count(w.m.doings.begin(), w.m.doings.end(), "journal alarm"));
    rollout_link_down(&w.m.r);
    w.plane.refuse.clear();
    w.m.pass();
    w.m.pass();
    EXPECT_TRUE(w.m.find(n)->is_watched) << "on a new link it is asked again";
}

} // namespace
