/* Answers text_truth.pl and file_name_truth.py: a record is an octet that says what is asked and
 * two fields, each behind its length in four octets (little-endian); an answer is one such field.
 *
 *     D charset text     charset_decode, in one piece       S charset text   the same in windows of
 * 7 octets W charset text     charset_decode_word                H name value     word_value C -
 * type           param_charset                      F disposition type   param_file_name K charset
 * -        what the charset is known as */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/param.h"
#include "scan/word.h"

static struct charset_set *set;

static bool
read_field(struct span *s)
{
    uint8_t b[4];

    if (fread(b, 1, 4, stdin) != 4)
        return false;
    size_t len = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    uint8_t *p = malloc(len + 1);
    if (fread(p, 1, len, stdin) != len)
        return false;
    *s = (struct span){p, len};
    return true;
}

static void
answer(const uint8_t *p, size_t len)
{
    uint8_t b[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24)};

    fwrite(b, 1, 4, stdout);
    fwrite(p, 1, len, stdout);
}

static size_t
in_windows(struct span name, struct span in, uint8_t *out)
{
    struct charset_text t;
    size_t n = 0, room = 7;

    charset_begin(&t, set, name);
    while (in.len) {
        size_t len = in.len < room ? in.len : room;
        struct charset_result r;
        size_t got = charset_feed(&t, set, (struct span){in.ptr, len}, len == in.len, out + n,
                                  CHARSET_ROOM(len), &r);
        if (r.is_same)
            memmove(out + n, in.ptr, got = r.used);
        n += got;
        if (!r.used && len == in.len)
            abort();
        room = r.used ? 7 : room + 7; /* an escape that is longer than the window */
        in = (struct span){in.ptr + r.used, in.len - r.used};
    }
    return n;
}

static void
serve(int op, struct span a, struct span b, uint8_t *out, size_t cap)
{
    struct charset_result r = {.is_same = false};
    size_t n = 0;
    bool is_cut;

    if (op == 'D' || op == 'K')
        n = charset_decode(set, a, b, out, cap, &r);
    else if (op == 'W')
        n = charset_decode_word(set, a, b, out, cap, &r);
    else if (op == 'S')
        n = in_windows(a, b, out);
    else if (op == 'H')
        n = word_value(set, a, b, out, cap, &is_cut);
    else if (op == 'C')
        n = param_charset(b, (char *)out, cap);
    else if (op == 'F')
        n = param_file_name(set, a, b, out, cap);
    if (op == 'K')
        answer((const uint8_t *)(r.is_unknown ? "-" : r.from), r.is_unknown ? 1 : strlen(r.from));
    else if (r.is_same)
        answer(b.ptr, r.used);
    else
        answer(out, n);
}

int
main(void)
{
    struct span a, b;

    set = charset_set_new();
    if (!set)
        return 1;
    for (int op; (op = getchar()) != EOF;) {
        if (!read_field(&a) || !read_field(&b))
            return 1;
        size_t cap = WORD_ROOM(a.len + b.len) + 1024;
        uint8_t *out = malloc(cap);
        serve(op, a, b, out, cap);
        fflush(stdout);
        free(out);
        free((void *)a.ptr);
        free((void *)b.ptr);
    }
    charset_set_free(set);
    return 0;
}
