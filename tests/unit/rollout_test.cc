// The life of a generation: every path of ROLLOUT's table, every failing record, every crash, and a random walk.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "unit/rollout_fake.h"

namespace {


struct World {
    FakePlane plane;
    FakeDisk disk;
    Machine m{&plane, &disk};

    World() { m.status(); }

    /* A first generation live. */
    uint32_t
    first()
    {
        uint32_t n = 0;
        EXPECT_EQ(0, m.push(&n)) << m.err;
        m.climb();
        EXPECT_EQ("LIVE", m.state(n));
        m.doings.clear();
        return n;
    }

    uint32_t
    push_to(const char *state, uint32_t force = 0)
    {
        uint32_t n = 0;
        EXPECT_EQ(0, m.push(&n, force)) << m.err;
        for (int i = 0; i < 100 && m.state(n) != state; i++) {
            m.read(m.find(n)->units_before + 1000);
            m.pass(500);
        }
        EXPECT_EQ(state, m.state(n));
        return n;
    }

    size_t
    at(const std::string &doing) const
    {
        return (size_t)(std::find(m.doings.begin(), m.doings.end(), doing) - m.doings.begin());
    }
    bool did(const std::string &doing) const { return at(doing) < m.doings.size(); }
};

TEST(Rollout, EachStageIsJournaledBeforeItIsAskedFor)
{
    World w;
    w.first();
    uint32_t n = w.push_to("LIVE");
    for (const char *stage : {"SHADOW", "CANARY", "PROBATION", "LIVE"})
        EXPECT_LT(w.at(std::string("journal ") + stage), w.at(std::string("ask ") + stage)) << stage;
    EXPECT_LT(w.at("journal push"), w.at("journal COMPILED"));
    EXPECT_LT(w.at("journal preflight"), w.at("journal load"));
    EXPECT_LT(w.at("journal load"), w.at("ask LOAD"));
    EXPECT_LT(w.at("ask LOAD"), w.at("journal STAGED"));
    EXPECT_LT(w.at("ask LIVE"), w.at("journal RETIRED"));
    EXPECT_TRUE(w.did("notice IS_LIVE"));
    EXPECT_EQ(n, w.plane.s.live.generation);
    EXPECT_EQ("RETIRED", w.m.state(n - 1));
}

TEST(Rollout, TheFirstSetHasNothingToBeComparedWith)
{
    World w;
    w.push_to("LIVE");
    EXPECT_FALSE(w.did("ask SHADOW"));
    EXPECT_FALSE(w.m.find(1)->is_watched);
}

TEST(Rollout, ForcedGatesAreLeftOut)
{
    World w;
    w.first();
    w.push_to("LIVE", FORCE_PREFLIGHT | FORCE_SHADOW);
    EXPECT_FALSE(w.did("ask SHADOW"));
    EXPECT_TRUE(w.did("ask CANARY"));
    EXPECT_FALSE(w.did("journal preflight"));
    w.m.doings.clear();
    w.push_to("LIVE", FORCE_SHADOW | FORCE_PROBATION);
    EXPECT_FALSE(w.did("ask CANARY"));
    EXPECT_TRUE(w.did("ask LIVE"));
    EXPECT_TRUE(w.did("journal preflight"));
}

TEST(Rollout, AStageWantsTimeAndMessagesAndStrata)
{
    World w;
    w.first();
    uint32_t n = w.push_to("SHADOW");
    const uint64_t before = w.m.find(n)->units_before;
    w.m.pass(100);
    w.m.read(before + 99, 9);
    w.m.pass(5000);
    EXPECT_EQ("SHADOW", w.m.state(n)) << "a unit too few";
    w.m.read(before + 100, 1);
    w.m.pass(100);
    EXPECT_EQ("SHADOW", w.m.state(n)) << "a stratum too few";
    w.m.read(before + 100, 2);
    w.m.pass(100);
    EXPECT_EQ("CANARY", w.m.state(n));
    w.m.read(before + 1000, 2);
    w.m.pass(100);
    EXPECT_EQ("CANARY", w.m.state(n)) << "too early";
    w.m.pass(1000);
    EXPECT_EQ("PROBATION", w.m.state(n));
}

TEST(Rollout, WhoIsOnTheWayToBeFoundOutIsNotLetNearerToTheMail)
{
    for (int family = 0; family < 3; family++) {
        World w;
        w.first();
        uint32_t n = w.push_to("SHADOW");
        rollout_reading reading = {};
        reading.generation = n;
        reading.strata = 9;
        reading.e.n = w.m.find(n)->units_before + 1000;
        reading.e.limit_m = reading.e.limit_mirror = reading.e.limit_error = 16;
        (family == 0 ? reading.e.log_m : family == 1 ? reading.e.log_mirror : reading.e.log_error) = 4.1;
        rollout_read(&w.m.r, &reading);
        w.m.pass(2000);
        EXPECT_EQ("SHADOW", w.m.state(n));
        reading.e.log_m = reading.e.log_mirror = reading.e.log_error = 3.9;
        rollout_read(&w.m.r, &reading);
        w.m.pass(100);
        EXPECT_EQ("CANARY", w.m.state(n));
    }
}

TEST(Rollout, AStageThatDoesNotGetItsCountsIsHeld)
{
    World w;
    w.first();
    uint32_t n = w.push_to("SHADOW");
    w.m.pass(59000);
    EXPECT_EQ("SHADOW", w.m.state(n));
    w.m.pass(2000);
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_EQ(n, w.plane.s.candidate.generation);
    EXPECT_NE(nullptr, strstr(w.m.find(n)->text, "messages"));
    EXPECT_TRUE(w.did("notice IS_HELD"));
}

TEST(Rollout, ATripGoesBackBeforeItIsWritten)
{
    for (const char *stage : {"SHADOW", "CANARY", "PROBATION"}) {
        World w;
        uint32_t old = w.first();
        uint32_t n = w.push_to(stage);
        w.m.doings.clear();
        w.m.read(2000, 9, true);
        ASSERT_TRUE(w.did("ask DROP"));
        EXPECT_LT(w.at("ask DROP"), w.at("notice TRIPPED"));
        EXPECT_LT(w.at("ask DROP"), w.at("journal trip"));
        EXPECT_TRUE(w.did("notice LOCALISED"));
        EXPECT_EQ(std::string(stage) == "SHADOW" ? "QUARANTINED" : "ROLLED_BACK", w.m.state(n));
        w.m.pass();
        EXPECT_EQ("QUARANTINED", w.m.state(n));
        EXPECT_TRUE(w.did("notice RETURNED"));
        EXPECT_EQ(0u, w.plane.s.candidate.generation);
        EXPECT_EQ(old, w.plane.s.live.generation);
        EXPECT_EQ("LIVE", w.m.state(old));
        EXPECT_TRUE(rollout_is_quarantined(&w.m.r, w.m.find(n)->digest));
    }
}

TEST(Rollout, ATripInLiveReturnsToThePrevious)
{
    World w;
    uint32_t old = w.first(), n = w.push_to("LIVE");
    w.m.doings.clear();
    w.m.read(2000, 9, true);
    EXPECT_LT(w.at("ask RETURN"), w.at("journal trip"));
    EXPECT_EQ("ROLLED_BACK", w.m.state(n));
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ("LIVE", w.m.state(old));
    EXPECT_EQ(old, w.plane.s.live.generation);
    EXPECT_EQ(old, w.m.r.live);
}

TEST(Rollout, TheGuardRailNeedsNoStatistic)
{
    World w;
    w.first();
    uint32_t n = w.push_to("PROBATION");
    rollout_reading reading = {};
    reading.generation = n;
    reading.e.n = 1000;
    reading.e.k = 99;
    reading.e.worst_cnt = 1;
    rollout_read(&w.m.r, &reading);
    EXPECT_EQ("PROBATION", w.m.state(n));
    reading.e.k = 101;
    rollout_read(&w.m.r, &reading);
    EXPECT_EQ("ROLLED_BACK", w.m.state(n));
}

TEST(Rollout, EvidenceOfAnotherGenerationIsNone)
{
    World w;
    uint32_t old = w.first(), n = w.push_to("CANARY");
    rollout_reading reading = {};
    reading.generation = 99;
    reading.e.trips = true;
    rollout_read(&w.m.r, &reading);
    EXPECT_EQ("CANARY", w.m.state(n));
    EXPECT_EQ("LIVE", w.m.state(old));
}

TEST(Rollout, NoWayUpWithoutARecordWhicheverFails)
{
    for (int fails_at = 0; fails_at < 12; fails_at++) {
        World w;
        uint32_t old = w.first();
        w.m.fails_at = fails_at;
        uint32_t n = 0;
        int ret = w.m.push(&n);
        w.m.climb(30);
        if (w.m.fails_at >= 0)
            break; // more records than there are
        if (ret) {
            EXPECT_EQ("REJECTED", w.m.state(n));
            continue;
        }
        bool is_late = w.m.state(n) == "LIVE"; // the record after the data plane's word, or of another generation
        EXPECT_TRUE(is_late || w.m.state(n) == "HELD") << fails_at << " " << w.m.state(n);
        EXPECT_EQ(is_late ? n : old, w.plane.s.live.generation) << fails_at;
        if (!is_late) {
            // A disk that can be written again: a person lets it go on.
            rollout_who who = Machine::who();
            ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
            w.m.climb();
            EXPECT_EQ("LIVE", w.m.state(n)) << fails_at;
        }
    }
}

TEST(Rollout, AWayBackDoesNotWaitForTheJournal)
{
    for (const char *stage : {"SHADOW", "CANARY", "PROBATION", "LIVE"}) {
        World w;
        uint32_t old = w.first();
        uint32_t n = w.push_to(stage);
        w.m.journal_fails = true;
        w.m.read(2000, 9, true);
        w.m.pass();
        EXPECT_EQ(old, w.plane.s.live.generation) << stage;
        EXPECT_EQ(0u, w.plane.s.candidate.generation) << stage;
        EXPECT_EQ("QUARANTINED", w.m.state(n)) << stage;
    }
}

TEST(Rollout, ARefusalAtLoadIsRejected)
{
    World w;
    w.first();
    w.plane.refuse["LOAD"] = "worker 3: out of memory";
    uint32_t n = w.push_to("REJECTED");
    EXPECT_NE(nullptr, strstr(w.m.find(n)->text, "worker 3"));
    w.plane.refuse.clear();
    w.plane.golden = "another";
    n = w.push_to("REJECTED");
    w.m.pass();
    EXPECT_EQ(0u, w.plane.s.candidate.generation);
    w.plane.golden = "g";
    w.push_to("LIVE");
}

TEST(Rollout, ARefusalOfAStageIsHeld)
{
    for (const char *stage : {"SHADOW", "CANARY", "PROBATION", "LIVE"}) {
        World w;
        uint32_t old = w.first();
        w.plane.refuse[stage] = "no";
        uint32_t n = w.push_to("HELD");
        EXPECT_EQ(old, w.plane.s.live.generation);
        w.plane.refuse.clear();
        rollout_who who = Machine::who();
        ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
        w.m.climb();
        EXPECT_EQ("LIVE", w.m.state(n)) << stage;
        EXPECT_EQ(n, w.plane.s.live.generation) << stage;
    }
}

TEST(Rollout, OneCandidateAtATime)
{
    World w;
    w.first();
    uint32_t n = w.push_to("CANARY"), other = 0;
    EXPECT_NE(0, w.m.push(&other));
    EXPECT_NE(nullptr, strstr(w.m.err, "CANARY"));
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_hold(&w.m.r, n, &who, w.m.err));
    EXPECT_NE(0, w.m.push(&other));
    EXPECT_NE(nullptr, strstr(w.m.err, "held in CANARY"));
}

