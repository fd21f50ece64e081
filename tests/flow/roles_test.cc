// roles: each order of requests, leases, returns by cores, the golden set, guards.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/flow/roles_fixture.h"

TEST_F(Roles, TheWholeWayUpAndBack)
{
    EXPECT_EQ(books(), "0/0/0 NONE");
    EXPECT_TRUE(live(8).is_ack);
    EXPECT_EQ(books(), "8/0/0 NONE");
    roles_answer a = candidate(9);
    ASSERT_TRUE(a.is_ack) << a.body.text;
    EXPECT_EQ(a.body.generation, 8u);
    EXPECT_EQ(strlen(a.body.text), 129u) << a.body.text;
    EXPECT_EQ(books(), "8/9/0 STAGED");
    EXPECT_EQ(swap_plan(s)->other, nullptr);
    for (link_stage_id id : {LINK_STAGE_SHADOW, LINK_STAGE_CANARY, LINK_STAGE_CANARY, LINK_STAGE_PROBATION}) {
        a = stage(9, id);
        ASSERT_TRUE(a.is_ack) << a.body.text;
        EXPECT_GT(a.body.swap_us, 0u);
        const plan *p = swap_plan(s);
        EXPECT_EQ(p->stage, id);
        EXPECT_EQ(p->generation_a, 8u);
        EXPECT_EQ(p->generation_b, 9u);
        EXPECT_EQ(p->other, p->candidate);
        EXPECT_EQ(p->fallback->live_generation, 8u);
        EXPECT_EQ(p->fallback->other, nullptr);
    }
    EXPECT_EQ(books(), "8/9/0 PROBATION");
    EXPECT_TRUE(stage(9, LINK_STAGE_LIVE).is_ack);
    EXPECT_EQ(books(), "9/0/8 LIVE");
    const plan *p = swap_plan(s);
    EXPECT_EQ(p->other, p->previous);
    EXPECT_EQ(p->generation_a, 8u);
    EXPECT_EQ(p->generation_b, 9u);
    ruleset *nine = p->live;
    ruleset_pin(nine, 0); // a message in transit
    a = go(true, 9);
    EXPECT_TRUE(a.is_ack) << a.body.text;
    EXPECT_EQ(a.body.generation, 8u);
    EXPECT_EQ(books(), "8/0/0 NONE");
    EXPECT_TRUE(ruleset_is_returned(nine));
    EXPECT_EQ(state().resident, 2u);
    ruleset_unpin(nine, 0);
    EXPECT_TRUE(soon([&] { return state().resident == 1; }));
    EXPECT_EQ(state().trip.generation, 9u);
    EXPECT_EQ(state().trip.back_to, 8u);
    EXPECT_EQ(state().trip.by_data_plane, 0u);
    EXPECT_EQ(state().trip.seq, 1u);
    EXPECT_STREQ(state().trip.text, "because");
    EXPECT_EQ(world.begun, (std::vector<std::string>{"8,9,0", "8,9,1"}));
}

TEST_F(Roles, WrongOrdersAreRefusedAndChangeNothing)
{
    EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW).is_ack); // nobody there
    EXPECT_FALSE(go(true, 0).is_ack);
    EXPECT_FALSE(go(false, 0).is_ack);
    live(8);
    EXPECT_FALSE(go(true, 8).is_ack); // nothing to return to
    EXPECT_FALSE(go(false, 8).is_ack);
    EXPECT_FALSE(stage(8, LINK_STAGE_LIVE).is_ack); // nothing to compare it with
    EXPECT_FALSE(stage(9, LINK_STAGE_LIVE).is_ack);
    candidate(9);
    EXPECT_FALSE(candidate(10).is_ack); // one at a time
    EXPECT_FALSE(live(10).is_ack);
    EXPECT_FALSE(go(true, 7).is_ack);
    EXPECT_FALSE(stage(8, LINK_STAGE_SHADOW).is_ack);
    EXPECT_FALSE(stage(10, LINK_STAGE_SHADOW).is_ack);
    EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW, 0).is_ack); // no lease
    EXPECT_FALSE(stage(9, LINK_STAGE_STAGED).is_ack);
    EXPECT_FALSE(stage(9, static_cast<link_stage_id>(6)).is_ack);
    EXPECT_FALSE(stage(9, LINK_STAGE_NONE).is_ack);
    for (uint32_t *field : {&values.share_ppm, &values.budget_permille, &values.exempt_cnt}) {
        *field = 0xffffffff;
        EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW).is_ack);
        *field = 0;
    }
    values.exempt_cnt = 1;
    memset(values.exempt[0].name, 'x', LINK_NAME_MAX);
    EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW).is_ack);
    values.exempt[0].name[LINK_NAME_MAX - 1] = '\0';
    values.exempt[0].kind = LINK_KIND_CNT;
    EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW).is_ack);
    values.exempt_cnt = 0;
    EXPECT_EQ(books(), "8/9/0 STAGED");
    EXPECT_TRUE(stage(9, LINK_STAGE_CANARY).is_ack); // SHADOW was left out, by a person
    EXPECT_FALSE(stage(9, LINK_STAGE_SHADOW).is_ack);
    link_renew renew = {8, 1000};
    char err[256];
    EXPECT_NE(roles_renew(r, &renew, err, sizeof(err)), 0);
    for (uint32_t lease : {0u, 24u * 3600 * 1000 + 1, UINT32_MAX}) {
        renew = {9, lease};
        EXPECT_NE(roles_renew(r, &renew, err, sizeof(err)), 0);
    }
    EXPECT_EQ(books(), "8/9/0 CANARY");
    EXPECT_TRUE(go(false, 9).is_ack);
    EXPECT_FALSE(go(false, 9).is_ack); // once
    EXPECT_EQ(books(), "8/0/0 NONE");
    EXPECT_FALSE(live(8).is_ack); // the number is in memory
    EXPECT_EQ(state().trip.seq, 1u);
}

