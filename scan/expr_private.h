/* expr_private: what expr.c and expr_parse.c share. */
#ifndef WEIR_SCAN_EXPR_PRIVATE_H
#define WEIR_SCAN_EXPR_PRIVATE_H

#include "scan/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values that an operation takes off the stack; each puts one back. */
unsigned expr_arity(enum expr_op op);

/* True when a verified program divides by zero, as Perl would run it, while no rule has hit. */
bool expr_divides_by_zero(const uint32_t *code, size_t code_cnt);

#ifdef __cplusplus
}
#endif
#endif
