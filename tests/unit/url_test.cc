#include "scan/url.h"

#include <gtest/gtest.h>

#include <memory>
#include <cstring>
#include <set>
#include <string>

#include "tests/unit/url_truth.h"

namespace {

using Strings = std::set<std::string>;

struct span span_of(const std::string &s)
{
    return {(const uint8_t *)s.data(), s.size()};
}

std::string string_of(struct span s)
{
    return std::string((const char *)s.ptr, s.len);
}

class Url : public testing::Test {
protected:
    static void SetUpTestSuite() { ASSERT_EQ(0, suffix_new(&set)); }
    static void TearDownTestSuite() { suffix_free(set); }
    void SetUp() override { urls_init(u.get(), set, nullptr, nullptr); }

    Strings variants()
    {
        Strings all;
        struct span text;
        uint32_t at;
        for (uint32_t i = 0; urls_next(u.get(), &i, &text, &at);)
            EXPECT_TRUE(all.insert(string_of(text)).second) << string_of(text);
        return all;
    }

    Strings in_text(const std::string &line)
    {
        SetUp();
        urls_text(u.get(), span_of(line));
        return variants();
    }

    Strings of_link(const std::string &href)
    {
        SetUp();
        urls_html(u.get(), URL_A, span_of(href));
        return variants();
    }