TEST(Rollout, HeldItsLeaseIsRenewedAndItsJudgesGoOn)
{
    World w;
    uint32_t old = w.first();
    uint32_t n = w.push_to("CANARY");
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_hold(&w.m.r, n, &who, w.m.err));
    w.m.doings.clear();
    for (int i = 0; i < 100; i++)
        w.m.pass(100);
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_NEAR(10, (double)std::count(w.m.doings.begin(), w.m.doings.end(), "ask RENEW"), 1);
    w.m.read(5000, 9, true);
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ(old, w.plane.s.live.generation);
}

TEST(Rollout, PromoteIsTheNextStageNow)
{
    World w;
    w.first();
    uint32_t n = w.push_to("SHADOW");
    rollout_who who = Machine::who();
    for (const char *next : {"CANARY", "PROBATION", "LIVE"}) {
        ASSERT_EQ(0, rollout_promote(&w.m.r, n, &who, w.m.err)) << w.m.err;
        EXPECT_NE(0, rollout_promote(&w.m.r, n, &who, w.m.err)) << "asked already";
        w.m.deliver();
        EXPECT_EQ(next, w.m.state(n));
    }
    EXPECT_NE(0, rollout_promote(&w.m.r, n, &who, w.m.err));
    EXPECT_NE(0, rollout_promote(&w.m.r, 77, &who, w.m.err));
}

