/* Two judgements of one mail are what each is alone, however it comes and however it ends. */
#include <filesystem>
#include <random>

#include "scan/pair.h"
#include "tests/unit/mail_fixture.h"

namespace fs = std::filesystem;

namespace {

uint64_t clock_now;

uint64_t
tick()
{
    return ++clock_now;
}

const char *const RULES_A = "body A_MONEY /money/i\nscore A_MONEY 3\n"
                            "header A_SUBJECT Subject =~ /./\nscore A_SUBJECT 1\n"
                            "full A_FULL /a/\nscore A_FULL 0.5\n"
                            "uri A_URI /./\nscore A_URI 1\n";
const char *const RULES_B = "body B_BUY /buy|free|html|text/i\nscore B_BUY 6\n"
                            "rawbody B_RAW /e/\nscore B_RAW 0.25\n"
                            "mimeheader B_TYPE Content-Type =~ /text/\nscore B_TYPE 0.5\n"
                            "attachment B_ATTACHMENT /./\nscore B_ATTACHMENT 2\n"
                            "meta B_META B_BUY && B_RAW\nscore B_META 1\n";

class Pair : public ::testing::Test
{
  protected:
    struct scanner sc;
    struct pairing how = {};
    struct ruleset *a, *b;
    std::vector<std::string> mails;

