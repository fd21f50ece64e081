// Counts of a pair: exact with many cores, once a domain, trips at exactly the table's counts.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/tally.h"
#include "tests/unit/mail_fixture.h"

namespace
{

struct ruleset *
rules(const std::string &text, uint32_t generation)
{
    rule_list *l = rule_list_new();
    rule_list_parse(l, "t.cf", text.data(), text.size());
    void *image = nullptr;
    size_t len = 0;
    char err[256] = "";
    EXPECT_EQ(0, image_build(l, &image, &len)) << rule_list_diagnostics(l);
    ruleset *rs = ruleset_load(image, len, generation, 4, err, sizeof(err));
    EXPECT_TRUE(rs) << err;
    free(image);
    rule_list_free(l);
    return rs;
}

span
span_of(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

class Tally : public ::testing::Test
{
  protected:
    std::unique_ptr<link_evidence> e{new link_evidence()};
    std::unique_ptr<link_stage> v{new link_stage()};
    ruleset *a = rules("body OLD /old/\nscore OLD 6\nbody SAME /same/\nscore SAME 6\nbody MOVED /moved/\nscore MOVED 1\n", 7);
    ruleset *b = rules("body NEW /new/\nscore NEW 6\nbody SAME /same/\nscore SAME 6\nbody MOVED /moved/\nscore MOVED 6\n"
                       "body ZERO /new/\nscore ZERO 0\nbody __SUB /new/\nmeta META __SUB\nscore META 0.1\n", 8);
    tally *t = tally_new(e.get(), 4, 99);

    void SetUp() override { ASSERT_EQ(0, tally_pair(t, a, b)); }
    void TearDown() override
    {
        tally_free(t);
        ruleset_free(a);
        ruleset_free(b);
    }
    tally_mail mail(const std::string &sender, bool a_rejects, bool b_rejects)
    {
        tally_mail m;
        memset(&m, 0, sizeof(m));
        m.generation_a = 7;
        m.generation_b = 8;
        m.is_comparable = true;
        m.a_rejects = a_rejects;
        m.b_rejects = b_rejects;
        m.sender = span_of(sender);
        return m;
    }
    bool count(const std::string &sender, bool b_rejects, const std::vector<std::pair<link_kind, std::string>> &strata,
               link_trip *why = nullptr, unsigned thread = 0)
    {
        link_trip trip;
        tally_mail m = mail(sender, false, b_rejects);
        for (auto &s : strata)
            tally_add(&m, s.first, span_of(s.second));
        return tally_count(t, thread, &m, v.get(), why ? why : &trip);
    }
    const link_stratum *find(link_kind kind, const std::string &name)
    {
        const link_stratum *found = nullptr;
        for (auto &s : e->strata) {
            if (s.state == 2 && s.kind == kind && name == s.name) {
                EXPECT_EQ(nullptr, found) << "twice " << name;
                found = &s;
            }
        }
        return found;
    }
    std::pair<uint32_t, uint32_t> nk(link_kind kind, const std::string &name)
    {
        const link_stratum *s = find(kind, name);
        return s ? nk(s->nk) : std::make_pair(0u, 0u);
    }
    static std::pair<uint32_t, uint32_t> nk(uint64_t word) { return {(uint32_t)(word >> 32), (uint32_t)word}; }
};

using Nk = std::pair<uint32_t, uint32_t>;

TEST_F(Tally, TableIsReadAsItIsMeant)
{
    link_trip_table table = {};
    table.n_max[3] = 10;
    table.n_max[LINK_TRIP_MAX - 1] = 5000;
    EXPECT_FALSE(tally_trips(&table, 0, 0));
    EXPECT_FALSE(tally_trips(&table, 1, 1)); // 0: k alone never trips
    EXPECT_TRUE(tally_trips(&table, 3, 3));
    EXPECT_TRUE(tally_trips(&table, 10, 3));
    EXPECT_FALSE(tally_trips(&table, 11, 3));
    EXPECT_FALSE(tally_trips(&table, 11, 4));
    EXPECT_TRUE(tally_trips(&table, 5000, 255));
    EXPECT_TRUE(tally_trips(&table, 5000, 70000)); // beyond the table: its last
    EXPECT_FALSE(tally_trips(&table, 5001, 70000));
}

TEST_F(Tally, ADomainCountsOnceInEachStratum)
{
    for (int i = 0; i < 3; i++)
        count("x.example", i > 0, {{LINK_KIND_SENDER_SUFFIX, "example"}, {LINK_KIND_RCPT_DOMAIN, "one.test"}});
    EXPECT_EQ(Nk(1, 0), nk(e->nk_all));
    EXPECT_EQ(Nk(1, 0), nk(LINK_KIND_SENDER_SUFFIX, "example"));
    count("x.example", true, {{LINK_KIND_SENDER_SUFFIX, "example"}, {LINK_KIND_RCPT_DOMAIN, "two.test"}});
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_RCPT_DOMAIN, "two.test"));
    EXPECT_EQ(Nk(1, 0), nk(LINK_KIND_RCPT_DOMAIN, "one.test"));
    count("y.example", true, {{LINK_KIND_SENDER_SUFFIX, "example"}});
    EXPECT_EQ(Nk(2, 1), nk(LINK_KIND_SENDER_SUFFIX, "example"));
    EXPECT_EQ(Nk(2, 1), nk(e->nk_all));
    EXPECT_EQ(3u, e->strata_cnt);
    EXPECT_EQ(8u, e->repeats); // 3 x 2 - 0 of the first three, 2 of the fourth
}