TEST(Rollout, APushMayStopOnItsWay)
{
    World w;
    w.first();
    uint32_t n = 0;
    ASSERT_EQ(0, w.m.push(&n, 0, GENERATION_CANARY));
    w.m.climb();
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_EQ(GENERATION_CANARY, w.m.find(n)->from);
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_promote(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.deliver();
    w.m.climb();
    EXPECT_EQ("LIVE", w.m.state(n));
}

TEST(Rollout, WhatWentBackIsRefusedUntilItIsReleased)
{
    World w;
    w.first();
    uint32_t n = w.push_to("CANARY");
    w.m.read(2000, 9, true);
    w.m.pass();
    w.m.next_digest = w.m.find(n)->digest;
    uint32_t again = w.push_to("REJECTED");
    EXPECT_NE(nullptr, strstr(w.m.find(again)->text, "quarantined"));
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_release(&w.m.r, n, &who, w.m.err));
    EXPECT_EQ("RETIRED", w.m.state(n));
    EXPECT_NE(0, rollout_release(&w.m.r, n, &who, w.m.err));
    w.push_to("LIVE");
}

TEST(Rollout, RollbackTakesWhatDecidesNewest)
{
    World w;
    uint32_t first = w.first(), second = w.push_to("LIVE"), third = w.push_to("CANARY"), which = 0;
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &which, w.m.err)) << w.m.err;
    EXPECT_EQ(third, which);
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(third));
    EXPECT_EQ(second, w.plane.s.live.generation);
    ASSERT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &which, w.m.err)) << w.m.err;
    EXPECT_EQ(second, which);
    EXPECT_NE(0, rollout_rollback(&w.m.r, 0, &who, &which, w.m.err)) << "twice";
    w.m.pass();
    EXPECT_EQ(first, w.plane.s.live.generation);
    EXPECT_EQ("LIVE", w.m.state(first));
    EXPECT_NE(0, rollout_rollback(&w.m.r, 0, &who, &which, w.m.err));
    EXPECT_NE(nullptr, strstr(w.m.err, "no previous"));
}

