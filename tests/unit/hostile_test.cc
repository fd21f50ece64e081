// Hostile mails, small: each is read to its end, within the caps, and the cap's event is said. What they cost at full
// size is for the tool (hostile.cc).
#include <cstring>

#include "tests/unit/hostile_mail.h"
#include "tests/unit/mail_fixture.h"

namespace {

class Hostile : public ::testing::Test {
protected:
    static struct ruleset *rs;
    static struct scanner sc;
    static void SetUpTestSuite()
    {
        // The last rules are ones for which PCRE2 must be asked and cannot answer within its steps.
        rs = load_rules({ "rules/base.cf", "tests/data/rules/many.cf" },
                        "body X_STEPS /^(?=((?:a|aa|a.)+)\\1?\\x01)/\n"
                        "header X_STEPS_HEADER X-Steps =~ /^(?=((?:a|aa|a.)+)\\1?\\x01)/\n");
        ASSERT_EQ(0, scanner_init(&sc, 0, 1));
        sc.live = rs;
    }
    static void TearDownTestSuite()
    {
        scanner_fini(&sc);
        ruleset_free(rs);
    }
    static outcome run(const hostile::mail &mail, size_t n)
    {
        struct message *m = begin_message(&sc);
        mail.write(n, [&](const std::string &s) { message_feed(m, (const uint8_t *)s.data(), s.size()); });
        return end_message(rs, m);
    }
};

struct ruleset *Hostile::rs;
struct scanner Hostile::sc;

// A size that reaches every cap and is quick to read.
size_t small(const hostile::mail &mail)
{
    return strncmp(mail.name, "archive-zeros", 13) ? std::min<size_t>(mail.full, 150000) : std::min<size_t>(mail.full, 3u << 20);
}

TEST_F(Hostile, EndsAndSaysItsEvents)
{
    for (const hostile::mail &mail : hostile::all()) {
        outcome o = run(mail, small(mail));
        for (int e = 0; e < EVENT_CNT; e++) {
            if (mail.events & EVENT_BIT(e)) {
                EXPECT_TRUE(o.has((enum event)e)) << mail.name << " is silent about " << event_name((enum event)e);
            }
        }
        EXPECT_FALSE(o.has(EVENT_SCAN_ERROR)) << mail.name;
    }
}

// A mail that went before leaves nothing behind.
TEST_F(Hostile, NothingIsLeftForTheNextMail)
{
    std::string plain = with_crlf(read_file("tests/data/mail/multipart.eml"));
    outcome before = run_mail(&sc, plain, [] { return SIZE_MAX; });
    for (const hostile::mail &mail : hostile::all()) {
        run(mail, std::min<size_t>(mail.full, 3000));
        EXPECT_TRUE(before == run_mail(&sc, plain, [] { return SIZE_MAX; })) << "after " << mail.name;
    }
}

TEST_F(Hostile, PatternThatRunsOutOfSteps)
{
    outcome o = run_mail(&sc, hostile::type("text/plain") + std::string(1500, 'a') + "\r\n", [] { return SIZE_MAX; });
    EXPECT_TRUE(o.has(EVENT_MATCH_LIMIT));
    EXPECT_FALSE(o.has(EVENT_SCAN_ERROR));
    o = run_mail(&sc, "X-Steps: " + std::string(1500, 'a') + "\r\n" + hostile::type("text/plain"),
                 [] { return SIZE_MAX; });
    EXPECT_TRUE(o.has(EVENT_MATCH_LIMIT));
}

} // namespace
