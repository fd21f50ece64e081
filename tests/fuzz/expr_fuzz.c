/* The expression of a meta from anywhere. Asserts that every program that is made is one that may be run, that its
 * value is finite and the same in parentheses, that `!` of it is its opposite; and that any octets that pass
 * expr_verify can be run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                  \
    do {                                                             \
        if (!(what)) {                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                 \
        }                                                            \
    } while (0)

enum { RULES = 8 };

static const float values[RULES] = { 0, 1, 2, 0, 0.5F, 1000, 0, 3 };

/* 0 when the text is no expression; err->off is then inside it. */
static size_t
program(const char *text, size_t len, uint32_t *code, size_t code_max)
{
    struct expr_error err = { .off = SIZE_MAX };
    size_t cnt = expr_parse(text, len, code, code_max, &err);
    CHECK(cnt > 0 || (err.off <= len && err.text[0]));
    for (size_t i = 0; i < cnt; i++) {
        if (expr_op(code[i]) != EXPR_RULE)
            continue;
        size_t off = expr_operand(code[i]);
        CHECK(off < len && expr_name_len(text + off, len - off) > 0);
        code[i] = expr_code(EXPR_RULE, (unsigned char)text[off] % RULES);
    }
    CHECK(cnt == 0 || expr_verify(code, cnt, RULES));
    return cnt;
}

static void
check_text(const char *text, size_t len)
{
    static uint32_t code[EXPR_CODE_MAX];
    static uint32_t other[EXPR_CODE_MAX];
    size_t cnt = program(text, len, code, EXPR_CODE_MAX);
    if (cnt == 0)
        return;
    double value = expr_eval(code, cnt, values);
    CHECK(value == value && value - value == 0);
    char *wrapped = malloc(len + 4);
    CHECK(wrapped);
    snprintf(wrapped, len + 4, "(%.*s)", (int)len, text);
    size_t other_cnt = program(wrapped, len + 2, other, EXPR_CODE_MAX);
    CHECK(other_cnt == 0 || expr_eval(other, other_cnt, values) == value);
    snprintf(wrapped, len + 4, "!(%.*s)", (int)len, text);
    other_cnt = program(wrapped, len + 3, other, EXPR_CODE_MAX);
    CHECK(other_cnt == 0 || expr_eval(other, other_cnt, values) == (value == 0));
    free(wrapped);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 60000)
        return 0;
    if (!memchr(data, 0, size))
        check_text((const char *)data, size);
    size_t cnt = size / sizeof(uint32_t);
    uint32_t *code = malloc(size + 1);
    CHECK(code);
    memcpy(code, data, cnt * sizeof(*code));
    if (expr_verify(code, cnt, RULES)) {
        double value = expr_eval(code, cnt, values);
        CHECK(value == value && value - value == 0);
    }
    free(code);
    return 0;
}
