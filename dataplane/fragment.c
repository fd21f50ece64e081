#include "dataplane/fragment.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_mbuf.h>

#include "dataplane/memory.h"

enum {
    HEAD_MAX = 384, /* Ethernet, tags, IP and what stands before a fragment header: at most 318 */
    BUFFER_LEN = HEAD_MAX + 65536,
    UNIT_CNT = 65536 / 8,
    NONE = UINT16_MAX
};

/* One datagram. Its payload grows at buffer + HEAD_MAX; the head is put before it when it comes. */
struct entry {
    struct flow_key key;
    uint32_t id;
    bool src_is_first;
    bool is_dead; /* overlapped: pieces are dropped until it is forgotten */
    bool has_head, has_total;
    uint16_t hash_next, age_next, age_prev;
    uint16_t head_len;      /* 0 to the IP payload, fragment header left out */
    uint16_t next_off;      /* IPv6: of the next-header octet that named the fragment header */
    uint8_t next_proto;     /* IPv6: what it becomes */
    uint8_t ip_version;
    uint16_t l3_off;
    unsigned mbuf_cnt;
    uint32_t total, octets; /* payload: whole length, octets there */
    uint64_t begun_ms;
    uint64_t units[UNIT_CNT / 64];
    struct rte_mbuf *mbufs[FRAGMENT_PIECES_MAX];
};

struct fragment_table {
    struct entry *entries;
    uint8_t *buffers; /* one each, and one for atomic fragments */
    uint16_t *heads;  /* hash chains */
    unsigned max, mask;
    uint16_t free_list; /* through hash_next */
    uint16_t oldest, newest;
    uint32_t timeout_ms;
    uint64_t seed;
    size_t entries_len, buffers_len;
};

struct fragment_table *
fragment_table_new(unsigned datagrams_max, uint32_t timeout_ms, int node)
{
    assert(datagrams_max && datagrams_max < NONE);
    struct fragment_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    unsigned heads = 1;
    while (heads < datagrams_max)
        heads *= 2;
    t->max = datagrams_max;
    t->mask = heads - 1;
    t->timeout_ms = timeout_ms;
    t->oldest = t->newest = NONE;
    t->entries_len = datagrams_max * sizeof(struct entry);
    t->buffers_len = (datagrams_max + (size_t)1) * BUFFER_LEN;
    t->entries = memory_map(t->entries_len, node);
    t->buffers = memory_map(t->buffers_len, node);
    t->heads = malloc(heads * sizeof(*t->heads));
    if (!t->entries || !t->buffers || !t->heads ||
        getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
        t->free_list = NONE;
        fragment_table_free(t);
        return NULL;
    }
    for (unsigned i = 0; i < heads; i++)
        t->heads[i] = NONE;
    for (unsigned i = 0; i < datagrams_max; i++)
        t->entries[i].hash_next = (uint16_t)(i + 1 < datagrams_max ? i + 1 : NONE);
    return t;
}

/* ---- the table ---- */

static uint16_t *
chain_of(struct fragment_table *t, const struct flow_key *k, uint32_t id)
{
    return &t->heads[flow_key_hash(k, t->seed ^ (uint64_t)id << 17, true) & t->mask];
}

static struct entry *
entry_find(struct fragment_table *t, const struct packet *p)
{
    for (uint16_t i = *chain_of(t, &p->key, p->frag_id); i != NONE; i = t->entries[i].hash_next) {
        struct entry *e = &t->entries[i];
        if (e->id == p->frag_id && e->src_is_first == p->src_is_first &&
            memcmp(&e->key, &p->key, sizeof(e->key)) == 0)
            return e;
    }
    return NULL;
}

static uint16_t
entry_idx(const struct fragment_table *t, const struct entry *e)
{
    return (uint16_t)(e - t->entries);
}

static uint8_t *
payload_of(const struct fragment_table *t, const struct entry *e)
{
    return t->buffers + (size_t)entry_idx(t, e) * BUFFER_LEN + HEAD_MAX;
}

/* Forgets it; its mbufs must have gone already. */
static void
entry_remove(struct fragment_table *t, struct entry *e)
{
    uint16_t idx = entry_idx(t, e);
    uint16_t *at = chain_of(t, &e->key, e->id);
    while (*at != idx)
        at = &t->entries[*at].hash_next;
    *at = e->hash_next;
    *(e->age_prev != NONE ? &t->entries[e->age_prev].age_next : &t->oldest) = e->age_next;
    *(e->age_next != NONE ? &t->entries[e->age_next].age_prev : &t->newest) = e->age_prev;
    e->hash_next = t->free_list;
    t->free_list = idx;
}

