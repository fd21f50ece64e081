// The life of a generation whatever happens: every crash, random walks, and records that are not ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "unit/rollout_fake.h"

namespace {

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

// ---- a journal that is read again

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