// 0 is nobody's number: what it were would be taken off the disk.
TEST_F(Roles, AfterTheGreatestNumberComesNoNought)
{
    EXPECT_TRUE(load(1, UINT32_MAX, false).is_ack);
    for (bool is_candidate : {false, true}) {
        roles_answer a = load(2, 0, is_candidate);
        EXPECT_FALSE(a.is_ack);
        EXPECT_STREQ(a.body.text, "generation 4294967295 is in memory already");
    }
    EXPECT_EQ(books(), "4294967295/0/0 NONE");
}

TEST_F(Roles, LoadLiveKeepsPreviousAndGivesItUpForWantOfRoom)
{
    live(1);
    live(2);
    EXPECT_EQ(books(), "2/0/1 NONE");
    EXPECT_TRUE(go(true, 2).is_ack);
    EXPECT_EQ(books(), "1/0/0 NONE");
    std::vector<ruleset *> pinned;
    for (uint32_t n = 3; n <= 5; n++) {
        EXPECT_TRUE(load(n, n, false, 100).is_ack);
        pinned.push_back(swap_plan(s)->live);
        ruleset_pin(pinned.back(), 0);
    }
    EXPECT_EQ(books(), "5/0/4 NONE");
    EXPECT_TRUE(load(6, 6, false, 50).is_ack); // 3 drains, 4 is previous: 3, 4, 5, 6 are in memory
    EXPECT_EQ(books(), "6/0/5 NONE");
    EXPECT_EQ(state().resident, 4u);
    roles_answer a = load(7, 7, false, 50); // nothing gives way: 3, 4, 5 are pinned
    EXPECT_FALSE(a.is_ack);
    EXPECT_STREQ(a.body.text, "4 rule sets are still in use by messages in transit");
    EXPECT_EQ(state().live.generation, 6u);
    for (ruleset *rs : pinned)
        ruleset_unpin(rs, 0);
    EXPECT_TRUE(load(8, 8, false, 50).is_ack);
    EXPECT_EQ(books(), "8/0/6 NONE");
}

TEST_F(Roles, APreviousThatIsDroppedIsNotReturnedTo)
{
    live(1);
    live(2);
    live(3);
    EXPECT_EQ(books(), "3/0/2 NONE");
    ruleset *bad = swap_plan(s)->previous;
    ruleset_pin(bad, 0);
    EXPECT_FALSE(ruleset_is_returned(bad));
    EXPECT_TRUE(go(false, 2).is_ack);
    EXPECT_TRUE(ruleset_is_returned(bad)) << "what began under it is not refused for good";
    ruleset_unpin(bad, 0);
    EXPECT_EQ(books(), "3/0/0 NONE");
    EXPECT_FALSE(go(false, 2).is_ack);
    EXPECT_FALSE(go(true, 3).is_ack);
    EXPECT_EQ(state().trip.seq, 0u) << "that is no trip";
    EXPECT_TRUE(soon([&] { return state().resident == 1; }));
    // Beside a candidate, and with live watched by comparison with it.
    candidate(4);
    stage(4, LINK_STAGE_LIVE);
    candidate(5);
    stage(5, LINK_STAGE_SHADOW);
    EXPECT_TRUE(go(false, 3).is_ack);
    EXPECT_EQ(books(), "4/5/0 SHADOW");
    EXPECT_TRUE(go(false, 5).is_ack);
    EXPECT_EQ(books(), "4/0/0 NONE");
}

