/* expr: the expression of a `meta` rule as a small program for a stack machine.
 *
 * Text is read once, into reverse Polish notation: one uint32_t an instruction, the operation in the
 * upper 8 bits, its operand in the lower 24.
 *
 *     A && !(B + 1 >= 2)      ->      RULE A, RULE B, CONST 1, ADD, CONST 2, GE, NOT, AND
 *
 * Operators, precedence and values are Perl's, so SpamAssassin's; from the tightest:
 *
 *     !  unary -     * / %     + -     < > <= >=     == !=     ^     &&     ||     ?:
 *
 * A rule's value is how often it hit, 0 for not at all. && gives its right value when the left one is true,
 * else the left one, || the other way round. Every operand is computed, whether Perl would look at it or not:
 * values have no side effects. A division by zero gives 0 (Perl gives up, and SpamAssassin with the message; one
 * that happens when no rule hits is refused by both). `()` is 0, as `rules_matching(X*)` is, which rule_finish.c
 * writes out before a program is made of it; `local_tests_only` is 1.
 *
 * Owns:    nothing; no allocation, no recursion.
 * Limits:  EXPR_CODE_MAX instructions, EXPR_STACK_MAX open operators and operands. Past them: an error.
 * Threads: pure functions.
 * Fails:   expr_parse with 0 and a place in the text; a program that expr_verify let pass never. */
#ifndef WEIR_SCAN_EXPR_H
#define WEIR_SCAN_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Public rule sets have up to 121 operands in a meta, nested up to 9 deep (measured, 7,361 rules). */
    EXPR_CODE_MAX = 4096,
    EXPR_STACK_MAX = 64
};

/* Numbers are in images: a new operation goes to the end. */
enum expr_op {
    EXPR_CONST, /* pushes the operand */
    EXPR_RULE,  /* pushes the value of rule `operand` */
    EXPR_NOT,
    EXPR_AND,
    EXPR_OR,
    EXPR_NEG,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_MOD,
    EXPR_ADD,
    EXPR_SUB,
    EXPR_LT,
    EXPR_GT,
    EXPR_LE,
    EXPR_GE,
    EXPR_EQ,
    EXPR_NE,
    EXPR_XOR,
    EXPR_SELECT, /* of three values the second when the first is true, else the third */
    EXPR_OP_CNT
};

static inline uint32_t
expr_code(enum expr_op op, uint32_t operand)
{
    return (uint32_t)op << 24 | operand;
}

/* Not checked: a value >= EXPR_OP_CNT is possible until expr_verify has passed. */
static inline unsigned
expr_op(uint32_t code)
{
    return code >> 24;
}

static inline uint32_t
expr_operand(uint32_t code)
{
    return code & 0xffffff;
}

struct expr_error {
    size_t off; /* into the text */
    char text[96];
    bool is_unsupported; /* right in Perl, or nearly, and not honoured: the rule may be turned off instead */
};

/* Reads `text` (len < 2^24) into code[code_max]. Returns the instructions written, or 0 and *err. The
 * operand of each EXPR_RULE is the offset of its name in text; the caller puts the rule's index there. */
size_t expr_parse(const char *text, size_t len, uint32_t *code, size_t code_max,
                  struct expr_error *err);

/* Octets of the rule name at the start of text[0..len): [A-Za-z_][A-Za-z0-9_]*. */
size_t expr_name_len(const char *text, size_t len);

/* True when the program is not too long, leaves exactly one value, never runs out of stack and names only rules
 * < rules_cnt. expr_eval may be given no other program. */
bool expr_verify(const uint32_t *code, size_t code_cnt, uint32_t rules_cnt);

/* values[i] is what rule i is worth; NULL: 0, every one. The result is finite. */
double expr_eval(const uint32_t *code, size_t code_cnt, const float *values);

#ifdef __cplusplus
}
#endif
#endif
