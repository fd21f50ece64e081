/* expr: the expression of a `meta` rule as a small program for a stack machine.
 *
 * Text is read once, into reverse Polish notation: one uint32_t an instruction, the operation in the
 * upper 8 bits, its operand in the lower 24.
 *
 *     A && !(B || C)      ->      RULE A, RULE B, RULE C, OR, NOT, AND
 *
 * Precedence as in Perl, so as in SpamAssassin: ! before && before ||. A rule's value is 1 if it hit, else
 * 0. What SpamAssassin has beyond that (+ - * / and comparisons) is refused by name; a new operator is a
 * line in the table of expr.c and a case in expr_eval.
 *
 * Owns:    nothing; no allocation, no recursion.
 * Limits:  EXPR_CODE_MAX instructions, EXPR_STACK_MAX open operators and operands. Past them: an error.
 * Threads: pure functions. */
#ifndef WEIR_SCAN_EXPR_H
#define WEIR_SCAN_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/match.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Public rule sets have up to 121 operands in a meta, nested up to 9 deep (measured, 7,361 rules). */
    EXPR_CODE_MAX = 4096,
    EXPR_STACK_MAX = 64
};

enum expr_op {
    EXPR_CONST, /* pushes the operand */
    EXPR_RULE,  /* pushes whether rule `operand` hit */
    EXPR_NOT,
    EXPR_AND,
    EXPR_OR,
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
    bool is_unsupported; /* right in SpamAssassin, not honoured yet */
};

/* Reads `text` (len < 2^24) into code[code_max]. Returns the instructions written, or 0 and *err. The
 * operand of each EXPR_RULE is the offset of its name in text; the caller puts the rule's index there. */
size_t expr_parse(const char *text, size_t len, uint32_t *code, size_t code_max,
                  struct expr_error *err);

/* Octets of the rule name at the start of text[0..len): [A-Za-z_][A-Za-z0-9_]*. */
size_t expr_name_len(const char *text, size_t len);

/* True when the program leaves exactly one value, never runs out of stack and names only rules
 * < rules_cnt. expr_eval may be given no other program. */
bool expr_verify(const uint32_t *code, size_t code_cnt, uint32_t rules_cnt);

bool expr_eval(const uint32_t *code, size_t code_cnt, const struct hits *h);

#ifdef __cplusplus
}
#endif
#endif
