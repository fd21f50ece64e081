// Two at once, too late, or again and again: what the machine makes of answers that others were faster than.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/rollout_fake.h"

namespace {

size_t
count(const World &w, const char *doing)
{
    return (size_t)std::count(w.m.doings.begin(), w.m.doings.end(), doing);
}

TEST(RolloutRace, ADataPlaneThatReturnedFirstRaisesNoAlarm)
{
    World w;
    uint32_t first = w.first(), n = w.push_to("LIVE");
    w.m.pass();
    w.m.doings.clear();
    w.plane.back(LINK_REASON_EVIDENCE, true); // a core has found the same evidence
    w.m.read(1000, 9, true);                  // before anybody asked STATUS
    w.m.deliver();                            // RETURN: it is not live any more
    EXPECT_EQ("ROLLED_BACK", w.m.state(n)) << "it has gone: it is not live again";
    w.m.pass();
    EXPECT_EQ("QUARANTINED", w.m.state(n));
    EXPECT_EQ("LIVE", w.m.state(first));
    EXPECT_FALSE(w.did("journal alarm"));
    EXPECT_EQ(1u, count(w, "journal trip"));
    EXPECT_EQ(1u, count(w, "notice TRIPPED"));
}

TEST(RolloutRace, RefusedForAMomentAtLiveItStaysWhereItIs)
{
    World w;
    rollout_who who = Machine::who();
    w.first();
    w.plane.refuse["LIVE"] = "No space left on device";
    uint32_t n = w.push_to("HELD");
    w.m.doings.clear();
    for (int i = 0; i < 50; i++)
        w.m.pass();
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_EQ(n, w.plane.s.candidate.generation) << "the data plane keeps it there,";
    EXPECT_TRUE(w.did("ask RENEW")) << "its lease is renewed,";
    EXPECT_NE(nullptr, strstr(w.m.find(n)->text, "No space")) << "and it is told why: " << w.m.find(n)->text;
    w.plane.refuse.clear();
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.climb();
    EXPECT_EQ("LIVE", w.m.state(n));
    EXPECT_FALSE(w.did("ask LOAD"));
}

TEST(RolloutRace, WhatIsLiveIsNotPushedAgain)
{
    World w;
    rollout_who who = Machine::who();
    w.first();
    uint32_t good = w.push_to("LIVE"), same = 0, number = 0;
    w.m.next_digest = w.m.find(good)->digest;
    ASSERT_EQ(0, w.m.push(&same)) << w.m.err;
    w.m.climb();
    EXPECT_EQ("REJECTED", w.m.state(same)) << "it would be its own previous";
    EXPECT_NE(0, rollout_quarantine(&w.m.r, same, &who, w.m.err)) << "nor does its content go";
    w.m.pass();
    w.m.next_digest.clear();
    uint32_t next = w.push_to("LIVE");
    for (int i = 0; i < 5; i++)
        w.m.pass();
    EXPECT_EQ(good, w.plane.s.previous.generation) << "there is something to return to";
    EXPECT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &number, w.m.err)) << w.m.err;
    w.m.pass();
    EXPECT_EQ(next, number);
    EXPECT_EQ("LIVE", w.m.state(good));
}

TEST(RolloutRace, AReturnWhileAnotherIsOnItsWay)
{
    for (int order = 0; order < 2; order++) {
        World w;
        rollout_who who = Machine::who();
        uint32_t first = w.first(), n = 0, copy = 0, number = 0;
        for (int i = 0; i < 3; i++)
            n = w.push_to("LIVE");
        ASSERT_EQ(0, rollout_rollback(&w.m.r, first, &who, &copy, w.m.err)) << w.m.err;
        EXPECT_EQ(0, rollout_rollback(&w.m.r, 0, &who, &number, w.m.err)) << w.m.err;
        if (order) /* an image takes its time, a return does not */
            std::reverse(w.m.flight.begin(), w.m.flight.end());
        w.m.deliver();
        for (int i = 0; i < 5; i++)
            w.m.pass();
        EXPECT_EQ("LIVE", w.m.state(copy));
        EXPECT_EQ("QUARANTINED", w.m.state(n));
        EXPECT_EQ("RETIRED", w.m.state(n - 1)) << "which did no harm";
        int live = 0;
        for (uint32_t i = 0; i < w.m.r.list_cnt; i++)
            live += w.m.r.list[i].state == GENERATION_LIVE;
        EXPECT_EQ(1, live);
    }
}

TEST(RolloutRace, AnImageThatIsNotThereIsNotAskedForForEver)
{
    World w;
    uint32_t n = 0;
    w.first();
    ASSERT_EQ(0, w.m.push(&n)) << w.m.err;
    w.m.finish_jobs();
    w.m.finish_jobs();
    ASSERT_EQ("PREFLIGHT", w.m.state(n));
    w.m.doings.clear();
    w.m.is_linked = false; // asking fails, the link is up
    for (int i = 0; i < 1000; i++) {
        w.m.now += 100;
        rollout_tick(&w.m.r, w.m.now, w.m.now);
    }
    EXPECT_EQ("HELD", w.m.state(n)) << "for a person";
    EXPECT_LE(count(w, "journal load"), 2u);
}

TEST(RolloutRace, ARestoreThatIsRefusedFillsNoDisk)
{
    World w;
    uint32_t n = w.first();
    w.plane.refuse["LOAD-live"] = "no memory";
    w.plane.restart(false);
    for (int i = 0; i < 1000; i++) // 100 s
        w.m.pass();
    EXPECT_LE(count(w, "journal restore"), 5u);
    EXPECT_LE(count(w, "journal alarm"), 5u);
    w.plane.refuse.clear();
    for (int i = 0; i < 1000; i++)
        w.m.pass();
    EXPECT_EQ(n, w.plane.s.live.generation) << "but it is tried again";
}