TEST_F(Tally, WhatTheOldSetRejectsIsTheMirrors)
{
    link_trip why;
    for (int i = 0; i < 4; i++) {
        tally_mail m = mail("d" + std::to_string(i / 2) + ".example", true, i != 2);
        std::string sender = "d" + std::to_string(i / 2) + ".example";
        m.sender = span_of(sender);
        tally_add(&m, LINK_KIND_SENDER_SUFFIX, span_of("example"));
        tally_count(t, 0, &m, v.get(), &why);
    }
    EXPECT_EQ(Nk(2, 1), nk(e->nk_mirror)); // d0: still rejected; d1: at first accepted
    EXPECT_EQ(0u, e->nk_all);
    EXPECT_EQ(0u, e->strata_cnt);
    EXPECT_EQ(Nk(4, 0), nk(e->nk_error)); // every mail
}

TEST_F(Tally, WhatCannotBeComparedIsTimeAndErrorOnly)
{
    link_trip why;
    tally_mail m = mail("x.example", false, true);
    m.is_comparable = false;
    m.is_error = true;
    m.ns_a = 5;
    m.ns_b = 7;
    v->trip_error.n_max[1] = 3;
    EXPECT_TRUE(tally_count(t, 0, &m, v.get(), &why));
    EXPECT_EQ((uint32_t)LINK_KIND_ERROR, why.kind);
    EXPECT_EQ(Nk(1, 1), nk(e->nk_error));
    EXPECT_EQ(0u, e->nk_all);
    EXPECT_EQ(5u, e->ns_a);
    EXPECT_EQ(7u, e->ns_b);
}

TEST_F(Tally, AnotherPairIsNotCounted)
{
    link_trip why;
    tally_mail m = mail("x.example", false, true);
    m.generation_a = 6;
    EXPECT_FALSE(tally_count(t, 0, &m, v.get(), &why));
    EXPECT_EQ(0u, e->nk_all);
    EXPECT_EQ(0u, e->nk_error);
}

TEST_F(Tally, TripsAtExactlyTheTablesCounts)
{
    // k = 4 trips up to n = 6, as a table of 1e10 nearly has it
    v->trip_stratum.n_max[4] = 6;
    const std::vector<std::pair<link_kind, std::string>> uk = {{LINK_KIND_SENDER_SUFFIX, "co.uk"}},
                                                         de = {{LINK_KIND_SENDER_SUFFIX, "de"}};
    link_trip why;
    int n = 0;
    for (bool bad : {true, false, true, true, false})
        EXPECT_FALSE(count("u" + std::to_string(n++), bad, uk));
    ASSERT_TRUE(count("u" + std::to_string(n++), true, uk, &why));
    EXPECT_EQ((uint32_t)LINK_KIND_SENDER_SUFFIX, why.kind);
    EXPECT_STREQ("co.uk", why.name);
    EXPECT_EQ(6u, why.n);
    EXPECT_EQ(4u, why.k);
    EXPECT_EQ((uint32_t)LINK_REASON_EVIDENCE, why.reason);
    EXPECT_EQ(1u, why.by_data_plane);
    EXPECT_STREQ("sender-suffix co.uk: 4 of 6 units are newly rejected", why.text);
    // one more good one before, and it does not
    for (bool bad : {false, true, false, true, false, true, true})
        EXPECT_FALSE(count("d" + std::to_string(n++), bad, de)) << n;
}

