/* expr_parse: the text of a `meta` becomes a program.
 *
 * Shunting-yard (Dijkstra 1961) instead of recursive descent: a thousand `(` must cost a bounded stack. */
#include <stdio.h>
#include <string.h>

#include "scan/expr.h"
#include "scan/expr_private.h"

/* An operator as it is written. What is not infix has its own place below. */
static const struct infix {
    const char *text;
    enum expr_op op;
    int precedence;
    bool is_chained; /* Perl reads a < b < c in another way than from left to right */
} infixes[] = {
    { "&&", EXPR_AND, 3, false }, { "||", EXPR_OR, 2, false },  { "<=", EXPR_LE, 6, true },
    { ">=", EXPR_GE, 6, true },   { "==", EXPR_EQ, 5, true },   { "!=", EXPR_NE, 5, true },
    { "<", EXPR_LT, 6, true },    { ">", EXPR_GT, 6, true },    { "^", EXPR_XOR, 4, false },
    { "+", EXPR_ADD, 7, false },  { "-", EXPR_SUB, 7, false },  { "*", EXPR_MUL, 8, false },
    { "/", EXPR_DIV, 8, false },  { "%", EXPR_MOD, 8, false },
};

enum { PRECEDENCE_GROUP = 0, PRECEDENCE_SELECT = 1, PRECEDENCE_UNARY = 9 };

struct pending {
    enum expr_op op; /* EXPR_CONST for `(`; EXPR_SELECT for `?`, and for `? :` once the colon is there */
    int precedence;
    bool is_chained;
    bool has_colon;
    size_t off;
};

struct parser {
    const char *text;
    size_t len;
    size_t off;
    uint32_t *code;
    size_t code_max;
    size_t code_cnt;
    size_t values; /* on the machine's stack at this point of the program */
    struct pending pending[EXPR_STACK_MAX];
    size_t pending_cnt;
    struct expr_error *err;
};

static bool
fail(struct parser *p, size_t off, const char *text)
{
    p->err->off = off;
    p->err->is_unsupported = false;
    snprintf(p->err->text, sizeof(p->err->text), "%s", text);
    return false;
}

static bool
unsupported(struct parser *p, size_t off, const char *text)
{
    fail(p, off, text);
    p->err->is_unsupported = true;
    return false;
}

static bool
is_name_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t
expr_name_len(const char *text, size_t len)
{
    if (len == 0 || !is_name_start(text[0]))
        return 0;
    size_t i = 1;
    while (i < len && (is_name_start(text[i]) || is_digit(text[i])))
        i++;
    return i;
}

static bool
emit(struct parser *p, size_t off, enum expr_op op, uint32_t operand)
{
    if (p->code_cnt == p->code_max)
        return fail(p, off, "the expression is too long");
    p->values = p->values - expr_arity(op) + 1;
    if (p->values > EXPR_STACK_MAX)
        return fail(p, off, "the expression is nested too deeply");
    p->code[p->code_cnt++] = expr_code(op, operand);
    return true;
}

static bool
push(struct parser *p, const struct pending *what)
{
    if (p->pending_cnt == EXPR_STACK_MAX)
        return fail(p, p->off, "the expression is nested too deeply");
    p->pending[p->pending_cnt++] = *what;
    return true;
}

/* Emits pending operators that bind at least as tightly as `min`; never a `(`, nor a `?` without its `:`. */
static bool
reduce(struct parser *p, int min)
{
    while (p->pending_cnt > 0) {
        const struct pending *top = &p->pending[p->pending_cnt - 1];
        if (top->precedence < min || top->precedence == PRECEDENCE_GROUP)
            return true;
        if (top->op == EXPR_SELECT && !top->has_colon)
            return true;
        p->pending_cnt--;
        if (!emit(p, top->off, top->op, 0))
            return false;
    }
    return true;
}

static void
skip_blanks(struct parser *p)
{
    while (p->off < p->len && p->text[p->off] && strchr(" \t\r\f\v", p->text[p->off]))
        p->off++;
}

