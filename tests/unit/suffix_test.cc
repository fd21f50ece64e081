#include "scan/suffix.h"

#include <gtest/gtest.h>

#include <string>

namespace {

struct span span_of(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

class Suffix : public testing::Test {
protected:
    static void SetUpTestSuite() { ASSERT_EQ(0, suffix_new(&set)); }
    static void TearDownTestSuite() { suffix_free(set); }

    void expect(const std::string &name, const std::string &domain, const std::string &suffix)
    {
        struct host h;
        ASSERT_TRUE(suffix_lookup(set, span_of(name), &h)) << name;
        EXPECT_EQ(domain, h.text + h.domain_off) << name;
        EXPECT_EQ(suffix, h.text + h.suffix_off) << name;
    }

    static struct suffix_set *set;
};

struct suffix_set *Suffix::set;

TEST_F(Suffix, Domains)
{
    expect("www.example.com", "example.com", "com");
    expect("WWW.Example.COM.", "example.com", "com");
    expect("a.b.shop.example.co.uk", "example.co.uk", "co.uk");
    expect("me.github.io", "me.github.io", "github.io");
    expect("www.ck", "www.ck", "ck");        /* an exception of the list */
    expect("a.b.ck", "a.b.ck", "b.ck");      /* a wildcard of it */
    expect("co.uk", "", "co.uk");            /* a suffix is nobody's */
    expect("host.unknowntld", "host.unknowntld", "unknowntld");
    expect("localhost", "", "");
    std::string deep;
    for (int i = 0; i < 100; i++)
        deep += "a.";
    expect(deep + "example.org", "example.org", "org");
}

TEST_F(Suffix, InternationalNamesAreTheirALabels)
{
    for (const char *name : {"www.bücher.de", "www.BÜCHER.de", "WWW.xn--bcher-kva.DE", "www.b\xfc"
                             "cher.de", "www。bücher｡de"})
        expect(name, "xn--bcher-kva.de", "de");
    expect("пример.рф", "xn--e1afmkfd.xn--p1ai", "xn--p1ai");
    expect("faß.de", "xn--fa-hia.de", "de"); /* UTS 46, nontransitional */
}

TEST_F(Suffix, AddressesHaveNone)
{
    for (const char *name : {"192.0.2.1", "::1", "2001:db8::1", "::ffff:192.0.2.1"}) {
        struct host h;
        ASSERT_TRUE(suffix_lookup(set, span_of(name), &h));
        EXPECT_TRUE(h.is_ip) << name;
        EXPECT_STREQ(name, h.text + h.domain_off);
        EXPECT_EQ(h.len, h.suffix_off);
    }
    for (const char *name : {"192.0.2.256", "192.0.2", "192.0.2.1.2", "0x7f.0.0.1", "[::1]", "1", ""})
        EXPECT_FALSE(host_is_ip(span_of(name))) << name;
}

TEST_F(Suffix, Tlds)
{
    for (const char *tld : {"com", "UK", "ck", "er", "za", "xn--p1ai", "museum"})
        EXPECT_TRUE(suffix_is_tld(set, span_of(tld))) << tld;
    for (const char *tld : {"", "comm", "co.uk", ".com", "com.", "html", "exe", "github.io", "рф"})
        EXPECT_FALSE(suffix_is_tld(set, span_of(tld))) << tld;
    EXPECT_FALSE(suffix_is_tld(set, span_of(std::string("co\0m", 4))));
    EXPECT_FALSE(suffix_is_tld(set, span_of(std::string(64, 'a'))));
}

TEST_F(Suffix, Names)
{
    for (const char *name : {"a.b", "a_b.c.d", "a-b.c9", "a.b..", "_x._y.a.b"})
        EXPECT_TRUE(host_is_fqdn(span_of(name))) << name;
    for (const char *name : {"", ".", "a", "a.", ".a.b", "a..b", "a_b.c", "-a.b", "a-.b", "a b.c", "a.b_c", "é.a.b"})
        EXPECT_FALSE(host_is_fqdn(span_of(name))) << name;
    EXPECT_TRUE(host_is_fqdn(span_of(std::string(63, 'a') + ".b")));
    EXPECT_FALSE(host_is_fqdn(span_of(std::string(64, 'a') + ".b")));
}

TEST_F(Suffix, Lengths)
{
    struct host h;
    EXPECT_FALSE(suffix_lookup(set, span_of(""), &h));
    EXPECT_TRUE(suffix_lookup(set, span_of(std::string(HOST_LEN_MAX, 'a')), &h));
    EXPECT_FALSE(suffix_lookup(set, span_of(std::string(HOST_LEN_MAX + 1, 'a')), &h));
    EXPECT_FALSE(suffix_lookup(set, span_of(std::string(100000, '\xc3')), &h));
    EXPECT_TRUE(suffix_lookup(set, span_of("\xff\xfe"), &h)); /* not an IDN: stays */
    EXPECT_STREQ("\xff\xfe", h.text);
}

} // namespace
