#include "bench/traffic.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/packet.h"
#include "dataplane/pipeline.h"

enum { NO_FRAME = -1 };

struct traffic_frame {
    uint8_t *octets;
    uint32_t len;
    unsigned side;
    int64_t next; /* of its session, while read */
};

struct session {
    struct flow_key key;
    uint32_t hash;
    int64_t first, last;
    struct session *next; /* in its slot */
};

/* While the capture is read: frames in its order, sessions by tuple. */
struct reader {
    struct traffic_frame *frames;
    uint32_t cnt, max;
    struct session **sessions;
    uint32_t sessions_cnt;
    struct session *slots[1 << 14];
};

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static pcap_t *
open_capture(const char *path)
{
    char err[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, err);
    if (!pcap)
        fprintf(stderr, "%s\n", err);
    return pcap;
}

int64_t
traffic_count(const char *path)
{
    pcap_t *pcap = open_capture(path);
    struct pcap_pkthdr *head;
    const u_char *octets;
    int64_t cnt = 0;
    while (pcap && pcap_next_ex(pcap, &head, &octets) == 1)
        cnt++;
    if (pcap)
        pcap_close(pcap);
    return pcap ? cnt : -1;
}

static struct session *
session_of(struct reader *r, const struct flow_key *key)
{
    uint32_t hash = flow_key_hash(key, 0, false);
    struct session **slot = &r->slots[hash % RTE_DIM(r->slots)];
    for (struct session *s = *slot; s; s = s->next)
        if (!memcmp(&s->key, key, sizeof(*key)))
            return s;
    struct session *s = must(calloc(1, sizeof(*s)));
    *s = (struct session){.key = *key, .hash = hash, .first = NO_FRAME, .last = NO_FRAME, .next = *slot};
    *slot = s;
    r->sessions = must(reallocarray(r->sessions, r->sessions_cnt + 1, sizeof(struct session *)));
    r->sessions[r->sessions_cnt++] = s;
    return s;
}

/* Frames that are not TCP over IPv4 from or to port 25 are left out. */
static void
add_frame(struct traffic *t, struct reader *r, const uint8_t *octets, uint32_t len)
{
    struct packet p;
    uint8_t *copy = must(malloc(len));
    memcpy(copy, octets, len);
    bool is_tcp = packet_parse(&p, copy, len) == PACKET_TCP && p.ip_version == 4;
    bool is_to_server = is_tcp && p.key.port[p.src_is_first ? 1 : 0] == 25;
    if (!is_to_server && !(is_tcp && p.key.port[p.src_is_first ? 0 : 1] == 25)) {
        free(copy);
        return;
    }
    if (r->cnt == r->max) {
        r->max = r->max ? 2 * r->max : 4096;
        r->frames = must(reallocarray(r->frames, r->max, sizeof(*r->frames)));
    }
    struct session *s = session_of(r, &p.key);
    int64_t at = r->cnt++;
    r->frames[at] = (struct traffic_frame){copy, len, is_to_server ? OUTSIDE : INSIDE, NO_FRAME};
    *(s->last == NO_FRAME ? &s->first : &r->frames[s->last].next) = at;
    s->last = at;
    t->data_cnt += is_to_server && p.payload_len;
    t->payload_octets += is_to_server ? p.payload_len : 0;
}

/* The next run of one session on one side, into the burst. */
static void
take_run(struct traffic *t, struct reader *r, struct session *s, struct traffic_burst *b)
{
    for (unsigned n = 0; n < TRAFFIC_RUN && b->cnt < TRAFFIC_BURST && s->first != NO_FRAME; n++) {
        const struct traffic_frame *f = &r->frames[s->first];
        if (f->side != b->side)
            return;
        t->frames[t->frames_cnt++] = *f;
        b->cnt++;
        s->first = f->next;
    }
}

static void
deal(struct traffic *t, struct reader *r, unsigned concurrency)
{
    struct session **open = must(calloc(concurrency, sizeof(*open)));
    uint32_t begun = 0, at[2] = {0};
    unsigned open_cnt = 0;
    t->frames = must(calloc(r->cnt, sizeof(*t->frames)));
    t->bursts = must(calloc(r->cnt + 1, sizeof(*t->bursts)));
    for (unsigned side = OUTSIDE; t->frames_cnt < r->cnt; side = !side) {
        while (open_cnt < concurrency && begun < r->sessions_cnt)
            open[open_cnt++] = r->sessions[begun++];
        struct traffic_burst b = {.first = t->frames_cnt, .side = side};
        for (unsigned i = 0; i < open_cnt && b.cnt < TRAFFIC_BURST; i++)
            take_run(t, r, open[at[side]++ % open_cnt], &b);
        for (unsigned i = 0; i < open_cnt;)
            if (open[i]->first == NO_FRAME)
                open[i] = open[--open_cnt];
            else
                i++;
        if (b.cnt)
            t->bursts[t->bursts_cnt++] = b;
    }
    free(open);
}

int
traffic_read(struct traffic *t, const char *path, unsigned concurrency)
{
    memset(t, 0, sizeof(*t));
    struct reader *r = must(calloc(1, sizeof(*r)));
    pcap_t *pcap = open_capture(path);
    struct pcap_pkthdr *head;
    const u_char *octets;
    while (pcap && pcap_next_ex(pcap, &head, &octets) == 1)
        add_frame(t, r, octets, head->caplen);
    if (pcap)
        pcap_close(pcap);
    t->sessions_cnt = r->sessions_cnt;
    deal(t, r, concurrency);
    for (uint32_t i = 0; i < r->sessions_cnt; i++)
        free(r->sessions[i]);
    free(r->sessions);
    free(r->frames); /* their octets are t's now */
    free(r);
    if (pcap && !t->frames_cnt)
        fprintf(stderr, "%s: no SMTP over IPv4 in it\n", path);
    return t->frames_cnt ? 0 : -1;
}

int
traffic_mbufs(struct traffic *t, struct rte_mempool *pool)
{
    t->mbufs = must(calloc(t->frames_cnt, sizeof(struct rte_mbuf *)));
    return rte_pktmbuf_alloc_bulk(pool, t->mbufs, t->frames_cnt) ? -1 : 0;
}

void
traffic_renew(struct traffic *t, unsigned round)
{
    for (uint32_t i = 0; i < t->frames_cnt; i++) {
        const struct traffic_frame *f = &t->frames[i];
        struct rte_mbuf *m = t->mbufs[i];
        struct packet p;
        if (rte_mbuf_refcnt_read(m) != 1)
            abort(); /* the pipeline kept it */
        rte_pktmbuf_reset(m);
        rte_mbuf_refcnt_set(m, 2);
        uint8_t *octets = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)f->len);
        if (!octets)
            abort();
        memcpy(octets, f->octets, f->len);
        packet_parse(&p, octets, f->len);
        uint8_t *client = octets + p.l3_off + (f->side == OUTSIDE ? 12 : 16);
        client[0] = 10;
        client[1] = (uint8_t)round;
        packet_checksum_write(&p);
    }
}
