#include "scan/word.h"

#include <gtest/gtest.h>

#include <string>

namespace
{

struct span
sp(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

struct Word : testing::Test {
    static struct charset_set *set;
    bool is_cut;

    static void SetUpTestSuite()
    {
        set = charset_set_new();
        ASSERT_NE(nullptr, set);
    }
    static void TearDownTestSuite()
    {
        charset_set_free(set);
    }
    std::string value(const std::string &in, const char *name = "Subject", size_t cap = 0)
    {
        std::string out(cap ? cap : WORD_ROOM(in.size()), '\0');
        size_t n = word_value(set, sp(name), sp(in), (uint8_t *)&out[0], out.size(), &is_cut);
        EXPECT_GE(out.size(), n);
        return out.substr(0, n);
    }
};

struct charset_set *Word::set;

TEST_F(Word, Plain)
{
    EXPECT_EQ("a b\n", value(" a\r\n\tb \r\n"));
    EXPECT_EQ("\n", value(""));
    EXPECT_EQ("a =? b ?=\n", value("a =? b ?="));
    EXPECT_FALSE(is_cut);
}

TEST_F(Word, Words)
{
    EXPECT_EQ("caf\xc3\xa9 x\n", value("=?iso-8859-1?Q?caf=E9_x?="));
    EXPECT_EQ("\xc3\xa9\n", value("=?UTF-8?b?w6k=?="));
    EXPECT_EQ("a\xc3\xa9"
              "b c\n",
              value("a=?utf-8*fr?q?=c3=a9?=b c"));
    EXPECT_EQ("\xd0\xbf\n", value("=?koi8-r?Q?=D0?="));
}

TEST_F(Word, Neighbours)
{
    EXPECT_EQ("ab\n", value("=?utf-8?q?a?=\r\n =?utf-8?b?Yg==?="));
    EXPECT_EQ("a b\n", value("=?utf-8?q?a?= b"));
    EXPECT_EQ("\xc3\xa9!\n",
              value("=?utf-8?q?=C3?= =?UTF-8?q?=A9!?=")); /* a character over two words */
    EXPECT_EQ("\xef\xbf\xbd\xc2\xa9\n", value("=?utf-8?q?=C3?= =?iso-8859-1?q?=A9?="));
}

TEST_F(Word, Broken)
{
    EXPECT_EQ("=?utf-8?x?a?=\n", value("=?utf-8?x?a?="));
    EXPECT_EQ("=?utf-8?q?a\n", value("=?utf-8?q?a"));
    EXPECT_EQ("==41=\n", value("=?utf-8?q?=3D=3D41=?="));
    EXPECT_EQ("\xc3\xa9\n", value("=?utf-8?b?w6k?="));
    EXPECT_EQ("abc==\n", value("=?x?q?abc?==="));
}

TEST_F(Word, Raw8Bit)
{
    EXPECT_EQ("caf\xc3\xa9\n", value("caf\xc3\xa9"));
    EXPECT_EQ("caf\xc3\xa9\n", value("caf\xe9"));
    EXPECT_EQ("\xc3\xa9 \xc3\xa9\n", value("\xe9 =?utf-8?q?=C3=A9?="));
}

TEST_F(Word, FieldsThatAreNoText)
{
    EXPECT_EQ("=?utf-8?q?a?=\n", value("=?utf-8?q?a?=", "Message-ID"));
    EXPECT_EQ("=?utf-8?q?a?=\n", value("=?utf-8?q?a?=", "List-Id"));
    EXPECT_EQ("a\n", value("=?utf-8?q?a?=", "X-List"));
}

TEST_F(Word, LittleRoom)
{
    std::string in(1000, '\xe9');
    std::string got = value(in, "Subject", 400);
    EXPECT_TRUE(is_cut);
    EXPECT_EQ('\n', got.back());
    got.pop_back();
    EXPECT_EQ(got.size(), charset_utf8_len(sp(got)));
    EXPECT_LT(150u, got.size());
}

TEST_F(Word, LongRunsAreLinear)
{
    std::string in;
    while (in.size() < 60000)
        in += "=?a?q?";
    EXPECT_EQ(in + "\n", value(in));
    in.clear();
    while (in.size() < 60000)
        in += "=?utf-8?q?=C3?= ";
    EXPECT_FALSE(value(in).empty());
}

} // namespace
