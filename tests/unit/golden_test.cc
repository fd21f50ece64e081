/* The golden set: right answers, one digest wherever it is made, another one for the least change of the rules. */
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>

#include "mail_fixture.h"
#include "ruleset_fixture.h"
#include "scan/golden.h"

namespace
{

const struct thresholds at_five = { INT32_MAX, INT32_MAX, 5000, INT32_MAX };

const char *const operators_rules = R"(
body     GTUBE /XJS\*C4JDBQADN1\.NSBN3\*2IDNEN\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\*C\.34X/
score    GTUBE 1000
attachment EICAR /EICAR-STANDARD-ANTI[V]IRUS-TEST-FILE/
score    EICAR 100
header   __UK From =~ /\.co\.uk/i
header   SUBJECT_MONEY Subject =~ /\$\d/
score    SUBJECT_MONEY 1.5
uri      URI_IP m{^https?://\d+\.}
score    URI_IP 2.0
attachment MINUTES /Those present/
score    MINUTES 0.5
full     BEANS /Beans, beetroot/
score    BEANS 0.1
rawbody  TITLE /<title>/
score    TITLE 0.1
body     SAW_NUMBER /\b4711\b/
score    SAW_NUMBER 0.1
meta     UK_LUNCH __UK && !URI_IP
score    UK_LUNCH 0.25
)";

struct scanner_owner {
    struct scanner sc;
    explicit scanner_owner(unsigned thread_idx = 0, unsigned slots = 1)
    {
        EXPECT_EQ(0, scanner_init(&sc, thread_idx, slots));
    }
    ~scanner_owner() { scanner_fini(&sc); }
};

std::string
digest(struct scanner *sc, struct ruleset *rs, const struct thresholds &t = at_five)
{
    char text[GOLDEN_TEXT_LEN];
    EXPECT_EQ(0, golden_digest(sc, rs, &t, text));
    return text;
}

std::string
digest_of(const std::string &rules, const struct thresholds &t = at_five)
{
    ruleset_ptr rs = load(build(rules));
    scanner_owner owner;
    return digest(&owner.sc, rs.get(), t);
}

std::string
replaced(std::string in, const std::string &what, const std::string &by)
{
    size_t at = in.find(what);
    EXPECT_NE(std::string::npos, at) << what;
    return in.replace(at, what.size(), by);
}

} // namespace

TEST(Golden, MailsAreWhole)
{
    std::set<std::string> names;
    unsigned wants[3] = {};
    ASSERT_LE(golden_cnt(), (unsigned)GOLDEN_CNT_MAX);
    ASSERT_GE(golden_cnt(), 24u);
    for (unsigned i = 0; i < golden_cnt(); i++) {
        const struct golden_mail *g = golden_mail(i);
        ASSERT_TRUE(g->name && g->client && g->helo && g->mail_from && g->rcpt[0] && g->text) << i;
        EXPECT_TRUE(names.insert(g->name).second) << g->name;
        std::string text = g->text;
        EXPECT_LE(text.size(), (size_t)GOLDEN_MAIL_LEN_MAX) << g->name;
        EXPECT_EQ(text, with_crlf(text)) << g->name << ": an LF without its CR";
        EXPECT_NE(std::string::npos, text.find("\r\n\r\n") == std::string::npos ? text.find("\r\n") : 0) << g->name;
        wants[g->want]++;
    }
    EXPECT_EQ(2u, wants[GOLDEN_CATCH]);
    EXPECT_EQ(4u, wants[GOLDEN_PASS]);
}

TEST(Golden, BaseRulesAreRight)
{
    ruleset_ptr rs = load(build(read_file("rules/base.cf")));
    scanner_owner owner;
    for (unsigned i = 0; i < golden_cnt(); i++) {
        struct golden_result r;
        ASSERT_EQ(0, golden_judge(&owner.sc, rs.get(), &at_five, i, &r));
        EXPECT_TRUE(golden_is_right(i, &r)) << golden_mail(i)->name << " " << r.score_milli;
        EXPECT_FALSE(r.has_failed);
        EXPECT_EQ(strlen(golden_mail(i)->text), r.j.octets);
    }
}

