#include "scan/command.h"

#include <gtest/gtest.h>

#include <string>

#include "scan/line.h"

namespace {

std::string
text(struct span s)
{
    return s.len > 0 ? std::string((const char *)s.ptr, s.len) : std::string();
}

struct Parsed {
    enum verb verb;
    bool is_valid;
    std::string path, params;
    bool is_last;
    uint32_t size;
};

/* The line ends where its memory ends. */
Parsed
parse(const std::string &line)
{
    uint8_t *copy = (uint8_t *)malloc(line.empty() ? 1 : line.size());

    memcpy(copy, line.data(), line.size());
    struct command c = command_parse({copy, line.size()});
    Parsed p = {c.verb, c.is_valid, text(c.path), text(c.params), c.is_last, c.size};
    free(copy);
    return p;
}

struct PathCase {
    const char *line;
    const char *path;
    bool is_valid;
    const char *params;
};

} // namespace

TEST(Command, EveryVerbInAnyCase)
{
    for (int v = VERB_UNKNOWN + 1; v < VERB_CNT; v++) {
        std::string name = verb_name((enum verb)v);

        EXPECT_EQ(parse(name).verb, v);
        for (char &c : name)
            c = (char)tolower(c);
        EXPECT_EQ(parse(name + " x").verb, v);
        EXPECT_EQ(parse(" \t" + name).verb, v);
        EXPECT_EQ(parse("\f" + name + "\v").verb, v);
        EXPECT_EQ(parse(name + "x").verb, VERB_UNKNOWN);
        EXPECT_EQ(parse(name.substr(1)).verb, VERB_UNKNOWN);
    }
    EXPECT_EQ(parse("").verb, VERB_UNKNOWN);
    EXPECT_EQ(parse("   ").verb, VERB_UNKNOWN);
    EXPECT_STREQ(verb_name(VERB_CNT), "?");
}

TEST(Command, Paths)
{
    const PathCase cases[] = {
        {"MAIL FROM:<a@b>", "a@b", true, ""},
        {"mail from:<>", "", true, ""},
        {"MAIL FROM: <a@b>", "a@b", true, ""},
        {"MAIL FROM:\t <a@b>  ", "a@b", true, ""},
        {"MAIL  FROM:<a@b>", "a@b", true, ""},
        {"MAIL FROM :<a@b>", "a@b", false, ""},
        {"MAIL FROM:a@b", "a@b", false, ""},
        {"MAIL FROM:a@b SIZE=1", "a@b", false, "SIZE=1"},
        {"MAIL FROM<a@b>", "a@b", false, ""},
        {"MAIL <a@b>", "a@b", false, ""},
        {"MAIL", "", false, ""},
        {"MAIL FROM:", "", false, ""},
        {"MAIL FROM:<a@b", "a@b", false, ""},
        {"MAIL FROM:<a@b>SIZE=1", "a@b", false, "SIZE=1"},
        {"MAIL FROM:<@one,@two:a@b>", "a@b", true, ""},
        {"MAIL FROM:<@one>", "@one", true, ""},
        {"MAIL FROM:<\"a>b\"@c>", "\"a>b\"@c", true, ""},
        {"MAIL FROM:<\"a\\\">b\"@c>", "\"a\\\">b\"@c", true, ""},
        {"MAIL FROM:<a\\>b@c>", "a\\>b@c", true, ""},
        {"MAIL FROM:<\"a", "\"a", false, ""},
        {"MAIL FROM:<a\\", "a\\", false, ""},
        {"MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 AUTH=<>", "a@b", true,
         "SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 AUTH=<>"},
        {"MAIL FROM:<a@b> =x", "a@b", false, "=x"},
        {"MAIL FROM:<a@b> S(ZE=1", "a@b", false, "S(ZE=1"},
        {"RCPT TO:<\xc3\xa4@b> NOTIFY=NEVER ORCPT=rfc822;a@b", "\xc3\xa4@b", true,
         "NOTIFY=NEVER ORCPT=rfc822;a@b"},
        {"RCPT TO:<Postmaster>", "Postmaster", true, ""},
        {"RCPT FROM:<a@b>", "FROM:<a@b>", false, ""},
    };

    for (const PathCase &c : cases) {
        Parsed p = parse(c.line);

        EXPECT_EQ(p.path, c.path) << c.line;
        EXPECT_EQ(p.is_valid, c.is_valid) << c.line;
        EXPECT_EQ(p.params, c.params) << c.line;
    }
    EXPECT_TRUE(parse("MAIL FROM:<" + std::string(PATH_LEN_MAX, 'a') + ">").is_valid);
    EXPECT_FALSE(parse("MAIL FROM:<" + std::string(PATH_LEN_MAX + 1, 'a') + ">").is_valid);
}

