/* text: the same units for every split, none over its cap; lines hold all octets that are no white space,
 * in order; chunks are the text, CRLF read as LF. First octet: step. 0xff starts a new part. */
#include <stdlib.h>
#include <string.h>

#include "scan/text.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tape {
    uint8_t *p;
    size_t len;
    size_t cuts; /* a sum over where units end */
};

static void
add(struct tape *t, struct span unit, size_t max)
{
    MUST(unit.len && unit.len <= max);
    memcpy(t->p + t->len, unit.ptr, unit.len);
    t->len += unit.len;
    t->cuts = t->cuts * 31 + t->len;
}

static void
run(const uint8_t *data, size_t size, size_t step, struct tape *lt, struct tape *ct)
{
    static struct lines l;
    static struct chunks c;
    struct span in, unit;

    lt->len = lt->cuts = ct->len = ct->cuts = 0;
    lines_init(&l);
    chunks_init(&c);
    in = (struct span){(const uint8_t *)"s\n", 2};
    while (lines_subject(&l, &in, &unit))
        add(lt, unit, BODY_LINE_MAX + 1);
    for (size_t off = 0; off < size;) {
        if (data[off] == 0xff) {
            lines_part(&l);
            while (chunks_end(&c, &unit))
                add(ct, unit, RAWBODY_CHUNK_MAX);
            chunks_init(&c);
            off++;
            continue;
        }
        const uint8_t *part = memchr(data + off, 0xff, size - off);
        size_t n = (part ? (size_t)(part - data) : size) - off;
        n = n < step ? n : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, data + off, n);
        in = (struct span){piece, n};
        while (lines_next(&l, &in, &unit))
            add(lt, unit, BODY_LINE_MAX + 1);
        MUST(!in.len);
        in = (struct span){piece, n};
        while (chunks_next(&c, &in, &unit))
            add(ct, unit, RAWBODY_CHUNK_MAX);
        MUST(!in.len);
        free(piece);
        off += n;
    }
    while (lines_end(&l, &unit))
        add(lt, unit, BODY_LINE_MAX + 1);
    while (chunks_end(&c, &unit))
        add(ct, unit, RAWBODY_CHUNK_MAX);
}

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t step = data[0] + 1u, room = 3 * size + 16;
    struct tape l1 = {malloc(room), 0, 0}, l2 = {malloc(room), 0, 0};
    struct tape c1 = {malloc(room), 0, 0}, c2 = {malloc(room), 0, 0};
    data++, size--;

    /* Long lines from short inputs. */
    size_t times = data && size && size < 64 ? 80 : 1;
    uint8_t *big = malloc(size * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(big + i * size, data, size);
    size *= times;
    l1.p = realloc(l1.p, 3 * size + 16), l2.p = realloc(l2.p, 3 * size + 16);
    c1.p = realloc(c1.p, 3 * size + 16), c2.p = realloc(c2.p, 3 * size + 16);
    run(big, size, size + 1, &l1, &c1);
    run(big, size, 1, &l2, &c2);
    MUST(l1.len == l2.len && l1.cuts == l2.cuts && !memcmp(l1.p, l2.p, l1.len));
    MUST(c1.len == c2.len && c1.cuts == c2.cuts && !memcmp(c1.p, c2.p, c1.len));
    run(big, size, step, &l2, &c2);
    MUST(l1.len == l2.len && l1.cuts == l2.cuts && !memcmp(l1.p, l2.p, l1.len));
    MUST(c1.len == c2.len && c1.cuts == c2.cuts && !memcmp(c1.p, c2.p, c1.len));

    size_t j = 2, k = 0;
    for (size_t i = 0; i < size; i++) {
        if (big[i] == 0xff)
            continue;
        if (big[i] != '\r' || i + 1 == size || big[i + 1] != '\n')
            MUST(k < c1.len && c1.p[k++] == big[i]);
        if (is_space(big[i]) || !big[i])
            continue;
        while (j < l1.len && is_space(l1.p[j]))
            j++;
        MUST(j < l1.len && l1.p[j++] == big[i]);
    }
    MUST(k == c1.len);
    free(big);
    free(l1.p), free(l2.p), free(c1.p), free(c2.p);
    return 0;
}
