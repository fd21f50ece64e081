#include "scan/param.h"

#include <gtest/gtest.h>

#include <string>

namespace {

struct span sp(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

std::string token(const std::string &v)
{
    char out[32];
    param_token(sp(v), out, sizeof(out));
    return out;
}

std::string get(const std::string &v, const char *name)
{
    uint8_t out[32];
    size_t len;
    if (!param_get(sp(v), name, out, sizeof(out), &len))
        return "(none)";
    return std::string((char *)out, std::min(len, sizeof(out)));
}

TEST(Param, Token)
{
    EXPECT_EQ("text/html", token(" Text/HTML; charset=x"));
    EXPECT_EQ("text/html", token("(c (d)) text / html (e)"));
    EXPECT_EQ("base64", token("\r\n BASE64 (really)\r\n"));
    EXPECT_EQ("text/plain", token("text/plain charset=us-ascii"));
    EXPECT_EQ("", token(""));
    EXPECT_EQ("", token("(open"));
    EXPECT_EQ(31u, token(std::string(99, 'a')).size());
}

TEST(Param, Value)
{
    EXPECT_EQ("a b", get("x/y; boundary=\"a b\"; c=d", "boundary"));
    EXPECT_EQ("a b", get("x/y; boundary = a b ; c=d", "boundary"));
    EXPECT_EQ("q\"q\\", get("x; n=\"q\\\"q\\\\\"", "n"));
    EXPECT_EQ("open; still", get("x; n=\"open; still", "n"));
    EXPECT_EQ("v", get("x; a=\"; n=no\"; (c; n=no) N=v", "n"));
    EXPECT_EQ("folded here", get("x;\r\n\tn=\"folded\r\n here\"", "n"));
    EXPECT_EQ("(none)", get("x; nn=v; n", "n"));
    EXPECT_EQ("(none)", get("n=v", "n"));
    EXPECT_EQ("", get("x; n=", "n"));
    EXPECT_EQ("", get("x; n=\"\"", "n"));
}

TEST(Param, LongValueTellsItsLength)
{
    std::string v = "x; n=" + std::string(40, 'v');
    uint8_t out[32];
    size_t len;
    ASSERT_TRUE(param_get(sp(v), "n", out, sizeof(out), &len));
    EXPECT_EQ(40u, len);
}

TEST(Param, Has)
{
    EXPECT_TRUE(param_has(sp("attachment; filename*0=a"), "filename"));
    EXPECT_TRUE(param_has(sp("attachment; filename*=utf-8''a"), "filename"));
    EXPECT_FALSE(param_has(sp("attachment; filenames=a"), "filename"));
}

} // namespace