/* 12 or 0.75; a decimal is its digits divided by a power of ten, which is the number nearest to it. */
static bool
number(struct parser *p)
{
    size_t start = p->off;
    uint32_t value = 0;
    uint32_t scale = 1;
    size_t point = 0;
    size_t end = start;
    while (end < p->len && (is_digit(p->text[end]) || (p->text[end] == '.' && !point))) {
        point = p->text[end] == '.' ? end : point;
        end++;
    }
    if (point && point + 1 == end)
        return fail(p, point, "a digit is missing behind the point");
    p->off = end;
    while (point && p->text[end - 1] == '0')
        end--;
    for (size_t i = start; i < end; i++) {
        if (p->text[i] == '.')
            continue;
        value = value * 10 + (uint32_t)(p->text[i] - '0');
        scale *= point && i > point ? 10 : 1;
        if (value > 0xffffff || scale > 0xffffff)
            return fail(p, start, point ? "a number with too many digits" : "a number above 16777215");
    }
    if (expr_name_len(p->text + p->off, p->len - p->off))
        return fail(p, start, "a rule name may not begin with a digit");
    if (p->off < p->len && p->text[p->off] == '.')
        return fail(p, p->off, "a second point in a number");
    if (!emit(p, start, EXPR_CONST, value))
        return false;
    return scale == 1 || (emit(p, start, EXPR_CONST, scale) && emit(p, start, EXPR_DIV, 0));
}

/* rules_matching(GLOB) with p->off behind the name: 0 until it is written out. */
static bool
rules_matching(struct parser *p, size_t start)
{
    size_t at = p->off + 1;
    while (at < p->len && strchr(" \t", p->text[at]) && p->text[at])
        at++;
    size_t glob = at;
    while (at < p->len && (is_name_start(p->text[at]) || is_digit(p->text[at]) || p->text[at] == '*' ||
                           p->text[at] == '?'))
        at++;
    if (at == glob)
        return fail(p, at, "a rule name with * or ? is expected here");
    while (at < p->len && strchr(" \t", p->text[at]) && p->text[at])
        at++;
    if (at == p->len || p->text[at] != ')')
        return fail(p, at, "`)` is expected here");
    p->off = at + 1;
    return emit(p, start, EXPR_CONST, 0);
}

static bool
name(struct parser *p, size_t name_len)
{
    size_t start = p->off;
    const char *text = p->text + start;
    p->off += name_len;
    if (name_len == 16 && !memcmp(text, "local_tests_only", 16))
        return emit(p, start, EXPR_CONST, 1);
    if (name_len == 14 && !memcmp(text, "rules_matching", 14) && p->off < p->len && p->text[p->off] == '(')
        return rules_matching(p, start);
    return emit(p, start, EXPR_RULE, (uint32_t)start);
}

/* `()` at p->off. */
static bool
is_nothing(const struct parser *p, size_t *end)
{
    size_t at = p->off + 1;
    while (at < p->len && strchr(" \t", p->text[at]) && p->text[at])
        at++;
    *end = at + 1;
    return at < p->len && p->text[at] == ')';
}

/* Reads "! ( - X": everything up to and including one operand. */
static bool
operand(struct parser *p)
{
    for (;;) {
        skip_blanks(p);
        if (p->off == p->len)
            return fail(p, p->off, "a rule name is missing at the end");
        char c = p->text[p->off];
        size_t name_len = expr_name_len(p->text + p->off, p->len - p->off);
        size_t end;
        if (name_len)
            return name(p, name_len);
        if (is_digit(c))
            return number(p);
        if (c == '(' && is_nothing(p, &end)) {
            size_t start = p->off;
            p->off = end;
            return emit(p, start, EXPR_CONST, 0);
        }
        struct pending what = { .op = EXPR_CONST, .precedence = PRECEDENCE_GROUP, .off = p->off };
        if (c == '!' || c == '-') {
            if (c == '-' && p->off + 1 < p->len && p->text[p->off + 1] == '-')
                return fail(p, p->off, "`--` is expected nowhere");
            what.op = c == '!' ? EXPR_NOT : EXPR_NEG;
            what.precedence = PRECEDENCE_UNARY;
        } else if (c != '(') {
            return fail(p, p->off, "a rule name is expected here");
        }
        if (!push(p, &what))
            return false;
        p->off++;
    }
}

