/* header: the same fields for every split; fields lie in the buffer, in order; unfolding stays in its room;
 * addresses and parameters too. First octet: cap and garbage limit. */
#include <stdlib.h>
#include <string.h>

#include "scan/address.h"
#include "scan/header.h"
#include "scan/param.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
collect(struct header *h, uint8_t *buf, size_t cap, unsigned garbage, const uint8_t *data, size_t size,
        size_t step)
{
    enum header_next next = HEADER_MORE;
    size_t off = 0;

    header_init(h, buf, cap, garbage);
    while (off < size && next == HEADER_MORE) {
        size_t n = size - off < step ? size - off : step;
        size_t used = header_feed(h, data + off, n, &next);
        MUST(used <= n && (used == n || next == HEADER_DONE));
        off += used;
    }
    if (next == HEADER_MORE)
        header_end(h);
    return off;
}

static void
read_value(struct span v)
{
    uint8_t *out = malloc(v.len + 1);
    size_t len;

    MUST(header_unfold(v, out) <= v.len + 1);
    MUST(header_raw(v, out) <= v.len + 1);
    MUST(address_write(v, ADDRESS_ADDR, out) <= v.len);
    MUST(address_write(v, ADDRESS_NAME, out) <= v.len);
    char *token = malloc(8);
    MUST(param_token(v, token, 8) < 8);
    free(token);
    if (param_get(v, "name", out, v.len, &len))
        MUST(len <= v.len && param_has(v, "name"));
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t cap = data[0] & 1 ? 4096 : 24;
    unsigned garbage = data[0] & 2 ? HEADER_GARBAGE_MESSAGE : HEADER_GARBAGE_PART;
    uint8_t *a_buf = malloc(cap), *b_buf = malloc(cap);
    struct header a, b;
    struct header_field f;

    data++, size--;
    size_t a_used = collect(&a, a_buf, cap, garbage, data, size, size ? size : 1);
    size_t b_used = collect(&b, b_buf, cap, garbage, data, size, 1);
    MUST(a_used == b_used && a.len == b.len && a.rest.len == b.rest.len && a.has_end == b.has_end);
    MUST(a.is_capped == b.is_capped && a.garbage_cnt == b.garbage_cnt);
    MUST(!memcmp(a_buf, b_buf, a.len + a.rest.len));
    MUST(a.is_capped || a_used >= a.len + a.rest.len);
    size_t last = 0;
    for (size_t off = 0; header_field(&a, &off, &f);) {
        MUST(f.line.ptr >= a_buf + last && f.line.ptr + f.line.len == a_buf + off && off <= a.len);
        MUST(f.name.len && f.value.ptr + f.value.len <= f.line.ptr + f.line.len);
        last = off;
        read_value(f.value);
    }
    read_value((struct span){data, size});
    free(a_buf);
    free(b_buf);
    return 0;
}
