// Two rule sets over real conversations: who is asked, what the client is told, what is counted and written down.
#include "tests/flow/second_fixture.h"

namespace sim
{

uint64_t fake_now, fake_step;

uint64_t
fake_cycles()
{
    return fake_now += fake_step;
}

TEST_F(Second, WithNoOtherSetNothingIsAsked)
{
    begin();
    swap_roles roles = {};
    roles.live = old_set;
    publish(roles);
    EXPECT_EQ("250", mail("a@b.com", "newbad"));
    EXPECT_EQ("550", mail("a@b.com", "oldbad"));
    EXPECT_EQ(0u, counter(COUNTER_PAIRED));
    EXPECT_EQ(nullptr, weir->pl->scanner.pairing);
    EXPECT_EQ("-", of(record().get(), "stage"));
}

TEST_F(Second, InShadowLiveAloneDecides)
{
    rising(LINK_STAGE_SHADOW);
    EXPECT_EQ("250", mail("a@one.com", "newbad"));
    auto r = record();
    EXPECT_EQ("\"SHADOW\"", of(r.get(), "stage"));
    EXPECT_EQ("7", of(r.get(), "generation"));
    EXPECT_EQ("{\"generation\":8,\"verdict\":\"refuse\",\"score\":6,\"rules\":[\"NEW\"]}", of(r.get(), "other"));
    EXPECT_EQ("-", of(r.get(), "deferred_try"));
    EXPECT_EQ("550", mail("a@two.com", "oldbad"));
    EXPECT_EQ("550", mail("a@three.com", "bothbad"));
    EXPECT_EQ("250", mail("a@four.com", "good"));
    EXPECT_EQ(4u, counter(COUNTER_PAIRED));
    EXPECT_EQ(2u, counter(COUNTER_DISAGREED));
    EXPECT_EQ(0u, counter(COUNTER_DEFERRED));
    EXPECT_EQ(Nk(2, 1), all());
    EXPECT_EQ(UINT64_C(2) << 32 | 1, e->nk_mirror);
    EXPECT_GT(e->ns_a, 0u);
    EXPECT_GT(e->ns_b, 0u);
}

TEST_F(Second, TheShareOfMessagesIsOne)
{
    v->share_ppm = 300000;
    rising(LINK_STAGE_SHADOW);
    for (int i = 0; i < 400; i++)
        mail("a@one.com", "good");
    EXPECT_GT(counter(COUNTER_PAIRED), 80u);
    EXPECT_LT(counter(COUNTER_PAIRED), 170u);
    EXPECT_EQ(0u, counter(COUNTER_SHED));
}

TEST_F(Second, ProbationDefersBothWaysAndTheOldVerdictDecidesInTheEnd)
{
    rising(LINK_STAGE_PROBATION);
    for (std::string body : {"newbad", "oldbad"}) {
        uint64_t before = counter(COUNTER_DEFERRED);
        EXPECT_EQ("451", mail("a@b.com", body, body));
        auto r = record();
        EXPECT_EQ("\"defer\"", of(r.get(), "verdict"));
        EXPECT_EQ("\"rules-disagree\"", of(r.get(), "cause"));
        EXPECT_EQ("7", of(r.get(), "generation"));
        EXPECT_EQ("1", of(r.get(), "deferred_try"));
        EXPECT_EQ("\"PROBATION\"", of(r.get(), "stage"));
        EXPECT_EQ("451", mail("a@b.com", body, body));
        EXPECT_EQ("2", of(record().get(), "deferred_try"));
        EXPECT_EQ(before + 2, counter(COUNTER_DEFERRED));
        EXPECT_EQ(body == "newbad" ? "250" : "550", mail("a@b.com", body, body));
        r = record();
        EXPECT_EQ("-", of(r.get(), "deferred_try"));
        EXPECT_EQ("-", of(r.get(), "cause"));
        EXPECT_EQ("7", of(r.get(), "generation"));
        EXPECT_EQ(0u, deferred_used(d));
    }
    EXPECT_EQ(2u, counter(COUNTER_DEFER_ENOUGH));
    EXPECT_EQ(4u, counter(COUNTER_RETRIED));
    EXPECT_EQ("550", mail("a@b.com", "bothbad"));
    EXPECT_EQ("250", mail("a@b.com", "good"));
    EXPECT_EQ(2u, weir->pl->scanner.message_cnt[VERDICT_REFUSE]);
    EXPECT_EQ(4u, weir->pl->scanner.message_cnt[VERDICT_DEFER]);
    EXPECT_EQ(4u, weir->pl->scanner.event_cnt[EVENT_RULES_DISAGREE]);
}

TEST_F(Second, ARetryIsKnownByItsOctetsToo)
{
    rising(LINK_STAGE_PROBATION);
    EXPECT_EQ("451", mail("a@b.com", "newbad", "", {"x@customer.test", "y@customer.test"}));
    EXPECT_EQ("451", mail("a@b.com", "newbad", "", {"y@customer.test", "x@customer.test"}));
    EXPECT_EQ("250", mail("a@b.com", "newbad", "", {"x@customer.test", "y@customer.test"}));
    EXPECT_EQ("451", mail("a@b.com", "newbad other", "", {"x@customer.test", "y@customer.test"}));
    EXPECT_EQ("451", mail("a@b.com", "newbad", "", {"x@customer.test"}));
    EXPECT_EQ(2u, deferred_used(d));
}

TEST_F(Second, OfTwoThatRejectTheMilderStands)
{
    rising(LINK_STAGE_PROBATION);
    EXPECT_EQ("550", mail("a@b.com", "mild")); // old: 20 points, drop; new: 6, refuse
    auto r = record();
    EXPECT_EQ("8", of(r.get(), "generation"));
    EXPECT_EQ("6", of(r.get(), "score"));
    EXPECT_EQ("[\"MILD\"]", of(r.get(), "rules"));
    EXPECT_EQ("{\"generation\":7,\"verdict\":\"drop\",\"score\":20,\"rules\":[\"MILD\"]}", of(r.get(), "other"));
    EXPECT_EQ(0u, counter(COUNTER_DISAGREED));
}

TEST_F(Second, CanaryIsAShareOfDomainsAlwaysTheSame)
{
    v->share_ppm = 250000;
    rising(LINK_STAGE_CANARY);
    unsigned deferred_cnt = 0;
    for (int i = 0; i < 200; i++) {
        std::string domain = "domain" + std::to_string(i) + ".co.uk";
        bool is_in = second_domain_ppm({(const uint8_t *)domain.data(), domain.size()}) < v->share_ppm;
        std::string code = is_in ? "451" : "250";
        EXPECT_EQ(code, mail("a@" + domain, "newbad", "1"));
        EXPECT_EQ(code, mail("b@www." + domain, "newbad", "2")); // by the registrable domain
        deferred_cnt += is_in;
    }
    EXPECT_GT(deferred_cnt, 30u);
    EXPECT_LT(deferred_cnt, 70u);
    // Fixed: the same on each core and after a restart.
    EXPECT_EQ(second_domain_ppm({(const uint8_t *)"example.com", 11}), 684308u);
}

TEST_F(Second, AStoreThatIsFullLeavesItToTheOldVerdict)
{
    v->defer_max = 3;
    rising(LINK_STAGE_PROBATION);
    for (int i = 0; i < 6; i++)
        EXPECT_EQ(i < 3 ? "451" : "250", mail("a@b.com", "newbad", std::to_string(i)));
    EXPECT_EQ("550", mail("a@b.com", "oldbad", "x"));
    EXPECT_EQ(4u, counter(COUNTER_DEFER_FULL));
    EXPECT_EQ("451", mail("a@b.com", "newbad", "1")); // one that has its place
}

TEST_F(Second, NoTriesNoDeferrals)
{
    v->defer_tries = 0;
    rising(LINK_STAGE_PROBATION);
    EXPECT_EQ("250", mail("a@b.com", "newbad"));
    EXPECT_EQ("550", mail("a@b.com", "oldbad"));
}

TEST_F(Second, InLiveASuffixWithoutEvidenceIsOnProbation)
{
    v->units_proven = 3;
    v->share_ppm = 0;
    watched();
    EXPECT_EQ("451", mail("a@one.fr", "newbad", "1"));
    auto r = record();
    EXPECT_EQ("8", of(r.get(), "generation"));
    EXPECT_EQ("\"LIVE\"", of(r.get(), "stage"));
    EXPECT_EQ("451", mail("a@one.fr", "oldbad", "2"));
    EXPECT_EQ("451", mail("a@one.fr", "oldbad", "2"));
    EXPECT_EQ("550", mail("a@one.fr", "oldbad", "2")); // the old one decides: previous
    r = record();
    EXPECT_EQ("7", of(r.get(), "generation"));
    EXPECT_EQ("[\"OLD\"]", of(r.get(), "rules"));
    EXPECT_EQ("{\"generation\":8,\"verdict\":\"accept\",\"score\":0,\"rules\":[]}", of(r.get(), "other"));
    EXPECT_EQ("550", mail("a@one.fr", "bothbad"));
    EXPECT_EQ("8", of(record().get(), "generation"));
    EXPECT_EQ("250", mail("a@two.fr", "good"));
    EXPECT_EQ(Nk(2, 1), all());
    EXPECT_EQ("250", mail("a@three.fr", "good"));
    // three units: proven; nobody is asked any more, and new decides
    uint64_t paired = counter(COUNTER_PAIRED);
    EXPECT_EQ("550", mail("a@four.fr", "newbad", "3"));
    EXPECT_EQ("250", mail("a@four.fr", "oldbad", "4"));
    EXPECT_EQ(paired, counter(COUNTER_PAIRED));
    EXPECT_EQ("-", of(record().get(), "stage"));
    tally_window(t, v->units_proven);
    EXPECT_EQ("550", mail("a@four.fr", "newbad", "3"));
    EXPECT_EQ("451", mail("a@four.de", "newbad", "3")); // another suffix
    EXPECT_EQ("451", mail("", "newbad", "5"));          // so is the null sender
}

TEST_F(Second, InLiveASampleIsLookedAtAndNewDecides)
{
    watched(); // units_proven 0
    EXPECT_EQ("550", mail("a@one.fr", "newbad"));
    EXPECT_EQ("250", mail("a@two.fr", "oldbad"));
    EXPECT_EQ(2u, counter(COUNTER_DISAGREED));
    EXPECT_EQ(Nk(1, 1), all());
    EXPECT_EQ(UINT64_C(1) << 32 | 1, e->nk_mirror);
}

TEST_F(Second, ATripReturnsAtOnce)
{
    v->trip_stratum.n_max[3] = 3;
    v->exempt_cnt = 2;
    v->exempt[0].kind = LINK_KIND_RCPT_SUFFIX;
    v->exempt[1].kind = LINK_KIND_RCPT_DOMAIN;
    strcpy(v->exempt[0].name, "?");
    strcpy(v->exempt[1].name, "?");
    rising(LINK_STAGE_PROBATION);
    EXPECT_EQ("451", mail("a@one.co.uk", "newbad", "1"));
    EXPECT_EQ("451", mail("a@one.co.uk", "newbad", "2")); // the same domain: no evidence
    EXPECT_EQ("451", mail("a@two.co.uk", "newbad", "3"));
    EXPECT_EQ("250", mail("a@two.de", "good", "4"));
    EXPECT_EQ(new_set, swap_plan(swap)->candidate);
    EXPECT_EQ("250", mail("a@three.co.uk", "newbad", "5")); // the third: it is back before it is told
    EXPECT_EQ(nullptr, swap_plan(swap)->candidate);
    swap_returned r;
    ASSERT_TRUE(swap_take_return(swap, &r));
    EXPECT_EQ(8u, r.trip.generation);
    EXPECT_EQ(7u, r.trip.back_to);
    EXPECT_EQ((uint32_t)LINK_KIND_SENDER_SUFFIX, r.trip.kind);
    EXPECT_STREQ("co.uk", r.trip.name);
    EXPECT_EQ(3u, r.trip.n);
    EXPECT_EQ(3u, r.trip.k);
    EXPECT_EQ(1u, r.trip.by_data_plane);
    EXPECT_EQ("250", mail("a@one.co.uk", "newbad", "1"));
    EXPECT_EQ("550", mail("a@one.co.uk", "oldbad", "9"));
    EXPECT_EQ("-", of(record().get(), "stage"));
}

// What the operator said that NEW would do: deferred as all disagreements, no evidence but in NEW's own stratum.
TEST_F(Second, ADeclaredRuleDoesNotTripTheOthers)
{
    v->trip_stratum.n_max[1] = v->trip_all.n_max[1] = 10;
    v->trip_declared.n_max[4] = 4;
    v->exempt_cnt = 1;
    v->exempt[0].kind = LINK_KIND_RULE;
    strcpy(v->exempt[0].name, "NEW");
    rising(LINK_STAGE_PROBATION);
    for (int i = 0; i < 4; i++)
        EXPECT_EQ("451", mail("a@d" + std::to_string(i) + ".co.uk", "newbad", std::to_string(i)));
    EXPECT_EQ(Nk(4, 0), all());
    EXPECT_EQ(new_set, swap_plan(swap)->candidate);
    EXPECT_EQ("250", mail("a@d5.co.uk", "newbad", "5")); // 4 of 4 since it was first seen: more than declared
    EXPECT_EQ(nullptr, swap_plan(swap)->candidate);
    swap_returned r;
    ASSERT_TRUE(swap_take_return(swap, &r));
    EXPECT_EQ((uint32_t)LINK_KIND_RULE, r.trip.kind);
    EXPECT_STREQ("NEW", r.trip.name);
}

TEST_F(Second, BouncesCountOnceForEachRecipientsDomain)
{
    v->units_proven = 3;
    v->share_ppm = 0;
    watched();
    for (std::string to : {"x@one.de", "y@one.de", "x@two.de", "z@mail.two.de"})
        EXPECT_EQ("250", mail("", "good", to, {to}));
    EXPECT_EQ(Nk(2, 0), all());
    EXPECT_EQ("250", mail("a@one.de", "good", "6", {"x@one.de"})); // the domain as a sender is another
    EXPECT_EQ(Nk(3, 0), all());
    EXPECT_EQ("451", mail("", "newbad", "7", {"x@three.de"})); // a third unit
    EXPECT_EQ("550", mail("", "newbad", "8", {"x@three.de"})); // proven
}

TEST_F(Second, ATripInLiveDefersTheMessageAtHand)
{
    v->trip_all.n_max[2] = 2;
    watched();
    EXPECT_EQ("550", mail("a@one.fr", "newbad"));
    EXPECT_EQ("451", mail("a@two.fr", "newbad"));
    auto r = record();
    EXPECT_EQ("\"rules-returned\"", of(r.get(), "cause"));
    EXPECT_EQ("8", of(r.get(), "generation"));
    EXPECT_EQ(old_set, swap_plan(swap)->live);
    EXPECT_EQ("250", mail("a@two.fr", "newbad"));
}

// Pinned before, judged after: 451, paired or not; what it forwards it forwards.
TEST_F(Second, AReturnedSetRefusesNothing)
{
    for (bool is_paired : {false, true}) {
        v->share_ppm = is_paired ? 1000000 : 0;
        if (is_paired) {
            new_set = make_rules(NEW, 9);
            old_set = make_rules(OLD, 10);
        }
        watched();
        for (std::string body : {"newbad", "good", "bothbad"}) {
            take();
            connect();
            envelope("a@b.com", {"r@customer.test"});
            data();
            if (body == "newbad") {
                link_trip why = {};
                why.reason = LINK_REASON_OPERATOR;
                client("Subject: begun before\r\n\r\n");
                ASSERT_TRUE(swap_return(swap, swap_plan(swap), &why));
                take();
                forget();
                client("newbad\r\n.\r\n");
                EXPECT_EQ("451", text(OUTSIDE).substr(0, 3));
                auto r = record();
                EXPECT_EQ("\"rules-returned\"", of(r.get(), "cause"));
                EXPECT_EQ(is_paired ? "\"LIVE\"" : "-", of(r.get(), "stage"));
                swap_returned told;
                ASSERT_TRUE(swap_take_return(swap, &told));
            } else {
                EXPECT_EQ(body == "good" ? "250" : "550", finish(body, ""));
            }
        }
    }
}

// Who does not end his mail must not keep a rule set in memory, and so the next one out of it.
TEST_F(Second, AMailThatNeverEndsDoesNotKeepItsRuleSet)
{
    v->share_ppm = 0;
    watched();
    connect();
    envelope("a@b.com", {"r@customer.test"});
    EXPECT_EQ(1u, ruleset_pinned(new_set));
    ruleset_mark_expired(new_set);
    swap_roles roles = {};
    roles.live = old_set;
    roles.previous = new_set;
    publish(roles);
    data();
    EXPECT_EQ(0u, ruleset_pinned(new_set));
    EXPECT_EQ("250", finish("newbad", "")); // no data had come: what is live now judges
    for (bool is_silent : {false, true}) {
        ruleset *third = make_rules(NEW, is_silent ? 12 : 11);
        roles.live = third;
        roles.previous = old_set;
        publish(roles);
        new_set = nullptr; // it had no role, and has gone
        connect();
        envelope("a@b.com", {"r@customer.test"});
        data();
        client("Subject: x\r\n\r\n");
        EXPECT_EQ(1u, ruleset_pinned(third));
        ruleset_mark_expired(third);
        for (int i = 0; is_silent && i < 25 && ruleset_pinned(third); i++) {
            weir->tick(60000);
            put(true, cseq - 1, TCP_ACK, "\n"); // as TCP asks whether anybody is there
        }
        if (!is_silent)
            client("good\r\n");
        EXPECT_EQ(0u, ruleset_pinned(third));
        forget();
        client("good\r\n.\r\n");
        EXPECT_EQ("451", text(OUTSIDE).substr(0, 3));
        EXPECT_EQ("\"message-cap\"", of(record().get(), "cause"));
    }
}

// The candidate goes while a message is at it: live decides, as if it had never been asked.
TEST_F(Second, ACandidateThatIsGoneSaysNothing)
{
    rising(LINK_STAGE_PROBATION);
    for (std::string body : {"newbad", "oldbad"}) {
        if (body == "oldbad") {
            new_set = make_rules(NEW, 11);
            rising(LINK_STAGE_PROBATION);
        }
        take();
        connect();
        envelope("a@b.com", {"r@customer.test"});
        data();
        link_trip why = {};
        ASSERT_TRUE(swap_return(swap, swap_plan(swap), &why));
        take();
        EXPECT_EQ(body == "newbad" ? "250" : "550", finish(body, ""));
        EXPECT_EQ(0u, counter(COUNTER_DEFERRED));
        swap_returned told;
        ASSERT_TRUE(swap_take_return(swap, &told));
    }
}

// It is promoted while a message is at it: the message is decided as it was begun.
TEST_F(Second, AMessageKeepsTheStageItWasBegunIn)
{
    rising(LINK_STAGE_SHADOW);
    take();
    connect();
    envelope("a@b.com", {"r@customer.test"});
    data();
    rising(LINK_STAGE_PROBATION);
    EXPECT_EQ("250", finish("newbad", "1"));
    EXPECT_EQ("\"SHADOW\"", of(record().get(), "stage"));
    connect();
    envelope("a@b.com", {"r@customer.test"}); // pinned at MAIL
    watched();
    data();
    EXPECT_EQ("250", finish("newbad", "1"));
    auto r = record();
    EXPECT_EQ("-", of(r.get(), "stage"));
    EXPECT_EQ("7", of(r.get(), "generation"));
}

TEST_F(Second, ShedWhenItsTimeIsUp)
{
    v->budget_permille = 100;
    rising(LINK_STAGE_PROBATION);
    struct second *s = &weir->pl->second;
    s->pairing.cycles = fake_cycles;
    s->cycles_hz = 1000000000;
    s->filled = fake_now = 1000;
    fake_step = 1000000; // each look at the clock is a millisecond: a second judgement takes four or more
    for (int i = 0; i < 300; i++)
        mail("a@b.com", "good");
    double share = (double)weir->pl->scanner.second_cycles / (double)(fake_now - 1000);
    EXPECT_GT(counter(COUNTER_PAIRED), 5u);
    EXPECT_GT(counter(COUNTER_SHED), 100u);
    EXPECT_EQ(300u, counter(COUNTER_PAIRED) + counter(COUNTER_SHED));
    EXPECT_NEAR(0.1, share, 0.05);
    // Shed, live decides, and it is no evidence.
    fake_step = 0;
    s->budget = 0;
    uint64_t before = e->nk_all, shed = counter(COUNTER_SHED);
    EXPECT_EQ("250", mail("a@c.com", "newbad"));
    EXPECT_EQ(shed + 1, counter(COUNTER_SHED));
    EXPECT_EQ(before, e->nk_all);
    // Time brings it back, but no more than a burst.
    fake_now += 10000000000;
    EXPECT_EQ("451", mail("a@c.com", "newbad"));
    EXPECT_LE(s->budget, 50000000);
    // One that took for ever is forgiven.
    weir->pl->scanner.second_cycles += UINT64_C(3600) * 1000000000;
    EXPECT_EQ("250", mail("a@c.com", "newbad", "1"));
    EXPECT_GE(s->budget, -1000000000);
    for (int i = 0; i < 11; i++) {
        fake_now += 1000000000;
        mail("a@c.com", "good");
    }
    EXPECT_EQ("451", mail("a@c.com", "newbad", "1"));
    v->budget_permille = 0;
    rising(LINK_STAGE_PROBATION);
    fake_now += 1000000000;
    EXPECT_EQ("250", mail("a@c.com", "newbad", "2"));
}

TEST_F(Second, WhatIsShedInLiveOfAnUnprovenSuffixIsTheOldSets)
{
    v->units_proven = 3;
    v->budget_permille = 0;
    watched();
    EXPECT_EQ("250", mail("a@b.com", "newbad"));
    EXPECT_EQ("7", of(record().get(), "generation"));
    EXPECT_EQ("550", mail("a@b.com", "oldbad"));
    EXPECT_EQ("7", of(record().get(), "generation"));
    EXPECT_EQ(2u, counter(COUNTER_UNPROVEN_OLD));
    EXPECT_EQ(2u, counter(COUNTER_SHED));
    EXPECT_EQ(0u, e->nk_all);
}

TEST_F(Second, ShedWhenSlotsAreScarce)
{
    cfg.messages_max = 8;
    rising(LINK_STAGE_PROBATION);
    // 1, 3: pairs; then five in use, and the rest single
    for (int i = 0; i < 4; i++) {
        connect();
        envelope("a@b.com", {"r@customer.test"});
        data();
    }
    EXPECT_EQ(6u, weir->pl->scanner.messages_cnt);
    EXPECT_EQ(2u, counter(COUNTER_SHED));
    EXPECT_EQ("250", finish("newbad", "1"));
    EXPECT_EQ(0u, counter(COUNTER_PAIRED));
}

// Every way a transaction can end without a judgement, with a second one at it.
TEST_F(Second, AbortsGiveBothBack)
{
    rising(LINK_STAGE_PROBATION);
    auto started = [this] {
        take();
        connect();
        envelope("a@b.com", {"r@customer.test"});
        data();
        client("Subject: x\r\n\r\nnewbad");
        EXPECT_EQ(2u, weir->pl->scanner.messages_cnt);
    };
    started();
    send(true, TCP_ACK | TCP_RST, "");
    for (int i = 0; i < 3; i++)
        weir->tick(20000);
    EXPECT_EQ(0u, weir->pl->scanner.messages_cnt) << "reset";
    started();
    for (int i = 0; i < 40; i++)
        weir->tick(10000);
    EXPECT_EQ(0u, weir->pl->scanner.messages_cnt) << "idle";
    // chunks
    const std::vector<std::pair<const char *, std::vector<std::pair<bool, std::string>>>> ways = {
        {"RSET", {{true, "RSET\r\n"}, {false, "250 ok\r\n"}}},
        {"EHLO", {{true, "EHLO c\r\n"}, {false, "250 ok\r\n"}}},
        {"MAIL", {{true, "MAIL FROM:<x@y.com>\r\n"}, {false, "250 ok\r\n"}, {true, "RSET\r\n"}, {false, "250 ok\r\n"}}},
    };
    for (auto &way : ways) {
        take();
        connect();
        envelope("a@b.com", {"r@customer.test"});
        client("BDAT 5\r\nA: b\r");
        server("250 ok\r\n");
        EXPECT_EQ(2u, weir->pl->scanner.messages_cnt);
        for (auto &step : way.second)
            send(!step.first ? false : true, TCP_ACK | TCP_PSH, step.second);
        EXPECT_EQ(0u, weir->pl->scanner.messages_cnt) << way.first;
    }
    // a chunk that the server refused, and then the message anew
    take();
    connect();
    envelope("a@b.com", {"r@customer.test"});
    client("BDAT 8\r\nnewbad\r\n");
    EXPECT_EQ(2u, weir->pl->scanner.messages_cnt);
    server("452 no room\r\n");
    EXPECT_EQ(0u, weir->pl->scanner.messages_cnt);
    forget();
    client("BDAT 21 LAST\r\nSubject: x\r\n\r\nnewbad\r");
    EXPECT_EQ("451", text(OUTSIDE).substr(0, 3));
    // an event in the middle that does not forward: no second opinion of half a message
    uint64_t paired = counter(COUNTER_PAIRED);
    started();
    forget();
    client("\n.\n");
    EXPECT_EQ("550", text(OUTSIDE).substr(0, 3));
    EXPECT_EQ("-", of(record().get(), "stage"));
    EXPECT_EQ(paired, counter(COUNTER_PAIRED));
    started(); // the fixture ends the pipeline with this one open
}

TEST_F(Second, WhoAnAddressCountsAs)
{
    begin();
    const struct {
        const char *path, *domain, *suffix, *host;
    } cases[] = {
        {"", "<>", "<>", "<>"},
        {"a@www.shop.example.co.uk", "example.co.uk", "co.uk", "www.shop.example.co.uk"},
        {"a@B\xc3\xbc" "cher.Example.COM", "example.com", "com", "xn--bcher-kva.example.com"},
        {"\"x@y\"@example.com", "example.com", "com", "example.com"},
        {"a@[192.0.2.1]", "192.0.2.1", "[]", "[]"},
        {"a@[IPv6:2001:db8::1]", "2001:db8::1", "[]", "[]"},
        {"a@[x]", "x", "?", "?"},
        {"a@co.uk", "co.uk", "co.uk", "co.uk"},
        {"a@host.nosuchtld", "host.nosuchtld", "?", "?"},
        {"postmaster", "postmaster", "?", "?"},
        {"a@", "a@", "?", "?"},
        {"a@\x01\xff..", "\x01\xff..", "?", "?"},
    };
    for (auto &c : cases) {
        struct second_place p;
        std::string path = c.path;
        place(path, &p);
        EXPECT_EQ(c.suffix, std::string((const char *)p.suffix.ptr, p.suffix.len)) << c.path;
        EXPECT_EQ(c.host, std::string((const char *)p.host.ptr, p.host.len)) << c.path;
        EXPECT_GT(p.domain.len, 0u);
        if (c.path[0] != 'a' || c.path[2] != 1) {
            EXPECT_EQ(c.domain, std::string((const char *)p.domain.ptr, p.domain.len)) << c.path;
        }
    }
    std::string tall = "a@" + std::string(400, 'x') + ".com";
    struct second_place p;
    place(tall, &p);
    EXPECT_EQ(404u, p.domain.len);
    EXPECT_EQ(1u, p.suffix.len);
}

TEST_F(Second, EveryRecipientsSuffixAndDomainOnce)
{
    rising(LINK_STAGE_SHADOW);
    mail("a@b.com", "newbad", "1", {"x@One.co.uk", "y@one.co.uk", "z@two.co.uk", "postmaster"});
    std::set<std::string> seen;
    for (auto &s : e->strata) {
        if (s.state == 2) {
            seen.insert(std::to_string(s.kind) + s.name);
            EXPECT_EQ(UINT64_C(1) << 32 | 1, s.nk + (s.kind == LINK_KIND_RULE ? UINT64_C(1) << 32 | 1 : 0)) << s.name;
        }
    }
    EXPECT_EQ((std::set<std::string>{"1com", "2co.uk", "2?", "3one.co.uk", "3two.co.uk", "3?", "4NEW"}), seen);
}

} // namespace sim