static unsigned
entry_free(struct fragment_table *t, struct entry *e)
{
    unsigned cnt = e->mbuf_cnt;
    for (unsigned i = 0; i < cnt; i++)
        rte_pktmbuf_free(e->mbufs[i]);
    e->mbuf_cnt = 0;
    entry_remove(t, e);
    return cnt;
}

/* There must be a free one. */
static struct entry *
entry_add(struct fragment_table *t, const struct packet *p, uint64_t now_ms)
{
    uint16_t idx = t->free_list;
    struct entry *e = &t->entries[idx];
    t->free_list = e->hash_next;
    memset(e, 0, sizeof(*e));
    e->key = p->key;
    e->id = p->frag_id;
    e->src_is_first = p->src_is_first;
    e->ip_version = p->ip_version;
    e->begun_ms = now_ms;
    uint16_t *at = chain_of(t, &e->key, e->id);
    e->hash_next = *at;
    *at = idx;
    e->age_next = NONE;
    e->age_prev = t->newest;
    *(t->newest != NONE ? &t->entries[t->newest].age_next : &t->oldest) = idx;
    t->newest = idx;
    return e;
}

void
fragment_table_free(struct fragment_table *t)
{
    if (!t)
        return;
    while (t->entries && t->heads && t->oldest != NONE)
        entry_free(t, &t->entries[t->oldest]);
    memory_unmap(t->entries, t->entries_len);
    memory_unmap(t->buffers, t->buffers_len);
    free(t->heads);
    free(t);
}

unsigned
fragment_expire(struct fragment_table *t, uint64_t now_ms)
{
    unsigned cnt = 0;
    while (t->oldest != NONE && now_ms - t->entries[t->oldest].begun_ms >= t->timeout_ms)
        cnt += entry_free(t, &t->entries[t->oldest]);
    return cnt;
}

/* ---- one piece ---- */

static uint16_t
ipv4_head_sum(const uint8_t *ip)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < (ip[0] & 15u) * 4; i += 2)
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

/* Where the chain before the fragment header names it. packet_parse has walked it already. */
static uint16_t
ipv6_next_off(const struct packet *p)
{
    uint32_t at = p->l3_off + 6u, off = p->l3_off + 40u;
    while (off < p->frag_hdr_off) {
        bool is_ah = p->frame[at] == 51;
        at = off;
        off += is_ah ? (p->frame[off + 1] + 2u) * 4 : (p->frame[off + 1] + 1u) * 8;
    }
    return (uint16_t)at;
}

/* Copies what stands before the payload. */
static void
take_head(struct entry *e, uint8_t *payload, const struct packet *p)
{
    e->head_len = p->ip_version == 4 ? p->l4_off : p->frag_hdr_off;
    assert(e->head_len <= HEAD_MAX);
    e->l3_off = p->l3_off;
    e->has_head = true;
    memcpy(payload - e->head_len, p->frame, e->head_len);
    if (p->ip_version == 6) {
        e->next_off = ipv6_next_off(p);
        e->next_proto = p->frame[p->frag_hdr_off];
    }
}

/* The head as it was before it was fragmented. */
static void
finish(struct entry *e, uint8_t *payload, struct datagram *out)
{
    uint8_t *frame = payload - e->head_len, *ip = frame + e->l3_off;
    uint32_t ip_len = e->head_len + e->total - e->l3_off;
    if (e->ip_version == 4) {
        ip[2] = (uint8_t)(ip_len >> 8);
        ip[3] = (uint8_t)ip_len;
        memset(ip + 6, 0, 2);
        memset(ip + 10, 0, 2);
        uint16_t sum = (uint16_t)~ipv4_head_sum(ip);
        ip[10] = (uint8_t)(sum >> 8);
        ip[11] = (uint8_t)sum;
    } else {
        ip[4] = (uint8_t)((ip_len - 40) >> 8);
        ip[5] = (uint8_t)(ip_len - 40);
        frame[e->next_off] = e->next_proto;
    }
    out->frame = frame;
    out->frame_len = e->head_len + e->total;
}

/* With its head the datagram must fit its length field. */
static bool
is_too_long(const struct entry *e, uint32_t end)
{
    uint32_t head = e->has_head ? e->head_len - e->l3_off - (e->ip_version == 4 ? 0u : 40u)
                                : (e->ip_version == 4 ? 20u : 0u);
    return head + end > 65535;
}

enum piece { PIECE_NEW, PIECE_DUPLICATE, PIECE_CONFLICT };

/* Judges a piece against what is there, in 8-octet units: only the last piece of a datagram may end in a
 * part of one. */
