/* archive: the same trace for every split; every BEGIN has its END, DATA only between them, depths nest; flags are
 * told once an archive and none is left out; caps are kept. First octet: the step. */
#include <stdlib.h>
#include <string.h>

#include "scan/archive.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMBERS_MAX = 50, OCTETS_MAX = 1 << 18, RATIO_MAX = 20 };

struct trace {
    uint64_t hash; /* of members, flags and data, as far as their order is the same for every split */
    uint64_t len;
    unsigned members;
    unsigned flags;
};

static void
mix(struct trace *t, const void *octets, size_t len)
{
    const uint8_t *c = octets;
    for (size_t i = 0; i < len; i++)
        t->hash = (t->hash ^ c[i]) * 1099511628211u;
}

struct walker {
    unsigned depth; /* open members */
    uint64_t len[ARCHIVE_DEPTH_MAX + 1];
    bool is_read[ARCHIVE_DEPTH_MAX + 1];
    uint64_t hash[ARCHIVE_DEPTH_MAX + 1];
};

static void
check_item(struct trace *t, struct walker *w, enum archive_next n, const struct archive_item *item)
{
    if (n == ARCHIVE_FLAG) {
        MUST(item->flag < ARCHIVE_FLAG_CNT && item->depth < ARCHIVE_DEPTH_MAX);
        t->flags |= 1u << item->flag;
        return;
    }
    MUST(item->depth >= 1 && item->depth <= ARCHIVE_DEPTH_MAX);
    if (n == ARCHIVE_BEGIN) {
        MUST(w->depth == item->depth - 1);
        MUST(item->member.name.len <= ARCHIVE_NAME_MAX);
        w->depth++;
        t->members++;
        w->len[item->depth] = 0;
        w->is_read[item->depth] = item->member.is_read;
        mix(t, item->member.name.ptr, item->member.name.len);
        return;
    }
    if (n == ARCHIVE_DATA) {
        MUST(item->depth <= w->depth && w->is_read[item->depth] && item->data.len > 0);
        w->len[item->depth] += item->data.len;
        uint8_t sum = 0;
        for (size_t i = 0; i < item->data.len; i++)
            sum = (uint8_t)(sum + item->data.ptr[i]);
        w->hash[item->depth] += sum;
        t->len += item->data.len;
        return;
    }
    MUST(n == ARCHIVE_END && w->depth == item->depth);
    mix(t, &w->len[item->depth], sizeof(w->len[item->depth]));
    w->depth--;
}

static void
drain(struct archive *a, struct trace *t, struct walker *w)
{
    struct archive_item item;
    for (enum archive_next n; (n = archive_next(a, &item)) != ARCHIVE_MORE;)
        check_item(t, w, n, &item);
}

static struct trace
walk(struct archive_pool *pool, const uint8_t *data, size_t size, size_t step)
{
    struct trace t = { .hash = 14695981039346656037u };
    struct walker w = { 0 };
    struct archive *a = archive_take(pool);
    MUST(a);
    for (size_t off = 0; off < size;) {
        size_t n = size - off < step ? size - off : step;
        uint8_t *piece = malloc(n); /* of the exact size, and gone afterwards */
        memcpy(piece, data + off, n);
        archive_feed(a, piece, n);
        drain(a, &t, &w);
        free(piece);
        off += n;
    }
    archive_end(a);
    drain(a, &t, &w);
    MUST(w.depth == 0);
    MUST(t.flags == archive_flags(a));
    MUST(t.members <= MEMBERS_MAX);
    MUST(t.len <= OCTETS_MAX * 2 + 2 * size); /* stored members of stored members are handed out twice */
    archive_give(a);
    return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct archive_pool *pool;
    static const struct archive_limits limits = { OCTETS_MAX, RATIO_MAX, MEMBERS_MAX };
    if (!pool)
        pool = archive_pool_new(1, &limits);
    MUST(pool);
    if (size < 1)
        return 0;
    size_t step = data[0] % 80 + 1;
    struct trace whole = walk(pool, data + 1, size - 1, size);
    struct trace by_step = walk(pool, data + 1, size - 1, step);
    if ((whole.flags | by_step.flags) & (1u << ARCHIVE_FLAG_RATIO | 1u << ARCHIVE_FLAG_OCTETS))
        return 0; /* where RATIO cuts hangs on how far zlib has read, and OCTETS on what RATIO cut */
    MUST(whole.members == by_step.members && whole.flags == by_step.flags && whole.hash == by_step.hash);
    return 0;
}