TEST_F(Tally, ExemptStrataDoNotTripOthersDo)
{
    v->trip_stratum.n_max[1] = 1;
    v->trip_all.n_max[2] = 2;
    v->exempt_cnt = 1;
    v->exempt[0].kind = LINK_KIND_SENDER_SUFFIX;
    strcpy(v->exempt[0].name, "xyz");
    link_trip why;
    EXPECT_FALSE(count("a.xyz", true, {{LINK_KIND_SENDER_SUFFIX, "xyz"}}));
    EXPECT_TRUE(count("b.xyz", true, {{LINK_KIND_SENDER_SUFFIX, "xyz"}}, &why)); // ALL is not exempt
    EXPECT_EQ((uint32_t)LINK_KIND_ALL, why.kind);
    EXPECT_TRUE(count("a.xy", true, {{LINK_KIND_RCPT_SUFFIX, "xyz"}}, &why)); // of another kind
    EXPECT_EQ((uint32_t)LINK_KIND_RCPT_SUFFIX, why.kind);
    v->exempt_cnt = 0xffffffff; // never trusted
    EXPECT_FALSE(count("c.xyz", true, {{LINK_KIND_SENDER_SUFFIX, "xyz"}}));
}

TEST_F(Tally, NamesOfAnyOctetsAndLengths)
{
    std::string zeros("a\0b", 3), tall(300, 'x');
    tall += ".end";
    count("s", true, {{LINK_KIND_RCPT_DOMAIN, zeros}, {LINK_KIND_RCPT_DOMAIN, tall}, {LINK_KIND_RCPT_DOMAIN, ""}});
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_RCPT_DOMAIN, "a?b"));
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_RCPT_DOMAIN, std::string(LINK_NAME_MAX - 1 - 4, 'x') + ".end"));
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_RCPT_DOMAIN, ""));
    tally_mail m = mail("s", false, false);
    for (int i = 0; i < 1000; i++)
        tally_add(&m, LINK_KIND_RCPT_DOMAIN, span_of(std::to_string(i / 2)));
    EXPECT_EQ((uint32_t)TALLY_STRATA_MAX, m.strata_cnt);
}

TEST_F(Tally, NoKindCrowdsTheOthersOut)
{
    for (int i = 0; i < 3000; i++)
        count("s", false, {{LINK_KIND_SENDER_SUFFIX, "suffix" + std::to_string(i)}});
    EXPECT_EQ(tally_share(LINK_KIND_SENDER_SUFFIX), e->strata_cnt);
    EXPECT_EQ(3000u - tally_share(LINK_KIND_SENDER_SUFFIX), e->strata_full);
    for (int i = 0; i < 500; i++)
        count("s", false, {{LINK_KIND_RCPT_DOMAIN, "d" + std::to_string(i)}});
    EXPECT_EQ(tally_share(LINK_KIND_SENDER_SUFFIX) + 500, e->strata_cnt);
    std::set<uint32_t> orders;
    for (auto &s : e->strata)
        if (s.state == 2 && s.kind == LINK_KIND_RCPT_DOMAIN)
            orders.insert(s.order);
    EXPECT_EQ(500u, orders.size());
    EXPECT_EQ(1u, *orders.begin());
    EXPECT_EQ(500u, *orders.rbegin());
    uint32_t sum = 0;
    for (int k = 0; k < LINK_KIND_CNT; k++)
        sum += tally_share((link_kind)k);
    EXPECT_LE(sum, (uint32_t)LINK_STRATA_MAX);
}

// Names are chosen by strangers, and where they go must not be: 300 of them beside one another would hide the next.
TEST_F(Tally, NobodyAimsAtANeighbourhood)
{
    const std::string victim = "customer.example";
    auto place = [](const std::string &name) {
        return XXH3_64bits_withSeed(name.data(), name.size(), LINK_KIND_RCPT_DOMAIN) & (LINK_STRATA_MAX - 1);
    };
    for (uint64_t i = 0, found = 0; found < 300; i++) {
        std::string name = "d" + std::to_string(i) + ".example";
        if (((place(name) - place(victim)) & (LINK_STRATA_MAX - 1)) < 256) {
            count("s", false, {{LINK_KIND_RCPT_DOMAIN, name}});
            found++;
        }
    }
    count("t", true, {{LINK_KIND_RCPT_DOMAIN, victim}});
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_RCPT_DOMAIN, victim));
    EXPECT_EQ(0u, e->strata_full);
}

