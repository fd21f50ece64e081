/* param: no read or write out of place, lengths that fit; two fields, parted by a NUL. */
#include <stdlib.h>
#include <string.h>

#include "scan/param.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct charset_set *set;

static void
read_one(struct span v, uint8_t *out, size_t cap)
{
    char charset[CHARSET_NAME_MAX + 1], token[8];
    size_t len;

    MUST(param_token(v, token, sizeof(token)) == strlen(token));
    MUST(param_charset(v, charset, 8) < 8);
    param_get(v, "boundary", out, cap, &len);
    if (param_get_extended(v, "name", out, cap, &len, charset))
        MUST(len <= cap && param_has(v, "name"));
    if (param_get_any(v, "boundary", out, cap, &len) && param_get(v, "boundary", out, cap, &len))
        MUST(param_has(v, "boundary"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!set)
        set = charset_set_new();
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    struct span a = {data, n}, b = {nul ? nul + 1 : data, nul ? size - n - 1 : 0};
    size_t cap = size % 40;
    uint8_t *out = malloc(cap + 1);

    read_one(a, out, cap);
    read_one(b, out, cap);
    MUST(param_file_name(set, a, b, out, cap) <= cap);
    size_t len = param_file_name(NULL, a, b, out, cap);
    MUST(len <= cap);
    free(out);
    return 0;
}
