#include "dataplane/reassembly.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "dataplane/memory.h"
#include "dataplane/packet.h"

_Static_assert(sizeof(struct chunk) == 2048, "CHUNK_LEN is what is left of 2 KiB");

/* ---- pool ---- */

int
store_pool_init(struct store_pool *p, uint32_t chunk_cnt, int node)
{
    memset(p, 0, sizeof(*p));
    p->memory_len = (size_t)chunk_cnt * sizeof(struct chunk);
    p->memory = memory_map(p->memory_len, node);
    if (!p->memory)
        return -ENOMEM;
    p->chunk_cnt = p->free_cnt = chunk_cnt;
    return 0;
}

void
store_pool_fini(struct store_pool *p)
{
    memory_unmap(p->memory, p->memory_len);
    memset(p, 0, sizeof(*p));
}

/* The caller has looked at free_cnt. */
static struct chunk *
pool_get(struct store_pool *p)
{
    assert(p->free_cnt);
    p->free_cnt--;
    struct chunk *c = p->free_list;
    if (c)
        p->free_list = c->next;
    else
        c = (struct chunk *)p->memory + p->touched_cnt++;
    return c;
}

static void
pool_put(struct store_pool *p, struct chunk *c)
{
    c->next = p->free_list;
    p->free_list = c;
    p->free_cnt++;
}

/* ---- list ---- */

static uint32_t
chunk_end(const struct chunk *c)
{
    return c->seq + c->len;
}

/* The last chunk that begins at or before seq, from the nearer end: most segments are new, and one that is
 * sent again and again begins at una. */
static struct chunk *
chunk_before(const struct reassembly *r, uint32_t seq)
{
    struct chunk *c = r->tail;
    if (c && (int32_t)(seq - r->head->seq) < (int32_t)(c->seq - seq)) {
        struct chunk *before = NULL;
        for (c = r->head; c && seq_le(c->seq, seq); c = c->next)
            before = c;
        return before;
    }
    while (c && seq_lt(seq, c->seq))
        c = c->prev;
    return c;
}

/* The first chunk that ends after seq. */
static struct chunk *
chunk_at_or_after(const struct reassembly *r, uint32_t seq)
{
    struct chunk *c = chunk_before(r, seq);
    if (!c)
        return r->head;
    return seq_lt(seq, chunk_end(c)) ? c : c->next;
}

/* Puts an empty chunk for seq behind `prev` (NULL: first). */
static struct chunk *
chunk_add(struct reassembly *r, struct chunk *prev, uint32_t seq, bool is_early, bool is_gapped)
{
    struct chunk *c = pool_get(r->pool);
    c->seq = seq;
    c->len = 0;
    c->is_early = is_early;
    c->is_gapped = is_gapped;
    c->prev = prev;
    c->next = prev ? prev->next : r->head;
    *(c->next ? &c->next->prev : &r->tail) = c;
    *(prev ? &prev->next : &r->head) = c;
    r->early_cnt += is_gapped;
    return c;
}

static void
chunk_drop_head(struct reassembly *r)
{
    struct chunk *c = r->head;
    r->head = c->next;
    *(r->head ? &r->head->prev : &r->tail) = NULL;
    r->early_cnt -= c->is_gapped;
    pool_put(r->pool, c);
}

void
reassembly_init(struct reassembly *r, struct store_pool *pool, uint32_t first_seq,
                uint32_t octets_max)
{
    assert(octets_max < 1u << 30);
    memset(r, 0, sizeof(*r));
    r->pool = pool;
    r->una = r->nxt = first_seq;
    r->octets_max = octets_max;
}

void
reassembly_fini(struct reassembly *r)
{
    while (r->head)
        chunk_drop_head(r);
    r->octets = 0;
}

/* ---- insert ---- */

static uint32_t
min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Octets that fit behind c without a new chunk. */
static uint32_t
room_behind(const struct chunk *c, uint32_t seq, bool is_early)
{
    return c && chunk_end(c) == seq && c->is_early == is_early ? (uint32_t)CHUNK_LEN - c->len : 0;
}

/* The gap at pos behind c, up to the next chunk or to end. */
static uint32_t
gap_len(const struct reassembly *r, const struct chunk *c, uint32_t pos, uint32_t end)
{
    const struct chunk *next = c ? c->next : r->head;
    return next && seq_lt(next->seq, end) ? next->seq - pos : end - pos;
}

/* Chunks that fill() would take. */
static uint32_t
chunks_needed(const struct reassembly *r, uint32_t pos, uint32_t end, bool is_early)
{
    uint32_t need = 0;
    struct chunk *c = chunk_before(r, pos);
    while (seq_lt(pos, end)) {
        if (c && seq_lt(pos, chunk_end(c))) {
            pos = chunk_end(c);
            continue;
        }
        uint32_t gap = gap_len(r, c, pos, end);
        uint32_t rest = gap - min_u32(gap, room_behind(c, pos, is_early));
        need += (rest + CHUNK_LEN - 1) / CHUNK_LEN;
        pos += gap;
        c = c ? c->next : r->head;
    }
    return need;
}

/* What is kept wins over what came. */
static uint32_t
overwrite(uint8_t *came, const uint8_t *kept, uint32_t len)
{
    if (memcmp(came, kept, len) == 0)
        return 0;
    uint32_t differ = 0;
    for (uint32_t i = 0; i < len; i++)
        differ += came[i] != kept[i];
    memcpy(came, kept, len);
    return differ;
}