TEST(Rollout, RollbackFromUnderACandidateInShadowHoldsIt)
{
    World w;
    uint32_t first = w.first();
    w.push_to("LIVE");
    uint32_t third = w.push_to("SHADOW"), which = 0;
    rollout_who who = Machine::who();
    ASSERT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &which, w.m.err)) << w.m.err;
    w.m.pass();
    EXPECT_EQ(first, w.plane.s.live.generation);
    EXPECT_EQ("HELD", w.m.state(third));
    EXPECT_EQ(0u, w.plane.s.candidate.generation);
    ASSERT_EQ(0, rollout_resume(&w.m.r, third, &who, w.m.err)) << w.m.err;
    w.m.climb();
    EXPECT_EQ("LIVE", w.m.state(third));
}

TEST(Rollout, ReturnToAnOlderOneIsACopyAndUngated)
{
    World w;
    uint32_t first = w.first();
    w.push_to("LIVE");
    uint32_t third = w.push_to("LIVE"), copy = 0;
    rollout_who who = Machine::who();
    w.m.doings.clear();
    ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &copy, w.m.err)) << w.m.err;
    EXPECT_GT(copy, third);
    EXPECT_LT(w.at("ask LOAD-live"), w.at("journal COMPILED"));
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(copy));
    EXPECT_EQ(copy, w.plane.s.live.generation);
    EXPECT_STREQ(w.m.find(first)->digest, w.plane.s.live.digest);
    EXPECT_EQ("QUARANTINED", w.m.state(third));
    // What went back is not previous there: the data plane could return to it alone.
    w.m.pass();
    EXPECT_EQ(0u, w.plane.s.previous.generation);
    EXPECT_EQ("QUARANTINED", w.m.state(third));
    EXPECT_EQ(copy, w.m.r.live);
    EXPECT_NE(0, rollout_rollback(&w.m.r, 0, &who, &copy, w.m.err));
    // Never live: a push.
    w.disk.images[50] = "x";
    EXPECT_NE(0, rollout_rollback(&w.m.r, 50, &who, &copy, w.m.err));
}

// ---- the data plane's truth

/* Two operators in a hurry, or one who is not sure that it worked. */
TEST(Rollout, AReturnAskedForTwiceQuarantinesNoGoodSet)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t first = w.first(), n = 0, one = 0, two = 0;
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(0, w.m.push(&n)) << w.m.err;
        w.m.climb();
    }
    ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &one, w.m.err)) << w.m.err;
    EXPECT_NE(0, rollout_rollback(&w.m.r, first, &who, &two, w.m.err)) << "on its way already";
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(one));
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_NE(0, rollout_rollback(&w.m.r, first, &who, &two, w.m.err)) << "live already";
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(one));
    EXPECT_FALSE(rollout_is_quarantined(&w.m.r, w.m.find(first)->digest));
}

