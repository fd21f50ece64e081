#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/pattern.h"

#include <gtest/gtest.h>
#include <hs/hs.h>
#include <pcre2.h>

#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include "scan/pattern_private.h"
}
#include "scan/rule_list.h"

namespace {

using pattern_ptr = std::unique_ptr<pattern, decltype(&pattern_free)>;

pattern_ptr
parse(const std::string &text, bool is_extended = false)
{
    return pattern_ptr(pattern_parse(text.data(), text.size(), is_extended), pattern_free);
}

/* What a clean unit (match.h) does not have. */
octet_set
clean_gone()
{
    octet_set gone = { { 0, 0, ~UINT64_C(0), ~UINT64_C(0) } };
    octet_set_add(&gone, '&');
    return gone;
}

const octet_set none = {};

/* The pattern for clean units; "=": the same, "-": nothing can match, "?": not understood. */
std::string
without(const std::string &text, bool is_extended = false)
{
    octet_set gone = clean_gone();
    pattern_ptr p = parse(text, is_extended);
    char *out = nullptr;
    if (!p)
        return "?";
    switch (pattern_without(p.get(), &gone, &out)) {
    case PATTERN_SAME:
        return "=";
    case PATTERN_NOTHING:
        return "-";
    case PATTERN_PRUNED:
        break;
    }
    std::string pruned = out;
    free(out);
    return pruned;
}

std::set<std::string>
literals(const std::string &text, const octet_set &gone = none)
{
    pattern_ptr p = parse(text);
    auto out = std::make_unique<struct pattern_literals>();
    std::set<std::string> found;
    if (p && pattern_literals(p.get(), &gone, out.get()))
        for (unsigned i = 0; i < out->cnt; i++)
            found.insert(std::string(out->text[i], out->len[i]));
    return found;
}

TEST(Pattern, WhatIsNotUnderstoodIsLeftAlone)
{
    for (const char *text : { "\\Qa.b\\E", "\\Ga", "a\\Kb", "\\N", "\\pL", "\\X", "(?R)", "(?1)", "(?(1)a|b)", "(*ANY)a",
                              "(?x: a b)", "a(", "a)", "[a", "[b-a]", "[[:foo:]]", "\\x{100}", "[\\1]", "\\" })
        EXPECT_FALSE(parse(text)) << text;
    EXPECT_FALSE(parse(std::string(PATTERN_DEPTH_MAX + 1, '(') + std::string(PATTERN_DEPTH_MAX + 1, ')')));
    EXPECT_TRUE(parse(std::string(PATTERN_DEPTH_MAX / 2, '(') + std::string(PATTERN_DEPTH_MAX / 2, ')')));
}

TEST(Pattern, WithoutOctetsThatCleanUnitsHaveNot)
{
    const struct {
        const char *text;
        const char *pruned;
    } cases[] = {
        { "abc", "=" },
        { "a.c", "=" },
        { "[^a]b", "=" },
        { "\\xc3\\xa9", "-" },
        { "a(?:\\xc3\\xa0|&)b", "-" },
        { "^\\s*\\xe9", "-" },
    };
    for (const auto &t : cases)
        EXPECT_EQ(without(t.text), t.pruned) << t.text;
    /* How what is left is written does not matter; what it matches is compared below. */
    for (const char *text : { "(?:a|\\xc3[\\xa0-\\xa5]|&#224;)b", "[a\\xe0-\\xe5]b", "x(?:&nbsp;)*y", "x\\xa0?y", "(?<!\\xc3)a" }) {
        std::string pruned = without(text);
        EXPECT_NE(pruned, "-") << text;
        EXPECT_NE(pruned, "?") << text;
    }
    std::string pruned = without("(?:a|\\xc3[\\xa0-\\xa5]|&#224;)b");
    EXPECT_EQ(pruned.find("\\xc3"), std::string::npos) << pruned;
    EXPECT_EQ(pruned.find('&'), std::string::npos) << pruned;
}

TEST(Pattern, Literals)
{
    octet_set gone = clean_gone();
    using set = std::set<std::string>;
    EXPECT_EQ(literals("viagra"), set({ "viagra" }));
    EXPECT_EQ(literals("Viagra|CIALIS"), set({ "viagra", "cialis" }));
    EXPECT_EQ(literals("\\bfree\\s+viagra\\b"), set({ "viagra" })) << "the rarer";
    EXPECT_EQ(literals("(?:viagra|\\xc3\\xa9xyz)", gone), set({ "viagra" }));
    EXPECT_EQ(literals("\\w+\\d*"), set());
    EXPECT_EQ(literals("(?:viagra)?"), set()) << "it may match nothing";
    EXPECT_EQ(literals("(?=viagra)|x?"), set());
    for (const std::string &s : literals("a(?:b|c)(?:d|e)fgh"))
        EXPECT_EQ(std::string("fgh").compare(0, 3, s.substr(s.size() - 3)), 0) << s;
    EXPECT_EQ(*literals(std::string(100, 'x')).begin(), std::string(PATTERN_LITERAL_LEN_MAX, 'x'));
}

/* ---- against PCRE2 ---- */

struct regex {
    pcre2_code *code;
    pcre2_match_data *data = pcre2_match_data_create(1, nullptr);
    pcre2_match_context *context = pcre2_match_context_create(nullptr);

