#include "scan/url.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

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

TEST_F(Url, First)
{
    EXPECT_EQ((Strings{"http://a.com/x"}), in_text("see http://a.com/x."));
}

} // namespace
