#include "scan/expr.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

/* Rules are single letters: a is rule 0. */
std::vector<uint32_t>
program(const std::string &text, expr_error *err)
{
    std::vector<uint32_t> code(EXPR_CODE_MAX);
    code.resize(expr_parse(text.data(), text.size(), code.data(), code.size(), err));
    for (uint32_t &word : code) {
        if (expr_op(word) == EXPR_RULE)
            word = expr_code(EXPR_RULE, static_cast<uint32_t>(text[expr_operand(word)] - 'a'));
    }
    return code;
}

/* With the letters of `bits` hit. */
double
eval(const std::string &text, uint64_t bits)
{
    expr_error err;
    std::vector<uint32_t> code = program(text, &err);
    EXPECT_FALSE(code.empty()) << text << ": " << err.text;
    EXPECT_TRUE(expr_verify(code.data(), code.size(), 26)) << text;
    float values[26];
    for (unsigned i = 0; i < 26; i++)
        values[i] = bits >> i & 1;
    return code.empty() ? -1 : expr_eval(code.data(), code.size(), values);
}

TEST(Expr, PrecedenceIsPerls)
{
    for (uint64_t bits = 0; bits < 8; bits++) {
        bool a = bits & 1, b = bits & 2, c = bits & 4;
        EXPECT_EQ(eval("a || b && c", bits), a || (b && c)) << bits;
        EXPECT_EQ(eval("a && b || c", bits), (a && b) || c) << bits;
        EXPECT_EQ(eval("(a||b)&&c", bits), (a || b) && c) << bits;
        EXPECT_EQ(eval("!a && b", bits), !a && b) << bits;
        EXPECT_EQ(eval("!(a && b) || c", bits), !(a && b) || c) << bits;
        EXPECT_EQ(eval("!!a", bits), a) << bits;
        EXPECT_EQ(eval("a || !b || !(!c)", bits), a || !b || c) << bits;
        EXPECT_EQ(eval("0 || a && 1", bits), a) << bits;
        EXPECT_EQ(eval(" ( ( a ) ) ", bits), a) << bits;
    }
}

TEST(Expr, ErrorsPointAtTheirOctet)
{
    const struct {
        const char *text;
        size_t off;
        bool is_unsupported;
    } cases[] = {
        { "", 0, false },         { "a &&", 4, false },   { "a & b", 2, false },   { "a b", 2, false },
        { "(a", 0, false },       { "a)", 1, false },     { "a && (+)", 6, false }, { "!", 1, false },
        { "a || && b", 5, false }, { "5x", 0, false },    { "a $", 2, false },     { "99999999", 0, false },
        { "a < b < c", 6, true }, { "a == b != c", 7, true }, { "1 / a", 0, true },  { "1 % a", 0, true },
        { "a + * b", 4, false },  { "--a", 0, false },    { "1.", 1, false },      { "1.2.3", 3, false },
        { "a ? b", 2, false },    { "a : b", 2, false },  { "(a ? b)", 3, false }, { "rules_matching()", 15, false },
        { "a ** b", 3, false },   { "1.23456789", 0, false },
    };
    for (const auto &t : cases) {
        expr_error err;
        EXPECT_TRUE(program(t.text, &err).empty()) << t.text;
        EXPECT_EQ(err.off, t.off) << t.text << ": " << err.text;
        EXPECT_EQ(err.is_unsupported, t.is_unsupported) << t.text;
    }
}

TEST(Expr, DepthAndLengthAreCapped)
{
    expr_error err;
    std::string deep(EXPR_STACK_MAX, '(');
    EXPECT_FALSE(program(deep + "a" + std::string(EXPR_STACK_MAX, ')'), &err).empty());
    EXPECT_TRUE(program("(" + deep + "a" + std::string(EXPR_STACK_MAX + 1, ')'), &err).empty());
    std::string chain = "a";
    for (int i = 0; i < 1000; i++)
        chain += " || a";
    EXPECT_TRUE(eval(chain, 1)) << "a chain needs no depth";
    for (int i = 0; i < 2000; i++)
        chain += " || a";
    EXPECT_TRUE(program(chain, &err).empty());
}