    regex(const std::string &text, uint32_t options)
    {
        int error;
        PCRE2_SIZE off;
        code = pcre2_compile((PCRE2_SPTR)text.data(), text.size(), options, &error, &off, nullptr);
        if (code)
            pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
        pcre2_set_match_limit(context, 1000000);
    }
    ~regex()
    {
        pcre2_code_free(code);
        pcre2_match_data_free(data);
        pcre2_match_context_free(context);
    }
    regex(const regex &) = delete;
    /* 1, 0, or -1: gave up. */
    int matches(const std::string &s)
    {
        int rc = pcre2_match(code, (PCRE2_SPTR)s.data(), s.size(), 0, 0, data, context);
        return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
    }
    std::string match(const std::string &s) const
    {
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
        return v[0] <= v[1] ? s.substr(v[0], v[1] - v[0]) : "";
    }
};

/* Octets that the tree may match: look-arounds, anchors and references are not looked at, so not all do. */
struct maker {
    std::mt19937 rng;

    void add(const node *n, std::string &out)
    {
        if (out.size() > 400)
            return;
        switch (n->kind) {
        case NODE_SET:
            add_octet(n, out);
            break;
        case NODE_RAW:
        case NODE_ASSERT:
            break;
        case NODE_SEQ:
        case NODE_GROUP:
            for (unsigned i = 0; i < n->cnt; i++)
                add(n->children[i], out);
            break;
        case NODE_ALT:
            if (n->cnt)
                add(n->children[rng() % n->cnt], out);
            break;
        case NODE_REPEAT:
            for (int i = 0, k = count(n); i < k; i++)
                add(n->children[0], out);
            break;
        }
    }

    int count(const node *n)
    {
        int most = n->max == NODE_MANY || n->max > n->min + 3 ? n->min + 3 : n->max;
        return n->min + static_cast<int>(rng() % static_cast<unsigned>(most - n->min + 1));
    }

    void add_octet(const node *n, std::string &out)
    {
        for (unsigned i = 0; i < 64; i++) {
            uint8_t c = static_cast<uint8_t>(i < 48 ? ' ' + rng() % 95 : rng());
            if (octet_set_has(&n->set, c)) {
                out += static_cast<char>(c);
                return;
            }
        }
        for (unsigned c = 0; c < 256; c++) {
            if (octet_set_has(&n->set, static_cast<uint8_t>(c))) {
                out += static_cast<char>(c);
                return;
            }
        }
    }