    void SetUp() override
    {
        ASSERT_EQ(0, scanner_init(&sc, 0, 12));
        how.cycles = tick;
        how.seed = 7;
        sc.pairing = &how;
        a = load_rules({}, RULES_A);
        b = load_rules({}, RULES_B);
        sc.live = a;
        for (auto &e : fs::directory_iterator("tests/data/mail"))
            mails.push_back(with_crlf(read_file(e.path())));
        std::string big = "Subject: x\r\nMessage-ID: <big@x>\r\n\r\n";
        for (int i = 0; i < 20000; i++)
            big += "a line of text with money and http://example.com/" + std::to_string(i % 90) + "\r\n";
        mails.push_back(big);
        std::sort(mails.begin(), mails.end());
    }
    void TearDown() override
    {
        EXPECT_EQ(0u, sc.messages_cnt);
        EXPECT_EQ(0u, ruleset_pinned(a));
        EXPECT_EQ(0u, ruleset_pinned(b));
        scanner_fini(&sc);
        ruleset_free(a);
        ruleset_free(b);
    }
    outcome alone(struct ruleset *rs, const std::string &mail)
    {
        sc.live = rs;
        outcome o = run_mail(&sc, mail, [] { return (size_t)-1; });
        sc.live = a;
        return o;
    }
    void begin(struct pair *p, bool is_two = true)
    {
        const char *path = "sender@example.org", *ip = "192.0.2.1", *helo = "mx.example.net";
        ASSERT_TRUE(pair_new(p, &sc));
        if (is_two) {
            ASSERT_TRUE(pair_add(p, b));
        }
        pair_client(p, {(const uint8_t *)ip, strlen(ip)}, {(const uint8_t *)helo, strlen(helo)});
        pair_mail(p, {(const uint8_t *)path, strlen(path)});
        pair_rcpt(p, {(const uint8_t *)path, strlen(path)});
    }
    void feed(struct pair *p, const std::string &mail, size_t off, size_t n)
    {
        std::vector<uint8_t> piece(mail.begin() + (long)off, mail.begin() + (long)(off + n));
        pair_feed(p, piece.data(), n);
    }
    outcome of(struct ruleset *rs, struct message *m, const struct judgement *j)
    {
        outcome o = {*j, {}};
        for (uint32_t i = 0; i < ruleset_rule_cnt(rs); i++)
            o.hits.push_back(message_hit(m, i));
        return o;
    }
    void expect_same(struct pair *p, const outcome &wa, const outcome &wb)
    {
        outcome ga = of(a, p->first, p->ja), gb = of(b, p->second, p->jb);
        EXPECT_TRUE(ga == wa) << difference(a, wa, ga);
        EXPECT_TRUE(gb == wb) << difference(b, wb, gb);
        EXPECT_EQ(1u, p->ja->generation);
        EXPECT_TRUE(pair_is_comparable(p));
    }
};

TEST_F(Pair, IsTwoSingleOnesInAnySplit)
{
    std::mt19937 rng(1);
    unsigned differ = 0;

    for (const std::string &mail : mails) {
        outcome wa = alone(a, mail), wb = alone(b, mail);
        uint64_t hash = 0;
        differ += wa.j.verdict != wb.j.verdict;
        for (int round = 0; round < 6; round++) {
            struct pair p;
            begin(&p);
            for (size_t off = 0; off < mail.size();) {
                size_t n = round == 0 ? mail.size() : 1 + rng() % (round == 1 ? 3 : 4000);
                n = std::min(n, mail.size() - off);
                feed(&p, mail, off, n);
                off += n;
            }
            pair_end(&p, true);
            expect_same(&p, wa, wb);
            hash = round == 0 ? pair_hash(&p) : hash;
            EXPECT_EQ(hash, pair_hash(&p));
            pair_free(&p);
        }
    }
    EXPECT_GT(differ, 3u);
}

/* Batches, caches and pools of a thread are shared by what is scanned at the same time. */
TEST_F(Pair, ManyAtATime)
{
    std::mt19937 rng(2);
    std::vector<outcome> wa, wb;

    for (const std::string &mail : mails) {
        wa.push_back(alone(a, mail));
        wb.push_back(alone(b, mail));
    }
    for (int round = 0; round < 20; round++) {
        struct pair p[6];
        size_t which[6], off[6] = {};
        unsigned open = 6;
        for (unsigned i = 0; i < 6; i++) {
            begin(&p[i]);
            which[i] = rng() % mails.size();
        }
        while (open) {
            unsigned i = rng() % 6;
            const std::string &mail = mails[which[i]];
            if (!p[i].first)
                continue;
            size_t n = std::min<size_t>(1 + rng() % 20000, mail.size() - off[i]);
            if (rng() % 100 == 0) { /* given up in the middle */
                pair_free(&p[i]);
                open--;
            } else if (n == 0) {
                pair_end(&p[i], true);
                expect_same(&p[i], wa[which[i]], wb[which[i]]);
                pair_free(&p[i]);
                open--;
            } else {
                feed(&p[i], mail, off[i], n);
                off[i] += n;
            }
        }
        EXPECT_EQ(0u, sc.messages_cnt);
    }
}

TEST_F(Pair, TheSecondIsNotCounted)
{
    std::string mail = "Subject: no end";
    struct pair p;

    ASSERT_TRUE(pair_new(&p, &sc));
    pair_event(&p, EVENT_COMMAND_ORDER); /* before it was known that there would be two */
    ASSERT_TRUE(pair_add(&p, b));
    feed(&p, mail, 0, mail.size());
    pair_event(&p, EVENT_BARE_LF);
    pair_end(&p, true);
    EXPECT_TRUE(p.ja->events & EVENT_BIT(EVENT_HEADER_NO_END));
    EXPECT_EQ(p.ja->events, p.jb->events);
    EXPECT_TRUE(p.jb->events & EVENT_BIT(EVENT_COMMAND_ORDER));
    EXPECT_EQ(1u, sc.event_cnt[EVENT_COMMAND_ORDER]);
    EXPECT_EQ(1u, sc.event_cnt[EVENT_HEADER_NO_END]);
    EXPECT_EQ(1u, sc.event_cnt[EVENT_BARE_LF]);
    pair_free(&p);
}

TEST_F(Pair, TheSecondIsShedFirst)
{
    struct pair p[12];

    for (unsigned i = 0; i < 12; i++)
        begin(&p[i], false);
    EXPECT_EQ(12u, sc.messages_cnt);
    EXPECT_FALSE(pair_add(&p[3], b));
    EXPECT_EQ(nullptr, p[3].second);
    feed(&p[3], mails[0], 0, mails[0].size());
    EXPECT_EQ(mails[0].size(), pair_end(&p[3], true)->octets);
    struct pair more;
    EXPECT_FALSE(pair_new(&more, &sc));
    pair_free(&more);
    for (auto &one : p)
        pair_free(&one);
}

TEST_F(Pair, ACutMailHasNoSecondOpinion)
{
    struct pair p;

    begin(&p);
    feed(&p, mails[0], 0, mails[0].size() / 2);
    pair_end(&p, false);
    EXPECT_EQ(nullptr, p.second);
    EXPECT_EQ(nullptr, p.jb);
    EXPECT_FALSE(pair_is_comparable(&p));
    EXPECT_EQ(0u, ruleset_pinned(b));
    pair_free(&p);
    pair_free(&p); /* empty is allowed */
}

TEST_F(Pair, ReplacedByAnotherRuleSetWithEverySlotTaken)
{
    struct pair p[12];
    std::string mail = "Subject: x\r\n\r\nbuy money\r\n";
    outcome wb = alone(b, mail);

    for (unsigned i = 0; i < 12; i++)
        ASSERT_TRUE(pair_new(&p[i], &sc));
    pair_event(&p[5], EVENT_RCPT_CAP);
    EXPECT_TRUE(pair_replace(&p[5], b));
    EXPECT_EQ(b, message_ruleset(p[5].first));
    EXPECT_EQ(11u, ruleset_pinned(a));
    const char *path = "sender@example.org";
    pair_mail(&p[5], {(const uint8_t *)path, strlen(path)});
    feed(&p[5], mail, 0, mail.size());
    const struct judgement *j = pair_end(&p[5], true);
    EXPECT_EQ(wb.j.score_milli, j->score_milli);
    EXPECT_EQ(VERDICT_REFUSE, j->verdict);
    EXPECT_TRUE(j->events & EVENT_BIT(EVENT_RCPT_CAP));
    EXPECT_EQ(1u, sc.event_cnt[EVENT_RCPT_CAP]);
    for (auto &one : p)
        pair_free(&one);
}

TEST_F(Pair, TimeIsToldOfBothAndTheSecondsIsSummed)
{
    struct pair p;

    begin(&p);
    uint64_t after_begin = sc.second_cycles;
    feed(&p, mails[0], 0, 10);
    EXPECT_EQ(1u, p.cycles[0]);
    EXPECT_EQ(after_begin + 1, sc.second_cycles);
    pair_free(&p); /* given up: what it took counts all the same */
    EXPECT_GT(sc.second_cycles, after_begin + 1);
}

TEST_F(Pair, WhatAgrees)
{
    const enum verdict classes[3][2] = {
        {VERDICT_ACCEPT, VERDICT_TAG}, {VERDICT_DEFER, VERDICT_CLOSE}, {VERDICT_REFUSE, VERDICT_DROP}};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++)
            EXPECT_EQ(i / 2 == k / 2, pair_agrees(classes[i / 2][i % 2], classes[k / 2][k % 2]));
}

