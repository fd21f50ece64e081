// Lists: built from rule text's lists, verified, looked up; globs against a slow truth.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "scan/list.h"
#include "scan/rule_list.h"
}

namespace {

struct span
span_of(const std::string &s)
{
    return { reinterpret_cast<const uint8_t *>(s.data()), s.size() };
}

// Lists made by hand: what rule_list_add does is another module's matter.
struct Lists {
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> entries;

    void add(const std::string &name, std::vector<std::string> e)
    {
        names.push_back(name);
        entries.push_back(std::move(e));
    }

    std::vector<uint8_t> build(unsigned *left_out = nullptr)
    {
        std::vector<struct rule_set_list> lists(names.size());
        std::vector<std::vector<char *>> pointers(names.size());
        for (size_t i = 0; i < names.size(); i++) {
            for (auto &e : entries[i])
                pointers[i].push_back(e.data());
            lists[i].name = names[i].data();
            lists[i].entries = pointers[i].data();
            lists[i].entries_cnt = static_cast<uint32_t>(pointers[i].size());
        }
        struct rule_list l = {};
        l.lists = lists.data();
        l.lists_cnt = static_cast<uint32_t>(lists.size());
        uint8_t *octets = nullptr;
        size_t len = 0;
        EXPECT_EQ(list_table_build(&l, &octets, &len, left_out), 0);
        std::vector<uint8_t> out(octets, octets + len);
        free(octets);
        return out;
    }
};

Lists
sample()
{
    Lists l;
    l.add("freemail_domains", { "gmail.com", "aol.*", "*.att.ne.jp", "mail?.example" });
    l.add("enlist_addrlist:BANKS", { "*@Bank.example", "*@*.bank.example", "joe@there.example", "a*z@x.example" });
    l.add("enlist_uri_host:BLOCK", { "bad.example", "!good.bad.example", "192.0.2.7", "top" });
    l.add("welcomelist_subject", { "hello world", "re*order" });
    l.add("welcomelist_from_rcvd", { "*@a.example b.example" });
    return l;
}

bool
has(const struct list_table *t, const char *list, const std::string &key, enum list_glob how = LIST_GLOB_WHOLE)
{
    return list_has_glob(t, list_find(t, list), span_of(key), how);
}

TEST(List, FindsByName)
{
    auto octets = sample().build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    ASSERT_NE(t, nullptr);
    EXPECT_EQ(list_find(t, "freemail"), LIST_NONE);
    EXPECT_EQ(list_find(t, ""), LIST_NONE);
    EXPECT_NE(list_find(t, "freemail_domains"), LIST_NONE);
    EXPECT_EQ(list_find(t, "enlist_addrlist:BANKS"), list_find_named(t, "enlist_addrlist:", span_of("BANKS")));
    EXPECT_EQ(list_find_named(t, "enlist_addrlist:", span_of("BANKSX")), LIST_NONE);
    EXPECT_EQ(list_find(nullptr, "freemail_domains"), LIST_NONE);
    EXPECT_FALSE(list_has_glob(nullptr, LIST_NONE, span_of("x"), LIST_GLOB_WHOLE));
    EXPECT_EQ(list_cnt(t, list_find(t, "freemail_domains")), 4u);
}

TEST(List, Addresses)
{
    auto octets = sample().build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    ASSERT_NE(t, nullptr);
    const char *b = "enlist_addrlist:BANKS";
    EXPECT_TRUE(has(t, b, "x@bank.example"));
    EXPECT_TRUE(has(t, b, "X@BANK.EXAMPLE"));
    EXPECT_TRUE(has(t, b, "@bank.example"));
    EXPECT_TRUE(has(t, b, "a@b@bank.example"));
    EXPECT_TRUE(has(t, b, "x@a.b.bank.example"));
    EXPECT_FALSE(has(t, b, "x@abank.example"));
    EXPECT_FALSE(has(t, b, "bank.example"));
    EXPECT_FALSE(has(t, b, "x.bank.example"));
    EXPECT_TRUE(has(t, b, "joe@there.example"));
    EXPECT_FALSE(has(t, b, "ajoe@there.example"));
    EXPECT_TRUE(has(t, b, "az@x.example"));
    EXPECT_TRUE(has(t, b, "a..z@x.example"));
    EXPECT_FALSE(has(t, b, ""));
    EXPECT_FALSE(list_has(t, list_find(t, b), span_of("*@bank.example")));
}

TEST(List, LabelGlobs)
{
    auto octets = sample().build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    ASSERT_NE(t, nullptr);
    const char *f = "freemail_domains";
    EXPECT_TRUE(has(t, f, "GMail.com", LIST_GLOB_LABEL));
    EXPECT_TRUE(has(t, f, "aol.de", LIST_GLOB_LABEL));
    EXPECT_FALSE(has(t, f, "aol.co.uk", LIST_GLOB_LABEL));
    EXPECT_TRUE(has(t, f, "x.att.ne.jp", LIST_GLOB_LABEL));
    EXPECT_TRUE(has(t, f, "mail7.example", LIST_GLOB_LABEL));
    EXPECT_FALSE(has(t, f, "mail.example", LIST_GLOB_LABEL));
}

TEST(List, Hosts)
{
    auto octets = sample().build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    ASSERT_NE(t, nullptr);
    uint32_t h = list_find(t, "enlist_uri_host:BLOCK");
    EXPECT_EQ(list_host(t, h, span_of("bad.example")), LIST_LISTED);
    EXPECT_EQ(list_host(t, h, span_of("www.BAD.example")), LIST_LISTED);
    EXPECT_EQ(list_host(t, h, span_of("good.bad.example")), LIST_NOT);
    EXPECT_EQ(list_host(t, h, span_of("x.good.bad.example")), LIST_NOT);
    EXPECT_EQ(list_host(t, h, span_of("example")), LIST_UNLISTED);
    EXPECT_EQ(list_host(t, h, span_of("notbad.example")), LIST_UNLISTED);
    EXPECT_EQ(list_host(t, h, span_of("192.0.2.7")), LIST_LISTED);
    EXPECT_EQ(list_host(t, h, span_of("[192.0.2.7]")), LIST_LISTED);
    EXPECT_EQ(list_host(t, h, span_of("1.192.0.2.7")), LIST_LISTED); // five labels are a name
    EXPECT_EQ(list_host(t, h, span_of("a.top")), LIST_LISTED);
    EXPECT_EQ(list_host(t, h, span_of(std::string(5000, '.'))), LIST_UNLISTED);
    EXPECT_EQ(list_host(t, h, span_of("")), LIST_UNLISTED);
}

TEST(List, LaterEntriesWin)
{
    Lists l;
    l.add("enlist_uri_host:A", { "x.example", "!X.example", "y.example", "!y.example", "y.example" });
    auto octets = l.build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    ASSERT_NE(t, nullptr);
    uint32_t h = list_find(t, "enlist_uri_host:A");
    EXPECT_EQ(list_cnt(t, h), 2u);
    EXPECT_EQ(list_host(t, h, span_of("x.example")), LIST_NOT);
    EXPECT_EQ(list_host(t, h, span_of("y.example")), LIST_LISTED);
}

TEST(List, Subjects)
{
    auto octets = sample().build();
    const struct list_table *t = list_table_verify(octets.data(), octets.size());
    const char *s = "welcomelist_subject";
    EXPECT_TRUE(has(t, s, "Well, Hello World!\n", LIST_GLOB_WITHIN));
    EXPECT_TRUE(has(t, s, "x Re: your order 7", LIST_GLOB_WITHIN));
    EXPECT_FALSE(has(t, s, "order re", LIST_GLOB_WITHIN));
}

TEST(List, SameListsSameOctetsAndLongEntriesAreLeftOut)
{
    unsigned left_out = 0;
    Lists l = sample();
    l.add("long", { std::string(LIST_ENTRY_MAX, 'a'), std::string(LIST_ENTRY_MAX + 1, 'a'), "" });
    EXPECT_EQ(l.build(&left_out), l.build());
    EXPECT_EQ(left_out, 2u);
    Lists empty;
    auto octets = empty.build();
    EXPECT_NE(list_table_verify(octets.data(), octets.size()), nullptr);
}

TEST(List, EveryCutAndEveryFlippedOctetIsSafe)
{
    auto octets = sample().build();
    for (size_t len = 0; len < octets.size(); len++) {
        std::vector<uint8_t> cut(octets.begin(), octets.begin() + static_cast<long>(len));
        EXPECT_EQ(list_table_verify(cut.data(), cut.size()), nullptr);
    }
    for (size_t i = 0; i < octets.size(); i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            auto bad = octets;
            bad[i] ^= static_cast<uint8_t>(1u << bit);
            const struct list_table *t = list_table_verify(bad.data(), bad.size());
            if (t) {
                has(t, "freemail_domains", "x.att.ne.jp", LIST_GLOB_LABEL);
                has(t, "enlist_addrlist:BANKS", "x@a.bank.example");
                list_host(t, list_find(t, "enlist_uri_host:BLOCK"), span_of("a.good.bad.example"));
            }
        }
}

// All patterns over {a . * ?} of up to 5 octets against all texts over {a b .} of up to 5.
std::vector<std::string>
words(const std::string &alphabet, size_t max)
{
    std::vector<std::string> all = { "" };
    for (size_t from = 0, len = 0; len < max; len++) {
        size_t to = all.size();
        for (; from < to; from++)
            for (char c : alphabet)
                all.push_back(all[from] + c);
    }
    return all;
}

// The definition, tried in every way.
bool
truth(const char *p, const char *s, const char *end, enum list_glob how)
{
    if (!*p)
        return s == end || how == LIST_GLOB_WITHIN;
    if (*p == '*')
        return truth(p + 1, s, end, how) ||
               (s < end && (how != LIST_GLOB_LABEL || *s != '.') && truth(p, s + 1, end, how));
    return s < end && (*p == '?' || *p == *s) && truth(p + 1, s + 1, end, how);
}

TEST(List, GlobsAgreeWithTruth)
{
    auto texts = words("ab.", 5);
    for (const auto &p : words("a.*?", 4))
        for (const auto &s : texts) {
            const char *end = s.data() + s.size();
            for (auto how : { LIST_GLOB_WHOLE, LIST_GLOB_LABEL })
                EXPECT_EQ(list_glob_matches(span_of(p), span_of(s), how), truth(p.c_str(), s.data(), end, how))
                    << p << " " << s;
            bool is_within = false;
            for (const char *at = s.data(); at <= end; at++)
                is_within |= truth(p.c_str(), at, end, LIST_GLOB_WITHIN);
            EXPECT_EQ(list_glob_matches(span_of(p), span_of(s), LIST_GLOB_WITHIN), is_within) << p << " " << s;
        }
}

TEST(List, GlobDoesNotRunAway)
{
    std::string pattern;
    for (int i = 0; i < 100; i++)
        pattern += "a*?*";
    pattern += "b";
    std::string text(LIST_KEY_MAX, 'a');
    for (int i = 0; i < 20; i++)
        EXPECT_FALSE(list_glob_matches(span_of(pattern), span_of(text), LIST_GLOB_WITHIN));
}

} // namespace