    /* Something the pattern may match, often spoilt, among other text. */
    std::string subject(const node *root)
    {
        static const char *const around[] = { "", " ", "x", "\n", "Dear a. ", "\t-" };
        std::string s = around[rng() % 6];
        add(root, s);
        if (s.size() && rng() % 3 == 0)
            s[rng() % s.size()] = static_cast<char>(' ' + rng() % 95);
        if (s.size() && rng() % 4 == 0)
            s.erase(rng() % s.size(), 1);
        return s + around[rng() % 6];
    }
};

struct tally {
    unsigned patterns = 0, pruned = 0, nothing = 0, with_literals = 0, subjects = 0, matched = 0;
};

bool
contains_one(std::string s, const struct pattern_literals &l)
{
    for (char &c : s)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    for (unsigned i = 0; i < l.cnt; i++)
        if (s.find(std::string(l.text[i], l.len[i])) != std::string::npos)
            return true;
    return false;
}

std::string
cleaned(std::string s)
{
    const octet_set gone = clean_gone();
    std::string out;
    for (char c : s)
        if (!octet_set_has(&gone, static_cast<uint8_t>(c)))
            out += c;
    return out;
}

void
check(const char *name, const std::string &text, uint32_t options, bool is_extended, unsigned rounds, tally &sum)
{
    const octet_set gone = clean_gone();
    pattern_ptr p = parse(text, is_extended);
    regex whole(text, options | (is_extended ? PCRE2_EXTENDED : 0));
    if (!p || !whole.code)
        return;
    char *out = nullptr;
    pattern_result result = pattern_without(p.get(), &gone, &out);
    std::unique_ptr<regex> pruned;
    if (result == PATTERN_PRUNED) {
        pruned = std::make_unique<regex>(out, options);
        ASSERT_TRUE(pruned->code) << name << " /" << text << "/ becomes /" << out << "/";
    }
    auto all = std::make_unique<struct pattern_literals>(), clean = std::make_unique<struct pattern_literals>();
    bool has_all = pattern_literals(p.get(), &none, all.get());
    bool has_clean = pattern_literals(p.get(), &gone, clean.get());
    sum.patterns++;
    sum.pruned += result == PATTERN_PRUNED;
    sum.nothing += result == PATTERN_NOTHING;
    sum.with_literals += has_all;
    maker m{ std::mt19937(static_cast<unsigned>(text.size())) };
    for (unsigned i = 0; i < rounds; i++) {
        std::string dirty = m.subject(p->root), s = cleaned(dirty);
        int is_match = whole.matches(dirty);
        if (has_all && is_match == 1) {
            ASSERT_TRUE(contains_one(whole.match(dirty), *all)) << name << " /" << text << "/ on " << dirty;
        }
        is_match = whole.matches(s);
        sum.subjects++;
        sum.matched += is_match == 1;
        if (has_clean && is_match == 1 && result != PATTERN_NOTHING) {
            ASSERT_TRUE(contains_one(whole.match(s), *clean)) << name << " /" << text << "/ on clean " << s;
        }
        if (result == PATTERN_NOTHING) {
            ASSERT_NE(is_match, 1) << name << " /" << text << "/ on " << s;
        }
        if (pruned && is_match >= 0) {
            int is_pruned_match = pruned->matches(s);
            ASSERT_TRUE(is_pruned_match == is_match || is_pruned_match < 0)
                << name << " /" << text << "/ becomes /" << out << "/ on " << s;
        }
    }
    free(out);
}

TEST(Pattern, ThePrunedPatternMatchesAsTheWholeOne)
{
    tally sum;
    for (const char *text :
         { "a\\xc3?b", "(?:a|&|b)+c", "[&a-c]{2,3}", "(?:&amp;|x)?y", "(?!&)a", "(?=&|a)[a-z]", "(?<!&)b", "a|&|", "(&|a)\\1",
           "(?:\\xc3\\xa9|e)(?:l|&#108;){2}o", "^(?:&|\\xff)*$", "(?>a|&)b", "[^\\x80-\\xff]+&?", "x{0}&?", "(a|&)(b|&)\\2",
           "(?i:V|&#118;)i[a&]gra", "[\\w&]+@", "\\W\\S\\D[^&]", "(?:a{2,}|&)*?b", "a(?#&)b", "[]&]x", "[^]&]x", "\\&|q",
           "[[:alpha:]&]+[[:^digit:]]", "(?:&(?:x|y)|z)w", "(?:(?:&))|k" })
        for (uint32_t options : { 0u, static_cast<uint32_t>(PCRE2_CASELESS), static_cast<uint32_t>(PCRE2_MULTILINE | PCRE2_DOTALL) })
            check("own", text, options, false, 3000, sum);
    check("own", "a b | & # c\n | [ ] d", 0, true, 3000, sum);
    EXPECT_GT(sum.pruned, 40u);
    EXPECT_GT(sum.matched, sum.subjects / 5);
}

TEST(Pattern, StockRules)
{
    if (!std::filesystem::exists("/usr/share/spamassassin"))
        GTEST_SKIP() << "no rules of SpamAssassin";
    std::unique_ptr<rule_list, decltype(&rule_list_free)> l(rule_list_new(), rule_list_free);
    ASSERT_EQ(rule_list_read(l.get(), "/usr/share/spamassassin"), 0);
    rule_list_finish(l.get());
    tally sum;
    unsigned regexes = 0;
    for (uint32_t i = 0; i < l->rules_cnt; i++) {
        const rule &r = l->rules[i];
        if (r.kind != RULE_BODY && r.kind != RULE_RAWBODY && r.kind != RULE_HEADER && r.kind != RULE_URI &&
            r.kind != RULE_MIMEHEADER && r.kind != RULE_FULL)
            continue;
        regexes++;
        uint32_t options = (r.flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0) |
                           (r.flags & HS_FLAG_DOTALL ? PCRE2_DOTALL : 0) |
                           (r.flags & HS_FLAG_MULTILINE ? PCRE2_MULTILINE : 0);
        check(r.name, std::string(r.text, r.text_len), options, r.is_extended, 30, sum);
        if (HasFatalFailure())
            return;
    }
    EXPECT_GT(sum.patterns, regexes * 9 / 10);
    printf("%u regexes, %u understood, %u pruned, %u cannot match clean units, %u with literals; %u of %u subjects match\n",
           regexes, sum.patterns, sum.pruned, sum.nothing, sum.with_literals, sum.matched, sum.subjects);
}

} // namespace
