// The life of a generation: every path of ROLLOUT's table and every failing record.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/rollout_fake.h"

namespace {

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

} // namespace