TEST_F(Roles, AReturnOfLiveTakesTheCandidateAlong)
{
    live(1);
    candidate(2);
    stage(2, LINK_STAGE_LIVE);
    candidate(3);
    EXPECT_EQ(books(), "2/3/1 STAGED");
    EXPECT_EQ(state().resident, 3u);
    stage(3, LINK_STAGE_SHADOW);
    EXPECT_EQ(swap_plan(s)->fallback->fallback->live_generation, 1u);
    EXPECT_TRUE(go(true, 2).is_ack);
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.seq, 2u);
    EXPECT_EQ(state().trip.generation, 2u);
}

TEST_F(Roles, ALiveSetIsWatchedAgainWhenTheCandidateGoes)
{
    live(1);
    candidate(2);
    values.share_ppm = 20000;
    stage(2, LINK_STAGE_LIVE);
    candidate(3);
    stage(3, LINK_STAGE_SHADOW);
    EXPECT_TRUE(go(false, 3, LINK_REASON_EVIDENCE).is_ack);
    EXPECT_EQ(books(), "2/0/1 LIVE");
    EXPECT_EQ(swap_plan(s)->other, swap_plan(s)->previous);
    EXPECT_EQ(state().share_ppm, 20000u);
    EXPECT_EQ(world.begun, (std::vector<std::string>{"1,2,1", "2,3,0", "1,2,1"}));
    values.share_ppm = 50000;
    EXPECT_TRUE(stage(2, LINK_STAGE_LIVE).is_ack); // another share for what is live
    EXPECT_EQ(state().share_ppm, 50000u);
}

TEST_F(Roles, LeasesEndAndAreRenewed)
{
    live(1);
    candidate(2);
    stage(2, LINK_STAGE_SHADOW, 400);
    link_renew renew = {2, 400};
    char err[256];
    for (int i = 0; i < 20; i++) {
        usleep(50000);
        roles_step(r, now_ms());
        ASSERT_EQ(roles_renew(r, &renew, err, sizeof(err)), 0) << i << err;
    }
    EXPECT_EQ(books(), "1/2/0 SHADOW");
    EXPECT_GT(state().lease_left_ms, 0u);
    uint64_t start = now_ms();
    // The agent is away: the cores see to it.
    ASSERT_TRUE(soon([&] { return swap_plan(s)->candidate == nullptr; }));
    EXPECT_GE(now_ms() - start, 300u);
    EXPECT_LE(now_ms() - start, 1500u);
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_LEASE));
    EXPECT_EQ(state().trip.by_data_plane, 1u);
    EXPECT_NE(roles_renew(r, &renew, err, sizeof(err)), 0);
}

TEST_F(Roles, TheAgentEndsALeaseWhenTheCoresSleep)
{
    live(1);
    candidate(2);
    stage(2, LINK_STAGE_CANARY, 50);
    stop = true;
    for (std::thread &t : cores)
        t.join();
    cores.clear();
    EXPECT_TRUE(soon([&] { return books() == "1/0/0 NONE"; }));
}

TEST_F(Roles, ACoreReturnsAndTheBooksFollow)
{
    live(1);
    candidate(2);
    for (link_stage_id id : {LINK_STAGE_SHADOW, LINK_STAGE_CANARY, LINK_STAGE_PROBATION, LINK_STAGE_LIVE}) {
        static uint32_t n = 2;
        if (n != 2)
            candidate(n);
        ASSERT_TRUE(stage(n, id).is_ack);
        ruleset *b = swap_plan(s)->b;
        ruleset_pin(b, 0);
        uint64_t seq = state().trip.seq;
        trip_by_core(id % CORES);
        EXPECT_TRUE(ruleset_is_returned(b));
        EXPECT_EQ(swap_plan(s)->live_generation, 1u); // at once, nobody asked the agent
        roles_answer late = go(id == LINK_STAGE_LIVE, n);
        EXPECT_FALSE(late.is_ack);
        EXPECT_NE(strstr(late.body.text, "went back already"), nullptr) << late.body.text;
        EXPECT_EQ(books(), "1/0/0 NONE");
        link_trip t = state().trip;
        EXPECT_EQ(t.seq, seq + 1);
        EXPECT_EQ(t.generation, n);
        EXPECT_EQ(t.back_to, 1u);
        EXPECT_EQ(t.n, 6u);
        EXPECT_STREQ(t.name, "co.uk");
        ruleset_unpin(b, 0);
        EXPECT_TRUE(soon([&] { return state().resident == 1; }));
        EXPECT_GT(state().trip.last_worker_us, 0u);
        n++;
    }
}