/* Goes over [pos, end): overwrites where octets are kept, keeps where they are not. */
static uint32_t
fill(struct reassembly *r, uint32_t pos, uint8_t *octets, uint32_t end, bool is_early)
{
    uint32_t differ = 0;
    bool is_gapped = seq_lt(r->nxt, pos);
    struct chunk *c = chunk_before(r, pos);
    while (pos != end) {
        uint32_t n;
        if (c && seq_lt(pos, chunk_end(c))) {
            n = min_u32(end - pos, chunk_end(c) - pos);
            differ += overwrite(octets, c->octets + (pos - c->seq), n);
        } else {
            uint32_t gap = gap_len(r, c, pos, end);
            if (gap == 0) { /* the next chunk begins here */
                c = c ? c->next : r->head;
                continue;
            }
            if (!room_behind(c, pos, is_early))
                c = chunk_add(r, c, pos, is_early, is_gapped);
            n = min_u32(gap, (uint32_t)CHUNK_LEN - c->len);
            memcpy(c->octets + c->len, octets, n);
            c->len = (uint16_t)(c->len + n);
            r->octets += n;
        }
        pos += n;
        octets += n;
    }
    return differ;
}

static void
advance_nxt(struct reassembly *r)
{
    struct chunk *c = chunk_before(r, r->nxt);
    if (!c)
        return;
    if (seq_lt(r->nxt, chunk_end(c)))
        r->nxt = chunk_end(c);
    for (c = c->next; c && c->seq == r->nxt; c = c->next)
        r->nxt = chunk_end(c);
}

int
reassembly_insert(struct reassembly *r, uint32_t seq, uint8_t *octets, uint32_t len, bool is_early,
                  uint32_t *conflict_cnt)
{
    *conflict_cnt = 0;
    if (seq_lt(seq, r->una)) {
        uint32_t old = r->una - seq;
        if (old >= len)
            return 0;
        seq += old;
        octets += old;
        len -= old;
    }
    if (len == 0)
        return 0;
    uint32_t end = seq + len;
    /* A span, not a sum: the octets that are to fill a gap always have room under octets_max, so early
     * ones cannot lock out the segment that everyone waits for. */
    uint32_t off = seq - r->una;
    if (off > r->octets_max || len > r->octets_max - off)
        return -ENOBUFS;
    uint32_t need = chunks_needed(r, seq, end, is_early);
    bool is_gapped = seq_lt(r->nxt, seq);
    /* A few streams that are never acknowledged must not use up the pool, however much they send. */
    bool is_greedy = (r->nxt - r->una) / CHUNK_LEN >= STREAM_FAIR_CHUNKS;
    uint32_t reserve = (is_gapped ? r->pool->chunk_cnt / STORE_RESERVE_PART : 0) +
                       (is_greedy ? r->pool->chunk_cnt / STORE_RESERVE_PART : 0);
    if (need && (need + reserve > r->pool->free_cnt ||
                 (is_gapped && r->early_cnt + need > REASSEMBLY_EARLY_MAX)))
        return -ENOBUFS;
    *conflict_cnt = fill(r, seq, octets, end, is_early);
    advance_nxt(r);
    return 0;
}

/* ---- looking ---- */

uint8_t *
reassembly_at(const struct reassembly *r, uint32_t seq, uint32_t *len)
{
    struct chunk *c = chunk_before(r, seq);
    if (!c || seq_lt(seq, r->una) || !seq_lt(seq, chunk_end(c)))
        return NULL;
    *len = chunk_end(c) - seq;
    return c->octets + (seq - c->seq);
}

uint32_t
reassembly_copy(const struct reassembly *r, uint32_t seq, uint8_t *octets, uint32_t len)
{
    uint32_t end = seq + len, copied = 0;
    uint32_t pos = seq_lt(seq, r->una) ? r->una : seq;
    for (struct chunk *c = chunk_at_or_after(r, pos); c && seq_lt(c->seq, end) && seq_lt(pos, end);
         c = c->next) {
        if (seq_lt(pos, c->seq))
            pos = c->seq;
        uint32_t n = min_u32(end - pos, chunk_end(c) - pos);
        memcpy(octets + (pos - seq), c->octets + (pos - c->seq), n);
        copied += n;
        pos += n;
    }
    return copied;
}

bool
reassembly_early_run(const struct reassembly *r, uint32_t seq, uint32_t *start)
{
    struct chunk *c = chunk_before(r, seq);
    if (!c || seq_lt(seq, r->una) || !seq_lt(seq, chunk_end(c)) || !c->is_early)
        return false;
    while (c->prev && c->prev->is_early && chunk_end(c->prev) == c->seq)
        c = c->prev;
    *start = seq_lt(c->seq, r->una) ? r->una : c->seq;
    return true;
}

bool
reassembly_next_unsent(const struct reassembly *r, uint32_t from, uint32_t to, uint32_t *start,
                       uint32_t *len)
{
    if (seq_lt(from, r->una))
        from = r->una;
    struct chunk *c = chunk_at_or_after(r, from);
    while (c && c->is_early)
        c = c->next;
    if (!c || !seq_lt(from, to))
        return false;
    uint32_t first = seq_lt(c->seq, from) ? from : c->seq;
    if (!seq_lt(first, to))
        return false;
    uint32_t end = chunk_end(c);
    for (c = c->next; c && !c->is_early && c->seq == end; c = c->next)
        end = chunk_end(c);
    *start = first;
    *len = (seq_lt(to, end) ? to : end) - first;
    return true;
}

void
reassembly_ack(struct reassembly *r, uint32_t ack)
{
    if (!seq_lt(r->una, ack) || seq_lt(r->nxt, ack))
        return;
    r->octets -= ack - r->una; /* all before nxt is kept */
    r->una = ack;
    while (r->head && seq_le(chunk_end(r->head), ack))
        chunk_drop_head(r);
}
