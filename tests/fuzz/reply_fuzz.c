/* reply: codes against a model that reads line by line, whole and split. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scan/reply.h"

enum { ITEMS_MAX = 8192 };

struct items {
    unsigned cnt;
    uint32_t item[ITEMS_MAX];
};

static uint32_t
item(size_t at, enum reply_next next, unsigned code, int is_bad)
{
    return (uint32_t)at << 16 | (uint32_t)next << 12 | (uint32_t)is_bad << 11 | code;
}

static void
put(struct items *l, uint32_t i)
{
    if (l->cnt < ITEMS_MAX)
        l->item[l->cnt++] = i;
}

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static void
model(struct items *l, const uint8_t *o, size_t len)
{
    unsigned first = 0;

    l->cnt = 0;
    for (size_t begin = 0, end; begin < len; begin = end + 1) {
        const uint8_t *lf = memchr(o + begin, '\n', len - begin);
        size_t sep = begin + 3;
        unsigned code;
        bool is_bad, is_last;

        end = lf != NULL ? (size_t)(lf - o) : len;
        is_bad = end - begin < 3 || o[begin] < '1' || o[begin] > '5' || !is_digit(o[begin + 1]) ||
                 !is_digit(o[begin + 2]);
        code = is_bad ? 0 : (o[begin] - '0') * 100u + (o[begin + 1] - '0') * 10u + o[begin + 2] - '0';
        while (!is_bad && sep < end && o[sep] == '\r')
            sep++;
        is_last = !is_bad && (sep == end || o[sep] == ' ' || o[sep] == '\t');
        is_bad = is_bad || (!is_last && o[sep] != '-');
        if (!is_bad && code == 250 && end - sep >= 9 &&
            strncasecmp((const char *)o + sep + 1, "STARTTLS", 8) == 0)
            put(l, item(sep + 9, REPLY_KEYWORD, 0, 0));
        if (lf == NULL)
            return;
        if (is_bad || code < 200) {
            put(l, item(end + 1, REPLY_LINE, 0, 1));
            if (!is_bad)
                first = 0;
            continue;
        }
        put(l, item(end + 1, is_last ? REPLY_END : REPLY_LINE, is_last ? code : 0,
                    first != 0 && first != code));
        first = is_last ? 0 : code;
    }
}

static void
machine(struct items *l, const uint8_t *o, size_t len, size_t piece)
{
    struct reply r;

    reply_init(&r);
    l->cnt = 0;
    for (size_t at = 0; at < len;) {
        size_t offered = piece > len - at ? len - at : piece, done = 0;
        uint8_t *copy = malloc(offered);

        memcpy(copy, o + at, offered);
        while (done < offered) {
            enum reply_next next;
            size_t n = reply_feed(&r, copy + done, offered - done, &next);

            assert(n > 0 && n <= offered - done);
            assert(next != REPLY_MORE || n == offered - done);
            done += n;
            if (next == REPLY_KEYWORD)
                put(l, item(at + done, next, 0, 0));
            else if (next != REPLY_MORE)
                put(l, item(at + done, next, next == REPLY_END ? r.code : 0, r.is_bad));
        }
        free(copy);
        at += offered;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    static struct items want, got;
    static const size_t pieces[3] = {65536, 1, 7};

    if (len > 4096)
        return 0;
    model(&want, octets, len);
    for (unsigned i = 0; i < 3; i++) {
        machine(&got, octets, len, pieces[i]);
        assert(got.cnt == want.cnt);
        assert(memcmp(got.item, want.item, got.cnt * sizeof(got.item[0])) == 0);
    }
    return 0;
}
