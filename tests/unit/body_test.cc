#include "scan/body.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "scan/limits.h"

namespace {

struct Seen {
    std::string text;
    std::map<std::string, size_t> events; /* name -> position of the octet that raised it */
    bool has_end = false;
    size_t read = 0;
    unsigned runs = 0;
};

Seen
run(const std::string &octets, size_t piece, bool is_chunked = false)
{
    struct body b;
    Seen s;

    body_init(&b, is_chunked);
    while (s.read < octets.size() && !s.has_end) {
        size_t n = std::min(piece, octets.size() - s.read), at = 0;
        uint8_t *copy = (uint8_t *)malloc(n);

        memcpy(copy, octets.data() + s.read, n);
        while (at < n && !s.has_end) {
            struct body_step step;

            at += is_chunked ? body_chunk(&b, copy + at, n - at, &step) : body_data(&b, copy + at, n - at, &step);
            if (step.run.len > 0) {
                s.text.append((const char *)step.run.ptr, step.run.len);
                s.runs++;
            }
            for (int e = 0; e < EVENT_CNT; e++) {
                if (step.events & EVENT_BIT(e))
                    s.events[event_name((enum event)e)] = s.read + at - 1;
            }
            s.has_end = step.is_end;
        }
        free(copy);
        s.read += at;
    }
    return s;
}

std::string
Z(const char *s, size_t len)
{
    return std::string(s, len);
}

} // namespace

TEST(Body, EndAndDots)
{
    struct {
        std::string octets, text;
        bool has_end;
    } cases[] = {
        {"hello\r\n.\r\n", "hello\r\n", true},
        {".\r\n", "", true},
        {"\r\n.\r\n", "\r\n", true},
        {"..\r\n.\r\n", ".\r\n", true},
        {"...a\r\n.b\r\n.\r\n", "..a\r\nb\r\n", true},
        {"a.\r\n", "a.\r\n", false},
        {"a\r\n. \r\n.\r\n", "a\r\n \r\n", true},
        {"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", true},
        {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true},
        {"a\r\n.\r\nb", "a\r\n", true},
        {"a\r\n.\r", "a\r\n", false},
        {"a\r\n.", "a\r\n", false},
        {"", "", false},
    };

    for (const auto &c : cases) {
        for (size_t piece : {100000, 1, 2, 3, 4, 5}) {
            Seen s = run(c.octets, piece);

            EXPECT_EQ(s.text, c.text) << c.octets << " by " << piece;
            EXPECT_EQ(s.has_end, c.has_end) << c.octets << " by " << piece;
        }
    }
}

/* CVE-2023-51764, -51765, -51766 and their kin; the octet that completes the look-alike is the last. */
TEST(Body, SmuggledEndIsRaisedAtTheOctetThatCompletesIt)
{
    const std::string cases[] = {
        "a\n.\n",
        "a\n.\r\n",
        "a\r\n.\n",
        "a\r.\r",
        "a\r.\n",
        "a\r\n.\rX",
        "a\r\n.\r\r",
        "a\n.\rX",
        "a\r\r\n.\r\n",
        "a\r\r\n.\n",
        Z("a\r\n\0.\r\n", 7),
        Z("a\r\n.\0\r\n", 7),
        Z("a\n\0.\n", 5),
        Z("a\r\0.\0\0\r", 7),
        Z("\0.\r\n", 4),
        ".\n",
        ".\rX",
        Z("\r\0\n.\r\n", 6),
        "\n.\n",
        "\r.\r",
        "a\r\nb\r\nc\n.\n",
    };

    for (const std::string &c : cases) {
        for (size_t piece : {100000, 1, 2, 3}) {
            Seen s = run(c, piece);

            ASSERT_EQ(s.events.count("smuggled-eod"), 1u) << ::testing::PrintToString(c);
            EXPECT_EQ(s.events["smuggled-eod"], c.size() - 1) << ::testing::PrintToString(c);
            EXPECT_EQ(s.has_end, c == "a\r\r\n.\r\n");
        }
    }
}