TEST(Rollout, AReturnThatIsQuarantinedBeforeItsRefusal)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t first = w.first(), n = 0, copy = 0;
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(0, w.m.push(&n)) << w.m.err;
        w.m.climb();
    }
    w.plane.refuse["LOAD-live"] = "no room";
    ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &copy, w.m.err)) << w.m.err;
    EXPECT_NE(0, rollout_quarantine(&w.m.r, copy, &who, w.m.err)) << "who knows whether it is live by now";
    w.m.deliver();
    w.m.pass();
    EXPECT_EQ("REJECTED", w.m.state(copy));
    EXPECT_EQ("LIVE", w.m.state(n));
}

/* LIVE was asked for, its answer is not here yet, and it is to go: the wish must outlive the answer. */
TEST(Rollout, AWayBackWhileLiveIsBeingAskedForIsNotForgotten)
{
    for (int how = 0; how < 3; how++) {
        World w;
        rollout_who who = Machine::who();
        uint32_t first = w.first(), number = 0;
        uint32_t n = w.push_to("PROBATION");
        w.m.flight.clear();
        ASSERT_EQ(0, rollout_promote(&w.m.r, n, &who, w.m.err)) << w.m.err;
        ASSERT_EQ("LIVE", w.m.state(n));
        if (how == 0)
            EXPECT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &number, w.m.err)) << w.m.err;
        else if (how == 1)
            EXPECT_EQ(0, rollout_quarantine(&w.m.r, n, &who, w.m.err)) << w.m.err;
        else
            w.m.read(9000, 9, true);
        for (int i = 0; i < 5; i++)
            w.m.pass();
        EXPECT_EQ(first, w.plane.s.live.generation) << how;
        EXPECT_EQ("QUARANTINED", w.m.state(n)) << how;
        EXPECT_EQ("LIVE", w.m.state(first)) << how;
        EXPECT_EQ(first, w.m.r.live) << how;
    }
}

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

// ---- crashes

/* Everything that happens to generations, in turn; the machine may be dead from anywhere on. */
void
course(World *world, Machine &m)
{
    FakePlane &plane = world->plane;
    rollout_who who = Machine::who();
    uint32_t n = 0;
    m.push(&n);
    m.climb();
    m.push(&n, FORCE_SHADOW);
    m.pass(500), m.pass(500), m.pass(500);
    m.read(3000, 9, true);
    m.pass();
    rollout_release(&m.r, n, &who, m.err);
    m.push(&n);
    m.pass(500), m.pass(500);
    if (!m.is_dead)
        plane.drop(LINK_REASON_EVIDENCE, true);
    m.pass();
    m.push(&n, 0, GENERATION_SHADOW);
    m.climb();
    if (!m.is_dead)
        rollout_quarantine(&m.r, n, &who, m.err);
    m.pass();
    m.push(&n);
    m.climb();
    if (!m.is_dead)
        rollout_rollback(&m.r, 0, &who, &n, m.err);
    m.pass();
    m.push(&n, FORCE_SHADOW | FORCE_PROBATION);
    m.climb();
    if (!m.is_dead)
        rollout_rollback(&m.r, 1, &who, &n, m.err);
    m.pass();
    if (!m.is_dead)
        plane.restart(false);
    m.pass();
    m.pass();
}

