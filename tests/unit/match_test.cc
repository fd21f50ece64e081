#include "scan/match.h"

#include <random>
#include <thread>

#include "scan/explain.h"
#include "tests/unit/ruleset_fixture.h"

namespace {

/* What `rule` says about one value of its target. */
bool
hits_one(const std::string &rule, const char *value)
{
    ruleset_ptr rs = load(build(rule + "\n"));
    trial t(rs);
    if (value) {
        for (enum target block : { TARGET_BODY, TARGET_RAWBODY })
            t.block(block, value);
        t.stream(TARGET_FULL, { value });
        t.stream(TARGET_ATTACHMENT, { value });
        t.headers({ { "subject", value }, { "from/1", value }, { "from/2", value }, { "from/3", value },
                    { "all", value } });
    } else {
        t.headers({});
    }
    return !t.judge().empty();
}

TEST(Match, PerlsMeaning)
{
    const struct {
        const char *rule;
        const char *value; /* NULL: the header is not there */
        bool is_hit;
    } cases[] = {
        { "body A /foo/", "a foo b", true },
        { "body A /foo/", "a Foo b", false },
        { "body A /foo/i", "a Foo b", true },
        { "body A /^b/", "a\nb", false },
        { "body A /^b/m", "a\nb", true },
        { "body A /a$/", "a\n", true }, /* $ is before a last newline, too */
        { "body A /a$/", "a\nb", false },
        { "body A /a$/m", "a\nb", true },
        { "body A /a\\z/", "a\n", false },
        { "body A /a.b/", "a\nb", false },
        { "body A /a.b/s", "a\nb", true },
        { "body A /a b \\# note/x", "ab", true },
        { "body A /\\xe9/", "\xe9", true },
        { "body A /\\xe9/", "\xc3\xa9", false }, /* octets, not characters */
        { "body A /\\bfoo\\b/", "xfoo", false },
        { "body A m{a/b}", "a/b", true },
        { "body A /a\\/b/", "a/b", true },
        { "body A /x*/", "y", true }, /* matches '' */
        { "rawbody A /a\\nb/", "a\nb", true },
        { "full A /end\\n$/", "the end\n", true },
        { "full A /end$/", "the end\n", true },
        { "full A /end$/", "the end ", false },
        { "full A /^$/", "", true },
        { "attachment A /^PK\\x03/", "PK\x03", true },
        { "header A Subject =~ /x$/", "x\n", true },
        { "header A Subject =~ /x/", nullptr, false },
        { "header A Subject =~ /^$/", nullptr, true }, /* undefined is '' */
        { "header A Subject =~ /^$/", "x\n", false },
        { "header A Subject =~ /yes/ [if-unset: yes]", nullptr, true },
        { "header A Subject =~ /yes/ [if-unset: no]", nullptr, false },
        { "header A Subject =~ /yes/ [if-unset: yes]", "no\n", false },
        { "header A Subject !~ /x/", nullptr, true },
        { "header A Subject !~ /x/", "y\n", true },
        { "header A Subject !~ /x/", "x\n", false },
        { "header A Subject !~ /x/ [if-unset: x]", nullptr, false },
        { "header A Subject !~ /^$/", nullptr, false },
        { "header A exists:Subject", "x\n", true },
        { "header A exists:Subject", "", true },
        { "header A exists:SUBJECT", nullptr, false },
        { "header A From:addr =~ /\\.co\\.uk$/i", "joe@b.co.uk", true },
        { "header A From:addr =~ /\\.co\\.uk$/i", "joe@b.co.uk\n", true },
        { "header A From:addr =~ /\\.co\\.uk$/i", "joe@b.co.uk.example", false },
        { "header A From:name =~ /Joe/", "Joe", true },
        { "header A From:raw =~ /Joe/", "Joe", true },
        { "header A ALL =~ /^To:/m", "From: a\nTo: b\n", true },
    };
    for (const auto &t : cases)
        EXPECT_EQ(hits_one(t.rule, t.value), t.is_hit) << t.rule << " on " << (t.value ? t.value : "nothing");
}

TEST(Match, EachHeaderHasItsOwnDatabase)
{
    ruleset_ptr rs = load(build("header A Subject =~ /x/\nheader B From =~ /x/\nheader C From:addr =~ /x/\n"
                                "header D subject =~ /y/\n"));
    uint32_t cnt;
    const header_target *t = match_header_targets(rs.get(), TARGET_HEADER, &cnt);
    ASSERT_EQ(cnt, 3u);
    EXPECT_STREQ(t[0].name, "subject");
    EXPECT_TRUE(match_wants(rs.get(), TARGET_HEADER));
    EXPECT_FALSE(match_wants(rs.get(), TARGET_BODY));
    trial m(rs);
    m.headers({ { "subject", "xy" }, { "from", "-" } });
    EXPECT_EQ(m.judge(), "A D ");
}

/* What Hyperscan only suspects or cannot search at all: the answer is Perl's all the same. */
TEST(Match, ConfirmedByPcre2)
{
    const struct {
        const char *rule;
        const char *value;
        bool is_hit;
    } cases[] = {
        { "body A /foo(?=bar)/", "a foobar", true },           /* prefilter */
        { "body A /foo(?=bar)/", "a foobaz", false },
        { "body A /foo(?!bar)/", "a foobar foo", true },
        { "body A /(?<!a)foo/", "afoo", false },
        { "body A /(?<!a)foo/", "bfoo", true },
        { "body A /(viagra|cialis) \\1/i", "Viagra viagra", true },  /* a reference */
        { "body A /(viagra|cialis) \\1/i", "viagra cialis", false },
        { "body A /(\\w)\\1{3}/", "aaab", false },             /* every unit is looked at */
        { "body A /(\\w)\\1{3}/", "aaaa", true },
        { "body A /(?>a+)ab/", "aaab", false },
        { "body A /\\b(\\w+) \\1\\b/", "", false },
        { "header A Subject =~ /^(?!.*ok)/", "fine\n", true },
        { "header A Subject =~ /^(?!.*ok)/", "it is ok\n", false },
        { "header A Subject =~ /^(?!.*ok)/", nullptr, true },
        { "header A Subject !~ /(.)\\1/", "abab\n", true },
        { "header A Subject !~ /(.)\\1/", "abba\n", false },
        { "rawbody A /x(?=\\xc3)/", "x\xc3\xa9", true },
    };
    for (const auto &t : cases)
        EXPECT_EQ(hits_one(t.rule, t.value), t.is_hit) << t.rule << " on " << (t.value ? t.value : "nothing");
}

/* Clean units and others have databases of their own; a rule hits in both. */
TEST(Match, CleanAndDirtyUnits)
{
    ruleset_ptr rs = load(build("body A /caf(?:e|\\xc3\\xa9|&\\#233;)/\nbody B /\\xc3\\xa9/\nbody C /a?(?:&|b)\\1?()/\n"
                                "body D /(.)(?:&|x)\\1/\n"));
    const struct {
        std::string line;
        const char *hits;
    } cases[] = {
        { "a cafe", "A " },
        { "a cafe and an \xe9", "A " },
        { "a caf\xc3\xa9", "A B " },
        { "caf&#233;", "A C " },
        { "b", "C " },
        { "axa", "D " },
        { "a&a", "C D " },
        { "a&b", "C " },
        { std::string(100, '.') + "cafe", "A " },
        { std::string(100, '.') + "\xc3\xa9", "B " },
        { "", "" },
    };
    for (const auto &t : cases) {
        trial m(rs);
        m.block(TARGET_BODY, t.line);
        EXPECT_EQ(m.judge(), t.hits) << t.line;
    }
}

TEST(Match, APatternThatGivesUpIsNoHitAndTold)
{
    ruleset_ptr rs = load(build("body A /^(?:(a+)+)+\\1(?![ab])/\nbody B /b/\n"));
    trial m(rs);
    m.block(TARGET_BODY, std::string(60, 'a') + "b");
    EXPECT_EQ(m.judge(), "B ");
    EXPECT_TRUE(m.h.gave_up);
}

uint16_t
count_of(const std::string &rule, const std::vector<std::string> &lines)
{
    ruleset_ptr rs = load(build(rule));
    EXPECT_EQ(ruleset_counted_cnt(rs.get()), 1u);
    trial m(rs);
    for (const std::string &line : lines)
        m.block(TARGET_BODY, line);
    EXPECT_EQ(m.judge(), m.counts[0] ? "A " : "");
    return m.counts[0];
}

TEST(Match, CountsAreOverAllUnits)
{
    EXPECT_EQ(count_of("body A /foo/\ntflags A multiple\n", {}), 0);
    EXPECT_EQ(count_of("body A /foo/\ntflags A multiple\n", { "foo foo", "bar", "foofoofoo" }), 5);
    EXPECT_EQ(count_of("body A /foo/\ntflags A multiple maxhits=3\n", { "foo foo", "foofoofoo" }), 3);
    EXPECT_EQ(count_of("body A /aa/\ntflags A multiple\n", { "aaaaa" }), 2) << "matches do not overlap";
    EXPECT_EQ(count_of("body A /x*/\ntflags A multiple maxhits=9\n", { "ab" }), 3) << "'' before, between, behind";
    EXPECT_EQ(count_of("body A /(.)\\1/\ntflags A multiple\n", { "aabbc", "dd" }), 3);
    EXPECT_EQ(count_of("body A /\\xc3\\xa9|e/\ntflags A multiple\n", { "e\xc3\xa9", "ee" }), 4);
    ruleset_ptr rs = load(build("body A /x/\ntflags A multiple\nmeta B A > 2\nmeta C A > 3\nmeta D A == 3\n"));
    trial m(rs);
    m.block(TARGET_BODY, "xx");
    m.block(TARGET_BODY, "x");
    EXPECT_EQ(m.judge(), "A B D ") << "a meta sees the count";
}

TEST(Match, NosubjectSkipsTheSubjectLine)
{
    ruleset_ptr rs = load(build("body A /foo/\nbody B /foo/\ntflags B nosubject\nbody C /(f)oo\\1?/\ntflags C nosubject multiple\n"));
    trial m(rs);
    m.subject("foo foo");
    EXPECT_EQ(m.judge(), "A ");
    m.block(TARGET_BODY, "foo");
    EXPECT_EQ(m.judge(), "A B C ");
    EXPECT_EQ(m.counts[0], 1);
}

TEST(Match, ABatchOfManyMessagesAndTwoRuleSets)
{
    ruleset_ptr old = load(build("body A /foo/\nuri U /x/\nrawbody R /(.)\\1/\n"));
    ruleset_ptr now = load(build("body A /foo/\nbody B /bar/\n"));
    auto b = std::make_unique<match_batch>();
    std::vector<std::unique_ptr<trial>> all;
    for (unsigned i = 0; i < 200; i++) {
        all.push_back(std::make_unique<trial>(i % 2 ? old : now));
        trial &m = *all.back();
        m.block(TARGET_BODY, i % 3 ? "a foo" : "nothing", b.get());
        m.block(TARGET_BODY, i % 5 ? "" : "bar\xe9", b.get());
        m.block(TARGET_URI, "http://x/", b.get());
        m.block(TARGET_RAWBODY, i % 7 ? "ab" : "aa", b.get());
    }
    for (unsigned i = 0; i < all.size(); i += 10)
        match_cancel(b.get(), &all[i]->h);
    EXPECT_EQ(b->units_cnt, 4u * 180);
    match_run(b.get(), 0);
    EXPECT_EQ(b->units_cnt, 0u);
    EXPECT_EQ(b->octets_len, 0u);
    for (unsigned i = 0; i < all.size(); i++) {
        std::string want;
        if (i % 10) {
            want = i % 3 ? "A " : "";
            want += i % 2 ? "U " : i % 5 ? "" : "B ";
            want += i % 2 && i % 7 == 0 ? "R " : "";
        }
        EXPECT_EQ(all[i]->judge(), want) << i;
    }
    match_run(b.get(), 0); /* an empty one */
}

TEST(Match, AFullBatch)
{
    ruleset_ptr rs = load(build("body A /needle/\n"));
    auto b = std::make_unique<match_batch>();
    trial first(rs), last(rs);
    for (unsigned i = 0; i < MATCH_BATCH_UNITS - 1; i++)
        first.block(TARGET_BODY, "hay", b.get());
    last.block(TARGET_BODY, "a needle", b.get());
    EXPECT_EQ(match_room(b.get(), 0), nullptr) << "no unit more";
    match_cancel(b.get(), &first.h);
    EXPECT_NE(match_room(b.get(), 0), nullptr);
    match_run(b.get(), 0);
    EXPECT_EQ(last.judge(), "A ");
    trial large(rs);
    large.block(TARGET_BODY, std::string(MATCH_BATCH_OCTETS - 6, 'x') + "needle", b.get());
    EXPECT_EQ(match_room(b.get(), 1), nullptr) << "no octet more";
    EXPECT_NE(match_room(b.get(), 0), nullptr);
    match_run(b.get(), 0);
    EXPECT_EQ(large.judge(), "A ");
    match_cancel(b.get(), &large.h);
    EXPECT_NE(match_room(b.get(), MATCH_BATCH_OCTETS), nullptr);
}

/* "RULE target from-to excerpt;" of each hit. */
void
note_hit(void *owner, const explain_hit *hit)
{
    auto *t = static_cast<std::pair<const ruleset *, std::string> *>(owner);
    static const char *const how[] = { "", "?", "2", "=" };
    t->second += std::string(ruleset_rule_name(t->first, hit->rule)) + how[hit->confirmed] + " " + hit->target;
    if (hit->from != EXPLAIN_FROM_UNKNOWN && hit->target[0])
        t->second += " " + std::to_string(hit->from) + "-" + std::to_string(hit->to) + " " +
                     std::string(reinterpret_cast<const char *>(hit->excerpt.ptr), hit->excerpt.len);
    t->second += ";";
}

TEST(Match, HitsAreExplained)
{
    ruleset_ptr rs = load(build("body A /foo/\nbody B /b(?=ar)/\nbody C /o/\ntflags C multiple maxhits=3\n"
                                "header D Subject:raw =~ /y$/\nmeta E A && B\nbody N /never/\n"));
    std::pair<const ruleset *, std::string> told(rs.get(), "");
    explain e = { note_hit, &told, 0 };
    trial m(rs);
    m.h.explain = &e;
    m.block(TARGET_BODY, "a foo");
    m.block(TARGET_BODY, "foo bar");
    m.headers({ { "subject/3", "xy" } });
    m.judge();
    m.judge(); /* nothing twice */
    for (const char *want : { "A body 2-5 a foo;", "B? body 4-5 foo bar;", "D header subject:raw 1-2 xy;", "E= ;" }) {
        size_t at = told.second.find(want);
        EXPECT_NE(at, std::string::npos) << want << " in " << told.second;
        EXPECT_TRUE(at == std::string::npos || told.second.find(want, at + 1) == std::string::npos) << told.second;
    }
    size_t counted = 0;
    for (size_t at = 0; (at = told.second.find("C? body", at)) != std::string::npos; at++)
        counted++;
    EXPECT_EQ(counted, 3u) << told.second;
    EXPECT_EQ(told.second.find("N"), std::string::npos);
}

TEST(Match, NothingIsWanted)
{
    ruleset_ptr rs = load(build("meta A 1\n"));
    bool failed = true;
    EXPECT_EQ(match_open(rs.get(), 0, TARGET_FULL, &failed), nullptr);
    EXPECT_FALSE(failed);
    match_abort(nullptr);
    trial m(rs);
    m.block(TARGET_BODY, "x");
    EXPECT_EQ(m.judge(), "A ");
}

TEST(Match, AnySplitOfAStreamIsTheSame)
{
    const std::string rules = "full A /^From/\nfull B /foo.{2,9}bar/s\nfull C /end$/\nfull D /x{3}/\n"
                              "full E /^$/\nfull F /a\\r\\nb/\nfull G /never/\nfull H /\\bend/i\n";
    const std::string text = "From me\r\nfoo\r\n..bar xxx a\r\nb the end\n";
    ruleset_ptr rs = load(build(rules));
    trial whole(rs);
    whole.stream(TARGET_FULL, { text });
    std::string want = whole.judge();
    EXPECT_EQ(want, "A B C D F H ");
    std::mt19937 rng(2);
    for (int i = 0; i < 300; i++) {
        std::vector<std::string> pieces;
        for (size_t at = 0; at < text.size();) {
            size_t len = i == 0 ? 1 : rng() % 8;
            pieces.push_back(text.substr(at, len));
            at += len;
        }
        trial m(rs);
        m.stream(TARGET_FULL, pieces);
        ASSERT_EQ(m.judge(), want) << i;
    }
}

TEST(Match, AnAbortedStreamLeavesNothingToTheNext)
{
    ruleset_ptr rs = load(build("full A /foobar/\nfull B /^bar/\n"));
    trial aborted(rs);
    bool failed;
    match_stream *s = match_open(rs.get(), 0, TARGET_FULL, &failed);
    match_feed(s, trial::octets("foo"), 3, &aborted.h);
    match_abort(s);
    match_stream *again = match_open(rs.get(), 0, TARGET_FULL, &failed);
    EXPECT_EQ(again, s) << "taken from the free list";
    match_stream *other = match_open(rs.get(), 0, TARGET_FULL, &failed);
    EXPECT_NE(other, again) << "two at a time";
    trial m(rs);
    match_feed(again, trial::octets("bar"), 3, &m.h);
    match_close(again, &m.h);
    match_close(other, &m.h);
    EXPECT_EQ(m.judge(), "B ");
}

TEST(Match, TwoThreadsShareARuleset)
{
    ruleset_ptr rs = load(build("body A /foo\\d+bar/i\nfull B /x.*y/s\nheader C Subject =~ /s{2}/\nmeta D A && B && C\n"), 2);
    auto work = [&rs](unsigned thread) {
        for (int i = 0; i < 2000; i++) {
            ruleset_pin(rs.get(), thread);
            trial m(rs, thread);
            m.block(TARGET_BODY, i % 2 ? "a FOO12bar" : "nothing");
            m.stream(TARGET_FULL, { "..x..", "..", "..y" });
            m.headers({ { "subject", "ss" } });
            ASSERT_EQ(m.judge(), i % 2 ? "A B C D " : "B C ");
            ruleset_unpin(rs.get(), thread);
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    EXPECT_EQ(ruleset_pinned(rs.get()), 0u);
}

TEST(Match, PinsAreCountedOverThreads)
{
    ruleset_ptr rs = load(build("meta A 1\n"), 64);
    ruleset_pin(rs.get(), 0);
    ruleset_pin(rs.get(), 63);
    ruleset_pin(rs.get(), 63);
    EXPECT_EQ(ruleset_pinned(rs.get()), 3u);
    ruleset_unpin(rs.get(), 63);
    ruleset_unpin(rs.get(), 0);
    EXPECT_EQ(ruleset_pinned(rs.get()), 1u);
    EXPECT_EQ(ruleset_generation(rs.get()), 7u);
}

} // namespace