TEST(Golden, WrongRulesAreNot)
{
    /* Blind, and raging. */
    ruleset_ptr blind = load(build("body NOTHING /zzzzqqqq/\nscore NOTHING 1\n"));
    ruleset_ptr raging = load(build("header ALL_OF_IT ALL =~ /./\nscore ALL_OF_IT 100\n"));
    scanner_owner owner;
    for (unsigned i = 0; i < golden_cnt(); i++) {
        struct golden_result r;
        ASSERT_EQ(0, golden_judge(&owner.sc, blind.get(), &at_five, i, &r));
        EXPECT_EQ(golden_mail(i)->want != GOLDEN_CATCH, golden_is_right(i, &r)) << golden_mail(i)->name;
        ASSERT_EQ(0, golden_judge(&owner.sc, raging.get(), &at_five, i, &r));
        EXPECT_EQ(golden_mail(i)->want != GOLDEN_PASS, golden_is_right(i, &r)) << golden_mail(i)->name;
    }
}

TEST(Golden, EachKindOfRuleHitsSomething)
{
    ruleset_ptr rs = load(build(operators_rules));
    scanner_owner owner;
    std::set<std::string> seen;
    for (unsigned i = 0; i < golden_cnt(); i++) {
        struct golden_result r;
        ASSERT_EQ(0, golden_judge(&owner.sc, rs.get(), &at_five, i, &r));
        for (unsigned k = 0; k < r.j.rules_cnt; k++)
            seen.insert(ruleset_rule_name(rs.get(), r.j.rules[k]));
    }
    EXPECT_EQ((std::set<std::string>{ "BEANS", "EICAR", "GTUBE", "MINUTES", "SAW_NUMBER", "SUBJECT_MONEY", "TITLE",
                                      "UK_LUNCH", "URI_IP" }),
              seen);
}

TEST(Golden, SameInEveryThreadAndRun)
{
    enum { THREADS = 4, RUNS = 5 };
    ruleset_ptr rs = load(build(operators_rules), THREADS);
    std::string digests[THREADS][RUNS];
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < THREADS; t++) {
        threads.emplace_back([&, t] {
            scanner_owner owner(t);
            for (auto &d : digests[t])
                d = digest(&owner.sc, rs.get());
        });
    }
    for (auto &t : threads)
        t.join();
    for (auto &of_thread : digests) {
        for (auto &d : of_thread)
            EXPECT_EQ(digests[0][0], d);
    }
    EXPECT_EQ(64u, digests[0][0].size());
    EXPECT_EQ(digests[0][0], digest_of(operators_rules)) << "another load of another build";
    EXPECT_EQ(0u, ruleset_pinned(rs.get()));
}

TEST(Golden, AnyChangeThatShowsChangesTheDigest)
{
    const std::string rules = operators_rules;
    const std::string whole = digest_of(rules);
    std::set<std::string> seen = { whole };
    EXPECT_TRUE(seen.insert(digest_of(replaced(rules, "TITLE 0.1", "TITLE 0.101"))).second) << "a score";
    EXPECT_TRUE(seen.insert(digest_of(replaced(rules, "<title>", "<titlf>"))).second) << "a pattern";
    EXPECT_TRUE(seen.insert(digest_of(replaced(rules, "__UK From", "__UX From"))).second) << "a sub-rule's name";
    EXPECT_TRUE(seen.insert(digest_of(rules + "header MORE Subject =~ /tide/\nscore MORE 0.001\n")).second) << "a rule";
    EXPECT_TRUE(seen.insert(digest_of(rules, { INT32_MAX, INT32_MAX, 3500, INT32_MAX })).second) << "a threshold";
    EXPECT_TRUE(seen.insert(digest_of(rules, { 3500, INT32_MAX, 5000, INT32_MAX })).second) << "another threshold";
    EXPECT_EQ(whole, digest_of(rules, { INT32_MAX, INT32_MAX, 5001, INT32_MAX })) << "nothing is at 5.000";
}