TEST(RolloutCrash, AtEveryDoing)
{
    int places = 0;
    for (int dies_at = 0;; dies_at++) {
        World w;
        w.first();
        w.m.dies_at = dies_at;
        course(&w, w.m);
        w.m.deliver(); // what was sent before its death arrives
        if (!w.m.is_dead)
            break;
        places++;
        std::vector<std::string> before = w.disk.lines;
        Machine again(&w.plane, &w.disk);
        again.now = w.m.now;
        for (int i = 0; i < 5; i++)
            again.pass();
        again.climb();
        ASSERT_TRUE(std::equal(before.begin(), before.end(), w.disk.lines.begin())) << dies_at;
        const link_role &live = w.plane.s.live;
        ASSERT_NE(0u, live.generation) << dies_at;
        ASSERT_EQ("LIVE", again.state(live.generation)) << dies_at;
        ASSERT_EQ(live.generation, again.r.live) << dies_at;
        ASSERT_FALSE(rollout_is_quarantined(&again.r, live.digest)) << dies_at;
        for (uint32_t i = 0; i < again.r.list_cnt; i++)
            ASSERT_TRUE(rollout_is_settled(&again.r.list[i]))
                << dies_at << ": " << again.r.list[i].number << " " << again.state(again.r.list[i].number);
        rollout_who who = Machine::who();
        if (again.r.candidate) {
            ASSERT_EQ(0, rollout_quarantine(&again.r, again.r.candidate, &who, again.err)) << again.err;
            again.pass();
        }
        uint32_t n = 0;
        ASSERT_EQ(0, again.push(&n)) << dies_at << again.err;
        again.climb();
        ASSERT_EQ("LIVE", again.state(n)) << dies_at << again.find(n)->text;
        ASSERT_EQ(n, w.plane.s.live.generation);
    }
    EXPECT_GT(places, 100);
}

// ---- whatever happens

TEST(RolloutWalk, AnyOrderOfEventsLeavesItWhole)
{
    rollout_who who = Machine::who();
    for (unsigned seed = 1; seed <= 300; seed++) {
        std::mt19937 rng(seed);
        FakePlane plane;
        FakeDisk disk;
        auto m = std::make_unique<Machine>(&plane, &disk);
        auto pick = [&](unsigned n) { return (unsigned)(rng() % n); };
        for (int step = 0; step < 300; step++) {
            uint32_t any = 1 + pick(m->r.next_number), n;
            uint32_t number = pick(2) && m->r.candidate ? m->r.candidate : any;
            switch (pick(24)) {
            case 0: m->push(&n, pick(8), pick(4) ? GENERATION_LIVE : GENERATION_SHADOW); break;
            case 1: rollout_hold(&m->r, number, &who, m->err); break;
            case 2: rollout_resume(&m->r, number, &who, m->err); break;
            case 3: rollout_promote(&m->r, number, &who, m->err); break;
            case 4: rollout_rollback(&m->r, pick(2) ? 0 : any, &who, &n, m->err); break;
            case 5: rollout_quarantine(&m->r, number, &who, m->err); break;
            case 6: rollout_release(&m->r, any, &who, m->err); break;
            case 7: m->read(m->plane->n + 500, 9, pick(4) == 0); break;
            case 8: if (plane.s.candidate.generation) plane.drop(pick(2) ? LINK_REASON_EVIDENCE : LINK_REASON_LEASE, true); break;
            case 9: if (plane.s.previous.generation && pick(3) == 0) plane.back(LINK_REASON_EVIDENCE, true); break;
            case 10: if (pick(4) == 0) plane.restart(pick(2)); break;
            case 11: m->is_linked = !m->is_linked; if (!m->is_linked) { rollout_link_down(&m->r); m->flight.clear(); } break;
            case 12: m->journal_fails = pick(3) == 0; break;
            case 13: plane.refuse.clear(); if (pick(2)) plane.refuse[pick(2) ? "LOAD" : "CANARY"] = "no"; break;
            case 14: m->deliver(); break;
            case 15:
                if (pick(4) == 0) { // killed, and begun again
                    m->deliver();
                    uint64_t now = m->now;
                    m = std::make_unique<Machine>(&plane, &disk);
                    m->now = now;
                }
                break;
            case 16: plane.golden = pick(8) ? "g" : "other"; break;
            default: m->pass(200 + pick(800)); m->read(m->plane->n + 200); break;
            }
            ASSERT_LE(m->r.list_cnt, (uint32_t)ROLLOUT_GENERATIONS_MAX);
        }
        // All is well again: it must come to rest, agreed with the data plane, and a push must go through.
        m->is_linked = true, m->journal_fails = false, plane.refuse.clear(), plane.golden = "g";
        for (int i = 0; i < 20; i++)
            m->pass(1000);
        m->climb();
        if (m->r.candidate) {
            ASSERT_EQ(0, rollout_quarantine(&m->r, m->r.candidate, &who, m->err)) << seed << m->err;
        }
        for (int i = 0; i < 5; i++)
            m->pass();
        if (plane.s.live.generation) {
            ASSERT_TRUE(m->r.live == plane.s.live.generation || m->r.is_foreign) << seed;
        }
        ASSERT_EQ(0u, plane.s.candidate.generation) << seed;
        uint32_t n = 0;
        m->next_digest = "fresh-" + std::to_string(seed);
        ASSERT_EQ(0, m->push(&n)) << seed << " " << m->err;
        m->climb();
        ASSERT_EQ("LIVE", m->state(n)) << seed << " " << m->find(n)->text;
        ASSERT_EQ(n, plane.s.live.generation) << seed;
    }
}