// Millions of made-up senders: a bitmap that is full has seen everybody, and nothing would be counted any more.
TEST_F(Tally, SendersWithoutEndBlindNobody)
{
    uint64_t units = 0;
    for (int i = 0; i < 12000000; i++) {
        count("d" + std::to_string(i), false, {});
        if (i % 1000 == 0)
            tally_tend(t);
        if (i == 10000000)
            units = e->nk_all >> 32;
    }
    EXPECT_GE((e->nk_all >> 32) - units, 1600000u); // of 2,000,000
    uint64_t epoch = e->epoch;
    tally_tend(t);
    EXPECT_EQ(epoch, e->epoch); // for the reader nothing began anew
}

TEST_F(Tally, RulesThatMadeTheDifference)
{
    scanner sc;
    ASSERT_EQ(0, scanner_init(&sc, 0, 4));
    // words in the mail, which of b's rules are news
    const std::vector<std::pair<std::string, std::set<std::string>>> cases = {
        {"new", {"NEW", "META"}}, {"same", {}}, {"moved", {"MOVED"}}, {"new moved same", {"NEW", "META", "MOVED"}}};
    std::map<std::string, uint32_t> seen;
    int n = 0;
    for (int round = 0; round < 3; round++) {
        for (auto &c : cases) {
            std::string text = "Subject: x\r\n\r\n" + c.first + "\r\n", sender = "s" + std::to_string(n++);
            message *ma = message_new_with(&sc, a), *mb = message_new_second(&sc, b);
            for (message *m : {ma, mb}) {
                message_feed(m, (const uint8_t *)text.data(), text.size());
                message_end(m);
            }
            tally_mail m = mail(sender, false, true);
            link_trip why;
            m.sender = span_of(sender);
            m.a = ma;
            m.b = mb;
            tally_count(t, 0, &m, v.get(), &why);
            for (auto &name : c.second)
                seen[name]++;
            message_free(ma);
            message_free(mb);
        }
    }
    uint32_t strata = 0;
    for (auto &s : e->strata)
        strata += s.state == 2;
    EXPECT_EQ(3u, strata);
    for (auto &s : seen) {
        const link_stratum *found = find(LINK_KIND_RULE, s.first);
        ASSERT_TRUE(found) << s.first;
        EXPECT_EQ(s.second - 1, (uint32_t)found->nk); // the first one only names it
    }
    EXPECT_EQ(1u, find(LINK_KIND_RULE, "NEW")->n_base);
    EXPECT_EQ(3u, find(LINK_KIND_RULE, "MOVED")->n_base);
    EXPECT_EQ(Nk(12, 12), nk(e->nk_all));
    scanner_fini(&sc);
}

// Declared: a rule that is exempt. Who rejects for what such rules add alone is bad in their strata, in no other.
TEST_F(Tally, WhatDeclaredRulesRejectIsBadInTheirStrataOnly)
{
    scanner sc;
    ASSERT_EQ(0, scanner_init(&sc, 0, 4));
    const struct {
        std::string words;
        std::vector<const char *> declared;
        int32_t a_milli, b_milli;
        bool is_bad;
    } cases[] = {
        {"new", {"NEW", "META"}, 0, 6100, false},
        {"new", {"NEW"}, 0, 6100, true},        // META adds to it, a little
        {"new", {"META"}, 0, 6100, true},
        {"new same", {"NEW", "META"}, 6000, 12100, false},
        {"moved", {"MOVED"}, 1000, 6000, false}, // what it adds is what is more than it was
        {"moved", {"NEW"}, 1000, 6000, true},
        {"moved", {"MOVED"}, 0, 6000, true},    // a rule of the old set with less than nothing is gone
        {"new", {"NEW", "META", "ZERO", "__SUB"}, -3000, 6100, true},
    };
    int n = 0;
    for (auto &c : cases) {
        std::string text = "Subject: x\r\n\r\n" + c.words + "\r\n", sender = "s" + std::to_string(n), de = "de" + std::to_string(n);
        n++;
        message *ma = message_new_with(&sc, a), *mb = message_new_second(&sc, b);
        for (message *m : {ma, mb}) {
            message_feed(m, (const uint8_t *)text.data(), text.size());
            message_end(m);
        }
        v->exempt_cnt = 0;
        for (const char *name : c.declared) {
            v->exempt[v->exempt_cnt].kind = LINK_KIND_RULE;
            memset(v->exempt[v->exempt_cnt].name, 0, LINK_NAME_MAX);
            strcpy(v->exempt[v->exempt_cnt++].name, name);
        }
        tally_mail m = mail(sender, false, true);
        link_trip why;
        m.sender = span_of(sender);
        m.a = ma;
        m.b = mb;
        m.a_milli = c.a_milli;
        m.b_milli = c.b_milli;
        tally_add(&m, LINK_KIND_SENDER_SUFFIX, span_of(de));
        Nk before = nk(e->nk_all);
        uint32_t rules_before = nk(LINK_KIND_RULE, c.words == "moved" ? "MOVED" : "NEW").second;
        tally_count(t, 0, &m, v.get(), &why);
        EXPECT_EQ(Nk(before.first + 1, before.second + c.is_bad), nk(e->nk_all)) << n;
        EXPECT_EQ(Nk(1, c.is_bad), nk(LINK_KIND_SENDER_SUFFIX, de)) << n;
        bool is_named = n != 1 && n != 5; // the first of each only names it
        EXPECT_EQ(rules_before + is_named, nk(LINK_KIND_RULE, c.words == "moved" ? "MOVED" : "NEW").second) << n;
        message_free(ma);
        message_free(mb);
    }
    scanner_fini(&sc);
}

