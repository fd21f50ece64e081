/* expr: the machine. expr_parse.c makes its programs. */
#include "scan/expr.h"

#include "scan/expr_private.h"

/* Values that an operation takes off the stack; each puts one back. */
unsigned
expr_arity(enum expr_op op)
{
    switch (op) {
    case EXPR_CONST:
    case EXPR_RULE:
        return 0;
    case EXPR_NOT:
    case EXPR_NEG:
        return 1;
    case EXPR_SELECT:
        return 3;
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_MUL:
    case EXPR_DIV:
    case EXPR_MOD:
    case EXPR_ADD:
    case EXPR_SUB:
    case EXPR_LT:
    case EXPR_GT:
    case EXPR_LE:
    case EXPR_GE:
    case EXPR_EQ:
    case EXPR_NE:
    case EXPR_XOR:
    case EXPR_OP_CNT:
        break;
    }
    return 2;
}

bool
expr_verify(const uint32_t *code, size_t code_cnt, uint32_t rules_cnt)
{
    size_t depth = 0;
    if (code_cnt > EXPR_CODE_MAX)
        return false;
    for (size_t i = 0; i < code_cnt; i++) {
        if (expr_op(code[i]) >= EXPR_OP_CNT)
            return false;
        enum expr_op op = (enum expr_op)expr_op(code[i]);
        if (op == EXPR_RULE && expr_operand(code[i]) >= rules_cnt)
            return false;
        if (depth < expr_arity(op))
            return false;
        depth = depth - expr_arity(op) + 1;
        if (depth > EXPR_STACK_MAX)
            return false;
    }
    return depth == 1;
}

/* What is no finite number counts as the greatest there is: a rule must not decide by a NaN. */
static double
clamp(double x)
{
    return x >= -1e300 && x <= 1e300 ? x : x < 0 ? -1e300 : 1e300;
}

/* Perl's integer of a number: towards zero; beyond 63 bits saturated. */
static int64_t
integer(double x)
{
    return x >= 9e18 ? INT64_C(9000000000000000000) : x <= -9e18 ? -INT64_C(9000000000000000000) : (int64_t)x;
}

/* Perl's %: the result has the sign of the right operand. */
static double
modulo(double a, double b)
{
    int64_t left = integer(a);
    int64_t right = integer(b);
    if (right == 0 || right == -1)
        return 0;
    int64_t rest = left % right;
    return (double)(rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest);
}

static double
binary(enum expr_op op, double a, double b)
{
    switch (op) {
    case EXPR_AND:
        return a != 0 ? b : a;
    case EXPR_OR:
        return a != 0 ? a : b;
    case EXPR_MUL:
        return clamp(a * b);
    case EXPR_DIV:
        return b != 0 ? clamp(a / b) : 0;
    case EXPR_MOD:
        return modulo(a, b);
    case EXPR_ADD:
        return clamp(a + b);
    case EXPR_SUB:
        return clamp(a - b);
    case EXPR_LT:
        return a < b;
    case EXPR_GT:
        return a > b;
    case EXPR_LE:
        return a <= b;
    case EXPR_GE:
        return a >= b;
    case EXPR_EQ:
        return a == b;
    case EXPR_NE:
        return a != b;
    case EXPR_XOR:
        return (double)((uint64_t)integer(a) ^ (uint64_t)integer(b));
    case EXPR_CONST:
    case EXPR_RULE:
    case EXPR_NOT:
    case EXPR_NEG:
    case EXPR_SELECT:
    case EXPR_OP_CNT:
        break;
    }
    return 0;
}

/* A bit of *faults for each place of the stack: Perl would have divided by zero on the way to this value. Perl
 * does not look at the side of && || ?: that it does not need. */
static void
note_fault(uint64_t *faults, enum expr_op op, const double *operands, size_t at)
{
    uint64_t first = *faults >> at & 1;
    uint64_t second = at + 1 < EXPR_STACK_MAX ? *faults >> (at + 1) & 1 : 0;
    uint64_t third = at + 2 < EXPR_STACK_MAX ? *faults >> (at + 2) & 1 : 0;
    uint64_t fault = first;
    if (op == EXPR_AND)
        fault |= operands[0] != 0 ? second : 0;
    else if (op == EXPR_OR)
        fault |= operands[0] != 0 ? 0 : second;
    else if (op == EXPR_SELECT)
        fault |= operands[0] != 0 ? second : third;
    else if (expr_arity(op) == 2)
        fault |= second;
    if (op == EXPR_DIV)
        fault |= operands[1] == 0;
    if (op == EXPR_MOD)
        fault |= integer(operands[1]) == 0;
    *faults = (*faults & ((UINT64_C(1) << at) - 1)) | fault << at;
}

double
expr_eval(const uint32_t *code, size_t code_cnt, const float *values)
{
    double stack[EXPR_STACK_MAX];
    double *top = stack; /* behind the uppermost */
    for (size_t i = 0; i < code_cnt; i++) {
        enum expr_op op = (enum expr_op)expr_op(code[i]);
        uint32_t operand = expr_operand(code[i]);
        if (op == EXPR_RULE) { /* the first four are nearly all there are */
            *top++ = values ? (double)values[operand] : 0;
        } else if (op == EXPR_AND) {
            top--;
            top[-1] = top[-1] != 0 ? top[0] : top[-1];
        } else if (op == EXPR_OR) {
            top--;
            top[-1] = top[-1] != 0 ? top[-1] : top[0];
        } else if (op == EXPR_NOT) {
            top[-1] = top[-1] == 0;
        } else if (op == EXPR_CONST) {
            *top++ = operand;
        } else if (op == EXPR_NEG) {
            top[-1] = -top[-1];
        } else if (op == EXPR_SELECT) {
            top -= 2;
            top[-1] = top[-1] != 0 ? top[0] : top[1];
        } else {
            top--;
            top[-1] = binary(op, top[-1], top[0]);
        }
    }
    return stack[0];
}

bool
expr_divides_by_zero(const uint32_t *code, size_t code_cnt)
{
    double stack[EXPR_STACK_MAX] = { 0 };
    uint64_t faults = 0;
    size_t top = 0; /* values on the stack */
    for (size_t i = 0; i < code_cnt; i++) {
        enum expr_op op = (enum expr_op)expr_op(code[i]);
        top -= expr_arity(op);
        double *at = &stack[top++];
        if (expr_arity(op))
            note_fault(&faults, op, at, top - 1);
        else
            faults &= ~(UINT64_C(1) << (top - 1));
        *at = op == EXPR_CONST    ? expr_operand(code[i])
              : op == EXPR_RULE   ? 0
              : op == EXPR_NOT    ? *at == 0
              : op == EXPR_NEG    ? -*at
              : op == EXPR_SELECT ? (at[0] != 0 ? at[1] : at[2])
                                  : binary(op, at[0], at[1]);
    }
    return faults & 1;
}
