/* eval_args: what stands between the parentheses of a rule's "eval:name(...)".
 *
 * Rule text writes eval:check_for_shifted_date('-6', '-3'); the rule compiler strips quotes and
 * blanks, so that a function sees the octets "-6" and "-3". A function gets its arguments checked
 * neither in number nor in form: it asks eval_arg, eval_arg_number, and an argument that is not
 * there is empty.
 *
 * Owns:    nothing; the spans point into the rule set's image and live as long as it.
 * Threads: pure functions.
 * Limits:  EVAL_ARGS_MAX; the rule compiler refuses a rule with more.
 * Fails:   never. */
#ifndef WEIR_SCAN_EVAL_ARGS_H
#define WEIR_SCAN_EVAL_ARGS_H

#include <stdbool.h>
#include <string.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Arguments of one call; the stock rules use up to 4. */
enum { EVAL_ARGS_MAX = 8 };

struct eval_args {
    struct span arg[EVAL_ARGS_MAX];
    unsigned cnt;
};

/* The argument, or an empty span. */
static inline struct span
eval_arg(const struct eval_args *a, unsigned idx)
{
    struct span none = {NULL, 0};
    return idx < a->cnt ? a->arg[idx] : none;
}

/* Whether the argument is that text; the rules' 'undef' is a text like another. */
static inline bool
eval_arg_is(const struct eval_args *a, unsigned idx, const char *text)
{
    const struct span s = eval_arg(a, idx);
    return s.len == strlen(text) && (s.len == 0 || memcmp(s.ptr, text, s.len) == 0);
}

/* The number that the argument begins with ("-12", "0.010"), as Perl reads one; 0 when there is
 * none. At most 15 digits count. */
static inline double
eval_arg_number(const struct eval_args *a, unsigned idx)
{
    const struct span s = eval_arg(a, idx);
    double value = 0, unit = 1;
    size_t i = 0, digits = 0;
    const bool is_negative = s.len > 0 && s.ptr[0] == '-';
    bool has_point = false;
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        i = 1;
    }
    for (; i < s.len && digits < 15; i++) {
        if (s.ptr[i] == '.' && !has_point) {
            has_point = true;
        } else if (s.ptr[i] >= '0' && s.ptr[i] <= '9') {
            value = value * 10 + (s.ptr[i] - '0');
            unit = has_point ? unit * 10 : unit;
            digits++;
        } else {
            break;
        }
    }
    value /= unit;
    return is_negative ? -value : value;
}

#ifdef __cplusplus
}
#endif
#endif