static enum piece
piece_judge(const struct entry *e, const uint8_t *payload, const struct packet *p)
{
    uint32_t end = p->frag_off + p->frag_len;
    if (e->has_total && (p->frag_has_more ? end >= e->total : end != e->total))
        return PIECE_CONFLICT;
    unsigned there = 0, units = 0;
    for (uint32_t u = p->frag_off / 8; u < (end + 7) / 8; u++, units++)
        there += (unsigned)(e->units[u / 64] >> (u % 64)) & 1;
    if (!p->frag_has_more && !e->has_total) {
        /* Nothing may lie at or beyond the end, and no piece ended here that said "more". */
        for (uint32_t u = end / 8; u < UNIT_CNT; u++) {
            if (e->units[u / 64] >> (u % 64) & 1)
                return PIECE_CONFLICT;
        }
    }
    if (there == 0)
        return PIECE_NEW;
    if (there < units || memcmp(payload + p->frag_off, p->frame + p->l4_off, p->frag_len) != 0)
        return PIECE_CONFLICT;
    /* All there, but said to be the last only now: a contradiction to the one that brought it. */
    return !p->frag_has_more && !e->has_total ? PIECE_CONFLICT : PIECE_DUPLICATE;
}

static void
piece_take(struct entry *e, uint8_t *payload, const struct packet *p)
{
    uint32_t end = p->frag_off + p->frag_len;
    for (uint32_t u = p->frag_off / 8; u < (end + 7) / 8; u++)
        e->units[u / 64] |= UINT64_C(1) << (u % 64);
    memcpy(payload + p->frag_off, p->frame + p->l4_off, p->frag_len);
    e->octets += p->frag_len;
    if (!p->frag_has_more) {
        e->has_total = true;
        e->total = end;
    }
    if (p->frag_off == 0)
        take_head(e, payload, p);
}

/* Gives the entry's mbufs and this one to the caller. */
static void
hand_over(struct entry *e, struct rte_mbuf *mbuf, struct datagram *out)
{
    memcpy(out->mbufs, e->mbufs, e->mbuf_cnt * sizeof(e->mbufs[0]));
    out->mbuf_cnt = e->mbuf_cnt;
    out->mbufs[out->mbuf_cnt++] = mbuf;
    e->mbuf_cnt = 0;
}

static enum fragment_result
atomic_input(struct fragment_table *t, const struct packet *p, struct rte_mbuf *mbuf,
             struct datagram *out)
{
    struct entry e = {.ip_version = p->ip_version};
    uint8_t *payload = t->buffers + (size_t)t->max * BUFFER_LEN + HEAD_MAX;
    piece_take(&e, payload, p);
    hand_over(&e, mbuf, out);
    if (is_too_long(&e, e.total))
        return FRAGMENT_DROP;
    finish(&e, payload, out);
    return FRAGMENT_COMPLETE;
}

enum fragment_result
fragment_input(struct fragment_table *t, const struct packet *p, struct rte_mbuf *mbuf,
               uint64_t now_ms, struct datagram *out)
{
    assert(p->kind == PACKET_FRAGMENT);
    out->mbufs[0] = mbuf;
    out->mbuf_cnt = 1;
    out->freed_cnt = fragment_expire(t, now_ms);
    out->frame = NULL;
    out->frame_len = 0;
    if (p->ip_version == 4 && ipv4_head_sum(p->frame + p->l3_off) != 0xffff)
        return FRAGMENT_DROP;
    if (p->frag_off == 0 && !p->frag_has_more)
        return atomic_input(t, p, mbuf, out);
    struct entry *e = entry_find(t, p);
    if (!e) {
        if (t->free_list == NONE)
            out->freed_cnt += entry_free(t, &t->entries[t->oldest]);
        e = entry_add(t, p, now_ms);
    }
    if (e->is_dead)
        return FRAGMENT_DROP;
    uint8_t *payload = payload_of(t, e);
    enum piece piece = piece_judge(e, payload, p);
    if (piece == PIECE_DUPLICATE)
        return FRAGMENT_DROP;
    if (piece == PIECE_NEW)
        piece_take(e, payload, p);
    uint32_t end = e->has_total ? e->total : (uint32_t)p->frag_off + p->frag_len;
    if (piece == PIECE_CONFLICT || is_too_long(e, end) || e->mbuf_cnt == FRAGMENT_PIECES_MAX) {
        hand_over(e, mbuf, out);
        e->is_dead = true;
        return FRAGMENT_DROP;
    }
    if (e->has_head && e->has_total && e->octets == e->total) {
        hand_over(e, mbuf, out);
        finish(e, payload, out);
        entry_remove(t, e);
        return FRAGMENT_COMPLETE;
    }
    e->mbufs[e->mbuf_cnt++] = mbuf;
    return FRAGMENT_HELD;
}