TEST_F(Tally, WindowsBeginAnewAndWhatIsProvenStays)
{
    for (int i = 0; i < 5; i++) {
        count("a" + std::to_string(i), i == 0, {{LINK_KIND_SENDER_SUFFIX, "com"}, {LINK_KIND_RCPT_SUFFIX, "net"}});
        if (i < 4)
            count("b" + std::to_string(i), false, {{LINK_KIND_SENDER_SUFFIX, "org"}});
    }
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("com"), 5));
    EXPECT_FALSE(tally_is_proven(t, 1, 8, span_of("org"), 5));
    EXPECT_FALSE(tally_is_proven(t, 1, 8, span_of("net"), 5)); // as a recipient's only
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("net"), 0));
    uint64_t epoch = e->epoch;
    tally_window(t, 5);
    EXPECT_EQ(0u, e->epoch % 2);
    EXPECT_NE(epoch, e->epoch);
    EXPECT_EQ(1u, e->window);
    EXPECT_EQ(0u, e->nk_all);
    EXPECT_EQ(1u, e->strata_cnt);
    ASSERT_TRUE(find(LINK_KIND_SENDER_SUFFIX, "com"));
    EXPECT_EQ((uint16_t)LINK_STRATUM_PROVEN, find(LINK_KIND_SENDER_SUFFIX, "com")->flags);
    EXPECT_EQ(Nk(0, 0), nk(LINK_KIND_SENDER_SUFFIX, "com"));
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("com"), 5));
    count("a0", true, {{LINK_KIND_SENDER_SUFFIX, "com"}}); // seen domains count again
    EXPECT_EQ(Nk(1, 1), nk(LINK_KIND_SENDER_SUFFIX, "com"));
    tally_window(t, 5);
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("com"), 5)); // a quiet window takes nothing away
    EXPECT_EQ(2u, e->window);
    EXPECT_EQ(7u, e->generation_a);
    EXPECT_EQ(0, tally_pair(t, a, b)); // the same pair: nothing happens
    EXPECT_EQ(2u, e->window);
    EXPECT_EQ(0, tally_pair(t, nullptr, nullptr));
    EXPECT_EQ(2u, e->window);
    EXPECT_EQ(0, tally_pair(t, b, a)); // another one: all new
    EXPECT_EQ(0u, e->window);
    EXPECT_EQ(8u, e->generation_a);
    EXPECT_EQ(0u, e->strata_cnt);
    EXPECT_FALSE(tally_is_proven(t, 1, 7, span_of("com"), 5));
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("com"), 5)); // it was, when that was looked at
    EXPECT_FALSE(tally_is_proven(t, 1, 8, span_of("org"), 5));
    EXPECT_FALSE(tally_is_proven(t, 1, 9, span_of("com"), 5));
    EXPECT_EQ(0, tally_pair(t, a, b)); // and is again
    EXPECT_EQ(1u, e->strata_cnt);
    EXPECT_EQ(2u, e->window) << "the next one is the third";
    EXPECT_TRUE(tally_is_proven(t, 1, 8, span_of("com"), 5));
    EXPECT_EQ(Nk(0, 0), nk(LINK_KIND_SENDER_SUFFIX, "com"));
}

