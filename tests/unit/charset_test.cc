#include "scan/charset.h"

#include <gtest/gtest.h>

#include <string>

namespace
{

struct span
sp(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

struct Charset : testing::Test {
    static struct charset_set *set;
    struct charset_result r;

    static void SetUpTestSuite()
    {
        set = charset_set_new();
        ASSERT_NE(nullptr, set);
    }
    static void TearDownTestSuite()
    {
        charset_set_free(set);
    }
    std::string run(const std::string &name, const std::string &in, bool is_word)
    {
        std::string out(CHARSET_ROOM(in.size()), '\0');
        auto f = is_word ? charset_decode_word : charset_decode;
        size_t n = f(set, sp(name), sp(in), (uint8_t *)&out[0], out.size(), &r);
        if (r.is_same)
            return in.substr(0, r.used);
        EXPECT_EQ(in.size(), r.used);
        return out.substr(0, n);
    }
    std::string body(const std::string &name, const std::string &in)
    {
        return run(name, in, false);
    }
    std::string word(const std::string &name, const std::string &in)
    {
        return run(name, in, true);
    }
    /* In windows; the carried octets stand before the next one. */
    std::string windows(const std::string &name, const std::string &in, size_t step)
    {
        struct charset_text t;
        std::string all, held;
        charset_begin(&t, set, sp(name));
        for (size_t off = 0; off < in.size(); off += step) {
            held += in.substr(off, step);
            std::string out(CHARSET_ROOM(held.size()), '\0');
            bool is_last = off + step >= in.size();
            size_t n = charset_feed(&t, set, sp(held), is_last, (uint8_t *)&out[0], out.size(), &r);
            all += r.is_same ? held.substr(0, r.used) : out.substr(0, n);
            held = held.substr(r.used);
            EXPECT_LE(held.size(), (size_t)CHARSET_CUT_MAX);
        }
        EXPECT_EQ("", held);
        return all;
    }
};

struct charset_set *Charset::set;

TEST_F(Charset, Unchanged)
{
    EXPECT_EQ("plain", body("koi8-r", "plain"));
    EXPECT_TRUE(r.is_same && r.how == CHARSET_ASCII);
    EXPECT_EQ("caf\xc3\xa9", body("koi8-r", "caf\xc3\xa9")); /* whatever is declared */
    EXPECT_TRUE(r.is_same && r.how == CHARSET_UTF8);
    EXPECT_EQ("", body("", ""));
}

TEST_F(Charset, Declared)
{
    EXPECT_EQ("\xd0\xbf\xd1\x80", body("KOI8-R", "\xd0\xd2"));
    EXPECT_EQ(CHARSET_CONVERTED, r.how);
    EXPECT_STREQ("koi8-r", r.from);
    EXPECT_EQ("\xe2\x82\xac", body("iso-8859-1", "\x80")); /* read as windows-1252 */
    EXPECT_EQ("\xc2\x80", body("latin1", "\x80"));         /* and this is not */
    EXPECT_EQ("\xea\xb0\x80", body("ks_c_5601-1987", "\xb0\xa1"));
    EXPECT_EQ("\xe4\xba\x9c\\~", body("x-sjis", "\x88\x9f\\~"));
    EXPECT_EQ("\xe4\xb8\x82", body("euc-jp", "\x8f\xb0\xa1"));
    EXPECT_EQ("\xe5\x95\x8a", body("gb18030", "\xb0\xa1"));
    EXPECT_EQ("\xe4\xb8\xad", body("Big5", "\xa4\xa4"));
}

TEST_F(Charset, Escapes)
{
    EXPECT_EQ("\xe3\x81\x82"
              "a",
              body("iso-2022-jp", "\033$B$\"\033(Ba"));
    EXPECT_EQ("\xef\xbd\xb1", body("iso-2022-jp", "\033(I1\033(B"));
    EXPECT_EQ("\xe5\xb7\xb1~a", body("hz", "~{<:~}~~~\na"));
    EXPECT_EQ("a\xc3\xa9"
              "b+",
              body("utf-7", "a+AOk-b+-"));
    EXPECT_EQ("\xf0\x9f\x98\x80", body("utf-7", "+2D3eAA-"));
    EXPECT_EQ("\xea\xb0\x80"
              "a",
              body("iso-2022-kr", "\033$)C\016\x30\x21\017a"));
    EXPECT_EQ("plain", body("iso-2022-jp", "plain"));
    EXPECT_TRUE(r.is_same);
}

TEST_F(Charset, Utf16)
{
    std::string le("h\0i\0 \0x\0", 8);
    EXPECT_EQ("hi x", body("utf-16", le));
    EXPECT_EQ("hi x", body("UTF-16BE", le)); /* guessed, whatever is said */
    EXPECT_EQ(le, word("utf-16", le));       /* SpamAssassin leaves it in a header */
    body("utf-16", "\xff\xfe" + le);
    EXPECT_EQ(CHARSET_GARBAGE, r.how); /* with a mark it does not read it */
}

TEST_F(Charset, FallsBack)
{
    EXPECT_EQ("\xe2\x80\x99"
              "a\xc3\xa9",
              body("utf-8", "\x92"
                            "a\xe9"));
    EXPECT_EQ(CHARSET_GUESSED, r.how);
    EXPECT_EQ("\xef\xbf\xbd\xc2\xa3", body("x-what", "\x81\xa3"));
    EXPECT_TRUE(r.how == CHARSET_GARBAGE && r.is_unknown);
    EXPECT_EQ("\xe2\x82\xac\xc2\xb7", body("euc-kr", "\x80\xb7"));
}

TEST_F(Charset, WordIsTakenAtItsWord)
{
    EXPECT_EQ("a\xef\xbf\xbd"
              "b",
              word("utf-8", "a\xe2\x82"
                            "b"));
    EXPECT_EQ("\xef\xbf\xbd", word("us-ascii", "\xe9"));
    EXPECT_EQ("\xef\xbf\xbd"
              "a",
              word("euc-kr", "\xff"
                             "a"));
    EXPECT_EQ("a", word("euc-kr", "a\xb0")); /* a lead octet at the end is dropped */
}

TEST_F(Charset, StrictUtf8)
{
    for (const char *bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbf\xbe",
                            "\xef\xb7\x90", "\xf0\x9f\xbf\xbf", "\xe2\x82", "\x80", "\xff"})
        EXPECT_EQ(0u, charset_utf8_len(sp(bad))) << bad;
    std::string good = "\xef\xbf\xbd\xf4\x8f\xbf\xbd\xc2\x80\xee\x80\x80" + std::string(100, 'a');
    EXPECT_EQ(good.size(), charset_utf8_len(sp(good)));
    EXPECT_EQ(100u, charset_ascii_len(sp(std::string(100, 'a') + "\x80" + std::string(50, 'b'))));
    EXPECT_EQ(3u, charset_utf8_cut(sp("abc\xe2\x82\xac"), 5));
}

TEST_F(Charset, Windows)
{
    for (size_t step = 1; step < 9; step++) {
        EXPECT_EQ("ab\xe2\x82\xac"
                  "cd\xf0\x9f\x98\x80",
                  windows("x",
                          "ab\xe2\x82\xac"
                          "cd\xf0\x9f\x98\x80",
                          step));
        EXPECT_EQ("\xe3\x81\x82\xe3\x81\x84"
                  "a",
                  windows("iso-2022-jp", "\033$B$\"$$\033(Ba", step));
        EXPECT_EQ("a\xf0\x9f\x98\x80"
                  "b",
                  windows("utf-7", "a+2D3eAA-b", step));
        EXPECT_EQ("abc\xea\xb0\x80\xea\xb0\x80", windows("euc-kr", "abc\xb0\xa1\xb0\xa1", step));
    }
    /* The first window decided; what does not fit later is no character. */
    EXPECT_EQ("\xc3\xa9"
              "a\xef\xbf\xbd",
              windows("utf-8",
                      "\xc3\xa9"
                      "a\xe9",
                      3));
    EXPECT_EQ("a\xc3\xa9z", windows("utf-8", "a\xe9z", 2)); /* a cut character does not decide */
}

TEST_F(Charset, LittleRoomReadsLess)
{
    uint8_t out[CHARSET_ROOM(2)];
    size_t n = charset_decode(set, sp("koi8-r"), sp("\xd0\xd2\xd0"), out, sizeof(out), &r);
    EXPECT_EQ(2u, r.used);
    EXPECT_EQ(4u, n);
}

TEST_F(Charset, Names)
{
    struct {
        const char *said, *is;
    } names[] = {{"csISO2022JP", ""},     {"ISO_8859-2", "iso-8859-2"},
                 {"x-sjis", "shift_jis"}, {"windows1251", "windows-1251"},
                 {"ibm866", "cp866"},     {"cp-1251", "windows-1251"},
                 {"x-gbk", ""},           {"tis620.2533-0", "iso-8859-11"},
                 {"iso-8859-8-i", ""},    {"cn-big5", "big5"},
                 {"koi8u", "koi8-u"},     {"latin-9", "iso-8859-15"}};
    for (auto &n : names) {
        word(n.said, "\xa4\xa4");
        EXPECT_EQ(!*n.is, r.is_unknown) << n.said;
        EXPECT_STREQ(*n.is ? n.is : "windows-1252", r.from) << n.said;
    }
}

} // namespace
