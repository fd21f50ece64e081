#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/smtp_drive.h"

namespace {

struct Step {
    char side; /* 'C' or 'S' */
    std::string octets;
};

struct Options {
    enum starttls_policy starttls = STARTTLS_PASS;
    bool has_proxy = false, tells_client = false;
    unsigned messages = 4;
    std::vector<std::pair<enum event, enum verdict>> actions;
};

struct Dialogue {
    const char *name;
    Options options;
    std::vector<Step> steps;
};

std::string
run(const Dialogue &dialogue, uint64_t rng, bool is_paired = false)
{
    static struct trace t;
    struct drive d;

    drive_init(&d, &t, rng);
    d.cfg.starttls = dialogue.options.starttls;
    d.cfg.has_proxy_header = dialogue.options.has_proxy;
    d.cfg.tells_client = dialogue.options.tells_client;
    fake_max = dialogue.options.messages;
    for (const auto &a : dialogue.options.actions)
        d.sc.event_action[a.first] = a.second;
    if (is_paired)
        drive_pair(&d);
    drive_start(&d);
    for (const Step &s : dialogue.steps) {
        if (s.side == 'C')
            drive_client(&d, s.octets.data(), s.octets.size());
        else
            drive_server(&d, s.octets.data(), s.octets.size());
    }
    drive_end(&d);
    return t.text;
}

const Step HELLO = {'S', "220 mx ESMTP\r\n"};
const Step EHLO = {'C', "EHLO a\r\n"};
const Step EHLO_OK = {'S', "250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n"};
const Step MAIL = {'C', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"};
const Step OK2 = {'S', "250 ok\r\n250 ok\r\n"};

/* After the EHLO. */
Dialogue
after(const char *name, std::vector<Step> steps, Options options = Options())
{
    std::vector<Step> all = {HELLO, EHLO, EHLO_OK};

    all.insert(all.end(), steps.begin(), steps.end());
    return {name, options, all};
}

/* In DATA. */
Dialogue
data(const char *name, const std::string &octets, Options options = Options())
{
    return after(name, {MAIL, OK2, {'C', "DATA\r\n"}, {'S', "354 go\r\n"}, {'C', octets}, {'S', "250 ok\r\n"}},
                 options);
}

Options
with(enum event e, enum verdict v)
{
    Options o;

    o.actions.push_back({e, v});
    return o;
}

Options
strip(enum starttls_policy p)
{
    Options o;

    o.starttls = p;
    return o;
}

Options
told(bool is_proxied)
{
    Options o;

    o.has_proxy = is_proxied;
    o.tells_client = true;
    return o;
}

Options
proxied()
{
    Options o;

    o.has_proxy = true;
    return o;
}

Options
capped(enum verdict v)
{
    Options o = with(EVENT_MESSAGE_CAP, v);

    o.messages = 0;
    return o;
}

std::vector<Dialogue>
dialogues()
{
    const std::string mail = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    const std::string long_line(3000, 'x');
    std::string many_rcpts, many_ok, noops, noops_ok;

    for (int i = 0; i < 120; i++) {
        many_rcpts += "RCPT TO:<user" + std::to_string(i) + "@d>\r\n";
        many_ok += i % 3 == 1 ? "550 no\r\n" : "250 ok\r\n";
    }
    for (int i = 0; i < 1100; i++) {
        noops += "NOOP\r\n";
        noops_ok += "250 ok\r\n";
    }
    return {
        data("plain", "Subject: x\r\n\r\n..dot\r\n.\r\n"),
        data("empty", ".\r\n"),
        data("evil", "EVIL\r\n.\r\nQUIT\r\n"),
        data("dots", ".a\r\n..\r\n.\rb\r\n.\r\n", with(EVENT_SMUGGLED_EOD, VERDICT_ACCEPT)),
        data("smuggle", "a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n"),
        data("smuggle forwarded", "a\n.\nMAIL FROM:<x@y>\r\n.\r\n", with(EVENT_SMUGGLED_EOD, VERDICT_TAG)),
        data("crcrlf", "a\r\r\n.\r\nNOOP\r\n", with(EVENT_SMUGGLED_EOD, VERDICT_TAG)),
        data("nul closes", std::string("ab\0c\r\n.\r\n", 9), with(EVENT_NUL, VERDICT_CLOSE)),
        data("next in the same octets", "x\r\n.\r\nMAIL FROM:<n@b>\r\nRCPT TO:<m@d>\r\n"),
        after("group", {{'C', mail + "DATA\r\n"}, {'S', "250 a\r\n250 b\r\n354 go\r\n"}, {'C', "hi\r\n.\r\n"}, {'S', "250 a\r\n"}}),
        after("data pipelined", {{'C', mail + "DATA\r\nhi\r\n.\r\nQUIT\r\n"}, {'S', "250 a\r\n250 b\r\n354 go\r\n"}, {'S', "250 ok\r\n221 b\r\n"}}),
        after("data pipelined, refused", {{'C', mail + "DATA\r\nNOOP\r\nRSET\r\n.\r\n"}, {'S', "250 a\r\n550 b\r\n503 no\r\n"}, {'S', "250 a\r\n250 b\r\n500 c\r\n"}}),
        after("data pipelined, closed", {{'C', mail + "DATA\r\nNOOP\r\n"}}, with(EVENT_DATA_PIPELINED, VERDICT_CLOSE)),
        after("rcpt refused", {{'C', "MAIL FROM:<a@b>\r\nRCPT TO:<no@d>\r\nRCPT TO:<yes@d>\r\nDATA\r\n"}, {'S', "250 a\r\n550 b\r\n250 c\r\n354 d\r\n"}, {'C', "x\r\n.\r\n"}}),
        after("mail refused", {{'C', mail + "DATA\r\n"}, {'S', "550 a\r\n503 b\r\n503 c\r\n"}, {'C', "MAIL FROM:<z@b>\r\n"}, {'S', "250 a\r\n"}}),
        after("mail nested", {{'C', mail + "MAIL FROM:<second@b>\r\nDATA\r\n"}, {'S', "250 a\r\n250 a\r\n503 b\r\n354 c\r\n"}, {'C', "x\r\n.\r\n"}}),
        after("reset in a group", {{'C', mail + "RSET\r\nMAIL FROM:<n@b>\r\nRCPT TO:<m@d>\r\nDATA\r\n"}, {'S', "250 a\r\n250 a\r\n250 b\r\n250 a\r\n250 a\r\n354 c\r\n"}, {'C', "x\r\n.\r\n"}}),
        after("ehlo in the middle", {MAIL, OK2, EHLO, EHLO_OK, {'C', "DATA\r\n"}, {'S', "503 x\r\n"}}),
        after("many rcpts", {{'C', "MAIL FROM:<a@b>\r\n" + many_rcpts + "DATA\r\n"}, {'S', "250 a\r\n" + many_ok + "354 x\r\n"}, {'C', "x\r\n.\r\n"}}),
        after("auth login", {{'C', "AUTH LOGIN\r\n"}, {'S', "334 VXNlcg==\r\n"}, {'C', "MAIL FROM:<no@no>\r\n"}, {'S', "334 UGFzcw==\r\n"}, {'C', "DATA\r\n"}, {'S', "235 ok\r\n"}, MAIL, OK2}),
        after("auth pipelined", {{'C', "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\n"}, {'S', "535 no\r\n"}}),
        after("auth too long", {{'C', "AUTH LOGIN\r\n"}, {'S', "334 x\r\n"}, {'C', std::string(13000, 'x') + "\r\n"}}),
        after("auth too long, forwarded", {{'C', "AUTH LOGIN\r\n"}, {'S', "334 x\r\n"}, {'C', std::string(13000, 'x') + "\nNOOP\r\n"}, {'S', "500 x\r\n"}}, with(EVENT_COMMAND_TOO_LONG, VERDICT_ACCEPT)),
        after("bdat", {{'C', mail + "BDAT 5\r\nab\r\ncBDAT 0\r\nBDAT 9 LAST\r\nRSET\r\n.\r\nNOOP\r\n"}, {'S', "250 a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n250 f\r\n"}}),
        after("bdat 0 last", {MAIL, OK2, {'C', "BDAT 4\r\nEVILBDAT 0 LAST\r\nQUIT\r\n"}}),
        after("bdat refused", {{'C', mail + "BDAT 5\r\nDATA\n"}, {'S', "250 a\r\n550 b\r\n503 c\r\n"}, {'C', "RCPT TO:<e@f>\r\n"}, {'S', "250 x\r\n"}, {'C', "BDAT 2 LAST\r\nhi"}, {'S', "250 x\r\n"}}),
        after("bdat refused within the next", {{'C', mail + "BDAT 2\r\naaBDAT 4\r\nbb"}, {'S', "250 a\r\n250 b\r\n452 c\r\n"}, {'C', "bbBDAT 1 LAST\r\nc"}}),
        after("bdat, rset refused", {MAIL, OK2, {'C', "BDAT 4\r\nEVILRSET x\r\nBDAT 1 LAST\r\nx"}, {'S', "250 a\r\n501 b\r\n"}}),
        after("bdat, rset", {MAIL, OK2, {'C', "BDAT 4\r\nEVILRSET\r\n" + mail + "BDAT 1 LAST\r\nx"}, {'S', "250 a\r\n250 b\r\n"}, {'S', "250 a\r\n250 b\r\n250 c\r\n"}}),
        after("bdat syntax", {MAIL, OK2, {'C', "BDAT 4x\r\n"}}),
        after("bdat mixed", {MAIL, OK2, {'C', "BDAT 1\r\nxDATA\r\n"}}),
        after("tls", {{'C', "STARTTLS\r\n"}, {'S', "220 go\r\n"}, {'C', "\x16\x03\x01xyz"}}),
        after("tls refused", {{'C', "STARTTLS\r\n"}, {'S', "454 no\r\n"}, MAIL, OK2}),
        after("tls inject", {{'C', "STARTTLS\r\nMAIL FROM:<x@y>\r\n"}}),
        after("tls strip", {{'C', "starttls\r\nNOOP\r\n"}, {'S', "500 x\r\n250 x\r\n"}}, strip(STARTTLS_STRIP)),
        after("tls refuse", {{'C', " STARTTLS\r\n"}, {'S', "500 x\r\n"}}, strip(STARTTLS_REFUSE)),
        {"http", {}, {HELLO, {'C', "POST / HTTP/1.1\r\n\r\n"}}},
        {"tls hello", {}, {{'C', std::string("\x16\x03\x01\x00\x01", 5)}, {'S', "\x16\x03\x03"}}},
        {"http closed", with(EVENT_NOT_SMTP, VERDICT_CLOSE), {HELLO, {'C', "GET / HTTP/1.1\r\n\r\n"}}},
        {"proxy", proxied(), {{'C', "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO x\r\n"}, HELLO, EHLO_OK}},
        {"proxy missing", proxied(), {{'C', "EHLO x\r\n"}}},
        {"client told", told(false), {HELLO, {'C', "EHLO a.test b\r\nHELO  c.test\r\n"}, {'S', "250 a\r\n250 c\r\n"}, MAIL, OK2, {'C', "DATA\r\n"}, {'S', "354 go\r\n"}, {'C', "x\r\n.\r\n"}}},
        {"client told by a proxy", told(true), {{'C', "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"}, HELLO, MAIL, OK2, {'C', "DATA\r\n"}, {'S', "354 go\r\n"}, {'C', "x\r\n.\r\n"}}},
        after("xclient", {{'C', "XCLIENT ADDR=IPV6:2001:db8::5 NAME=x\r\n"}, {'S', "220 mx\r\n"}, EHLO, EHLO_OK}),
        after("xclient refused", {{'C', "XCLIENT ADDR=192.0.2.5\r\n"}, {'S', "550 no\r\n"}}),
        after("bad lines", {{'C', "\r\nfoo\r\nXEXCH50 1 2\r\nno\rop\nNOOP\n"}, {'S', "500 a\r\n500 a\r\n500 a\r\n500 a\r\n250 a\r\n"}}, with(EVENT_BARE_CR_COMMAND, VERDICT_ACCEPT)),
        after("bare cr", {MAIL, OK2, {'C', "NOOP\rDATA\r\n"}}),
        data("evil, nul closes", std::string("EVIL\0\r\n.\r\n", 10), with(EVENT_NUL, VERDICT_CLOSE)),
        after("nul", {{'C', std::string("NO\0OP\r\n", 7)}}),
        after("too long", {{'C', "NOOP " + long_line + "\r\n"}}),
        after("too long, forwarded", {{'C', "NOOP " + long_line + "\r\nNOOP\r\n"}, {'S', "500 a\r\n250 b\r\n"}}, with(EVENT_COMMAND_TOO_LONG, VERDICT_ACCEPT)),
        after("pipeline cap", {{'C', noops}}),
        after("pipeline cap, forwarded", {{'C', noops}, {'S', noops_ok.substr(0, 1024 * 8)}, {'S', noops_ok.substr(1024 * 8)}}, with(EVENT_PIPELINE_CAP, VERDICT_ACCEPT)),
        after("unsolicited", {{'S', "250 x\r\n421 bye\r\n"}, {'C', "NOOP\r\n"}}),
        after("unsolicited closes", {{'S', "250 x\r\n"}, {'C', "NOOP\r\n"}}, with(EVENT_REPLY_UNSOLICITED, VERDICT_CLOSE)),
        after("421", {MAIL, {'S', "421 bye\r\n"}}),
        after("cap defers", {MAIL}, capped(VERDICT_DEFER)),
        after("cap accepts", {MAIL, OK2, {'C', "DATA\r\n"}, {'S', "354 x\r\n"}, {'C', "x\r\n.\r\n"}}, capped(VERDICT_ACCEPT)),
        after("data without mail", {{'C', "DATA\r\n"}, {'S', "354 x\r\n"}, {'C', "EVIL\r\n.\r\n"}}),
        after("data after a form feed", {MAIL, OK2, {'C', "\fDATA\v\r\n"}, {'S', "354 x\r\n"}, {'C', "EVIL\r\n.\r\n"}}),
        after("data after a bare cr", {MAIL, OK2, {'C', "NOOP\rDATA\r\n"}, {'S', "250 x\r\n354 x\r\n"}, {'C', "EVIL\r\n.\r\n"}}, with(EVENT_BARE_CR_COMMAND, VERDICT_ACCEPT)),
        after("354 to an unknown verb", {MAIL, OK2, {'C', "XDATA\r\n"}, {'S', "354 x\r\n"}, {'C', "EVIL\r\n.\r\n"}}),
        {"lmtp", {}, {HELLO, {'C', "LHLO a\r\n"}, EHLO_OK, {'C', mail + "RCPT TO:<e@f>\r\nDATA\r\n"}, {'S', "250 a\r\n250 a\r\n250 a\r\n354 a\r\n"}, {'C', "x\r\n.\r\n"}, {'S', "250 a\r\n"}}},
    };
}

std::string
trace_of(const char *name, uint64_t rng = 0)
{
    for (const Dialogue &d : dialogues()) {
        if (strcmp(d.name, name) == 0)
            return run(d, rng);
    }
    ADD_FAILURE() << name;
    return "";
}

void
expect(const char *name, std::initializer_list<const char *> lines)
{
    std::string t = trace_of(name);

    for (const char *line : lines)
        EXPECT_NE(t.find(line), std::string::npos) << name << " lacks " << line << "\n" << t;
}

void
expect_not(const char *name, std::initializer_list<const char *> lines)
{
    std::string t = trace_of(name);

    for (const char *line : lines)
        EXPECT_EQ(t.find(line), std::string::npos) << name << " has " << line << "\n" << t;
}

} // namespace

TEST(Smtp, SameTraceForEverySplit)
{
    EXPECT_GE(dialogues().size(), 25u);
    for (const Dialogue &d : dialogues()) {
        std::string whole = run(d, 0);

        for (uint64_t rng = 1; rng < 12; rng++)
            ASSERT_EQ(run(d, rng), whole) << d.name << " split " << rng;
    }
}

/* A second judgement goes wherever the message goes: into every abort, every dropped chunk, every end. */
TEST(Smtp, SameTraceWhenJudgedTwice)
{
    unsigned judged = fake_seconds_judged;

    for (const Dialogue &d : dialogues()) {
        std::string once = run(d, 0);

        for (uint64_t rng = 0; rng < 8; rng++)
            ASSERT_EQ(run(d, rng, true), once) << d.name << " split " << rng;
    }
    EXPECT_GT(fake_seconds_judged, judged + 100);
}

TEST(Smtp, SessionIsModest)
{
    EXPECT_LE(smtp_session_size(), 12288u);
    EXPECT_EQ(smtp_session_size() % 64, 0u);
}

TEST(Smtp, Plain)
{
    expect("plain", {"new\nmail a@b\nrcpt c@d\nend Subject:\\20x\\0d\\0a\\0d\\0a.dot\\0d\\0a\nJUDGED accept cause none octets 20 n 1",
                     "owed 1 from a@b to c@d", "free after 20\n", "commands 6 replies 6 blind 0"});
    expect("empty", {"JUDGED accept cause none octets 0 n 1"});
}

TEST(Smtp, RefusalStopsAtTheLastOctetOfTheMessage)
{
    expect("evil", {"JUDGED refuse cause none octets 6 n 1 passed 55 owed 1", "waiting 6"});
    expect("bdat 0 last", {"JUDGED refuse cause none octets 4", "owed 2", "waiting 6"});
}

TEST(Smtp, SmugglingIsRefusedAtItsOctet)
{
    expect("smuggle", {"JUDGED refuse cause smuggled-eod octets 4", "passed 51"});
    expect("smuggle forwarded", {"event smuggled-eod at 4", "JUDGED accept cause none octets 21"});
    expect("crcrlf", {"event smuggled-eod", "JUDGED accept", "NOOP\\0d\\0a"});
}

TEST(Smtp, EverySmuggledEndIsRefused)
{
    const std::string cases[] = {"\n.\n",     "\n.\r\n",       "\r\n.\n",
                                 "\r.\r",     "\r\n.\rx",      "\r\r\n.\r\n",
                                 std::string("\r\n\0.\r\n", 6), std::string("\r\n.\0\r\n", 6)};

    for (const std::string &c : cases) {
        std::string t = run(data("smuggle", "text" + c + "MAIL FROM:<x@y>\r\n"), 0);

        EXPECT_NE(t.find("JUDGED refuse cause smuggled-eod"), std::string::npos) << t;
        EXPECT_NE(t.find("waiting 17"), std::string::npos) << t;
    }
}

TEST(Smtp, DataPipelinedWaitsForTheReply)
{
    expect("data pipelined", {"data-pipelined=1", "end hi", "commands 7 replies 7", "waiting 0"});
    expect("data pipelined, refused", {"data-pipelined=1", "command-unknown=1", "commands 8 replies 8", "waiting 0"});
    expect_not("data pipelined, refused", {"JUDGED", "end "});
    expect("data pipelined, closed", {"JUDGED close cause data-pipelined octets 0", "waiting 5"});
}

TEST(Smtp, EnvelopeFollowsTheReplies)
{
    expect("rcpt refused", {"mail a@b\nrcpt yes@d\nend", "from a@b to yes@d events"});
    expect("mail refused", {"new\nfree unended after 0\nnew\ncommands"});
    expect("mail nested", {"command-order=1", "mail a@b\nrcpt c@d\n"});
    expect("reset in a group", {"mail n@b\nrcpt m@d\n", "from n@b to m@d events"});
    expect_not("reset in a group", {"command-order"});
    expect("ehlo in the middle", {"command-order=1"});
    expect("many rcpts", {"rcpt-cap=1", " to user0@d to user2@d to user3@d"});
    expect_not("many rcpts", {"user1@d to", "user100@d to"});
    expect("next in the same octets", {"free after 3\nnew\ncommands 8 replies 6"});
}

TEST(Smtp, AuthLinesAreNotCommands)
{
    expect("auth login", {"commands 7 replies 7", "waiting 0"});
    expect_not("auth login", {"command-order", "no@no\n"});
    expect("auth pipelined", {"auth-pipelined=1", "commands 4 replies 3"});
    expect("auth too long", {"JUDGED close cause command-too-long octets 0", "passed 12308"});
    expect("auth too long, forwarded", {"command-too-long=1", "bare-lf-command=1", "commands 5 replies 4"});
}

TEST(Smtp, CredentialsDoNotStay)
{
    static struct trace t;
    struct drive d;
    const char *secrets[] = {"c2VjcmV0MQ==", "c2VjcmV0Mg=="};

    drive_init(&d, &t, 1);
    drive_start(&d);
    drive_server(&d, "220 x\r\n", 7);
    drive_client(&d, "AUTH PLAIN c2VjcmV0MQ==\r\n", 25);
    drive_server(&d, "334 x\r\n", 7);
    drive_client(&d, "c2VjcmV0Mg==\r\n", 14);
    for (const char *secret : secrets)
        EXPECT_EQ(memmem(d.s, smtp_session_size(), secret, strlen(secret)), nullptr);
    drive_end(&d);
}

TEST(Smtp, Bdat)
{
    expect("bdat", {"end ab\\0d\\0acRSET\\0d\\0a.\\0d\\0a\n", "JUDGED accept cause none octets 14", "owed 5", "commands 8 replies 8"});
    expect("bdat refused", {"free unended after 5", "mail a@b\nrcpt e@f\nend hi\nJUDGED accept cause none octets 2"});
    expect("bdat refused within the next", {"free unended after 6", "end c\n"});
    expect("bdat, rset refused", {"end EVILx\nJUDGED refuse cause none octets 5"});
    expect("bdat, rset", {"free unended after 4", "end x\nJUDGED accept"});
    expect("bdat syntax", {"JUDGED close cause bdat-syntax octets 0"});
    expect("bdat mixed", {"JUDGED close cause bdat-mixed octets 1"});
}

TEST(Smtp, Starttls)
{
    expect("tls", {"blind 1", "starttls-blind=1", "commands 3 replies 3"});
    expect("tls refused", {"blind 0", "commands 5 replies 5"});
    expect("tls inject", {"JUDGED close cause starttls-pipelined octets 0", "waiting 16"});
    expect("tls strip", {"client EHLO\\20a\\0d\\0astarttlX\\0d\\0a", "250-STARTTLX", "starttls-stripped=2", "commands 4 replies 4"});
    expect("tls refuse", {"STARTTLX\\0d\\0a\n", "250-STARTTLS", "starttls-stripped=1", "commands 3 replies 3"});
}

TEST(Smtp, NotSmtp)
{
    expect("http", {"blind 0", "not-smtp=1", "waiting 0"});
    expect("tls hello", {"blind 0", "not-smtp=1", "waiting 3"});
    expect("http closed", {"JUDGED close cause not-smtp octets 0 n 0 passed 4"});
}

TEST(Smtp, ClientAddress)
{
    expect("proxy", {"address 192.0.2.1 ", "commands 2 replies 2"});
    expect("proxy missing", {"JUDGED close cause proxy-bad octets 0 n 0 passed 1"});
    expect("xclient", {"address 2001:db8::5 ", "xclient=1", "commands 4 replies 4"});
    expect("xclient refused", {"address  waiting"});
    expect("client told", {"client 198.18.0.9 helo c.test\n"});
    expect("client told by a proxy", {"client 192.0.2.1 helo \n"});
}

TEST(Smtp, CommandLineEvents)
{
    expect("bad lines", {"command-unknown=4", "command-syntax=1", "bare-cr-command=1", "bare-lf-command=2", "commands 7 replies 7"});
    expect("bare cr", {"JUDGED close cause bare-cr-command octets 0"});
    expect("nul", {"JUDGED close cause nul-command octets 0 n 0 passed 11"});
    expect("too long", {"JUDGED close cause command-too-long", "passed 2056"});
    expect("too long, forwarded", {"command-too-long=1", "commands 4 replies 4"});
}

TEST(Smtp, PipelineCap)
{
    expect("pipeline cap", {"JUDGED close cause pipeline-cap", "commands 1026 replies 2"});
    expect("pipeline cap, forwarded", {"pipeline-cap=1", "commands 1102 replies 1102", "waiting 0"});
}

TEST(Smtp, ServerSide)
{
    expect("unsolicited", {"reply-unsolicited=1", "commands 3 replies 2"});
    expect("unsolicited closes", {"JUDGED close cause reply-unsolicited octets 0 n 0 passed 8"});
    expect("421", {"commands 4 replies 3"});
    expect("lmtp", {"commands 8 replies 7"});
}

/* By the verdict that was acted on, not by what message_end() said before it was overruled. */
TEST(Smtp, MessagesAreCountedOnce)
{
    expect("evil, nul closes", {"JUDGED close cause nul", "counted close 1\n"});
    expect_not("evil, nul closes", {"counted refuse"});
    expect("data without mail", {"counted refuse 1\n"});
    expect("cap accepts", {"counted accept 1\n"});
    expect_not("bare cr", {"counted"});
}

TEST(Smtp, MessageCap)
{
    expect("cap defers", {"JUDGED defer cause message-cap octets 0"});
    expect("cap accepts", {"JUDGED accept cause message-cap octets 3 n 1", "message-cap=1"});
}

/* A server that gives 354 without MAIL must not get a message unseen. */
TEST(Smtp, DataWithoutMailIsJudged)
{
    expect("data without mail", {"JUDGED refuse cause none octets 6"});
}

/* However the server came to read the message, it is judged before its end. */
TEST(Smtp, DataThatWasNotAskedForIsJudged)
{
    expect("data after a form feed", {"JUDGED refuse cause none octets 6", "command-syntax=1"});
    expect("data after a bare cr", {"mail a@b\nrcpt c@d\nend", "JUDGED refuse cause none octets 6", "reply-unsolicited=1"});
    expect("354 to an unknown verb", {"JUDGED refuse cause none octets 6", "reply-syntax=1"});
}

TEST(Smtp, EmptyCallsAreHarmless)
{
    static struct trace t;
    struct drive d;
    enum smtp_next next = SMTP_JUDGED;

    drive_init(&d, &t, 0);
    drive_start(&d);
    EXPECT_EQ(smtp_client(d.s, NULL, 0, &next), 0u);
    EXPECT_EQ(next, SMTP_MORE);
    smtp_server(d.s, NULL, 0);
    EXPECT_EQ(smtp_commands_cnt(d.s), 1u);
    EXPECT_STREQ(smtp_client_address(d.s), "");
    drive_end(&d);
}