// Four cores, the same news to all of them: each unit once, whoever has it first.
TEST_F(Tally, ExactWithManyCores)
{
    enum { DOMAINS = 3000, SUFFIXES = 37 };
    v->trip_stratum.n_max[LINK_TRIP_MAX - 1] = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; i++)
        threads.emplace_back([this, i] {
            for (int k = 0; k < 4 * DOMAINS; k++) {
                int d = (k * 7919 + (int)i * 1000) % DOMAINS;
                count("d" + std::to_string(d), d % 10 == 0,
                      {{LINK_KIND_SENDER_SUFFIX, "s" + std::to_string(d % SUFFIXES)}, {LINK_KIND_RCPT_SUFFIX, "all"}},
                      nullptr, i);
            }
        });
    for (auto &one : threads)
        one.join();
    // The bitmap takes a few for known that are not: of 2 x 3000 x 3 bits among four million, next to none.
    Nk all = nk(e->nk_all);
    EXPECT_LE(all.first, (uint32_t)DOMAINS);
    EXPECT_GE(all.first, (uint32_t)DOMAINS - 30);
    EXPECT_LE(all.second, (uint32_t)DOMAINS / 10);
    EXPECT_GE(all.second, (uint32_t)DOMAINS / 10 - 10);
    uint32_t sum = 0, bad = 0;
    for (int s = 0; s < SUFFIXES; s++) {
        Nk one = nk(LINK_KIND_SENDER_SUFFIX, "s" + std::to_string(s));
        sum += one.first;
        bad += one.second;
    }
    EXPECT_LE(sum, (uint32_t)DOMAINS);
    EXPECT_GE(sum, (uint32_t)DOMAINS - 30);
    EXPECT_LE(bad, (uint32_t)DOMAINS / 10);
    EXPECT_EQ(SUFFIXES + 1u, e->strata_cnt);
    EXPECT_EQ(0u, e->strata_full);
    EXPECT_EQ(Nk(4 * 4 * DOMAINS, 0), nk(e->nk_error));
    // Every mail is a unit or a repeat in each of its three strata.
    EXPECT_EQ(4u * 4 * DOMAINS * 3, e->repeats + all.first + sum + nk(LINK_KIND_RCPT_SUFFIX, "all").first);
}

// Of cores that reach a trip together each sees counts of its own, so the table's counts are met by exactly one.
TEST_F(Tally, OneTripOfManyCores)
{
    v->trip_all.n_max[100] = 100;
    std::atomic<unsigned> trips{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            link_trip why;
            for (int k = 0; k < 100; k++) {
                if (count("t" + std::to_string(i) + "." + std::to_string(k), true, {}, &why, i)) {
                    trips++;
                    EXPECT_EQ(100u, why.k);
                    EXPECT_EQ(100u, why.n);
                }
            }
        });
    for (auto &one : threads)
        one.join();
    EXPECT_EQ(1u, trips.load());
}

// Windows and pairs while cores count: no mail of before is found after, and n never lags k.
TEST_F(Tally, ResetsWhileCoresCount)
{
    std::atomic<bool> is_over{false};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; i++)
        threads.emplace_back([&, i] {
            for (uint64_t k = 0; !is_over; k++) {
                count("t" + std::to_string(k % 5000), true, {{LINK_KIND_SENDER_SUFFIX, "s" + std::to_string(k % 100)}},
                      nullptr, i);
                tally_is_proven(t, i, 8, span_of("s1"), 10);
            }
        });
    for (int round = 0; round < 60; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (round % 3 == 0) {
            ASSERT_EQ(0, tally_pair(t, b, a)); // nobody counts for it
            Nk none = nk(__atomic_load_n(&e->nk_all, __ATOMIC_RELAXED));
            EXPECT_EQ(Nk(0, 0), none);
            EXPECT_EQ(0u, __atomic_load_n(&e->strata_cnt, __ATOMIC_RELAXED));
            ASSERT_EQ(0, tally_pair(t, a, b));
        } else {
            tally_window(t, 10);
        }
    }
    is_over = true;
    for (auto &one : threads)
        one.join();
    for (auto &s : e->strata) {
        EXPECT_NE(1u, s.state);
        EXPECT_LE((uint32_t)s.nk, (uint32_t)(s.nk >> 32));
    }
}

} // namespace
