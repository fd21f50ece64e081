#include "scan/score.h"

#include <random>
#include <string>
#include <vector>

#include "scan/expr.h"

#include "tests/unit/ruleset_fixture.h"

namespace {

TEST(Score, DefaultsAndColumns)
{
    ruleset_ptr rs = load(build("body A /x/\nbody T_B /x/\nbody __C /x/\nbody D /x/\nscore D -2.5 1 1 1\n"
                                "body E /x/\nscore E 0\nscore __C 9\nbody F /x/\nscore F 0.0005\n"));
    trial m(rs);
    m.block(TARGET_BODY, "x");
    EXPECT_EQ(m.judge(), "A T_B D F ") << "__C is not told, E is off";
    EXPECT_EQ(m.j.score_milli, 1000 + 10 - 2500 + 1);
    EXPECT_EQ(m.j.rules_total, 4u);
    EXPECT_EQ(m.j.generation, 7u);
}

TEST(Score, MetasInAnyOrder)
{
    const char *rules = "meta A B && !C\nmeta B __D || E\nmeta C F\nmeta F __G\nbody __D /d/\nbody E /e/\nbody __G /g/\n"
                        "meta H E && NONE\nmeta I !H\nheader J To !~ /x/\nmeta K !J\n"
                        "meta OFF 1\nscore OFF 0\nmeta L OFF\nmeta M !OFF\n";
    ruleset_ptr rs = load(build(rules));
    const struct {
        const char *body;
        const char *hits;
    } cases[] = {
        { "d", "A B I J M " },
        { "dg", "B C F I J M " },
        { "e", "A B E I J M " },
        { "", "I J M " },
    };
    for (const auto &t : cases) {
        trial m(rs);
        m.block(TARGET_BODY, t.body);
        m.headers({});
        EXPECT_EQ(m.judge(), t.hits) << t.body;
        EXPECT_EQ(m.judge(), t.hits) << "judging twice changes nothing";
    }
}

/* An expression of the rules A to D, as many kinds of operations as there are reasons for a meta to be left out. */
std::string
expression(std::mt19937 &random, unsigned depth)
{
    static const char *const operators[] = {" && ", " && ", " || ", " + ", " > ", " == ", " - ", " * ", " ^ "};
    if (!depth || random() % 5 == 0)
        return random() % 8 == 0 ? std::to_string(random() % 3) : std::string(1, (char)('A' + random() % 4));
    if (random() % 4 == 0)
        return "!(" + expression(random, depth - 1) + ")";
    return "(" + expression(random, depth - 1) + operators[random() % 9] + expression(random, depth - 1) + ")";
}

double
value_of(const std::string &text, const float *values)
{
    uint32_t code[EXPR_CODE_MAX];
    expr_error err;
    size_t cnt = expr_parse(text.data(), text.size(), code, EXPR_CODE_MAX, &err);
    for (size_t i = 0; i < cnt; i++) {
        if (expr_op(code[i]) == EXPR_RULE)
            code[i] = expr_code(EXPR_RULE, (uint32_t)(text[expr_operand(code[i])] - 'A'));
    }
    return expr_eval(code, cnt, values);
}

TEST(Score, MetasThatAreNotComputedAreZero)
{
    std::mt19937 random(1);
    for (unsigned round = 0; round < 8; round++) {
        std::string rules = "body A /a/\nbody B /b/\nbody C /c/\nbody D /d/\n";
        std::vector<std::string> metas;
        for (unsigned i = 0; i < 48; i++) {
            metas.push_back(expression(random, 4));
            rules += "meta M" + std::to_string(i) + " " + metas.back() + "\n";
        }
        ruleset_ptr rs = load(build(rules));
        for (unsigned bits = 0; bits < 16; bits++) {
            std::string body, expected;
            float values[4];
            for (unsigned i = 0; i < 4; i++) {
                values[i] = bits >> i & 1 ? 1 : 0;
                body += bits >> i & 1 ? std::string(1, (char)('a' + i)) : "";
                expected += bits >> i & 1 ? std::string(1, (char)('A' + i)) + " " : "";
            }
            for (unsigned i = 0; i < metas.size(); i++)
                expected += value_of(metas[i], values) != 0 ? "M" + std::to_string(i) + " " : "";
            trial m(rs);
            m.block(TARGET_BODY, body.c_str());
            EXPECT_EQ(m.judge(), expected) << rules;
        }
    }
}

TEST(Score, TheGreatestThresholdReachedDecides)
{
    ruleset_ptr rs = load(build("body A /a/\nbody B /b/\nscore B 3\nbody C /c/\nscore C -1\n"));
    const thresholds all = { 1000, 3000, 4000, 5000 };
    const thresholds some = { INT32_MAX, INT32_MAX, 3000, INT32_MAX };
    const struct {
        const char *body;
        thresholds t;
        verdict v;
    } cases[] = {
        { "", all, VERDICT_ACCEPT },   { "a", all, VERDICT_TAG },     { "b", all, VERDICT_DEFER },
        { "ab", all, VERDICT_REFUSE }, { "abc", all, VERDICT_DEFER }, { "a", some, VERDICT_ACCEPT },
        { "b", some, VERDICT_REFUSE },
    };
    for (const auto &t : cases) {
        trial m(rs);
        m.block(TARGET_BODY, t.body);
        m.judge(t.t);
        EXPECT_EQ(m.j.verdict, t.v) << t.body;
    }
}

TEST(Score, MoreRulesThanAreListed)
{
    std::string rules;
    for (int i = 0; i < 200; i++)
        rules += "body R" + std::to_string(i) + " /x/\nscore R" + std::to_string(i) + " 0.1\n";
    ruleset_ptr rs = load(build(rules));
    trial m(rs);
    m.block(TARGET_BODY, "x");
    m.judge();
    EXPECT_EQ(m.j.rules_total, 200u);
    EXPECT_EQ(m.j.rules_cnt, JUDGEMENT_RULES_MAX);
    EXPECT_EQ(m.j.score_milli, 20000) << "all count";
    EXPECT_STREQ(ruleset_rule_name(rs.get(), m.j.rules[63]), "R63");
}

TEST(Score, TheSumSaturates)
{
    std::string rules;
    for (int i = 0; i < 60; i++)
        rules += "meta R" + std::to_string(i) + " 1\nscore R" + std::to_string(i) + " 100000\n";
    ruleset_ptr rs = load(build(rules));
    trial n(rs);
    n.judge();
    EXPECT_EQ(n.j.score_milli, INT32_MAX - 1);
    EXPECT_EQ(n.j.verdict, VERDICT_REFUSE);
}

} // namespace