TEST(Command, Bdat)
{
    EXPECT_EQ(parse("BDAT 0").size, 0u);
    EXPECT_TRUE(parse("BDAT 0").is_valid);
    EXPECT_EQ(parse("bdat 86 last").size, 86u);
    EXPECT_TRUE(parse("bdat 86 last").is_last);
    EXPECT_EQ(parse("BDAT 2147483648 LAST").size, 2147483648u);
    EXPECT_EQ(parse("BDAT  0000000012  ").size, 12u);
    for (const char *bad : {"BDAT", "BDAT ", "BDAT LAST", "BDAT -1", "BDAT +1", "BDAT 0x10", "BDAT 1x", "BDAT 1.0",
                            "BDAT 2147483649", "BDAT 18446744073709551617", "BDAT 1 LASTX", "BDAT 1 FIRST",
                            "BDAT 1 LAST x", "BDAT\t1", "BDAT 1\vLAST", " BDAT 1", "BDAT 00000000001"}) {
        EXPECT_FALSE(parse(bad).is_valid) << bad;
        EXPECT_EQ(parse(bad).size, 0u) << bad;
    }
}

TEST(Command, ArgumentsWhereNoneBelong)
{
    EXPECT_FALSE(parse("DATA x").is_valid);
    EXPECT_TRUE(parse("DATA  ").is_valid);
    EXPECT_FALSE(parse("RSET x").is_valid);
    EXPECT_FALSE(parse("EHLO").is_valid);
    EXPECT_FALSE(parse("XEXCH50 1 2").is_valid);
    EXPECT_TRUE(parse("NOOP x y").is_valid);
}

TEST(Command, Attributes)
{
    std::string s = "NAME=x ADDR=192.0.2.1 addrx=2 HELO=";
    struct span params = {(const uint8_t *)s.data(), s.size()};

    EXPECT_EQ(text(command_attribute(params, "ADDR")), "192.0.2.1");
    EXPECT_EQ(text(command_attribute(params, "name")), "x");
    EXPECT_EQ(text(command_attribute(params, "HELO")), "");
    EXPECT_EQ(command_attribute(params, "PORT").ptr, nullptr);
}

TEST(Line, TerminatorsAndEvents)
{
    struct Case {
        std::string octets, text;
        uint64_t events;
    } cases[] = {
        {"NOOP\r\n", "NOOP", 0},
        {"NOOP\n", "NOOP", EVENT_BIT(EVENT_BARE_LF_COMMAND)},
        {"NO\rOP\r\n", "NO\rOP", EVENT_BIT(EVENT_BARE_CR_COMMAND)},
        {"NOOP\r\r\n", "NOOP\r", EVENT_BIT(EVENT_BARE_CR_COMMAND)},
        {std::string("N\0OP\r\n", 6), std::string("N\0OP", 4), EVENT_BIT(EVENT_NUL_COMMAND)},
        {"\r\n", "", 0},
        {"\n", "", EVENT_BIT(EVENT_BARE_LF_COMMAND)},
    };

    for (const Case &c : cases) {
        struct line l;
        uint64_t events, all = 0;

        line_clear(&l);
        for (size_t i = 0; i < c.octets.size(); i++) {
            EXPECT_EQ(line_push(&l, (uint8_t)c.octets[i], &events), i + 1 == c.octets.size());
            all |= events;
        }
        EXPECT_EQ(text(line_text(&l)), c.text);
        EXPECT_EQ(all, c.events);
    }
}

TEST(Line, CapIsTwoThousandFortyEightWithCrlf)
{
    for (size_t extra = 0; extra < 2; extra++) {
        struct line l;
        uint64_t events, all = 0;

        line_clear(&l);
        for (size_t i = 0; i < COMMAND_LEN_MAX - 2 + extra; i++) {
            line_push(&l, 'x', &events);
            all |= events;
        }
        EXPECT_FALSE(line_push(&l, '\r', &events));
        all |= events;
        EXPECT_TRUE(line_push(&l, '\n', &events));
        EXPECT_EQ(all, extra ? EVENT_BIT(EVENT_COMMAND_TOO_LONG) : 0);
    }
}

TEST(Line, AuthMayBeLonger)
{
    std::string start = "auth PLAIN ";
    struct line l;
    uint64_t events, all = 0;

    line_clear(&l);
    for (size_t i = 0; i < AUTH_LEN_MAX - 1; i++) {
        line_push(&l, i < start.size() ? (uint8_t)start[i] : 'x', &events);
        all |= events;
    }
    EXPECT_EQ(all, 0u);
    line_push(&l, 'x', &events);
    EXPECT_EQ(events, EVENT_BIT(EVENT_COMMAND_TOO_LONG));
}

TEST(Line, WipeLeavesNothing)
{
    struct line l;
    uint64_t events;

    line_clear(&l);
    memset(l.octets, 0, sizeof(l.octets));
    for (char c : std::string("AUTH PLAIN AHNlY3JldA=="))
        line_push(&l, (uint8_t)c, &events);
    line_wipe(&l);
    for (uint8_t o : l.octets)
        ASSERT_EQ(o, 0);
}
