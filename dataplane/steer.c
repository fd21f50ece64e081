#include "dataplane/steer.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

struct steer {
    unsigned workers_cnt;
    uint64_t seed;
    struct rte_ring *rings[]; /* [way][from][to]; NULL where from == to */
};

static struct rte_ring **
ring_at(struct steer *s, enum steer_way way, unsigned from, unsigned to)
{
    return &s->rings[((unsigned)way * s->workers_cnt + from) * s->workers_cnt + to];
}

struct steer *
steer_new(unsigned workers_cnt, uint64_t seed)
{
    size_t rings_cnt = 2 * (size_t)workers_cnt * workers_cnt;
    struct steer *s = calloc(1, sizeof(*s) + rings_cnt * sizeof(s->rings[0]));
    if (!s)
        return NULL;
    s->workers_cnt = workers_cnt;
    s->seed = seed;
    for (unsigned i = 0; i < rings_cnt; i++) {
        unsigned to = i % workers_cnt, from = i / workers_cnt % workers_cnt;
        char name[RTE_RING_NAMESIZE];
        if (to == from)
            continue;
        snprintf(name, sizeof(name), "steer-%u-%u-%u", (uint8_t)(i / (workers_cnt * workers_cnt)),
                 (uint8_t)from, (uint8_t)to);
        s->rings[i] = rte_ring_create(name, STEER_RING_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
        if (!s->rings[i]) {
            steer_free(s);
            return NULL;
        }
    }
    return s;
}

void
steer_free(struct steer *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < 2 * s->workers_cnt * s->workers_cnt; i++) {
        void *m;
        while (s->rings[i] && rte_ring_sc_dequeue(s->rings[i], &m) == 0)
            rte_pktmbuf_free(m);
        rte_ring_free(s->rings[i]);
    }
    free(s);
}

unsigned
steer_owner(const struct steer *s, const struct packet *p, unsigned here)
{
    if (p->kind != PACKET_TCP && p->kind != PACKET_FRAGMENT)
        return here;
    uint32_t hash = flow_key_hash(&p->key, s->seed, true);
    return (unsigned)((uint64_t)hash * s->workers_cnt >> 32);
}

unsigned
steer_owner_of(const struct steer *s, struct rte_mbuf *m, unsigned here, uint8_t *linear)
{
    struct packet p;
    const void *octets = rte_pktmbuf_mtod(m, const void *);
    if (m->nb_segs > 1) {
        if (m->pkt_len > FRAME_LEN_MAX)
            return here;
        octets = rte_pktmbuf_read(m, 0, m->pkt_len, linear);
    }
    if (!octets)
        return here;
    packet_parse(&p, (uint8_t *)(uintptr_t)octets, m->pkt_len); /* it only reads */
    return steer_owner(s, &p, here);
}

bool
steer_put(struct steer *s, enum steer_way way, unsigned from, unsigned to, struct rte_mbuf *m)
{
    return rte_ring_sp_enqueue(*ring_at(s, way, from, to), m) == 0;
}

unsigned
steer_get(struct steer *s, enum steer_way way, unsigned from, unsigned to, struct rte_mbuf **mbufs, unsigned n)
{
    return rte_ring_sc_dequeue_burst(*ring_at(s, way, from, to), (void **)mbufs, n, NULL);
}
