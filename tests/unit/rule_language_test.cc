/* What the rule language means, by what is in the list afterwards. Diagnostics are rule_test.cc's. */
#include <gtest/gtest.h>
#include <hs/hs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "scan/rule_list.h"

namespace {

struct list {
    rule_list *l = rule_list_new();
    explicit list(const std::string &text)
    {
        rule_list_parse(l, "r.cf", text.data(), text.size());
        rule_list_finish(l);
    }
    ~list() { rule_list_free(l); }
    list(const list &) = delete;
    const rule &operator[](const std::string &name) const
    {
        static const rule none = {};
        const rule *r = rule_list_find(l, name.data(), name.size());
        return r ? *r : none;
    }
    std::string said() const { return rule_list_diagnostics(l); }
    std::string entries(const std::string &name) const
    {
        std::string out;
        for (uint32_t i = 0; i < l->lists_cnt; i++) {
            for (uint32_t k = 0; name == l->lists[i].name && k < l->lists[i].entries_cnt; k++)
                out += (k ? "|" : "") + std::string(l->lists[i].entries[k]);
        }
        return out;
    }
};

std::string
args(const rule &r)
{
    std::string out = r.eval_name ? r.eval_name : "none";
    for (unsigned i = 0; i < r.eval_args_cnt; i++)
        out += "|" + std::string(r.eval_args[i]);
    return out;
}

TEST(RuleLanguage, Kinds)
{
    list l("uri A m{^https?://}i\nmimeheader B Content-Type:raw !~ /x/ [if-unset: y]\nmimeheader C X-(y) =~ /x/s\n"
           "header D X-Spam-Relays-External =~ /^\\[ ip=/\nheader E Reply-To:addr =~ /x/m\n");
    EXPECT_EQ(l.said(), "");
    EXPECT_EQ(l["A"].kind, RULE_URI);
    EXPECT_STREQ(l["A"].text, "^https?://");
    EXPECT_EQ(l["A"].flags, static_cast<unsigned>(HS_FLAG_CASELESS));
    EXPECT_EQ(l["B"].kind, RULE_MIMEHEADER);
    EXPECT_STREQ(l["B"].header, "content-type");
    EXPECT_EQ(l["B"].part, HEADER_RAW);
    EXPECT_TRUE(l["B"].is_negated);
    EXPECT_STREQ(l["B"].unset, "y");
    EXPECT_STREQ(l["C"].header, "x-(y)");
    EXPECT_STREQ(l["D"].header, "x-spam-relays-external");
    EXPECT_EQ(l["E"].part, HEADER_ADDR);
}

TEST(RuleLanguage, EvalArguments)
{
    list l("header A eval:check_x()\nbody B eval:f('a', \"b\" ,10.5, example.com )\nrawbody C rbleval:f()\n"
           "full D eval:g('it's', '', 'a,b', 'c' 'd')\nheader E rbleval:h(1)\nheader F eval:check_rbl('x', 'y.')\n");
    EXPECT_EQ(args(l["A"]), "check_x");
    EXPECT_EQ(l["A"].eval_kind, RULE_HEADER);
    EXPECT_EQ(args(l["B"]), "f|a|b|10.5|example.com");
    EXPECT_EQ(l["C"].kind, RULE_NONE) << "only header has it";
    EXPECT_EQ(args(l["D"]), "g|it's||a,b|c' 'd") << "as SpamAssassin";
    EXPECT_EQ(args(l["E"]), "h|1");
    EXPECT_EQ(l["F"].kind, RULE_OFF);
    EXPECT_STREQ(l["F"].off_reason, "a look-up in the DNS");
    for (const char *wrong : { "f", "f(", "f(a_b)", "f('a", "(1)", "f('a') x" })
        EXPECT_EQ(rule_list_errors(list("body X eval:" + std::string(wrong)).l), 1u) << wrong;
}

TEST(RuleLanguage, TflagsAndScores)
{
    list l("body A /x/\ntflags A net\ntflags A multiple maxhits=7 nosubject\nbody B /x/\ntflags B nice userconf\n"
           "body T_C /x/\nbody __D /x/\nbody E /x/\nscore E 1.5 2 3 4\nscore E (-0.5)\nbody F eval:f()\n"
           "tflags F noautolearn net\nbody G eval:f()\ntflags G learn\nbody H /x/\ntflags H net learn\nbody I eval:f()\n"
           "tflags I network\nscore __D 0\n");
    EXPECT_EQ(l["A"].tflags, static_cast<unsigned>(RULE_MULTIPLE | RULE_NOSUBJECT)) << "the last line counts";
    EXPECT_EQ(l["A"].maxhits, 7u);
    EXPECT_EQ(rule_score_milli(&l["A"]), 1000);
    EXPECT_EQ(rule_score_milli(&l["B"]), -1000);
    EXPECT_EQ(rule_score_milli(&l["T_C"]), 10);
    EXPECT_EQ(rule_score_milli(&l["__D"]), 0);
    EXPECT_TRUE(rule_is_switched_off(&l["__D"]));
    EXPECT_FALSE(rule_is_switched_off(&l["A"]));
    EXPECT_EQ(rule_score_milli(&l["E"]), 1000);
    EXPECT_EQ(l["F"].kind, RULE_OFF);
    EXPECT_EQ(l["G"].kind, RULE_OFF);
    EXPECT_EQ(l["H"].kind, RULE_BODY) << "SpamAssassin runs patterns whatever their flags";
    EXPECT_EQ(l["I"].kind, RULE_EVAL);
    EXPECT_EQ(l.said(), "") << "off on purpose: no warning";
    EXPECT_EQ(rule_list_errors(list("body A /x/\nscore A (1)\n").l), 1u) << "relative to nothing";
}

TEST(RuleLanguage, TheReportCountsAndNames)
{
    list l("header A exists:X\nbody B /x/\nheader C To:host =~ /x/\nmeta D A\nbody E eval:f()\nbody F eval:g()\n"
           "tflags F net\naskdns G _X_ A\nuri_detail H raw =~ /x/\n");
    rule_report r;
    rule_list_report(l.l, &r);
    EXPECT_EQ(std::vector<unsigned>(r.defined, r.defined + REPORT_KIND_CNT), (std::vector<unsigned>{ 3, 1, 1, 1, 2 }));
    EXPECT_EQ(std::vector<unsigned>(r.honoured, r.honoured + REPORT_KIND_CNT), (std::vector<unsigned>{ 1, 1, 1, 1, 0 }));
    rule_off off;
    ASSERT_TRUE(rule_list_off(l.l, 1, &off));
    EXPECT_STREQ(off.name, "F");
    EXPECT_EQ(off.line, 6u);
    EXPECT_STREQ(off.reason, "`tflags net`: it needs the network");
    ASSERT_TRUE(rule_list_off(l.l, 2, &off));
    EXPECT_STREQ(off.reason, "`askdns` needs the network");
    EXPECT_FALSE(rule_list_off(l.l, 4, &off));
}

/* Each right side is what ReplaceTags of SpamAssassin 4.0.1 makes of it. */
TEST(RuleLanguage, ReplaceTags)
{
    const std::string tags = "replace_tag A [a4]\nreplace_tag B (?:<A>|b)\nreplace_tag C <B>+\nreplace_tag Z 0\n"
                             "replace_pre P ^\nreplace_inter I \\W?\nreplace_post Q {1,2}\nreplace_tag L <L>x\n";
    const struct {
        const char *pattern;
        const char *replaced;
    } cases[] = {
        { "x<A>y", "x[a4]y" },
        { "<A><A>", "[a4][a4]" },
        { "<B><C>", "(?:[a4]|b)(?:[a4]|b)+" },
        { "<inter I><A><A>x<A>", "[a4]\\W?[a4]x[a4]" },
        { "<post Q>x<A><A>", "x[a4]{1,2}[a4]{1,2}" },
        { "<pre P>x<A>", "x^[a4]" },
        { "<inter I><post Q>x<A><B>", "x[a4]{1,2}\\W?(?:[a4]|b){1,2}" },
        { "<inter NONE>x<A>", "x[a4]" },
        { "(?<A>x)<NONE><Z>", "(?[a4]x)<NONE><Z>" },
        { "<L>", "<L>xxxxxx" },
        { "x<>y<A>", "x<>y[a4]" },
        { "<<A>", "<[a4]" },
    };
    for (const auto &t : cases) {
        list l(tags + "body R m{" + t.pattern + "}\nbody S m{" + t.pattern + "}\nreplace_rules X R  Y\n");
        EXPECT_STREQ(l["R"].text, t.replaced);
        EXPECT_STREQ(l["S"].text, t.pattern) << "not asked for";
        EXPECT_EQ(l["R"].text_len, strlen(t.replaced));
    }
    list l("replace_start [[\nreplace_end ]]\nreplace_tag A (x\nheader R To =~ /<a>[[A]]/\nreplace_rules R\n");
    EXPECT_STREQ(l["R"].text, "<a>(x");
    EXPECT_EQ(rule_column(&l["R"], 4), 20u) << "a mistake in the text is the tag's place";
    EXPECT_EQ(rule_column(&l["R"], 5), 25u);
}

TEST(RuleLanguage, ATagMayNotGrowWithoutEnd)
{
    std::string bomb;
    for (char tag = 'A'; tag < 'G'; tag++) {
        bomb += std::string("replace_tag ") + tag + " ";
        for (int i = 0; i < 100; i++)
            bomb += std::string("<") + static_cast<char>(tag + 1) + ">";
        bomb += "\n";
    }
    list l(bomb + "body R /<A>/\nreplace_rules R\n");
    EXPECT_EQ(l["R"].kind, RULE_OFF);
    EXPECT_STREQ(l["R"].off_reason, "its pattern is longer than 262144 octets after replace_tag");
}

TEST(RuleLanguage, Conditions)
{
    const struct {
        const char *condition;
        bool value;
    } cases[] = {
        { "if (version >= 4.000000)", true },
        { "if version < 3.004002", false },
        { "if (version == 4.000001) && perl_version >= 5.010001", true },
        { "if !plugin(Mail::SpamAssassin::Plugin::ReplaceTags)", false },
        { "if plugin ( Mail::SpamAssassin::Plugin::DCC )", false },
        { "ifplugin Mail::SpamAssassin::Plugin::MIMEHeader # {", true },
        { "ifplugin Mail::SpamAssassin::Plugin::Nobody", false },
        { "ifplugin My::Own", true },
        { "if can(Mail::SpamAssassin::Conf::feature_bug6558_free)", true },
        { "if has(Mail::SpamAssassin::Plugin::MIMEHeader::has_tflags_range)", true },
        { "if can(Mail::SpamAssassin::Plugin::ASN::has_check_asn)", false },
        { "if !(can(Mail::SpamAssassin::Conf::feature_of_tomorrow))", true },
        { "if local_tests_only", true },
        { "if !local_tests_only || (1 && !0)", true },
        { "if 0", false },
        { "IF 1", true },
    };
    for (const auto &t : cases) {
        list l("loadplugin My::Own own.pm\n" + std::string(t.condition) + "\nbody A /x/\nelse\nbody B /x/\nendif\n");
        EXPECT_EQ(l.said(), "") << t.condition;
        EXPECT_EQ(l["A"].kind == RULE_BODY, t.value) << t.condition;
        EXPECT_EQ(l["B"].kind == RULE_BODY, !t.value) << t.condition;
    }
    list l("if 0\nif 1\nbody A /x/\nelse\nbody B /x/\nendif\nelse\nif 0\nbody C /x/\nelse\nbody D /x/\nendif\nbody E /x/\n"
           "endif\nbody F /x/\nrequire_version 3.1\nbody G /x/\n");
    std::string there;
    for (const char *name : { "A", "B", "C", "D", "E", "F", "G" })
        there += l[name].kind == RULE_BODY ? name : "";
    EXPECT_EQ(there, "DEF") << "nothing of what is left out comes back";
}

TEST(RuleLanguage, AConditionThatCannotBeReadIsAnError)
{
    const struct {
        const char *text;
        const char *said;
    } cases[] = {
        { "if (version >= 4\nendif", "r.cf:1:4: error: `(` without `)`" },
        { "if versio > 1\nendif",
          "r.cf:1:4: error: version, perl_version, local_tests_only, plugin(), can() or has() is expected here" },
        { "if plugin X\nendif", "r.cf:1:11: error: `(` is expected here" },
        { "if 1 && can(X)\nendif", "r.cf:1:9: error: a function is named Module::function" },
        { "if 1 &&\nendif", "r.cf:1:8: error: a rule name is missing at the end" },
        { "if\nendif", "r.cf:1:3: error: a condition is missing" },
        { "ifplugin A B\nendif", "r.cf:1:11: error: the name of a plugin is expected here" },
        { "if 1\nendif x", "r.cf:2:7: error: nothing is expected here" },
        { " else", "r.cf:1:2: error: `else` without `if`" },
        { "if 1\nbody A /x/", "r.cf:1:1: error: without `endif`" },
    };
    for (const auto &t : cases)
        EXPECT_EQ(list(t.text).said().compare(0, strlen(t.said), t.said), 0) << t.text << list(t.text).said();
}

TEST(RuleLanguage, Lists)
{
    list l("freemail_domains Example.com *.example.*\nfreemail_whitelist a@b\nwhitelist_from *@A b@c\n"
           "unwelcomelist_from b@c\nblacklist_from x@y\nenlist_uri_host (BAD) a.b !c.a.b\nenlist_addrlist (X) *@*.cn\n"
           "blacklist_uri_host d.e\nwhitelist_uri_host f.g\ndelist_uri_host (BAD) !a.b\nutil_rb_2tld co.uk com.au\n"
           "redirector_pattern /Re=(.*)/i\ndef_whitelist_from_rcvd  *@A.b \t c.D\nwelcomelist_auth a@b\n"
           "url_shortener bit.ly t.co\nclear_url_shortener t.co\nuridnsbl_skip_domain a.b\nmore_spam_to me@x\n"
           "whitelist_subject [Bug *]\n");
    EXPECT_EQ(l.said(), "");
    EXPECT_EQ(l.entries("freemail_domains"), "example.com|*.example.*");
    EXPECT_EQ(l.entries("freemail_welcomelist"), "a@b");
    EXPECT_EQ(l.entries("welcomelist_from"), "*@a");
    EXPECT_EQ(l.entries("blocklist_from"), "x@y");
    EXPECT_EQ(l.entries("enlist_uri_host:BAD"), "!c.a.b");
    EXPECT_EQ(l.entries("enlist_addrlist:X"), "*@*.cn");
    EXPECT_EQ(l.entries("enlist_uri_host:BLOCK"), "d.e");
    EXPECT_EQ(l.entries("enlist_uri_host:WELCOME"), "f.g");
    EXPECT_EQ(l.entries("util_rb_2tld"), "co.uk|com.au");
    EXPECT_EQ(l.entries("redirector_pattern"), "/Re=(.*)/i");
    EXPECT_EQ(l.entries("def_welcomelist_from_rcvd"), "*@a.b c.d");
    EXPECT_EQ(l.entries("url_shortener"), "bit.ly");
    EXPECT_EQ(l.entries("welcomelist_subject"), "[Bug *]");
    EXPECT_EQ(list("util_rb_tld a b\nclear_util_rb\nutil_rb_tld c\n").entries("util_rb_tld"), "c");
}

TEST(RuleLanguage, Captures)
{
    list l("header A To:addr =~ /(?<TO>.*)/\nbody B /x%{TO}y/\nbody C /x\\%{TO}/\nbody D /%{to}/\nuri E /%{A_B(x)}/\n"
           "meta F B + C\n");
    EXPECT_EQ(l["A"].kind, RULE_HEADER);
    EXPECT_EQ(l["B"].kind, RULE_OFF);
    EXPECT_EQ(l["C"].kind, RULE_BODY);
    EXPECT_EQ(l["D"].kind, RULE_BODY);
    EXPECT_EQ(l["E"].kind, RULE_OFF);
    EXPECT_EQ(l.said(), "");
}

TEST(RuleLanguage, RulesMatching)
{
    list l("meta M rules_matching(X_?*) >= 2 && B\nbody X_A /x/\nbody X_B /x/\nscore X_C 1\nbody B /x/\nbody X_ /x/\n"
           "meta X_M rules_matching( X_* )\nmeta N rules_matching(Q*)\n");
    EXPECT_STREQ(l["M"].text, "(X_A+X_B+X_C+X_M) >= 2 && B");
    EXPECT_STREQ(l["X_M"].text, "(X_A+X_B+X_C+X_)");
    EXPECT_STREQ(l["N"].text, "(0)");
    EXPECT_EQ(rule_column(&l["M"], 3), 8u);
    EXPECT_EQ(rule_column(&l["M"], 18), 29u);
}

TEST(RuleLanguage, ASuffixIsAnIntent)
{
    const struct {
        const char *definition;
        const char *suffix; /* "" for none */
    } cases[] = {
        { "header A From:addr =~ /\\.co\\.uk$/i", "co.uk" }, { "header A From:addr =~ /\\@.*\\.xyz$/", "xyz" },
        { "uri A m{^https?://[^/]+\\.top\\b}", "top" },      { "uri A /\\.icu\\//", "icu" },
        { "header A From =~ /\\.CN\\b/", "cn" },              { "header A From =~ /example\\.co\\.uk$/", "" },
        { "header A From =~ /\\.example\\.com$/", "" },       { "header A From =~ /\\.com/", "" },
        { "header A From !~ /\\.com$/", "" },                { "body A /\\.com$/", "" },
        { "header A From =~ /\\.(?:a|b)$/", "" },
    };
    for (const auto &t : cases) {
        list l(t.definition);
        char suffix[64] = "";
        EXPECT_EQ(rule_suffix_claim(&l["A"], suffix, sizeof(suffix)), *t.suffix != 0) << t.definition;
        EXPECT_TRUE(!*t.suffix || t.suffix == std::string(suffix)) << t.definition << suffix;
        EXPECT_EQ(l.said().empty(), !*t.suffix);
        EXPECT_EQ(list(std::string(t.definition) + "\nintent A suffix x " + t.suffix + "\n").said(), "");
    }
    EXPECT_EQ(list("util_rb_tld com\nuri A /\\.exe$/\n").said(), "") << "a file";
}

TEST(RuleLanguage, Include)
{
    char dir[] = "/tmp/weir-rule-XXXXXX";
    ASSERT_TRUE(mkdtemp(dir));
    std::string d = dir;
    mkdir((d + "/in").c_str(), 0700);
    std::ofstream(d + "/a.cf") << "if 1\ninclude in/b.txt\nendif\nbody A /x/\n";
    std::ofstream(d + "/in/b.txt") << "body B /x/\ninclude c.txt\n";
    std::ofstream(d + "/in/c.txt") << "body C /x/\n  include b.txt\ninclude none\n";
    rule_list *l = rule_list_new();
    EXPECT_EQ(rule_list_read(l, (d + "/a.cf").c_str()), -1);
    EXPECT_EQ(rule_list_cnt(l), 3u);
    EXPECT_EQ(rule_list_errors(l), 2u);
    std::string said = rule_list_diagnostics(l);
    EXPECT_NE(said.find(d + "/in/c.txt:2:11: error: " + d + "/in/b.txt cannot be read: it includes itself\n"),
              std::string::npos)
        << said;
    EXPECT_NE(said.find(d + "/in/c.txt:3:9: error: " + d + "/in/none cannot be read: No such file"),
              std::string::npos)
        << said;
    rule_list_free(l);
    for (const char *f : { "/in/b.txt", "/in/c.txt", "/a.cf" })
        unlink((d + f).c_str());
    rmdir((d + "/in").c_str());
    rmdir(dir);
    EXPECT_EQ(rule_list_errors(list("include x.cf\n").l), 1u) << "text has no folder";
}

/* As large operators write it: thousands of rules, a tag in every third, captures, counting metas. */
std::string
large_set()
{
    std::string t = "replace_start <\nreplace_end >\nreplace_inter W [\\s.]?\n";
    for (char c = 'A'; c <= 'Z'; c++)
        t += std::string("replace_tag ") + c + " (?:" + static_cast<char>(c + 32) + "|\\xc3[\\x80-\\x8f])\n";
    for (int i = 0; i < 5000; i++) {
        std::string n = std::to_string(i), name = (i % 2 ? "__OP_" : "OP_") + n;
        switch (i % 6) {
        case 0:
            t += "body " + name + " /<inter W><O><P>x" + n + "<A><B>/i\nreplace_rules " + name + "\n";
            break;
        case 1:
            t += "header " + name + " Subject =~ /(?<CAP_X" + n + ">word" + n + ")/\n";
            break;
        case 2:
            t += "uri " + name + " m{^https?://h" + n + "\\.example/}i\n";
            break;
        case 3:
            t += "meta " + name + " (OP_" + std::to_string(i / 6 * 6) + " + __OP_1 + 2 * __OP_7) >= 2 && !OP_2\n";
            break;
        case 4:
            t += "rawbody " + name + " /raw.{0,20}" + n + "/s\ntflags " + name + " multiple maxhits=3\n";
            break;
        default:
            t += "mimeheader " + name + " Content-Type =~ /name=x" + n + "/\n";
        }
        t += "describe " + name + " rule number " + n + "\nscore " + name + " 0.5 0.6 0.7 0.8\n";
    }
    return t;
}

/* A pipe without a writer does not even open. */
TEST(RuleLanguage, APipeInAFolderIsNotWaitedFor)
{
    char dir[] = "/tmp/weir-rule-XXXXXX";
    ASSERT_TRUE(mkdtemp(dir));
    std::string d = dir;
    ASSERT_EQ(mkfifo((d + "/b.cf").c_str(), 0600), 0);
    std::ofstream(d + "/a.cf") << "include b.cf\nbody A /x/\n";
    rule_list *l = rule_list_new();
    EXPECT_EQ(rule_list_read(l, d.c_str()), -1);
    std::string said = rule_list_diagnostics(l);
    EXPECT_NE(said.find(d + "/a.cf:1:9: error: " + d + "/b.cf cannot be read: no file"), std::string::npos) << said;
    EXPECT_NE(said.find(d + "/b.cf:0:0: error: cannot be read: no file"), std::string::npos) << said;
    rule_list_free(l);
    unlink((d + "/a.cf").c_str());
    unlink((d + "/b.cf").c_str());
    rmdir(dir);
}

TEST(RuleLanguage, ALargeSetIsReadWhole)
{
    std::string text = large_set();
    auto from = std::chrono::steady_clock::now();
    list l(text);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
    RecordProperty("milliseconds", static_cast<int>(took.count() * 1000));
    EXPECT_EQ(l.said(), "");
    EXPECT_EQ(rule_list_cnt(l.l), 5000u);
    EXPECT_STREQ(l["OP_6"].text, "(?:o|\\xc3[\\x80-\\x8f])[\\s.]?(?:p|\\xc3[\\x80-\\x8f])x6"
                                 "(?:a|\\xc3[\\x80-\\x8f])[\\s.]?(?:b|\\xc3[\\x80-\\x8f])");
    rule_report r;
    rule_list_report(l.l, &r);
    EXPECT_EQ(r.honoured[REPORT_REGEX], r.defined[REPORT_REGEX]);
}

/* SpamAssassin's own, when it is installed: what its parser has afterwards was compared rule by rule. */
TEST(RuleLanguage, StockRulesHaveNoError)
{
    const char stock[] = "/usr/share/spamassassin";
    if (access(stock, R_OK))
        GTEST_SKIP() << "no " << stock;
    rule_list *l = rule_list_new();
    EXPECT_EQ(rule_list_read(l, stock), 0);
    EXPECT_EQ(rule_list_errors(l), 0u) << rule_list_diagnostics(l);
    EXPECT_LT(rule_list_warnings(l), 40u) << rule_list_diagnostics(l);
    EXPECT_GT(rule_list_cnt(l), 1000u);
    rule_report r;
    rule_list_report(l, &r);
    EXPECT_GE(r.honoured[REPORT_REGEX] * 100, r.defined[REPORT_REGEX] * 99);
    rule_list_free(l);
}

} // namespace