TEST_F(Roles, GoldenSetThatCoresJudgeDifferentlyIsRefused)
{
    live(1);
    is_odd = true;
    roles_answer a = candidate(2);
    EXPECT_FALSE(a.is_ack);
    EXPECT_STREQ(a.body.text, "worker 1 judges the golden set otherwise than worker 0");
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_TRUE(soon([&] { return state().resident == 1; }));
    is_odd = false;
    EXPECT_TRUE(candidate(2).is_ack); // nothing of it stayed
}

TEST_F(Roles, GoldenSetThatACoreDoesNotJudgeIsRefusedAndOthersGoOn)
{
    live(1);
    is_stuck = true;
    link_load l = {2, 100, LINK_LOAD_STAGE, 0}, second = {3, 100, LINK_LOAD_STAGE, 0};
    int fd = image(2).fd();
    ASSERT_TRUE(roles_ask_load(r, 100, 1, &l, fd));
    ASSERT_TRUE(roles_ask_load(r, 101, 1, &second, fd)); // waits in line
    for (int i = 0; i < 100; i++) {
        roles_step(r, now_ms());
        usleep(1000);
    }
    EXPECT_FALSE(go(false, 2).is_ack); // answered meanwhile: it is no candidate yet
    ahead_ms = GOLDEN_RUN_MS;
    roles_answer a = wait(100);
    EXPECT_FALSE(a.is_ack);
    EXPECT_STREQ(a.body.text, "worker 2 did not judge the golden set within 5000 ms");
    is_stuck = false;
    EXPECT_TRUE(wait(101).is_ack);
    close(fd);
    EXPECT_EQ(books(), "1/3/0 STAGED");
}

TEST_F(Roles, SlowOnesAndTooManyDeferralsGoBack)
{
    live(1);
    candidate(2);
    values.slow_permille = 2000;
    stage(2, LINK_STAGE_SHADOW);
    world.a = 1000000, world.b = 1900000, world.messages = ROLES_GUARD_MESSAGES;
    EXPECT_EQ(books(), "1/2/0 SHADOW");
    world.b = world.b + 5000000;
    world.a = world.a + 2000000;
    world.messages = 2 * ROLES_GUARD_MESSAGES - 1; // too few to say
    EXPECT_EQ(books(), "1/2/0 SHADOW");
    world.messages = 2 * ROLES_GUARD_MESSAGES;
    books();
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_SLOW));
    EXPECT_STREQ(state().trip.text, "2.50 times the time of the old one over the last 500 messages");

    world.not_deferred = 7; // of a former one
    candidate(3);
    values.defer_max = 10;
    stage(3, LINK_STAGE_CANARY);
    EXPECT_EQ(books(), "1/3/0 CANARY");
    stage(3, LINK_STAGE_PROBATION);
    EXPECT_EQ(books(), "1/3/0 PROBATION");
    world.not_deferred = 8;
    books();
    EXPECT_EQ(books(), "1/0/0 NONE");
    EXPECT_EQ(state().trip.reason, static_cast<uint32_t>(LINK_REASON_DEFERRALS));
    EXPECT_STREQ(state().trip.text, "1 messages more than may be remembered (10) should have been deferred");

    candidate(4); // what stopped the one before says nothing of the next
    stage(4, LINK_STAGE_PROBATION);
    EXPECT_EQ(books(), "1/4/0 PROBATION");
}

TEST_F(Roles, WindowsBeginAnew)
{
    live(1);
    candidate(2);
    values.window_ms = 1000;
    stage(2, LINK_STAGE_LIVE);
    for (int i = 0; i < 5; i++) {
        ahead_ms += 600;
        state();
    }
    EXPECT_EQ(world.begun, (std::vector<std::string>{"1,2,1", "1,2,2", "1,2,3"}));
}

