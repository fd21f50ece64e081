#include "scan/rule.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "scan/image.h"

namespace {

/* Diagnostics of parsing and compiling, without the source and caret lines unless `with_caret`. */
std::string
diagnose(const std::string &text, bool with_caret = false)
{
    rule_list *l = rule_list_new();
    void *image = nullptr;
    size_t len = 0;
    bool parsed = rule_list_parse(l, "r.cf", text.data(), text.size()) == 0;
    EXPECT_EQ(parsed, rule_list_errors(l) == 0);
    bool built = image_build(l, &image, &len) == 0;
    EXPECT_EQ(built, rule_list_errors(l) == 0);
    std::string all = rule_list_diagnostics(l), out;
    rule_list_free(l);
    free(image);
    for (size_t at = 0; at < all.size();) {
        size_t end = all.find('\n', at) + 1;
        if (with_caret || all[at] != ' ')
            out += all.substr(at, end - at);
        at = end;
    }
    return out;
}

TEST(Rule, WhatIsRightIsSilent)
{
    EXPECT_EQ(diagnose("# comment\n"
                       "\n"
                       "header A Subject =~ /foo/i\r\n"
                       "  header   B From:addr   !~   m{a/b}xs   [if-unset: none of them]  # note\n"
                       "header C exists:X-Mailer\n"
                       "header C1 exists:X-Mailer:\n"
                       "header D ALL =~ m,^x:,m\n"
                       "header D1 To:=~/x/\n"
                       "header E From:name =~ /x/\nheader F Received:raw =~ qr/x/\n"
                       "body G /a\\#b\\/c/\nrawbody H m<a<b>\nfull I /\\xff/\nattachment J m|PK|\n"
                       "BODY G2 /x/  # y/\n"
                       "meta K (A && !B) || __L\nbody __L /x*/\n"
                       "score A 1\nscore B -2.5 1 1 1\nscore C 0\ndescribe A what it is\n"),
              "");
}

TEST(Rule, ErrorsNameFileLineColumn)
{
    const struct {
        const char *text;
        const char *said;
    } cases[] = {
        { "body", "r.cf:1:5: error: a rule name is missing\n" },
        { "body 9A /x/", "r.cf:1:6: error: a rule name has letters, digits and _ only and begins with no digit\n" },
        { "body A-B /x/", "r.cf:1:7: error: a rule name has letters, digits and _ only and begins with no digit\n" },
        { "\n\n\tbody A x", "r.cf:3:9: error: a regex in / / or m{ } is expected here\n" },
        { "body A /x", "r.cf:1:9: error: the regex does not end in its delimiter and flags\n" },
        { "body A /x/iq", "r.cf:1:12: error: a regex flag that is not i, m, s or x\n" },
        { "body A /a/b/", "r.cf:1:10: error: the delimiter stands unescaped inside the regex\n" },
        { "header A Subject = /x/", "r.cf:1:18: error: `=~` or `!~` is expected here\n" },
        { "header A =~ /x/", "r.cf:1:10: error: a header name is expected here\n" },
        { "header A exists:To:addr", "r.cf:1:24: error: exists: takes one header name\n" },
        { "meta A B &&", "r.cf:1:12: error: a rule name is missing at the end\n" },
        { "meta A (B", "r.cf:1:8: error: `(` without `)`\n" },
        { "body A /x/\nscore A x", "r.cf:2:9: error: a score is a number from -100000 to 100000\n" },
        { "body A /x/\nscore A 1 2", "r.cf:2:9: error: a rule has 1 score or 4\n" },
        { "body A /x/\nscore A 1e3", "r.cf:2:9: error: a score is a number from -100000 to 100000\n" },
        { "body A /x/\nscore A 100001", "r.cf:2:9: error: a score is a number from -100000 to 100000\n" },
        { "endif", "r.cf:1:1: error: `endif` without `if`\n" },
        { "body A /(x/i", "r.cf:1:11: error: A: missing closing parenthesis\n" },
        { "body A /ab[[:foo:]]/", "r.cf:1:14: error: A: unknown POSIX class name\n" },
        { "body A m{ab(x}x", "r.cf:1:14: error: A: missing closing parenthesis\n" },
        { "body A /a\\#\\#(x/", "r.cf:1:16: error: A: missing closing parenthesis\n" },
        { "body A /(x/\nbody B /ok/\nheader C To =~ /x{3,1}/",
          "r.cf:3:22: error: C: numbers out of order in {} quantifier\n" },
    };
    for (const auto &t : cases) {
        std::string said = diagnose(t.text);
        EXPECT_NE(said.find(t.said), std::string::npos) << t.text << "\n" << said;
    }
    EXPECT_EQ(diagnose(std::string("body A /x\0/", 11)), "r.cf:1:10: error: a NUL\n");
    EXPECT_EQ(diagnose("body A /" + std::string(65536, 'x') + "/"),
              "r.cf:1:1: error: a line longer than 65536 octets\n");
}

TEST(Rule, EveryPatternThatDoesNotCompileIsNamed)
{
    EXPECT_EQ(diagnose("body A /(x/\nbody B /ok/\nbody C /(?=x)y/\nheader D To =~ /)/\n"),
              "r.cf:1:11: error: A: missing closing parenthesis\n"
              "r.cf:4:17: error: D: unmatched closing parenthesis\n")
        << "one a rule, in order";
}

/* Perl takes `$?`, neither engine does: not the operator's mistake, so the rest of the set is kept. */
TEST(Rule, WhatNeitherEngineTakesIsTurnedOff)
{
    EXPECT_EQ(diagnose("body A /x$?/\nbody B /ok/\nfull C /(.)\\1/\nfull D /x/\ntflags D multiple\n"),
              "r.cf:1:6: warning: A never hits: its regex can be compiled by neither Hyperscan nor PCRE2 (quantifier "
              "does not follow a repeatable item)\n"
              "r.cf:3:6: warning: C never hits: it needs PCRE2 or counts its matches, which is not done over a "
              "stream\n"
              "r.cf:4:6: warning: D never hits: it needs PCRE2 or counts its matches, which is not done over a "
              "stream\n");
    EXPECT_EQ(diagnose("body A /[\\w-.]+b(?!c)/\nbody B /(?<n>a)|(?<n>b)/\nbody C /ok/\n"),
              "r.cf:1:6: warning: A never hits: its regex can be compiled by neither Hyperscan nor PCRE2 (invalid range "
              "in character class)\n"
              "r.cf:2:6: warning: B never hits: its regex can be compiled by neither Hyperscan nor PCRE2 (two named "
              "subpatterns have the same name (PCRE2_DUPNAMES not set))\n");
}

TEST(Rule, TheCaretStandsBelowTheOctet)
{
    EXPECT_EQ(diagnose("body A\t/ab(c/i # x\n", true),
              "r.cf:1:13: error: A: missing closing parenthesis\n"
              "    body A\t/ab(c/i # x\n"
              "          \t     ^\n");
    std::string far = diagnose("body A /" + std::string(500, 'x') + "(\x1b/", true);
    EXPECT_NE(far.find("r.cf:1:511: error"), std::string::npos);
    EXPECT_NE(far.find("    " + std::string(58, 'x') + "(?/\n    " + std::string(60, ' ') + "^\n"),
              std::string::npos)
        << far;
}

TEST(Rule, WhatIsNotHonouredIsAWarning)
{
    EXPECT_EQ(diagnose("tflags A nice\nbody A /x/\npriority A 5\nlang de describe A x\nreport hello\n"), "");
    EXPECT_EQ(diagnose("body A /x/\ntrusted_networks 10/8\nok-locales all\nTRUSTED_networks 11/8\n"),
              "r.cf:2:1: warning: `trusted_networks` is not honoured (2 lines)\n"
              "r.cf:3:1: warning: `ok_locales` is not honoured (1 line)\n");
    EXPECT_EQ(diagnose("header A To:host =~ /x/\nheader B To:addr:first =~ /x/\nmeta C 1 < A < B\nmeta D 1 / A\n"
                       "meta G A || B || C || D\n"),
              "r.cf:1:8: warning: A never hits: the header modifier :host is not honoured\n"
              "r.cf:2:8: warning: B never hits: the header modifier :first is not honoured\n"
              "r.cf:3:14: warning: C never hits: comparisons in a row are not honoured\n"
              "r.cf:4:8: warning: D never hits: a division by zero when no rule hits\n")
        << "and G has no undefined name";
}

TEST(Rule, AnUnknownKeywordIsAnError)
{
    EXPECT_EQ(diagnose("body A /x/\n  boddy B /x/\n", true), "r.cf:2:3: error: unknown keyword `boddy`\n"
                                                             "      boddy B /x/\n"
                                                             "      ^\n");
    EXPECT_EQ(diagnose("tflag A nice\nwhitelist_fron a@b\nif_ 1\nbody:A /x/\nbodyA /x/\n"),
              "r.cf:1:1: error: unknown keyword `tflag`\n"
              "r.cf:2:1: error: unknown keyword `whitelist_fron`\n"
              "r.cf:3:1: error: unknown keyword `if_`\n"
              "r.cf:4:1: error: unknown keyword `body:A`\n"
              "r.cf:5:1: error: unknown keyword `bodyA`\n");
    EXPECT_EQ(diagnose("b\x1b[2J A\n"), "r.cf:1:1: error: unknown keyword `b?[2J`\n") << "not to the terminal";
    EXPECT_EQ(diagnose("ifplugin X\nboddy A /x/\nendif\n"), "");
}

TEST(Rule, SpamAssassinsDirectivesAreNoErrors)
{
    for (const char *word : { "add_header", "bayes_path", "bayes_stopword_xx", "hashbl_acl_mine", "use_bayes",
                              "loadplugin", "unsafe_report", "lang", "urifullnsrhssub", "whitelist_uri_host",
                              "Whitelist-From", "welcomelist_auth", "util_rb_2tld", "unblacklist_from" })
        EXPECT_EQ(diagnose(std::string(word) + " x\n"), "") << word;
    EXPECT_EQ(diagnose("bayes_stopword_\n"), "r.cf:1:1: error: unknown keyword `bayes_stopword_`\n");
}

TEST(Rule, AListWithoutARuleIsAnError)
{
    char path[] = "/tmp/weir-rule-XXXXXX";
    int fd = mkstemp(path);
    ASSERT_GE(fd, 0);
    close(fd);
    for (const char *text : { "", "# body A /x/\n", "score A 1\n", "ifplugin X\nbody A /x/\nendif\n" }) {
        std::ofstream(path) << text;
        rule_list *l = rule_list_new();
        EXPECT_EQ(rule_list_read(l, path), -1) << text;
        EXPECT_EQ(rule_list_errors(l), 1u) << text;
        EXPECT_NE(std::string(rule_list_diagnostics(l)).find(std::string(path) +
                                                             ":0:0: error: no rule is defined here\n"),
                  std::string::npos)
            << rule_list_diagnostics(l);
        rule_list_free(l);
    }
    unlink(path);
}

TEST(Rule, APseudoHeaderIsToldByItsCase)
{
    EXPECT_EQ(diagnose("header A MESSAGEID =~ /x/\nheader B exists:MessageID\nheader C all =~ /x/\n"
                       "header D Message-Id =~ /x/\n"),
              "r.cf:2:17: warning: not the pseudo-header MESSAGEID, for its case: it reads as a field that is "
              "absent\n"
              "r.cf:3:10: warning: not the pseudo-header ALL, for its case: it reads as a field that is absent\n");
}

TEST(Rule, TheLaterDefinitionWins)
{
    EXPECT_EQ(diagnose("body A /x/\nheader A To =~ /y/\n"),
              "r.cf:2:8: warning: A replaces its definition at r.cf:1\n");
}

TEST(Rule, NamesWithoutARule)
{
    EXPECT_EQ(diagnose("score A 1\nmeta B A && C\n"),
              "r.cf:1:7: warning: a score for A, which no rule defines\n"
              "r.cf:2:13: warning: B: no rule is named C; it counts 0\n");
    EXPECT_EQ(diagnose("boddy\nscore A 1\n"), "r.cf:1:1: error: unknown keyword `boddy`\n"
                                              "r.cf:2:7: warning: a score for A, which no rule defines\n")
        << "an error elsewhere hides nothing";
    EXPECT_EQ(diagnose("reuse A\nifplugin No\nbody B /x/\nendif\nscore B 1\nmeta C A || B || D\naskdns D x\n"), "")
        << "names that are known";
}

TEST(Rule, ACycleIsAnErrorAtARuleOfIt)
{
    EXPECT_EQ(diagnose("meta A B\nmeta B C || X\nmeta C !D\nmeta D B\nbody X /x/\n"),
              "r.cf:3:6: error: C depends on itself: C -> D -> B -> C\n");
    EXPECT_EQ(diagnose("\n meta A A\n"), "r.cf:2:7: error: A depends on itself: A -> A\n");
}

TEST(Rule, AFolderIsReadInNameOrder)
{
    char dir[] = "/tmp/weir-rule-XXXXXX";
    ASSERT_TRUE(mkdtemp(dir));
    std::string d = dir;
    std::ofstream(d + "/20.cf") << "body A /x/\n";
    std::ofstream(d + "/10.cf") << "body A /y/\n";
    std::ofstream(d + "/30.txt") << "garbage\n";
    rule_list *l = rule_list_new();
    EXPECT_EQ(rule_list_read(l, dir), 0);
    EXPECT_EQ(rule_list_cnt(l), 1u);
    EXPECT_STREQ(rule_list_diagnostics(l), "") << "a later file may replace what an earlier one says";
    EXPECT_EQ(rule_list_read(l, (d + "/none").c_str()), -1);
    EXPECT_EQ(rule_list_errors(l), 1u);
    rule_list_free(l);
    for (const char *f : { "/10.cf", "/20.cf", "/30.txt" })
        unlink((d + f).c_str());
    rmdir(dir);
}

} // namespace