static bool
close_group(struct parser *p)
{
    if (!reduce(p, PRECEDENCE_SELECT))
        return false;
    if (p->pending_cnt == 0)
        return fail(p, p->off, "`)` without `(`");
    if (p->pending[p->pending_cnt - 1].op == EXPR_SELECT)
        return fail(p, p->pending[p->pending_cnt - 1].off, "`?` without `:`");
    p->pending_cnt--;
    p->off++;
    return true;
}

/* `?` waits for its `:`, which is right-associative: a ? b : c ? d : e. */
static bool
select_sign(struct parser *p)
{
    struct pending what = { .op = EXPR_SELECT, .precedence = PRECEDENCE_SELECT, .off = p->off };
    if (p->text[p->off] == '?') {
        if (!reduce(p, PRECEDENCE_SELECT + 1) || !push(p, &what))
            return false;
    } else {
        if (!reduce(p, PRECEDENCE_SELECT))
            return false;
        if (p->pending_cnt == 0 || p->pending[p->pending_cnt - 1].op != EXPR_SELECT)
            return fail(p, p->off, "`:` without `?`");
        p->pending[p->pending_cnt - 1].has_colon = true;
    }
    p->off++;
    return true;
}

static bool
infix_sign(struct parser *p, const struct infix *sign)
{
    if (!reduce(p, sign->precedence + 1))
        return false;
    const struct pending *top = p->pending_cnt ? &p->pending[p->pending_cnt - 1] : NULL;
    if (sign->is_chained && top && top->is_chained && top->precedence == sign->precedence)
        return unsupported(p, p->off, "comparisons in a row are not honoured");
    if (!reduce(p, sign->precedence))
        return false;
    struct pending what = { .op = sign->op, .precedence = sign->precedence,
                            .is_chained = sign->is_chained, .off = p->off };
    if (!push(p, &what))
        return false;
    p->off += strlen(sign->text);
    return true;
}

static const struct infix *
find_infix(const struct parser *p)
{
    for (size_t i = 0; i < sizeof(infixes) / sizeof(*infixes); i++) {
        size_t len = strlen(infixes[i].text);
        if (p->len - p->off >= len && !memcmp(p->text + p->off, infixes[i].text, len))
            return &infixes[i];
    }
    return NULL;
}

/* Reads ") ) &&": everything up to and including one infix operator. *done at the end of the text. */
static bool
infix(struct parser *p, bool *done)
{
    for (;;) {
        skip_blanks(p);
        if (p->off == p->len) {
            *done = true;
            return true;
        }
        char c = p->text[p->off];
        if (c == ')') {
            if (!close_group(p))
                return false;
            continue;
        }
        if (c == '?' || c == ':')
            return select_sign(p);
        const struct infix *sign = find_infix(p);
        if (sign)
            return infix_sign(p, sign);
        return fail(p, p->off, "`&&`, `||` or another operator is expected here");
    }
}

size_t
expr_parse(const char *text, size_t len, uint32_t *code, size_t code_max, struct expr_error *err)
{
    struct parser p = { .text = text, .len = len, .code = code, .code_max = code_max, .err = err };
    for (bool done = false; !done;) {
        if (!operand(&p) || !infix(&p, &done))
            return 0;
    }
    if (!reduce(&p, PRECEDENCE_SELECT))
        return 0;
    if (p.pending_cnt > 0) {
        const struct pending *open = &p.pending[p.pending_cnt - 1];
        fail(&p, open->off, open->op == EXPR_SELECT ? "`?` without `:`" : "`(` without `)`");
        return 0;
    }
    if (expr_divides_by_zero(code, p.code_cnt)) {
        unsupported(&p, 0, "a division by zero when no rule hits");
        return 0;
    }
    return p.code_cnt;
}