// A model that knows the rules only: whatever is asked in whatever order, the books are its books.
TEST_F(Roles, RandomRequestsAgainstAModel)
{
    std::mt19937 random(4);
    uint32_t next = 1, m_live = 0, m_candidate = 0, m_previous = 0;
    int m_stage = 0;
    unsigned acks = 0, trips_cnt = 0;
    for (int i = 0; i < 600; i++) {
        uint32_t number = random() % 4 ? (random() % 2 ? m_candidate : m_live) : random() % (next + 1);
        bool want = false, got = false;
        switch (random() % 7) {
        case 0:
            want = !m_candidate;
            got = load(next % 8, next, false).is_ack;
            if (want)
                m_previous = m_live, m_live = next, m_stage = 0;
            next++;
            break;
        case 1:
            want = !m_candidate;
            got = load(next % 8, next, true).is_ack;
            if (want)
                m_candidate = next;
            if (want)
                m_stage = m_stage == LINK_STAGE_LIVE ? 10 + LINK_STAGE_STAGED : LINK_STAGE_STAGED; // 10: watched beneath
            next++;
            break;
        case 2:
        case 3: {
            int id = static_cast<int>(random() % 7);
            bool up = m_candidate && number == m_candidate && id >= LINK_STAGE_SHADOW && id <= LINK_STAGE_LIVE &&
                      id >= m_stage % 10;
            bool again = !up && number == m_live && m_live && number != m_candidate && id == LINK_STAGE_LIVE && m_previous;
            want = up || again;
            got = stage(number, static_cast<link_stage_id>(id)).is_ack;
            if (up && id == LINK_STAGE_LIVE)
                m_previous = m_live, m_live = m_candidate, m_candidate = 0, m_stage = m_previous ? id : 0;
            else if (up)
                m_stage = m_stage / 10 * 10 + id;
            else if (again)
                m_stage = m_candidate ? 10 + m_stage % 10 : id;
            break;
        }
        case 4:
            want = number && (number == m_candidate || number == m_previous);
            got = go(false, number).is_ack;
            if (want && number == m_previous)
                m_previous = 0, m_stage = m_candidate ? m_stage % 10 : 0;
            else if (want)
                m_candidate = 0, m_stage = m_stage / 10 ? LINK_STAGE_LIVE : 0;
            break;
        case 5: {
            bool is_candidate = m_candidate && number == m_candidate, is_live = m_live && number == m_live && m_previous;
            want = is_candidate || is_live;
            got = go(true, number).is_ack;
            if (is_candidate)
                m_candidate = 0, m_stage = m_stage / 10 ? LINK_STAGE_LIVE : 0;
            else if (is_live)
                m_live = m_previous, m_previous = m_candidate = 0, m_stage = 0;
            break;
        }
        case 6:
            if (!swap_plan(s)->other)
                continue;
            trip_by_core(random() % CORES);
            trips_cnt++;
            want = got = true;
            if (m_candidate)
                m_candidate = 0, m_stage = m_stage / 10 ? LINK_STAGE_LIVE : 0;
            else
                m_live = m_previous, m_previous = 0, m_stage = 0;
            break;
        }
        acks += got;
        ASSERT_EQ(got, want) << i << " " << books();
        link_state st = state();
        ASSERT_EQ(st.live.generation, m_live) << i;
        ASSERT_EQ(st.candidate.generation, m_candidate) << i;
        ASSERT_EQ(st.previous.generation, m_previous) << i;
        ASSERT_EQ(st.stage, static_cast<uint32_t>(m_stage % 10)) << i;
        ASSERT_LE(st.resident, static_cast<uint32_t>(SWAP_RESIDENT_MAX));
    }
    printf("%u acknowledged, %u trips of cores\n", acks, trips_cnt);
    EXPECT_GT(acks, 100u);
    EXPECT_GT(trips_cnt, 5u);
}

TEST_F(Roles, AReturnIsQuickUnderLoad)
{
    std::vector<uint32_t> us;
    live(1);
    for (uint32_t n = 2; n < 102; n++) {
        ASSERT_TRUE(load(2, n, true).is_ack);
        ASSERT_TRUE(stage(n, n % 2 ? LINK_STAGE_SHADOW : LINK_STAGE_LIVE).is_ack);
        trip_by_core(n % CORES);
        ASSERT_TRUE(soon([&] { return books() == "1/0/0 NONE" && !roles_is_busy(r); }));
        us.push_back(state().trip.last_worker_us);
    }
    std::sort(us.begin(), us.end());
    swap_pauses p;
    swap_read_pauses(s, &p);
    printf("last core after a return: median %u us, worst %u us\n", us[50], us.back());
}
