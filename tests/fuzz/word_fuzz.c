/* word: never more than the room; the same for any room that is enough; ASCII without words is only
 * unfolded. First octet: little room, or a field that is no text. */
#include <stdlib.h>
#include <string.h>

#include "scan/header.h"
#include "scan/word.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct charset_set *set;

static size_t
value(const char *name, struct span in, uint8_t *out, size_t cap, bool *is_cut)
{
    size_t n =
        word_value(set, (struct span){(const uint8_t *)name, strlen(name)}, in, out, cap, is_cut);

    MUST(n && n <= cap && out[n - 1] == '\n');
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool a_cut, b_cut;

    if (!set)
        set = charset_set_new();
    if (!size)
        return 0;
    unsigned how = data[0];
    struct span in = {data + 1, size - 1};
    const char *name = how & 1 ? "Subject" : "Received";
    size_t cap = WORD_ROOM(in.len);
    uint8_t *a = malloc(cap), *b = malloc(cap + 100), *small = malloc(how + 20);

    size_t a_len = value(name, in, a, cap, &a_cut), b_len = value(name, in, b, cap + 100, &b_cut);
    MUST(a_cut || (a_len == b_len && !memcmp(a, b, a_len)));
    value(name, in, small, how + 20, &a_cut);
    if (charset_ascii_len(in) == in.len &&
        (!(how & 1) || !in.len || !memmem(in.ptr, in.len, "=?", 2))) {
        b_len = header_unfold(in, b);
        MUST(a_len == b_len && !memcmp(a, b, a_len));
    }
    free(a);
    free(b);
    free(small);
    return 0;
}
