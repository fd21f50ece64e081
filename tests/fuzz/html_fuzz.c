/* html: the same text, visibility, links and facts for every split of the input and of the output;
 * no more text than HTML; links under their caps and not empty. First octet: the window. */
#include <stdlib.h>
#include <string.h>

#include "scan/html.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    uint8_t *text;
    size_t len, invisible_len, links;
    uint64_t sum, link_sum; /* over text with its visibility; over links */
    struct html_facts facts;
};

static void
mix(uint64_t *sum, const uint8_t *p, size_t n, uint64_t tag)
{
    *sum = (*sum ^ tag) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < n; i++)
        *sum = (*sum ^ p[i]) * UINT64_C(0x100000001b3);
}

static void
on_link(void *ctx, enum html_link type, struct span uri)
{
    struct trace *t = ctx;
    MUST(uri.len <= HTML_URI_OUT_MAX);
    MUST(type < HTML_LINK_CNT && (uri.len || type >= HTML_LINK_ANCHOR));
    mix(&t->link_sum, uri.ptr, uri.len, 1 + type);
    t->links++;
}

static void
run(const uint8_t *in, size_t len, size_t window, size_t cap, struct trace *t)
{
    static struct html h;
    struct html_sink sink = {on_link, t};
    size_t used, calls = 0, most = 3 * len + 64;
    uint8_t *out = malloc(cap), *text = t->text;

    memset(t, 0, sizeof *t);
    t->text = text;
    memset(&h, 0xa5, sizeof h);
    html_init(&h, false, &sink);
    for (bool is_end = false; !is_end;) {
        size_t w = len < window ? len : window, n;
        uint8_t *piece = malloc(w + 1);
        memcpy(piece, in, w);
        n = len ? html_feed(&h, piece, w, out, cap, &used) : html_end(&h, out, cap);
        free(piece);
        MUST(calls++ <= most);
        MUST(n <= cap);
        is_end = !len && !n;
        if (len) {
            MUST(used <= w && (used || n));
            in += used;
            len -= used;
        }
        for (size_t i = 0; i < n; i++)
            mix(&t->sum, &out[i], 1, h.is_invisible);
        memcpy(t->text + t->len, out, n);
        t->len += n;
        t->invisible_len += h.is_invisible ? n : 0;
    }
    t->facts = h.facts;
    MUST(t->facts.visible_len + t->facts.invisible_len == t->len);
    MUST(t->facts.invisible_len == t->invisible_len);
    MUST(t->facts.non_space_len <= t->facts.html_length && t->facts.html_length <= t->len);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_set_up;
    struct trace a, b;

    if (!size)
        return 0;
    if (!is_set_up)
        html_setup();
    is_set_up = true;
    size_t window = data[0] + 1u;
    data++, size--;
    size_t times = size && size < 128 && window & 1 ? 70 : 1; /* over the caps from short inputs */
    uint8_t *big = malloc(size * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(big + i * size, data, size);
    size *= times;
    a.text = malloc(size + 64);
    b.text = malloc(size + 64);
    run(big, size, size + 1, 65536, &a);
    MUST(a.len <= size + 2);
    for (unsigned i = 0; i < 3; i++) {
        run(big, size, i == 0 ? 1 : window, i == 2 ? HTML_OUT_MIN : 4096, &b);
        MUST(a.len == b.len && a.sum == b.sum && !memcmp(a.text, b.text, a.len));
        MUST(a.links == b.links && a.link_sum == b.link_sum);
        MUST(!memcmp(&a.facts, &b.facts, sizeof a.facts));
    }
    free(big);
    free(a.text);
    free(b.text);
    return 0;
}
