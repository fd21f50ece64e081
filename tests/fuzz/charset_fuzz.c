/* charset: the output is UTF-8 and no longer than promised, all is read, ASCII and UTF-8 stay; and
 * once a window has decided, every split of the rest gives the same. First octets: set, first
 * window, step. */
#include <stdlib.h>
#include <string.h>

#include "scan/charset.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "us-ascii", "utf-8",       "iso-8859-1", "windows-1251", "koi8-r",      "shift_jis",
    "euc-jp",   "iso-2022-jp", "euc-kr",     "cp949",        "gb2312",      "gbk",
    "big5",     "hz",          "utf-7",      "utf-16",       "iso-2022-kr", "utf-32le",
    "viscii",   "johab",       "cp500",      "big5-hkscs",   "utf-16le",    "what"};

static struct charset_set *set;

static size_t
feed(struct charset_text *t, struct span in, bool is_last, uint8_t *all, size_t *used,
     bool *is_same)
{
    struct charset_result r;
    uint8_t *exact = malloc(in.len ? in.len : 1), *out = malloc(CHARSET_ROOM(in.len));

    memcpy(exact, in.ptr, in.len);
    size_t n =
        charset_feed(t, set, (struct span){exact, in.len}, is_last, out, CHARSET_ROOM(in.len), &r);
    MUST(n <= CHARSET_ROOM(in.len) && r.used <= in.len && (!is_last || r.used == in.len));
    MUST(in.len - r.used <= CHARSET_CUT_MAX);
    MUST(!r.is_same || n == 0);
    memcpy(all, r.is_same ? exact : out, r.is_same ? r.used : n);
    *used = r.used;
    *is_same = r.is_same;
    free(exact);
    free(out);
    return r.is_same ? r.used : n;
}

static size_t
in_steps(struct charset_text t, struct span in, size_t step, uint8_t *all)
{
    size_t n = 0, len = 0, used;
    bool is_same;

    for (size_t off = 0; off < in.len; off += used) {
        len = len < step ? step : len; /* what is left over comes again, with more */
        len = len < in.len - off ? len : in.len - off;
        n += feed(&t, (struct span){in.ptr + off, len}, off + len == in.len, all + n, &used,
                  &is_same);
        len = len - used + step;
    }
    return n;
}

static void
whole(struct span name, struct span in, uint8_t *all)
{
    struct charset_text t;
    size_t used;
    bool is_same;

    charset_begin(&t, set, name);
    size_t n = feed(&t, in, true, all, &used, &is_same);
    struct span out = {all, n};
    MUST(charset_utf8_len(out) == n);
    if (charset_utf8_len(in) == in.len && charset_ascii_len(in) < in.len && t.how == CHARSET_UTF8)
        MUST(n == in.len && !memcmp(all, in.ptr, n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct charset_text t;
    struct charset_result r;
    size_t used;
    bool is_same;

    if (!set)
        set = charset_set_new();
    if (size < 3)
        return 0;
    const char *s = names[data[0] % (sizeof(names) / sizeof(names[0]))];
    struct span name = {(const uint8_t *)s, strlen(s)};
    size_t first = data[1], step = data[2] % 32 + 1;
    struct span in = {data + 3, size - 3};
    uint8_t *a = malloc(CHARSET_ROOM(size) * 2), *b = malloc(CHARSET_ROOM(size) * 2);

    whole(name, in, a);
    size_t n = charset_decode_word(set, name, in, a, CHARSET_ROOM(in.len), &r);
    MUST(r.used == in.len && n <= CHARSET_ROOM(in.len));
    charset_begin(&t, set, name);
    if (first < in.len) {
        feed(&t, (struct span){in.ptr, first}, false, a, &used, &is_same);
        struct span rest = {in.ptr + used, in.len - used};
        if (t.codec && rest.len) {
            size_t a_len = in_steps(t, rest, rest.len, a);
            size_t b_len = in_steps(t, rest, step, b);
            MUST(a_len == b_len && !memcmp(a, b, a_len));
        }
    }
    free(a);
    free(b);
    return 0;
}
