// scan/pattern_share: the smaller pattern matches what the large one does.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>
#include <pcre2.h>

#include <cstdlib>
#include <string>

#include "scan/pattern_share.h"

namespace {

const char *const LETTER = "(?:[aA@]|\\xc3[\\x80-\\x85\\xa0-\\xa5]|&#(?:19[2-7]|22[4-9]);)";

std::string share(const std::string &text)
{
    char *out = pattern_share(text.c_str());
    std::string s = out ? out : "";
    free(out);
    return s;
}

// "start-end" of the first match, "-" without one, "?" when the pattern is refused.
std::string match(const std::string &pattern, const std::string &text)
{
    int error = 0;
    PCRE2_SIZE off = 0;
    pcre2_code *code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.c_str()), pattern.size(), 0, &error, &off, nullptr);
    if (!code)
        return "?";
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, nullptr);
    int rc = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.c_str()), text.size(), 0, 0, data, nullptr);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
    std::string said = rc < 0 ? "-" : std::to_string(at[0]) + "-" + std::to_string(at[1]);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return said;
}

TEST(PatternShare, WritesAGroupOnce)
{
    std::string l = LETTER;
    EXPECT_EQ("(?:x(?&w1)+y|(?&w1)[(]z)(?(DEFINE)(?<w1>" + l.substr(3) + ")", share("x" + l + "+y|" + l + "[(]z"));
    EXPECT_EQ("(?:(?&w1){2,9})(?(DEFINE)(?<w1>" + l.substr(3) + ")", share(l + "{2,9}"));
}

TEST(PatternShare, MatchesTheSame)
{
    std::string l = LETTER;
    const std::string patterns[] = {"(?:^|\\s)" + l + "b" + l + "?c", l + "+b" + l, "(x)?" + l + l + "\\1", "(?:" + l + "|" + l + "q)z", l + "{2,3}b"};
    const char *texts[] = {"abac", " \xc3\x80" "bc", "aab@", "&#192;b&#229;c", "xaax", "aqz az", "aaab", "", "bbbb"};
    for (const std::string &p : patterns) {
        std::string shared = share(p);
        ASSERT_NE("", shared) << p;
        for (const char *t : texts)
            EXPECT_EQ(match(p, t), match(shared, t)) << p << " on " << t;
    }
}

TEST(PatternShare, LeavesAloneWhatItCannotKeep)
{
    std::string l = LETTER, tied = "(?:(x)abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq)";
    EXPECT_EQ("", share("abc"));
    EXPECT_EQ("", share(l));                      // once
    EXPECT_EQ("", share(tied + tied));            // captures
    EXPECT_EQ("", share("(?i)" + l + l));         // an option
    EXPECT_EQ("", share("(*UTF)" + l + l));
    EXPECT_EQ("", share("(?&w1)" + l + l));       // a call of its own
    EXPECT_EQ("", share("\\Q" + l + l));
    EXPECT_EQ("", share(l + l + "(" ));           // not balanced
    EXPECT_EQ("", share(l + l + "\\"));
    EXPECT_EQ("", share(std::string(100, '(') + l + l));
}

TEST(PatternShare, MakesRoomInPcre2)
{
    std::string large, l = LETTER;
    for (int i = 0; i < 600; i++)
        large += l + "b";
    EXPECT_EQ("?", match(large, ""));
    std::string text;
    for (int i = 0; i < 600; i++)
        text += "@b";
    EXPECT_EQ("0-1200", match(share(large), text));
}

} // namespace