/* What a data plane says that means harm or has lost its wits: roles, digests, stages and trips of anybody. */
link_state
lie(std::mt19937 &rng, const Machine &m, link_state s)
{
    auto pick = [&](unsigned n) { return (unsigned)(rng() % n); };
    auto role = [&] {
        static const uint32_t absurd[] = {0, 0x7fffffff, UINT32_MAX - 1, UINT32_MAX};
        uint32_t number = pick(8) ? pick(m.r.next_number + 2) : absurd[pick(4)];
        const generation *g = rollout_find(&m.r, number);
        return FakePlane::role(number, g && pick(3) ? g->digest : pick(2) ? "" : "other");
    };
    link_role *roles[] = {&s.live, &s.candidate, &s.previous};
    for (link_role *r : roles) {
        if (pick(2))
            *r = role();
    }
    s.stage = pick(4) ? pick(6) : UINT32_MAX;
    s.instance += pick(4) == 0;
    s.trip.seq += pick(2);
    s.trip.generation = role().generation;
    s.trip.back_to = role().generation;
    s.trip.reason = pick(9);
    s.trip.kind = pick(9);
    return s;
}

TEST(RolloutWalk, ADataPlaneThatLiesAndAnswersLateEndsNothing)
{
    static const char *const asks[] = {"LOAD", "LOAD-live", "SHADOW", "CANARY", "PROBATION", "LIVE", "DROP", "RETURN"};
    rollout_who who = Machine::who();
    for (unsigned seed = 1; seed <= 1000; seed++) {
        std::mt19937 rng(seed);
        FakePlane plane;
        FakeDisk disk;
        auto m = std::make_unique<Machine>(&plane, &disk);
        auto pick = [&](unsigned n) { return (unsigned)(rng() % n); };
        bool lies = seed % 2;
        for (int step = 0; step < 300; step++) {
            uint32_t any = 1 + pick(std::min(m->r.next_number, 20u)), n;
            uint32_t number = pick(2) && m->r.candidate ? m->r.candidate : any;
            switch (pick(20)) {
            case 0: m->push(&n, pick(8), pick(4) ? GENERATION_LIVE : GENERATION_SHADOW); break;
            case 1: rollout_hold(&m->r, number, &who, m->err); break;
            case 2: rollout_resume(&m->r, number, &who, m->err); break;
            case 3: rollout_promote(&m->r, number, &who, m->err); break;
            case 4: rollout_rollback(&m->r, pick(2) ? 0 : any, &who, &n, m->err); break;
            case 5: rollout_quarantine(&m->r, number, &who, m->err); break;
            case 6: rollout_release(&m->r, any, &who, m->err); break;
            case 7: m->read(m->plane->n + 500, 9, pick(4) == 0); break;
            case 8: plane.refuse[asks[pick(8)]] = "no"; break;
            case 9: plane.refuse.clear(); break;
            case 10: m->finish_jobs(); break;
            case 11: m->deliver(); break;
            case 12:
                if (pick(8) == 0) {
                    m->is_linked = !m->is_linked;
                    m->flight.clear();
                    rollout_link_down(&m->r);
                }
                break;
            case 13:
                if (lies && m->is_linked) {
                    link_state s = lie(rng, *m, plane.s);
                    rollout_state(&m->r, &s, m->r.ask_seq);
                }
                break;
            case 14:
                if (pick(4) == 0) {
                    m->flight.clear();
                    m = std::make_unique<Machine>(&plane, &disk);
                }
                break;
            case 15: m->status(); break;
            case 16: m->pass(1000); break;
            default: // time alone: answers come later
                m->now += pick(1500);
                m->finish_jobs();
                rollout_tick(&m->r, m->now, m->now);
                break;
            }
            ASSERT_LE(m->r.list_cnt, (uint32_t)ROLLOUT_GENERATIONS_MAX);
            if (m->flight.size() > 32)
                m->deliver();
        }
        m->is_linked = true, plane.refuse.clear();
        for (int i = 0; i < 20; i++)
            m->pass(1000);
        m->climb();
        if (m->r.candidate) {
            ASSERT_EQ(0, rollout_quarantine(&m->r, m->r.candidate, &who, m->err)) << seed << m->err;
        }
        for (int i = 0; i < 5; i++)
            m->pass();
        uint32_t n = 0, next = m->r.next_number;
        m->next_digest = "fresh-" + std::to_string(seed);
        ASSERT_EQ(0, m->push(&n)) << seed << " " << m->err;
        ASSERT_EQ(next, n);
        ASSERT_LT(n, m->r.next_number) << seed << ": a number would be used again";
        m->climb();
        ASSERT_EQ("LIVE", m->state(n)) << seed << " " << m->find(n)->text;
        ASSERT_EQ(n, plane.s.live.generation) << seed;
    }
}

