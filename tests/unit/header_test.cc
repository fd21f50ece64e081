#include "scan/header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

struct Collected {
    uint8_t buf[4096];
    struct header h;
    size_t used = 0;
    Collected(const std::string &in, size_t step, unsigned garbage = HEADER_GARBAGE_MESSAGE,
              size_t cap = sizeof(buf))
    {
        enum header_next next = HEADER_MORE;
        header_init(&h, buf, cap, garbage);
        while (used < in.size() && next == HEADER_MORE)
            used += header_feed(&h, (const uint8_t *)in.data() + used, std::min(step, in.size() - used),
                                &next);
        if (next == HEADER_MORE)
            header_end(&h);
    }
    std::string rest() { return std::string((const char *)h.rest.ptr, h.rest.len); }
    std::vector<std::string> fields()
    {
        std::vector<std::string> v;
        struct header_field f;
        for (size_t off = 0; header_field(&h, &off, &f);) {
            std::string value(f.value.len + 1, '?');
            value.resize(header_unfold(f.value, (uint8_t *)value.data()));
            v.push_back(std::string((const char *)f.name.ptr, f.name.len) + "=" + value);
        }
        return v;
    }
};

using strings = std::vector<std::string>;

TEST(Header, Fields)
{
    std::string in = "A: one\r\nb :  two\r\n\tfolded  \r\n \r\nC:\r\n\r\nbody";
    for (size_t step : {1, 2, 7, 1000}) {
        Collected c(in, step);
        EXPECT_EQ((strings{"A=one\n", "b=two folded\n", "C=\n"}), c.fields());
        EXPECT_EQ(in.size() - 4, c.used);
        EXPECT_TRUE(c.h.has_end);
        EXPECT_EQ("", c.rest());
    }
}

TEST(Header, BareLfEndsLinesToo)
{
    Collected c("A: 1\nB: 2\n\nx", 1);
    EXPECT_EQ((strings{"A=1\n", "B=2\n"}), c.fields());
    EXPECT_TRUE(c.h.has_end);
}

TEST(Header, GarbageIsReadOver)
{
    Collected c("A: 1\r\ngarbage\r\n and more\r\n: no name\r\nB: 2\r\n\r\n", 3);
    EXPECT_EQ((strings{"A=1\n", "B=2\n"}), c.fields());
    EXPECT_EQ(2u, c.h.garbage_cnt);
}

TEST(Header, FourthGarbageLineIsTheBody)
{
    std::string in = "A: 1\r\n1 x\r\n2 x\r\n3 x\r\n4 x\r\nB: 2\r\n";
    Collected c(in, 1);
    EXPECT_EQ((strings{"A=1\n"}), c.fields());
    EXPECT_EQ("4 x\r\nB: 2\r\n", c.rest() + in.substr(c.used));
    EXPECT_FALSE(c.h.has_end);
}

TEST(Header, DelimiterEndsAMessageHeader)
{
    std::string in = "A: 1\r\n--b\r\n";
    Collected c(in, 1);
    EXPECT_EQ("--b\r\n", c.rest() + in.substr(c.used));
    Collected p("A: 1\r\nno field\r\n", 1, HEADER_GARBAGE_PART);
    EXPECT_EQ("no f", p.rest());
}

TEST(Header, Cap)
{
    Collected c("A: 1\r\nB: 22222222\r\nno field\r\n\r\nbody", 5, HEADER_GARBAGE_PART, 12);
    EXPECT_TRUE(c.h.is_capped);
    EXPECT_TRUE(c.h.has_end);
    EXPECT_EQ((strings{"A=1\n", "B=222\n"}), c.fields());
}

TEST(Header, RawKeepsTheFolding)
{
    std::string v = " a\r\n\tb ", out(v.size() + 1, '?');
    out.resize(header_raw({(const uint8_t *)v.data(), v.size()}, (uint8_t *)out.data()));
    EXPECT_EQ(" a\n\tb \n", out);
}

TEST(Header, Find)
{
    Collected c("Subject: x\r\nTO: y\r\n\r\n", 9);
    struct header_field f;
    EXPECT_TRUE(header_find(&c.h, "to", &f));
    EXPECT_FALSE(header_find(&c.h, "t", &f));
    EXPECT_FALSE(header_find(&c.h, "too", &f));
}

} // namespace
