#include "scan/param.h"

#include <gtest/gtest.h>

#include <cstring>
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

std::string file(const std::string &disposition, const std::string &type)
{
    static struct charset_set *set = charset_set_new();
    uint8_t out[64];
    return std::string((char *)out, param_file_name(set, sp(disposition), sp(type), out, sizeof(out)));
}

TEST(Param, FileName)
{
    EXPECT_EQ("a.txt", file("attachment; filename=a.txt", "x/y; name=b"));
    EXPECT_EQ("b c", file("attachment", "x/y; name=\"b c\""));
    EXPECT_EQ("caf\xc3\xa9", file("a; filename*=iso-8859-1'fr'caf%E9", ""));
    EXPECT_EQ("plain", file("a; filename*=utf-8''no; filename=plain", ""));
    EXPECT_EQ("a b c", file("a; filename*1*=b%20; filename*0=\"a \"; filename*2=c; filename*4=lost", ""));
    EXPECT_EQ("caf\xc3\xa9.html", file("a; filename=\"=?utf-8?q?caf=C3=A9?=.html\"", ""));
    EXPECT_EQ("caf\xc3\xa9", file("a; filename=\"caf\xe9\"", ""));
    EXPECT_EQ("", file("", ""));
    EXPECT_EQ(std::string(62, 'a') + "", file("a; filename=" + std::string(62, 'a') + "\xe2\x82\xac", ""));
}

std::string charset(const std::string &type)
{
    char out[16];
    size_t n = param_charset(sp(type), out, sizeof(out));
    EXPECT_EQ(strlen(out), n);
    return out;
}

TEST(Param, Charset)
{
    EXPECT_EQ("UTF-8", charset("text/plain; charset=\"UTF-8\" ; format=flowed"));
    EXPECT_EQ("utf-8", charset("text/plain; charset='utf-8'"));
    EXPECT_EQ("us-ascii", charset("text/plain charset=us-ascii"));
    EXPECT_EQ("us-ascii", charset("text/plain; charset*=x''us-ascii"));
    EXPECT_EQ("", charset("text/plain"));
    EXPECT_EQ("", charset("text/plain; charset=aaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

TEST(Param, OpenQuotesAreLinear)
{
    std::string v = "x; n=";
    while (v.size() < 1 << 20)
        v += "\";\\";
    EXPECT_EQ("(none)", get(v, "zz"));
}

} // namespace
