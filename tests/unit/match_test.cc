#include "scan/match.h"

#include <random>
#include <thread>

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