TEST(Expr, VerifyRefusesWhatWouldLeaveTheStack)
{
    const std::vector<std::vector<uint32_t>> bad = {
        {},
        { expr_code(EXPR_NOT, 0) },
        { expr_code(EXPR_RULE, 0), expr_code(EXPR_AND, 0) },
        { expr_code(EXPR_RULE, 0), expr_code(EXPR_RULE, 0) },
        { expr_code(EXPR_RULE, 26) },
        { 0xff000000 },
        { expr_code(EXPR_CONST, 1), expr_code(EXPR_CONST, 1), expr_code(EXPR_SELECT, 0) },
        { expr_code(EXPR_OP_CNT, 0) },
        std::vector<uint32_t>(EXPR_STACK_MAX + 1, expr_code(EXPR_CONST, 1)),
    };
    for (const auto &code : bad)
        EXPECT_FALSE(expr_verify(code.data(), code.size(), 26));
}

TEST(Expr, ArithmeticIsPerls)
{
    const struct {
        const char *text;
        double value; /* with a, c and e hit */
    } cases[] = {
        { "a + b + c", 2 },         { "a + c * 2", 3 },          { "(a + c) * 2 - 1", 3 },
        { "1 - 2 - 3", -4 },        { "a + c + e >= 3", 1 },     { "a + c > 2", 0 },
        { "-a + 3", 2 },            { "- - a", 1 },              { "!a + 1", 1 },
        { "!(a + b)", 0 },          { "a + b == c", 1 },         { "a != c", 0 },
        { "7 % 4", 3 },             { "(0 - 7) % 4", 1 },        { "7 % (0 - 4)", -1 },
        { "7 / 2", 3.5 },           { "0.1 + 0.2", 0.1 + 0.2 },  { "1.50 * 2", 3 },
        { "3 && 5", 5 },            { "0 && 5", 0 },             { "3 || 5", 3 },
        { "b || 5", 5 },            { "b && 1 / b", 0 },         { "a ? 2 : 3", 2 },
        { "b ? 2 : a ? 4 : 5", 4 }, { "5 ^ 3", 6 },              { "a + b ? 7 : 8", 7 },
        { "()", 0 },                { "a || ()", 1 },            { "rules_matching(X_*) + 1", 1 },
        { "1 <= 2 && 2 >= 3 || 4", 4 }, { "local_tests_only", 1 }, { "1 < 2 == 1", 1 },
        { "5 - 3 > 1 ^ 1", 0 },
    };
    for (const auto &t : cases)
        EXPECT_EQ(eval(t.text, 1 | 4 | 16), t.value) << t.text;
    const uint32_t division[] = { expr_code(EXPR_CONST, 1), expr_code(EXPR_RULE, 0), expr_code(EXPR_DIV, 0) };
    EXPECT_EQ(expr_eval(division, 3, nullptr), 0) << "only when a message makes it one";
}

/* Recursive descent that computes while it reads: another way to the same value. */
struct model {
    std::string text;
    uint64_t bits;
    size_t at = 0;
    bool primary()
    {
        if (text[at] == '!')
            return at++, !primary();
        if (text[at] != '(')
            return bits >> (text[at++] - 'a') & 1;
        at++;
        bool v = any();
        at++;
        return v;
    }
    bool all()
    {
        bool v = primary();
        while (text.compare(at, 2, "&&") == 0)
            at += 2, v = primary() && v;
        return v;
    }
    bool any()
    {
        bool v = all();
        while (text.compare(at, 2, "||") == 0)
            at += 2, v = all() || v;
        return v;
    }
};

std::string
random_expr(std::mt19937 &rng, int depth)
{
    switch (depth == 0 ? 0 : rng() % 5) {
    case 1:
        return "!" + random_expr(rng, depth - 1);
    case 2:
        return "(" + random_expr(rng, depth - 1) + ")";
    case 3:
        return random_expr(rng, depth - 1) + "&&" + random_expr(rng, depth - 1);
    case 4:
        return random_expr(rng, depth - 1) + "||" + random_expr(rng, depth - 1);
    default:
        return std::string(1, static_cast<char>('a' + rng() % 8));
    }
}

TEST(Expr, AgreesWithAModel)
{
    std::mt19937 rng(1);
    for (int i = 0; i < 5000; i++) {
        std::string text = random_expr(rng, 6);
        uint64_t bits = rng() & 0xff;
        ASSERT_EQ(eval(text, bits), (model{ text, bits }.any())) << text << " " << bits;
    }
}

} // namespace