TEST(Golden, AnySplitGivesTheSame)
{
    ruleset_ptr rs = load(build(operators_rules));
    scanner_owner owner;
    for (size_t piece : { 1, 2, 7, 64, 1000 }) {
        for (unsigned i = 0; i < golden_cnt(); i++) {
            const struct golden_mail *g = golden_mail(i);
            struct golden_result whole, split;
            auto span = [](const char *text) { return (struct span){ (const uint8_t *)text, strlen(text) }; };
            ASSERT_EQ(0, golden_judge(&owner.sc, rs.get(), &at_five, i, &whole));
            owner.sc.live = rs.get();
            struct message *m = message_new(&owner.sc);
            message_client(m, span(g->client), span(g->helo));
            message_mail(m, span(g->mail_from));
            for (unsigned k = 0; k < GOLDEN_RCPT_MAX && g->rcpt[k]; k++)
                message_rcpt(m, span(g->rcpt[k]));
            size_t len = strlen(g->text);
            for (size_t off = 0; off < len; off += piece)
                message_feed(m, (const uint8_t *)g->text + off, std::min(piece, len - off));
            golden_result(m, message_end(m), &at_five, i, &split);
            message_free(m);
            EXPECT_EQ(0, memcmp(whole.digest, split.digest, GOLDEN_DIGEST_LEN)) << g->name << " in " << piece;
        }
    }
}

/* A worker judges between its mail: nothing that operators see may move, whatever the actions are set to. */
TEST(Golden, LeavesNoTrace)
{
    ruleset_ptr rs = load(build(operators_rules)), live = load(build("body LIVE /live/\nscore LIVE 6\n"));
    scanner_owner owner(0, 2);
    struct scanner *sc = &owner.sc;
    const std::string alone = digest(sc, rs.get());
    sc->live = live.get();
    sc->thresholds.refuse_milli = 1;
    for (auto &a : sc->event_action)
        a = VERDICT_DROP;
    sc->event_cnt[EVENT_NUL] = 7;
    sc->message_cnt[VERDICT_TAG] = 8;
    struct message *m = begin_message(sc);
    const std::string half = "Subject: x\r\n\r\nthis is li";
    message_feed(m, (const uint8_t *)half.data(), half.size());
    const struct scanner before = *sc;
    EXPECT_EQ(alone, digest(sc, rs.get())) << "actions of events have no say";
    EXPECT_EQ(before.live, sc->live);
    EXPECT_EQ(0, memcmp(&before.thresholds, &sc->thresholds, sizeof(sc->thresholds)));
    EXPECT_EQ(0, memcmp(before.event_cnt, sc->event_cnt, sizeof(sc->event_cnt)));
    EXPECT_EQ(0, memcmp(before.message_cnt, sc->message_cnt, sizeof(sc->message_cnt)));
    EXPECT_EQ(0, memcmp(before.event_action, sc->event_action, sizeof(sc->event_action)));
    message_feed(m, (const uint8_t *)"ve\r\n", 4);
    EXPECT_EQ(6000, message_end(m)->score_milli) << "the mail that was being read is not disturbed";
    message_free(m);
    EXPECT_EQ(0u, ruleset_pinned(rs.get()));
}

TEST(Golden, WaitsForASlot)
{
    ruleset_ptr rs = load(build(operators_rules));
    scanner_owner owner;
    const std::string alone = digest(&owner.sc, rs.get());
    struct golden g;
    golden_begin(&g);
    ASSERT_EQ(1, golden_step(&g, &owner.sc, rs.get(), &at_five));
    struct message *m = message_new(&owner.sc);
    EXPECT_EQ(-EAGAIN, golden_step(&g, &owner.sc, rs.get(), &at_five));
    EXPECT_EQ(1u, g.next);
    message_free(m);
    while (golden_step(&g, &owner.sc, rs.get(), &at_five) > 0)
        ;
    EXPECT_EQ(golden_cnt(), g.next);
    EXPECT_EQ(0, golden_step(&g, &owner.sc, rs.get(), &at_five)) << "and no further";
    char text[GOLDEN_TEXT_LEN];
    golden_text(&g, text);
    EXPECT_EQ(alone, text);
}

/* Found by the set itself: facts about anchors were written where no eval rule had made them ready; a crash. */
TEST(Golden, LinkInHtmlUnderUriRulesWithoutEvals)
{
    ruleset_ptr rs = load(build("uri SEEN /garden-letters/\nscore SEEN 1\n"));
    scanner_owner owner;
    ASSERT_FALSE(ruleset_has_evals(rs.get()));
    unsigned seen = 0;
    for (unsigned i = 0; i < golden_cnt(); i++) {
        struct golden_result r;
        ASSERT_EQ(0, golden_judge(&owner.sc, rs.get(), &at_five, i, &r));
        seen += r.hits_cnt;
    }
    EXPECT_EQ(1u, seen);
}