    static struct suffix_set *set;
    std::unique_ptr<struct urls> u{new struct urls};
};

struct suffix_set *Url::set;

TEST_F(Url, LinesAsSpamAssassin)
{
    for (const auto &t : url_truth_lines)
        EXPECT_EQ(t.variants, in_text(t.input)) << t.input;
}

TEST_F(Url, LinksAsSpamAssassin)
{
    for (const auto &t : url_truth_links)
        EXPECT_EQ(t.variants, of_link(t.input)) << t.input;
}

TEST_F(Url, LengthsAtTheirLimits)
{
    std::string name(252, 'x'), path(2048, 'p');
    EXPECT_EQ(1u, in_text("http://a.com/" + std::string(2048 - 6, 'p')).size());
    in_text("http://a.com/" + std::string(2048 - 5, 'p')); /* then it is what stands behind "//" */
    EXPECT_EQ(URL_PARSED | URL_SCHEMELESS | URL_UNLINKED, u->details[0].types);
    EXPECT_EQ(0u, in_text("http://a.com/p" + path).size());
    EXPECT_EQ(1u, in_text("a.com/" + path).size());
    EXPECT_EQ(0u, in_text("a.com/p" + path).size());
    EXPECT_EQ(1u, in_text(std::string(251, 'a') + "@b.com").size());
    EXPECT_EQ((Strings{"mailto:" + std::string(251, 'a') + "@b.com"}),
              in_text("a-" + std::string(251, 'a') + "@b.com")); /* begins within the word */
    EXPECT_EQ(0u, in_text(name + ".com").size()); /* no label is that long */
}

TEST_F(Url, HostsAndDomains)
{
    in_text("http://WWW.Shop.Example.co.uk:8080/x http://192.7.2.1/ mailto:a@b.github.io http://github.io/");
    std::set<std::string> seen;
    struct span text;
    uint32_t at;
    for (uint32_t i = 0; urls_next(u.get(), &i, &text, &at);)
        seen.insert(string_of(url_host(u.get(), at)) + "=" + string_of(url_domain(u.get(), at)));
    EXPECT_EQ((Strings{"www.shop.example.co.uk=example.co.uk", "192.7.2.1=192.7.2.1",
                       "b.github.io=b.github.io", "github.io=github.io"}),
              seen);
}

TEST_F(Url, TypesAdd)
{
    urls_text(u.get(), span_of("a.com www.b.com http://c.com d@e.com"));
    ASSERT_EQ(4, u->detail_cnt);
    EXPECT_EQ(URL_PARSED | URL_SCHEMELESS | URL_UNLINKED, u->details[0].types);
    EXPECT_EQ(URL_PARSED | URL_SCHEMELESS, u->details[1].types);
    EXPECT_EQ((uint32_t)URL_PARSED, u->details[2].types);
    EXPECT_EQ(URL_PARSED | URL_SCHEMELESS, u->details[3].types);
    EXPECT_EQ(2, urls_html(u.get(), URL_A, span_of("http://c.com")));
    EXPECT_EQ(2, urls_html(u.get(), URL_IMG, span_of("http://c.com")));
    EXPECT_EQ(URL_PARSED | URL_A | URL_IMG, u->details[2].types);
    EXPECT_EQ(URL_TABLE, url_type_of(span_of("td")));
    EXPECT_EQ(URL_OTHER_TAG, url_type_of(span_of("tdx")));
}

TEST_F(Url, LinksNeedNoDomainTextDoes)
{
    urls_text(u.get(), span_of("http://nowhere.invalid/ http://a.b/"));
    EXPECT_EQ(0, u->detail_cnt);
    EXPECT_EQ(0u, u->arena_len);
    EXPECT_EQ(0, urls_html(u.get(), URL_A, span_of("http://nowhere.invalid/")));
    EXPECT_FALSE(u->details[0].has_domain);
    urls_text(u.get(), span_of("http://nowhere.invalid/"));
    EXPECT_EQ((uint32_t)URL_A, u->details[0].types);
    EXPECT_EQ(1, urls_html(u.get(), URL_PARSED, {nullptr, 0}));
    EXPECT_EQ((Strings{"", "http://nowhere.invalid/"}), variants());
}

TEST_F(Url, DkimIsNoRuleText)
{
    urls_dkim(u.get(), span_of("mail.exam\r\n\tple.com"));
    urls_dkim(u.get(), span_of("mail.example.com"));
    urls_dkim(u.get(), span_of("nowhere.invalid"));
    ASSERT_EQ(1, u->detail_cnt);
    EXPECT_EQ((uint32_t)URL_DKIM, u->details[0].types);
    EXPECT_EQ("mail.example.com", string_of(url_text(u.get(), u->details[0].host)));
    EXPECT_EQ(5, u->details[0].domain_off);
    EXPECT_EQ(Strings{}, variants());
}

bool redirect(void *ctx, struct span url, struct span *target)
{
    ++*(int *)ctx;
    const uint8_t *p = (const uint8_t *)memmem(url.ptr, url.len, "goto=", 5);
    if (!p)
        return false;
    *target = {p + 5, (size_t)(url.ptr + url.len - p) - 5};
    return true;
}

TEST_F(Url, Redirectors)
{
    int calls = 0;
    urls_init(u.get(), set, redirect, &calls);
    urls_html(u.get(), URL_A, span_of("http://a.com/?goto= b.com\\x"));
    EXPECT_EQ((Strings{"http://a.com/?goto= b.com\\x", "http://a.com/?goto= b.com/x", "b.com/x", "http://b.com/x"}),
              variants());
    EXPECT_EQ(2, calls);
}

TEST_F(Url, RedirectorsEnd)
{
    std::string chain;
    for (int i = 0; i < 40; i++)
        chain += "http://h" + std::to_string(i) + ".com/";
    EXPECT_EQ(URL_REDIRECT_MAX + 1u, in_text(chain).size());
    EXPECT_EQ((uint32_t)URL_OVERFLOW_REDIRECT, u->overflow);
    EXPECT_EQ(1, u->detail_cnt);
}

TEST_F(Url, OneLinkDoesNotHideTheNext)
{
    std::string chain = "http://x.com/";
    while (chain.size() < 8000)
        chain += "http://a.com/" + std::to_string(chain.size()) + "/";
    urls_html(u.get(), URL_A, span_of(chain));
    EXPECT_TRUE(u->overflow & URL_OVERFLOW_REDIRECT);
    EXPECT_LE(u->arena_len, 2u * URL_SPREAD_MAX);
    EXPECT_EQ(1, urls_html(u.get(), URL_A, span_of("http://evil.com/")));
}

TEST_F(Url, FullTablesAreTold)
{
    for (int i = 0; i < URL_DETAIL_MAX; i++)
        urls_text(u.get(), span_of("a" + std::to_string(i) + ".com"));
    EXPECT_EQ(URL_DETAIL_MAX, u->detail_cnt);
    EXPECT_EQ(0u, u->overflow);
    urls_text(u.get(), span_of("a7.com"));
    EXPECT_EQ(0u, u->overflow);
    urls_text(u.get(), span_of("more.com"));
    EXPECT_EQ((uint32_t)URL_OVERFLOW_COUNT, u->overflow);

    SetUp();
    for (int i = 0; i < 70; i++)
        urls_html(u.get(), URL_A, span_of("http://a.com/" + std::to_string(i) + std::string(1000, 'x')));
    EXPECT_EQ((uint32_t)URL_OVERFLOW_ARENA, u->overflow);
    EXPECT_LE(u->arena_len, (uint32_t)URL_ARENA_LEN);

    SetUp();
    EXPECT_EQ(0, urls_html(u.get(), URL_A, span_of("http://a.com/" + std::string(URL_LEN_MAX, 'x'))));
    EXPECT_EQ((uint32_t)URL_OVERFLOW_LENGTH, u->overflow);
}

} // namespace