TEST(Rollout, TenThousandGenerationsTakeNoMoreRoom)
{
    World w;
    w.first();
    for (int i = 0; i < 10000; i++) {
        uint32_t n = 0;
        ASSERT_EQ(0, w.m.push(&n, FORCE_PREFLIGHT | FORCE_SHADOW | FORCE_PROBATION)) << w.m.err;
        w.m.climb(20);
        ASSERT_EQ("LIVE", w.m.state(n)) << i;
        w.m.doings.clear();
        w.disk.lines.clear();
    }
    EXPECT_EQ((uint32_t)ROLLOUT_GENERATIONS_MAX, w.m.r.list_cnt);
    EXPECT_EQ(10001u - ROLLOUT_GENERATIONS_MAX, w.m.r.forgotten_cnt);
    EXPECT_EQ(nullptr, w.m.find(5));
    uint32_t n;
    rollout_who who = Machine::who();
    EXPECT_NE(0, rollout_rollback(&w.m.r, 5, &who, &n, w.m.err));
    EXPECT_NE(nullptr, strstr(w.m.err, "journal only"));
}

TEST(RolloutReplay, HostileRecordsArePassedOver)
{
    World w;
    const char *const lines[] = {
        "{}", "[]", "7", "{\"event\":\"state\"}", "{\"event\":\"state\",\"generation\":-1,\"state\":\"LIVE\"}",
        "{\"event\":\"state\",\"generation\":1e99,\"state\":\"LIVE\"}",
        "{\"event\":\"state\",\"generation\":4294967295,\"state\":\"LIVE\"}",
        "{\"event\":\"state\",\"generation\":3,\"state\":\"NOWHERE\"}",
        "{\"event\":\"state\",\"generation\":3,\"state\":\"HELD\",\"held_in\":\"HELD\",\"resident\":true}",
        "{\"event\":\"push\",\"generation\":4,\"expect\":[{\"kind\":99,\"rate\":1},5,{\"rate\":\"x\"}]}",
        "{\"event\":7,\"generation\":\"x\"}", "{\"event\":\"release\",\"digest\":7}",
        "{\"event\":\"state\",\"generation\":5,\"state\":\"QUARANTINED\",\"digest\":7,\"until\":[]}"};
    for (const char *line : lines) {
        cJSON *o = cJSON_Parse(line);
        ASSERT_NE(nullptr, o) << line;
        rollout_replay(&w.m.r, o);
        cJSON_Delete(o);
    }
    rollout_begin(&w.m.r, 1, 1);
    for (int i = 0; i < 10; i++)
        w.m.pass();
    uint32_t n = 0;
    if (w.m.r.candidate) {
        rollout_who who = Machine::who();
        rollout_quarantine(&w.m.r, w.m.r.candidate, &who, w.m.err);
        w.m.pass();
    }
    EXPECT_EQ(0, w.m.push(&n)) << w.m.err;
}

TEST(RolloutReplay, ImagesOfTheNewestHeldAreKept)
{
    World w;
    for (int number = 1; number <= 40; number++) {
        std::string line = "{\"event\":\"state\",\"generation\":" + std::to_string(number) +
                           ",\"state\":\"HELD\",\"held_in\":\"PREFLIGHT\"}";
        cJSON *o = cJSON_Parse(line.c_str());
        rollout_replay(&w.m.r, o);
        cJSON_Delete(o);
    }
    unsigned kept = 0;
    for (uint32_t number = 1; number <= 40; number++)
        kept += rollout_keeps(&w.m.r, number);
    EXPECT_LE(kept, ROLLOUT_HELD_KEPT + 1u); /* and the candidate, if it is none of them */
    EXPECT_TRUE(rollout_keeps(&w.m.r, 40));
    EXPECT_FALSE(rollout_keeps(&w.m.r, 20));
}

} // namespace
