/* mime: the same trace for every split; PART DATA* END and nothing else; never more data out than octets
 * in; no part over the cap; the budget's depth is given back. First octet: step. */
#include <stdlib.h>
#include <string.h>

#include "scan/mime.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    uint8_t *data;
    size_t len;
    uint64_t sum, events;
    unsigned parts;
    bool is_open;
};

static void
drain(struct mime *m, struct trace *t)
{
    struct span data;
    enum event e;

    for (enum mime_next n; (n = mime_next(m, &data, &e)) != MIME_MORE;) {
        if (n == MIME_EVENT) {
            MUST(e > EVENT_NONE && e < EVENT_CNT);
            t->events |= EVENT_BIT(e);
            continue;
        }
        MUST(t->is_open == (n != MIME_PART));
        if (n == MIME_DATA) {
            MUST(data.len);
            memcpy(t->data + t->len, data.ptr, data.len);
            t->len += data.len;
            continue;
        }
        t->is_open = n == MIME_PART;
        t->parts += n == MIME_PART;
        t->sum = t->sum * 31 + t->len;
        for (const char *c = mime_part(m)->type; *c; c++)
            t->sum = t->sum * 31 + (uint8_t)*c;
    }
}

static void
run(const uint8_t *data, size_t size, size_t step, struct trace *t)
{
    static struct mime m;
    struct mime_budget budget = {.charsets = NULL};
    uint8_t *header = malloc(MIME_HEADER_BUF);

    *t = (struct trace){.data = malloc(size + 1)};
    mime_init(&m, &budget, header);
    mime_start_message(&m);
    for (size_t off = 0; off < size;) {
        size_t n = size - off < step ? size - off : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, data + off, n);
        mime_feed(&m, piece, n);
        drain(&m, t);
        free(piece);
        off += n;
    }
    mime_end(&m);
    drain(&m, t);
    MUST(!t->is_open && t->len <= size && t->parts <= MIME_PART_MAX + 1 && budget.depth == 0);
    free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace a, b;

    if (!size)
        return 0;
    size_t steps[] = {1, data[0] + 1u};
    data++, size--;
    run(data, size, size + 1, &a);
    for (int i = 0; i < 2; i++) {
        run(data, size, steps[i], &b);
        MUST(a.len == b.len && a.sum == b.sum && a.events == b.events && a.parts == b.parts);
        MUST(!memcmp(a.data, b.data, a.len));
        free(b.data);
    }
    free(a.data);
    return 0;
}
