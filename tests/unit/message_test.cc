#include "scan/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/match_fake.h"

namespace fs = std::filesystem;

namespace {

struct ruleset rules;

std::string read_crlf(const fs::path &p)
{
    std::ifstream f(p, std::ios::binary);
    std::string in((std::istreambuf_iterator<char>(f)), {}), out;
    for (char c : in) {
        if (c == '\n' && (out.empty() || out.back() != '\r'))
            out += '\r';
        out += c;
    }
    return out;
}

std::vector<std::string> entries(enum target t)
{
    const struct tape &tp = fake_tape[t];
    std::vector<std::string> v;
    for (size_t off = 0; off < tp.len;) {
        uint32_t n;
        memcpy(&n, tp.octets + off, 4);
        v.emplace_back((const char *)tp.octets + off + 4, n);
        off += 4 + n;
    }
    return v;
}

struct Result {
    std::vector<std::string> units[TARGET_CNT];
    struct judgement j;
    bool operator==(const Result &o) const
    {
        for (int t = 0; t < TARGET_CNT; t++)
            if (units[t] != o.units[t])
                return false;
        return j.events == o.j.events && j.octets == o.j.octets && j.verdict == o.j.verdict &&
               j.cause == o.j.cause;
    }
    bool has(enum event e) const { return j.events & EVENT_BIT(e); }
};

class Message : public ::testing::Test {
protected:
    struct scanner sc;
    void SetUp() override
    {
        ASSERT_EQ(0, scanner_init(&sc, 0, 2));
        sc.live = &rules;
        fake_fails = false;
        fake_score_verdict = VERDICT_ACCEPT;
    }
    void TearDown() override
    {
        EXPECT_EQ(0, rules.pinned);
        EXPECT_EQ(0u, fake_streams_open);
        scanner_fini(&sc);
    }
    /* Each piece is an allocation of its own, so a sanitizer sees a read outside it. */
    template <class Cut> Result run(const std::string &mail, Cut cut)
    {
        fake_reset();
        struct message *m = message_new(&sc);
        std::string path = "sender@example.org";
        message_mail(m, {(const uint8_t *)path.data(), path.size()});
        message_rcpt(m, {(const uint8_t *)path.data(), path.size()});
        for (size_t off = 0; off < mail.size();) {
            size_t n = std::min(mail.size() - off, (size_t)cut());
            std::vector<uint8_t> piece(mail.begin() + off, mail.begin() + off + n);
            message_feed(m, piece.data(), n);
            off += n;
        }
        Result r;
        r.j = *message_end(m);
        for (int t = 0; t < TARGET_CNT; t++)
            r.units[t] = entries((enum target)t);
        message_free(m);
        if (sc.live) {
            EXPECT_EQ((unsigned)FAKE_TARGETS, fake_headers_seen);
            EXPECT_EQ(1u, r.units[TARGET_FULL].size());
            EXPECT_EQ(mail, r.units[TARGET_FULL][0]);
        }
        EXPECT_EQ(mail.size(), r.j.octets);
        return r;
    }
    Result whole(const std::string &mail)
    {
        return run(mail, [] { return (size_t)-1; });
    }
    Result own(const char *name) { return whole(read_crlf(fs::path("tests/data/mail") / name)); }
    std::string header(const char *name, enum header_part part)
    {
        for (int i = 0; i < FAKE_TARGETS; i++)
            if (!strcmp(fake_targets[i].name, name) && fake_targets[i].part == part)
                return fake_present[i] ? std::string((char *)fake_header[i].octets, fake_header[i].len)
                                       : "(absent)";
        return "(no target)";
    }
    void expect_split_invariant(const fs::path &p, bool every_octet)
    {
        std::string mail = read_crlf(p);
        Result w = whole(mail);
        std::mt19937 rnd(4711);
        if (every_octet) {
            EXPECT_TRUE(w == run(mail, [] { return 1; })) << p;
        }
        EXPECT_TRUE(w == run(mail, [&] { return 1 + rnd() % 7; })) << p;
        EXPECT_TRUE(w == run(mail, [&] { return 1 + rnd() % 1460; })) << p;
    }
};

using strings = std::vector<std::string>;

TEST_F(Message, PlainMailGivesSubjectParagraphsAndChunk)
{
    Result r = own("plain.eml");
    EXPECT_EQ((strings{"plain mail\n", "Hello,\n", "this is a paragraph.\n", " Another one "}),
              (strings{r.units[TARGET_BODY][0], r.units[TARGET_BODY][1], r.units[TARGET_BODY][2],
                       r.units[TARGET_BODY].size() == 4 ? r.units[TARGET_BODY][3] : "?"}));
    EXPECT_EQ((strings{"Hello,\n\nthis is   a\nparagraph.\n\n\n  Another one \n"}),
              r.units[TARGET_RAWBODY]);
    EXPECT_TRUE(r.units[TARGET_ATTACHMENT].empty());
    EXPECT_EQ(0u, r.j.events);
    EXPECT_EQ(VERDICT_ACCEPT, r.j.verdict);
    EXPECT_EQ(7u, r.j.generation);
}

TEST_F(Message, HeaderTargets)
{
    own("plain.eml");
    EXPECT_EQ("plain mail\n", header("subject", HEADER_WHOLE));
    EXPECT_EQ(" plain mail\n", header("subject", HEADER_RAW));
    EXPECT_EQ("ann@example.org", header("from", HEADER_ADDR));
    EXPECT_EQ("Ann, B.", header("from", HEADER_NAME));
    EXPECT_EQ("(absent)", header("received", HEADER_WHOLE));
    EXPECT_EQ("bob@example.net\nCarl (the cat) <carl@example.net>\n", header("tocc", HEADER_WHOLE));
    EXPECT_EQ("sender@example.org", header("envelopefrom", HEADER_WHOLE));
    EXPECT_EQ("<1@example.org>\n", header("messageid", HEADER_WHOLE));
    EXPECT_EQ(0u, header("all", HEADER_WHOLE).find("From: \"Ann, B.\" <ann@example.org>\nTo: "));
}

TEST_F(Message, GarbageInTheHeaderIsReadOverAndSeen)
{
    Result r = own("garbage.eml");
    EXPECT_TRUE(r.has(EVENT_HEADER_GARBAGE));
    EXPECT_TRUE(r.has(EVENT_FIELD_DUPLICATE));
    EXPECT_EQ("after garbage\ntwice\n", header("subject", HEADER_WHOLE));
    EXPECT_EQ("by x folded again\n", header("received", HEADER_WHOLE));
    EXPECT_EQ("twice\n", r.units[TARGET_BODY][0]);
    r = own("garbage-end.eml");
    EXPECT_EQ((strings{"four is body\nand so is this\n"}), r.units[TARGET_RAWBODY]);
}

TEST_F(Message, NoEndOfHeader)
{
    Result r = own("no-end.eml");
    EXPECT_TRUE(r.has(EVENT_HEADER_NO_END));
    EXPECT_EQ((strings{"no end of header\n"}), r.units[TARGET_BODY]);
    r = own("no-end-cut.eml");
    EXPECT_TRUE(r.has(EVENT_HEADER_NO_END));
    EXPECT_EQ("cut\n", header("subject", HEADER_WHOLE));
    r = whole("");
    EXPECT_TRUE(r.has(EVENT_HEADER_NO_END));
    EXPECT_EQ((strings{"\n"}), r.units[TARGET_BODY]);
}

TEST_F(Message, AttachmentsAreDecoded)
{
    Result r = own("attachment.eml");
    ASSERT_EQ(1u, r.units[TARGET_ATTACHMENT].size());
    EXPECT_EQ(68u, r.units[TARGET_ATTACHMENT][0].size());
    EXPECT_EQ("X5O!", r.units[TARGET_ATTACHMENT][0].substr(0, 4));
    EXPECT_EQ((strings{"see attachment"}), r.units[TARGET_RAWBODY]);
    EXPECT_EQ(0u, r.j.events);
    r = own("rfc822-base64.eml");
    ASSERT_EQ(1u, r.units[TARGET_ATTACHMENT].size());
    EXPECT_EQ(68u, r.units[TARGET_ATTACHMENT][0].size());
    EXPECT_EQ((strings{"in the inner mail"}), r.units[TARGET_RAWBODY]);
}

TEST_F(Message, TextThatIsAttachedGoesToBoth)
{
    Result r = own("text-attachment.eml");
    EXPECT_EQ((strings{"log line", "BEGIN:VCALENDAR", "<i>html by name</i>"}), r.units[TARGET_ATTACHMENT]);
    EXPECT_EQ((strings{"log line", "<i>html by name</i>"}), r.units[TARGET_RAWBODY]);
}

TEST_F(Message, NestedPartsAndMessages)
{
    Result r = own("nested.eml");
    EXPECT_EQ((strings{"plain", "<p>html</p>"}), r.units[TARGET_RAWBODY]);
    EXPECT_EQ((strings{"nested\n", "plain\n", "html\n"}), r.units[TARGET_BODY]) << "HTML is rendered";
    EXPECT_EQ((strings{"\x89PNG\r\n\x1a\n"}), r.units[TARGET_ATTACHMENT]);
    EXPECT_EQ((strings{"see below", "inner body"}), own("rfc822.eml").units[TARGET_RAWBODY]);
    EXPECT_EQ((strings{"first", "second"}), own("digest.eml").units[TARGET_RAWBODY]);
}

TEST_F(Message, BrokenMimeIsAnEvent)
{
    EXPECT_TRUE(own("boundary-missing.eml").has(EVENT_MIME_BOUNDARY));
    EXPECT_TRUE(own("boundary-broken.eml").has(EVENT_MIME_BOUNDARY));
    EXPECT_TRUE(own("boundary-never.eml").has(EVENT_MIME_BOUNDARY));
    EXPECT_TRUE(own("encoding-unknown.eml").has(EVENT_ENCODING_UNKNOWN));
    EXPECT_TRUE(own("duplicate.eml").has(EVENT_FIELD_DUPLICATE));
    EXPECT_TRUE(own("base64-junk.eml").has(EVENT_BASE64_JUNK));
    EXPECT_TRUE(own("qp.eml").has(EVENT_QP_JUNK));
    EXPECT_EQ((strings{"--x\n\ntext\n--x--\n"}), own("boundary-missing.eml").units[TARGET_RAWBODY]);
}

TEST_F(Message, EventsCountOnceAndDecide)
{
    sc.event_action[EVENT_MIME_BOUNDARY] = VERDICT_REFUSE;
    sc.event_action[EVENT_FIELD_DUPLICATE] = VERDICT_REFUSE;
    Result r = own("boundary-broken.eml");
    EXPECT_EQ(VERDICT_REFUSE, r.j.verdict);
    EXPECT_EQ(EVENT_MIME_BOUNDARY, r.j.cause);
    EXPECT_EQ(1u, sc.event_cnt[EVENT_MIME_BOUNDARY]);
    EXPECT_EQ(0u, sc.message_cnt[VERDICT_REFUSE]); // the session counts: it may overrule
    fake_score_verdict = VERDICT_DROP;
    r = own("boundary-broken.eml");
    EXPECT_EQ(VERDICT_DROP, r.j.verdict);
    EXPECT_EQ(EVENT_NONE, r.j.cause);
}

TEST_F(Message, NoRules)
{
    sc.live = nullptr;
    Result r = own("nested.eml");
    EXPECT_TRUE(r.has(EVENT_NO_RULES));
    EXPECT_EQ(VERDICT_ACCEPT, r.j.verdict);
    EXPECT_EQ(0u, r.j.generation);
}

TEST_F(Message, ScanError)
{
    fake_fails = true;
    Result r = own("nested.eml");
    EXPECT_EQ(VERDICT_DEFER, r.j.verdict);
    EXPECT_EQ(EVENT_SCAN_ERROR, r.j.cause);
    EXPECT_EQ(1u, sc.event_cnt[EVENT_SCAN_ERROR]);
}

TEST_F(Message, PoolIsACap)
{
    struct message *a = message_new(&sc), *b = message_new(&sc);
    EXPECT_NE(nullptr, a);
    EXPECT_NE(nullptr, b);
    EXPECT_EQ(nullptr, message_new(&sc));
    message_free(a);
    a = message_new(&sc);
    EXPECT_NE(nullptr, a);
    message_free(a);
    message_free(b);
}

TEST_F(Message, AbortAtEveryOctetGivesStreamsBack)
{
    for (const char *name : {"attachment.eml", "rfc822-base64.eml"}) {
        std::string mail = read_crlf(fs::path("tests/data/mail") / name);
        for (size_t n = 0; n <= mail.size(); n++) {
            fake_reset();
            struct message *m = message_new(&sc);
            message_feed(m, (const uint8_t *)mail.data(), n);
            message_free(m);
            ASSERT_EQ(0u, fake_streams_open) << n;
        }
    }
}

TEST_F(Message, SplitsOfOwnMails)
{
    for (auto &e : fs::directory_iterator("tests/data/mail"))
        expect_split_invariant(e.path(), true);
}

TEST_F(Message, SplitsOfTheCorpus)
{
    if (!fs::exists("../shared/corpus"))
        GTEST_SKIP() << "no ../shared/corpus";
    unsigned n = 0;
    for (auto &e : fs::recursive_directory_iterator("../shared/corpus"))
        if (e.path().extension() == ".eml")
            expect_split_invariant(e.path(), n++ % 50 == 0);
    EXPECT_GT(n, 3000u);
}

double seconds(const std::function<void()> &f)
{
    /* Of this thread's processor, so that a busy machine does not count. */
    auto now = [] {
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    };
    double from = now();
    f();
    return now() - from;
}

/* Eight times the octets may take 24 times as long, not 64: a measure of growth, not of speed. */
TEST_F(Message, TimeIsLinear)
{
    auto headers = [](size_t n) {
        std::string s;
        for (size_t i = 0; i < n; i++)
            s += "X-H" + std::to_string(i) + ": v\r\n";
        return s + "\r\nbody\r\n";
    };
    auto parts = [](size_t n) {
        std::string s = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        for (size_t i = 0; i < n; i++)
            s += "--b\r\nContent-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
                 std::to_string(i) + "\r\n\r\ntext\r\n";
        return s;
    };
    auto nested = [](size_t n) {
        std::string s;
        for (size_t i = 0; i < n; i++)
            s += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
                 std::to_string(i) + "\r\n";
        return s + "\r\ntext\r\n";
    };
    auto line = [](size_t n) { return "Subject: x\r\n\r\n" + std::string(n, 'a') + "\r\n"; };
    auto blanks = [](size_t n) {
        return "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + std::string(n, ' ') + "\r\n";
    };
    auto quotes = [](size_t n) {
        std::string s = "From: ";
        for (size_t i = 0; i < n; i++)
            s += "\\\"(<";
        return s + "\r\nTo: " + std::string(n, '(') + "\r\n\r\n";
    };
    auto linear = [&](const char *what, auto make, size_t n) {
        std::string a = make(n), b = make(8 * n);
        double ta = std::min(seconds([&] { whole(a); }), seconds([&] { whole(a); }));
        double tb = std::min(seconds([&] { whole(b); }), seconds([&] { whole(b); }));
        EXPECT_LT(tb, 24 * ta + 0.1) << what << " " << ta << " " << tb;
    };
    linear("headers", headers, 1250);
    linear("parts", parts, 125);
    linear("nested", nested, 125);
    linear("line", line, 6 << 20);
    linear("qp blanks", blanks, 1 << 19);
    linear("quotes", quotes, 2000);
}

TEST_F(Message, Caps)
{
    std::string s = "Subject: x\r\n";
    for (int i = 0; i < 10000; i++)
        s += "X: " + std::string(10, 'v') + "\r\n";
    Result r = whole(s + "\r\nbody\r\n");
    EXPECT_TRUE(r.has(EVENT_HEADER_CAP));
    EXPECT_EQ((strings{"body\n"}), r.units[TARGET_RAWBODY]);

    s = "";
    for (int i = 0; i < 1000; i++)
        s += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
             std::to_string(i) + "\r\n";
    r = whole(s + "\r\nneedle\r\n");
    EXPECT_TRUE(r.has(EVENT_MIME_DEPTH_CAP));
    std::string all;
    for (auto &u : r.units[TARGET_RAWBODY])
        all += u;
    EXPECT_NE(std::string::npos, all.find("needle"));

    s = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (int i = 0; i < 1500; i++)
        s += "--b\r\nContent-Type: application/x\r\n\r\npart " + std::to_string(i) + "\r\n";
    r = whole(s + "--b--\r\n");
    EXPECT_TRUE(r.has(EVENT_MIME_PART_CAP));
    EXPECT_EQ(1000u, r.units[TARGET_ATTACHMENT].size());
    EXPECT_NE(std::string::npos, r.units[TARGET_ATTACHMENT].back().find("part 1499"));
}

} // namespace
