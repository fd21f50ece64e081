#include "scan/expr.h"

#include <stdio.h>
#include <string.h>

/* Shunting-yard (Dijkstra 1961) instead of recursive descent: a thousand `(` must cost a bounded stack. */

struct parser {
    const char *text;
    size_t len;
    size_t off;
    uint32_t *code;
    size_t code_max;
    size_t code_cnt;
    size_t values; /* on the machine's stack at this point of the program */
    struct {
        char op; /* '!', '&', '|', '(' */
        size_t off;
    } pending[EXPR_STACK_MAX];
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
    if (op == EXPR_CONST || op == EXPR_RULE) {
        if (p->values == EXPR_STACK_MAX)
            return fail(p, off, "the expression is nested too deeply");
        p->values++;
    } else if (op == EXPR_AND || op == EXPR_OR) {
        p->values--;
    }
    p->code[p->code_cnt++] = expr_code(op, operand);
    return true;
}

static bool
push(struct parser *p, char op)
{
    if (p->pending_cnt == EXPR_STACK_MAX)
        return fail(p, p->off, "the expression is nested too deeply");
    p->pending[p->pending_cnt].op = op;
    p->pending[p->pending_cnt++].off = p->off;
    return true;
}

static int
precedence(char op)
{
    return op == '!' ? 3 : op == '&' ? 2 : op == '|' ? 1 : 0;
}

/* Emits pending operators that bind at least as tightly as `min`; never a '('. */
static bool
reduce(struct parser *p, int min)
{
    while (p->pending_cnt > 0 && precedence(p->pending[p->pending_cnt - 1].op) >= min) {
        char op = p->pending[--p->pending_cnt].op;
        enum expr_op code = op == '!' ? EXPR_NOT : op == '&' ? EXPR_AND : EXPR_OR;
        if (!emit(p, p->pending[p->pending_cnt].off, code, 0))
            return false;
    }
    return true;
}

static void
skip_blanks(struct parser *p)
{
    while (p->off < p->len && strchr(" \t\r\f\v", p->text[p->off]) && p->text[p->off])
        p->off++;
}

static bool
unsupported(struct parser *p)
{
    char op[3] = { p->text[p->off], 0, 0 };
    if (p->off + 1 < p->len && p->text[p->off + 1] == '=')
        op[1] = '=';
    fail(p, p->off, "");
    p->err->is_unsupported = true;
    snprintf(p->err->text, sizeof(p->err->text), "operator `%s` is not honoured yet", op);
    return false;
}

static bool
number(struct parser *p)
{
    size_t start = p->off;
    uint32_t value = 0;
    for (; p->off < p->len && is_digit(p->text[p->off]); p->off++) {
        value = value * 10 + (uint32_t)(p->text[p->off] - '0');
        if (value > 0xffffff)
            return fail(p, start, "a number above 16777215");
    }
    if (expr_name_len(p->text + p->off, p->len - p->off))
        return fail(p, start, "a rule name may not begin with a digit");
    return emit(p, start, EXPR_CONST, value);
}

/* Reads "! ( X": everything up to and including one operand. */
static bool
operand(struct parser *p)
{
    for (;;) {
        skip_blanks(p);
        if (p->off == p->len)
            return fail(p, p->off, "a rule name is missing at the end");
        char c = p->text[p->off];
        size_t name_len = expr_name_len(p->text + p->off, p->len - p->off);
        if (name_len) {
            if (!emit(p, p->off, EXPR_RULE, (uint32_t)p->off))
                return false;
            p->off += name_len;
            return true;
        }
        if (is_digit(c))
            return number(p);
        if (c != '!' && c != '(') {
            if (c == '-' || c == '+')
                return unsupported(p);
            return fail(p, p->off, "a rule name is expected here");
        }
        if (!push(p, c))
            return false;
        p->off++;
    }
}

static bool
close_group(struct parser *p)
{
    if (!reduce(p, 1))
        return false;
    if (p->pending_cnt == 0)
        return fail(p, p->off, "`)` without `(`");
    p->pending_cnt--;
    p->off++;
    return true;
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
        if ((c == '&' || c == '|') && p->off + 1 < p->len && p->text[p->off + 1] == c) {
            if (!reduce(p, precedence(c)) || !push(p, c))
                return false;
            p->off += 2;
            return true;
        }
        if (c && strchr("+-*/<>=^?:", c))
            return unsupported(p);
        if (c == '!' && p->off + 1 < p->len && p->text[p->off + 1] == '=')
            return unsupported(p);
        return fail(p, p->off, "`&&` or `||` is expected here");
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
    if (!reduce(&p, 1))
        return 0;
    if (p.pending_cnt > 0) {
        fail(&p, p.pending[p.pending_cnt - 1].off, "`(` without `)`");
        return 0;
    }
    return p.code_cnt;
}

bool
expr_verify(const uint32_t *code, size_t code_cnt, uint32_t rules_cnt)
{
    size_t depth = 0;
    for (size_t i = 0; i < code_cnt; i++) {
        switch (expr_op(code[i])) {
        case EXPR_RULE:
            if (expr_operand(code[i]) >= rules_cnt)
                return false;
            /* fallthrough */
        case EXPR_CONST:
            if (depth++ == EXPR_STACK_MAX)
                return false;
            break;
        case EXPR_NOT:
            if (depth < 1)
                return false;
            break;
        case EXPR_AND:
        case EXPR_OR:
            if (depth-- < 2)
                return false;
            break;
        default:
            return false;
        }
    }
    return depth == 1;
}

bool
expr_eval(const uint32_t *code, size_t code_cnt, const struct hits *h)
{
    uint32_t stack[EXPR_STACK_MAX];
    size_t top = 0; /* values on the stack */
    for (size_t i = 0; i < code_cnt; i++) {
        uint32_t operand_value = expr_operand(code[i]);
        switch ((enum expr_op)expr_op(code[i])) {
        case EXPR_CONST:
            stack[top++] = operand_value;
            break;
        case EXPR_RULE:
            stack[top++] = hits_get(h, operand_value);
            break;
        case EXPR_NOT:
            stack[top - 1] = !stack[top - 1];
            break;
        case EXPR_AND:
            top--;
            stack[top - 1] = stack[top - 1] && stack[top];
            break;
        case EXPR_OR:
            top--;
            stack[top - 1] = stack[top - 1] || stack[top];
            break;
        case EXPR_OP_CNT:
            break;
        }
    }
    return stack[0] != 0;
}