TEST_F(Pair, TakeAndDoubt)
{
    std::string mail = "Subject: x\r\n\r\nbuy money\r\n";
    struct pair p;

    begin(&p);
    feed(&p, mail, 0, mail.size());
    struct judgement j = *pair_end(&p, true);
    ASSERT_EQ(VERDICT_ACCEPT, j.verdict);
    ASSERT_EQ(VERDICT_REFUSE, p.jb->verdict);
    pair_take(&p, p.second, &j);
    EXPECT_EQ(VERDICT_REFUSE, j.verdict);
    EXPECT_EQ(EVENT_NONE, j.cause);
    EXPECT_EQ(p.jb->score_milli, j.score_milli);
    EXPECT_EQ(p.second, p.decides);
    pair_doubt(&p, EVENT_RULES_DISAGREE, &j);
    EXPECT_EQ(VERDICT_DEFER, j.verdict);
    EXPECT_EQ(EVENT_RULES_DISAGREE, j.cause);
    EXPECT_EQ(1u, sc.event_cnt[EVENT_RULES_DISAGREE]);
    pair_take(&p, p.first, &j);
    EXPECT_EQ(VERDICT_DEFER, j.verdict) << "the event stays";
    /* What an event says stands above the doubt; and the doubt never rejects, whatever it is set to. */
    j.by_events = VERDICT_REFUSE;
    j.events_cause = EVENT_BARE_LF;
    pair_doubt(&p, EVENT_RULES_RETURNED, &j);
    EXPECT_EQ(VERDICT_REFUSE, j.verdict);
    EXPECT_EQ(EVENT_BARE_LF, j.cause);
    j.by_events = VERDICT_ACCEPT;
    sc.event_action[EVENT_RULES_RETURNED] = VERDICT_DROP;
    pair_doubt(&p, EVENT_RULES_RETURNED, &j);
    EXPECT_EQ(VERDICT_DEFER, j.verdict);
    pair_free(&p);
}

TEST_F(Pair, MessageIdIsTheFieldAsItCame)
{
    for (bool is_there : {true, false}) {
        struct pair p;
        std::string mail = std::string(is_there ? "Message-ID: <1@x>\r\nmessage-id:\t<2@x>\r\n" : "") + "A: b\r\n\r\nx\r\n";
        begin(&p);
        feed(&p, mail, 0, mail.size());
        pair_end(&p, true);
        struct span ia = message_id(p.first), ib = message_id(p.second);
        std::string text((const char *)ia.ptr, ia.len);
        EXPECT_EQ(is_there, text.find("<2@x>") != std::string::npos);
        EXPECT_EQ(is_there, ia.len > 0);
        EXPECT_EQ(text, std::string((const char *)ib.ptr, ib.len));
        pair_free(&p);
    }
}

} // namespace
