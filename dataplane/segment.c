#include "dataplane/segment.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/pipeline.h"

enum {
    IPV4_LEN = 20,
    IPV6_LEN = 40,
    TCP_LEN = 20,
    TIMESTAMPS_LEN = 12, /* NOP NOP, kind 8, as everyone sends it: RFC 7323 appendix A */
    MSS_DEFAULT_V4 = 536,
    MSS_DEFAULT_V6 = 1220,
    MSS_MAX = 1460 /* never larger than fits 1,500, whatever jumbo frames the peers may agree on */
};

static void
put16(uint8_t *p, uint16_t v)
{
    v = rte_cpu_to_be_16(v);
    memcpy(p, &v, sizeof(v));
}

static void
put32(uint8_t *p, uint32_t v)
{
    v = rte_cpu_to_be_32(v);
    memcpy(p, &v, sizeof(v));
}

void
segment_learn(struct flow *f, unsigned from, const struct packet *p)
{
    struct flow_side *s = &f->side[from];
    s->l2_len = (uint8_t)p->l3_off;
    memcpy(s->l2, p->frame, p->l3_off);
    s->ttl = p->frame[p->l3_off + (p->ip_version == 4 ? 8 : 7)];
    s->window = p->window;
    /* Never backwards: a reordered segment carries an older value, and PAWS would drop ours for it. */
    if (p->has_timestamps && (!s->ts_val || seq_lt(s->ts_val, p->ts_val)))
        s->ts_val = p->ts_val;
    if (p->flags & TCP_SYN)
        s->mss = p->mss;
}

uint32_t
segment_payload_max(const struct flow *f)
{
    uint32_t mss = f->key.version == 4 ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
    if (f->side[CLIENT].mss && f->side[SERVER].mss)
        mss = RTE_MIN((uint32_t)f->side[CLIENT].mss, (uint32_t)f->side[SERVER].mss);
    mss = RTE_MIN(mss, (uint32_t)MSS_MAX);
    mss = mss > TIMESTAMPS_LEN + 64 ? mss - TIMESTAMPS_LEN : 64;
    return mss;
}

/* Ethernet header of `from`; if it has sent nothing yet, the other side's turned round. */
static uint32_t
write_l2(uint8_t *at, const struct flow *f, unsigned from)
{
    const struct flow_side *s = &f->side[from];
    if (s->l2_len) {
        memcpy(at, s->l2, s->l2_len);
        return s->l2_len;
    }
    s = &f->side[!from];
    memcpy(at, s->l2, s->l2_len);
    memcpy(at, s->l2 + 6, 6);
    memcpy(at + 6, s->l2, 6);
    return s->l2_len;
}

bool
segment_send(struct pipeline *pl, const struct flow *f, unsigned from, uint32_t seq, uint32_t ack,
             uint8_t flags, const uint8_t *payload, uint32_t len)
{
    const struct flow_side *s = &f->side[from];
    struct rte_mbuf *m = rte_pktmbuf_alloc(pl->mbuf_pool);
    uint32_t option_len = f->has_timestamps ? TIMESTAMPS_LEN : 0;
    uint32_t ip_len = f->key.version == 4 ? IPV4_LEN : IPV6_LEN;
    uint8_t *frame = NULL;
    if (m)
        frame = (uint8_t *)rte_pktmbuf_append(
            m, (uint16_t)(L2_LEN_MAX + IPV6_LEN + TCP_LEN + TIMESTAMPS_LEN + len));
    if (!frame) {
        rte_pktmbuf_free(m);
        pl->counter[COUNTER_NO_MBUF]++;
        return false;
    }
    unsigned src = (from == CLIENT) == f->client_is_first ? 0 : 1;
    uint32_t l3 = write_l2(frame, f, from);
    uint8_t *ip = frame + l3;
    uint8_t *tcp = ip + ip_len;
    uint32_t segment_len = TCP_LEN + option_len + len;

    memset(ip, 0, ip_len + TCP_LEN);
    if (ip_len == IPV4_LEN) {
        ip[0] = 0x45;
        put16(ip + 2, (uint16_t)(IPV4_LEN + segment_len));
        put16(ip + 6, 0x4000); /* DF; so the identification may be 0: RFC 6864 */
        ip[8] = s->ttl ? s->ttl : 64;
        ip[9] = 6;
        memcpy(ip + 12, f->key.addr[src], 4);
        memcpy(ip + 16, f->key.addr[!src], 4);
    } else {
        ip[0] = 0x60;
        put16(ip + 4, (uint16_t)segment_len);
        ip[6] = 6;
        ip[7] = s->ttl ? s->ttl : 64;
        memcpy(ip + 8, f->key.addr[src], 16);
        memcpy(ip + 24, f->key.addr[!src], 16);
    }
    put16(tcp, f->key.port[src]);
    put16(tcp + 2, f->key.port[!src]);
    put32(tcp + 4, seq);
    put32(tcp + 8, flags & TCP_ACK ? ack : 0);
    tcp[12] = (uint8_t)((TCP_LEN + option_len) / 4 << 4);
    tcp[13] = flags;
    put16(tcp + 14, flags & TCP_RST ? 0 : s->window);
    if (option_len) {
        uint8_t *o = tcp + TCP_LEN;
        o[0] = o[1] = 1;
        o[2] = 8;
        o[3] = 10;
        put32(o + 4, s->ts_val);
        put32(o + 8, flags & TCP_ACK ? f->side[!from].ts_val : 0);
    }
    if (len)
        memcpy(tcp + TCP_LEN + option_len, payload, len);

    uint32_t frame_len = l3 + ip_len + segment_len;
    rte_pktmbuf_trim(m, (uint16_t)(m->data_len - frame_len));
    struct packet p;
    packet_parse(&p, frame, frame_len);
    packet_checksum_write(&p);
    pipeline_send(pl, f->pair, from == CLIENT ? !f->client_port_side : f->client_port_side, m);
    return true;
}

void
segment_send_stream(struct pipeline *pl, const struct flow *f, unsigned from, uint32_t seq,
                    uint32_t len)
{
    uint32_t max = segment_payload_max(f);
    uint8_t octets[MSS_MAX];
    while (len) {
        uint32_t n = RTE_MIN(len, max);
        reassembly_copy(&f->side[from].stream, seq, octets, n);
        if (!segment_send(pl, f, from, seq, f->side[from].ack, TCP_ACK | TCP_PSH, octets, n))
            return;
        pl->counter[COUNTER_RELEASED]++;
        seq += n;
        len -= n;
    }
}