TEST(RolloutRace, AnOldTripIsNoNewOne)
{
    World w;
    rollout_who who = Machine::who();
    w.first();
    uint32_t n = w.push_to("CANARY");
    w.plane.drop(LINK_REASON_LEASE, true);
    w.m.pass();
    ASSERT_EQ("HELD", w.m.state(n));
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.climb();
    ASSERT_EQ("LIVE", w.m.state(n));
    w.m.doings.clear();
    w.plane.s.previous = w.plane.s.live; // `weirctl push --link`
    w.plane.s.live = FakePlane::role(50, "dd50");
    w.m.pass();
    EXPECT_EQ("RETIRED", w.m.state(n));
    EXPECT_FALSE(w.did("notice TRIPPED"));
    EXPECT_FALSE(rollout_is_quarantined(&w.m.r, w.m.find(n)->digest));
}

TEST(RolloutRace, ResumedWhileMessagesStillPinItIsHeldAndNotRejected)
{
    World w;
    rollout_who who = Machine::who();
    w.first();
    uint32_t n = w.push_to("PROBATION");
    w.plane.drop(LINK_REASON_LEASE, true);
    w.m.pass();
    ASSERT_EQ("HELD", w.m.state(n));
    w.plane.refuse["LOAD"] = "generation 2 is in memory already"; // a slow sender's mail is at it
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.pass();
    EXPECT_EQ("HELD", w.m.state(n));
    EXPECT_EQ(0u, w.m.r.candidate) << "and in nobody's way";
    w.plane.refuse.clear();
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    w.m.climb();
    EXPECT_EQ("LIVE", w.m.state(n));
}

TEST(RolloutRace, OneIsNotRefusedForAnotherThatIsHeldWhileItIsLoaded)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t one = 0, two = 0;
    w.first();
    auto to_load = [&](uint32_t *n) {
        ASSERT_EQ(0, w.m.push(n, FORCE_PREFLIGHT)) << w.m.err;
        w.m.finish_jobs();
        w.m.now += 100;
        rollout_tick(&w.m.r, w.m.now, w.m.now);
    };
    to_load(&one);
    ASSERT_EQ(1u, count(w, "ask LOAD")); // a large image: it takes its time
    ASSERT_EQ(0, rollout_hold(&w.m.r, one, &who, w.m.err)) << w.m.err;
    to_load(&two);
    w.m.deliver();
    for (int i = 0; i < 3; i++)
        w.m.pass();
    EXPECT_EQ("HELD", w.m.state(one));
    EXPECT_EQ(two, w.plane.s.candidate.generation) << w.m.state(two) << ": " << w.m.find(two)->text;
}

TEST(RolloutRace, WhatWasProvedAgainstASetThatWentBackIsProvedAgain)
{
    World w;
    rollout_who who = Machine::who();
    uint32_t first = w.first();
    w.push_to("LIVE");
    uint32_t n = w.push_to("SHADOW");
    w.plane.drop(LINK_REASON_EVIDENCE, true); // live goes back, and takes the candidate along
    w.plane.back(LINK_REASON_EVIDENCE, true);
    w.m.pass();
    ASSERT_EQ("HELD", w.m.state(n));
    ASSERT_EQ("LIVE", w.m.state(first));
    w.m.doings.clear();
    ASSERT_EQ(0, rollout_resume(&w.m.r, n, &who, w.m.err)) << w.m.err;
    for (int i = 0; i < 5; i++)
        w.m.pass();
    EXPECT_TRUE(w.did("journal preflight")) << "what it shared with that one was not new";
    EXPECT_LT(w.at("journal preflight"), w.at("ask LOAD"));
    EXPECT_TRUE(w.did("ask LOAD"));
}

TEST(RolloutRace, WhatIsBeingProvedWhenLiveGoesBackIsProvedAgain)
{
    World w;
    uint32_t n = 0;
    w.first();
    w.push_to("LIVE");
    ASSERT_EQ(0, w.m.push(&n)) << w.m.err;
    w.m.finish_jobs(); // compiled
    ASSERT_EQ(1u, w.m.jobs.size());
    w.plane.back(LINK_REASON_EVIDENCE, true);
    w.m.status();
    w.m.doings.clear();
    w.m.finish_jobs();
    rollout_tick(&w.m.r, w.m.now, w.m.now);
    EXPECT_FALSE(w.did("ask LOAD"));
    ASSERT_EQ(1u, w.m.jobs.size()) << "again";
    w.m.finish_jobs();
    rollout_tick(&w.m.r, w.m.now, w.m.now);
    EXPECT_TRUE(w.did("ask LOAD"));
}

TEST(RolloutRace, APushOfWhatWasBeforeThatTripsTakesNoPreviousAway)
{
    World w;
    uint32_t good = w.first(), bad = w.push_to("LIVE"), again = 0;
    w.m.next_digest = w.m.find(good)->digest; // back by a push, and not by `rollback`
    ASSERT_EQ(0, w.m.push(&again, FORCE_PREFLIGHT)) << w.m.err;
    for (int i = 0; i < 20 && w.m.state(again) != "SHADOW"; i++)
        w.m.pass(500);
    w.m.read(2000, 9, true); // what the live one refuses it lets through
    for (int i = 0; i < 5; i++)
        w.m.pass();
    ASSERT_EQ("QUARANTINED", w.m.state(again));
    EXPECT_EQ(good, w.plane.s.previous.generation) << "which has done nothing";
    w.plane.back(LINK_REASON_EVIDENCE, true);
    w.m.pass();
    EXPECT_EQ("LIVE", w.m.state(good));
    EXPECT_EQ("QUARANTINED", w.m.state(bad));
}

} // namespace