TEST(Body, WhatLooksAlikeButIsNot)
{
    const std::string cases[] = {
        "a\r\n.\r\n",  "a\r\n..\r\n.\r\n", "a\n..\n",
        "a\r\n. \n",   "a\n.a\n",          "a.\n",
        "a\n .\n",     "a\r\n\r\n.\r\n",   "a\n\r\n.\r\n",
        "\n\n\r\n.\r\n", "a\r\n.a\r\n.\r\n", "a.\r\n.\r\n",
    };

    for (const std::string &c : cases) {
        for (size_t piece : {100000, 1, 2})
            EXPECT_EQ(run(c, piece).events.count("smuggled-eod"), 0u) << ::testing::PrintToString(c);
    }
    EXPECT_EQ(run("a\n..\n.\n", 100).events["smuggled-eod"], 6u);
}

TEST(Body, Events)
{
    struct {
        std::string octets, event;
        size_t at;
    } cases[] = {
        {"a\nb", "bare-lf", 1},
        {"\n", "bare-lf", 0},
        {"a\rb", "bare-cr", 2},
        {"a\r\r\n", "bare-cr", 2},
        {"\r\n.\ra", "bare-cr", 4},
        {Z("ab\0c", 4), "nul", 2},
        {std::string(40, 'x') + Z("\0", 1), "nul", 40},
        {std::string(999, 'x'), "line-too-long", 998},
        {"a\r\n" + std::string(999, 'x'), "line-too-long", 1001},
        {"\r\n." + std::string(999, 'x'), "line-too-long", 1001},
        {std::string(998, 'x') + "\rx", "line-too-long", 999},
        {std::string(998, 'x') + "\r\r", "line-too-long", 999},
        {std::string(1000, 'x') + "\n", "line-too-long", 998},
    };

    for (const auto &c : cases) {
        for (size_t piece : {100000, 1, 2, 3, 16, 17}) {
            Seen s = run(c.octets, piece);

            ASSERT_EQ(s.events.count(c.event), 1u) << c.octets << " by " << piece;
            EXPECT_EQ(s.events[c.event], c.at) << c.octets << " by " << piece;
        }
    }
}

TEST(Body, PlainMailHasNoEventAndOneRun)
{
    std::string line(76, 'x'), mail;

    for (int i = 0; i < 1000; i++)
        mail += line + "\r\n";
    mail += std::string(998, 'y') + "\r\n." + std::string(998, 'z') + "\r\n.\r\n";
    for (size_t piece : {1000000, 1, 1460, 77}) {
        Seen s = run(mail, piece);

        EXPECT_TRUE(s.has_end);
        EXPECT_TRUE(s.events.empty());
        if (piece == 1000000) {
            EXPECT_EQ(s.runs, 2u);
        }
    }
}

TEST(Body, EachEventOnceAMessage)
{
    struct body b;
    struct body_step step;
    const std::string octets = "a\nb\nc\n";
    unsigned events = 0;

    body_init(&b, false);
    for (size_t at = 0; at < octets.size();) {
        at += body_data(&b, (const uint8_t *)octets.data() + at, octets.size() - at, &step);
        events += step.events != 0;
    }
    EXPECT_EQ(events, 1u);
}

TEST(Body, ChunksKeepEveryOctet)
{
    const std::string octets = Z("a\r\n.\r\n..\n.\n\0\r\r.\r", 17);

    for (size_t piece : {100000, 1, 2, 3}) {
        Seen s = run(octets, piece, true);

        EXPECT_EQ(s.text, octets);
        EXPECT_FALSE(s.has_end);
        EXPECT_EQ(s.events.count("smuggled-eod"), 0u);
        EXPECT_EQ(s.events["bare-lf"], 8u);
        EXPECT_EQ(s.events["nul"], 11u);
        EXPECT_EQ(s.events["bare-cr"], 13u);
    }
}
