/* A connection written by the fuzzer: each operation is one segment of either side, or time passing.
 *
 *   octet 0  bit 7: time passes (octet 1 * 64 ms); bit 6: from the server; bits 0-5: TCP flags
 *   octets 1-2  sequence number, signed distance from the sender's next octet
 *   octet 3  acknowledgment, signed distance from what the other side has sent
 *   octet 4  payload length; then the payload
 *
 * Held to: an octet that leaves toward the server, at or after what it acknowledged, is always the same at
 * the same place of the sequence space (first octets win); every frame that leaves parses and has a right
 * sum; nothing leaks. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/pipeline.h"

enum { SPACE = 1 << 16, ISN_CLIENT = 0xffff8000u, ISN_SERVER = 77 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct pipeline_config cfg;

static void
start(void)
{
    char *argv[] = {(char *)"fuzz",          (char *)"--no-huge",     (char *)"-m",
                    (char *)"64",            (char *)"--no-pci",      (char *)"--no-telemetry",
                    (char *)"--log-level=3", (char *)"--no-shconf",   (char *)"--lcores=0@(0-1)"};
    if (rte_eal_init(9, argv) < 0)
        abort();
    pool = rte_pktmbuf_pool_create("fuzz", 2047, 0, 0, 2176, SOCKET_ID_ANY);
    cfg.smtp_port[25 / 8] |= 1 << (25 % 8);
    for (unsigned e = 0; e < EVENT_CNT; e++)
        cfg.event_action[e] = event_default_action((enum event)e);
    cfg.flows_max = 16;
    cfg.half_open_max = 8;
    cfg.messages_max = cfg.refusals_max = cfg.fragments_max = 8;
    cfg.store_chunks = 64;
    cfg.stream_octets_max = 32768;
    cfg.idle_ms = 60000;
    cfg.half_open_ms = cfg.closed_ms = cfg.stall_ms = cfg.refusal_ms = cfg.fragment_ms = 3000;
}

static void
check(int is_right, const char *what)
{
    if (is_right)
        return;
    fprintf(stderr, "violated: %s\n", what);
    abort();
}

/* What has left toward the server, by distance from the client's ISN; -1: nothing yet. */
static int16_t left[SPACE];

static void
drain(struct pipeline *pl, const struct flow_key *key)
{
    for (unsigned side = 0; side < 2; side++) {
        struct outbox *o = &pl->outbox[0][side];
        for (uint32_t i = 0; i < o->cnt; i++) {
            struct rte_mbuf *m = o->mbufs[i];
            struct packet p;
            check(packet_parse(&p, rte_pktmbuf_mtod(m, uint8_t *), m->data_len) == PACKET_TCP,
                  "a frame that left parses");
            check(packet_checksum_is_right(&p), "a frame that left has a right sum");
            struct flow *f = flow_find(pl->flows, key, flow_hash(pl->flows, key));
            /* Octets of a RST are not of the stream: RFC 9293 3.10.7.4 has no step that reads them. */
            bool is_read = side == INSIDE && f && f->state == FLOW_OPEN && !(p.flags & TCP_RST);
            for (uint32_t k = 0; is_read && k < p.payload_len; k++) {
                uint32_t seq = p.seq + k, at = seq - (f->side[CLIENT].isn + 1);
                if (seq_lt(seq, f->side[CLIENT].stream.una) || at >= SPACE)
                    continue;
                uint8_t octet = p.frame[p.payload_off + k];
                check(left[at] < 0 || left[at] == octet, "first octets win");
                left[at] = octet;
            }
            rte_pktmbuf_free(m);
        }
        o->cnt = 0;
    }
}

static void
put(struct pipeline *pl, int from_server, uint32_t seq, uint32_t ack, uint8_t flags,
    const uint8_t *payload, uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    if (!m)
        return;
    uint32_t total = 14 + 20 + 20 + len;
    uint8_t *f = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)total);
    memset(f, 0, 54);
    f[12] = 8;
    f[14] = 0x45;
    f[16] = (uint8_t)((total - 14) >> 8);
    f[17] = (uint8_t)(total - 14);
    f[22] = 64;
    f[23] = 6;
    memcpy(f + 26, "\xc6\x12\0\1", 4);
    memcpy(f + 30, "\xc6\x12\0\2", 4);
    if (from_server) {
        f[29] = 2;
        f[33] = 1;
    }
    uint16_t sport = from_server ? 25 : 40000, dport = from_server ? 40000 : 25;
    f[34] = (uint8_t)(sport >> 8);
    f[35] = (uint8_t)sport;
    f[36] = (uint8_t)(dport >> 8);
    f[37] = (uint8_t)dport;
    for (int i = 0; i < 4; i++) {
        f[38 + i] = (uint8_t)(seq >> (24 - 8 * i));
        f[42 + i] = (uint8_t)(ack >> (24 - 8 * i));
    }
    f[46] = 0x50;
    f[47] = flags;
    f[48] = 0xff;
    if (len)
        memcpy(f + 54, payload, len);
    struct packet p;
    packet_parse(&p, f, total);
    packet_checksum_write(&p);
    struct flow_key key = p.key;
    pipeline_burst(pl, 0, (unsigned)!!from_server, &m, 1, pl->now_ms);
    drain(pl, &key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!pool)
        start();
    memset(left, 0xff, sizeof(left));
    struct pipeline *pl = pipeline_new(&cfg, 0, -1, 1, pool, NULL, 1000);
    uint32_t next[2] = {ISN_CLIENT + 1, ISN_SERVER + 1};
    uint32_t conn = 0;
    put(pl, 0, ISN_CLIENT, 0, TCP_SYN, NULL, 0);
    put(pl, 1, ISN_SERVER, ISN_CLIENT + 1, TCP_SYN | TCP_ACK, NULL, 0);
    put(pl, 0, ISN_CLIENT + 1, ISN_SERVER + 1, TCP_ACK, NULL, 0);
    for (size_t i = 0; i + 5 <= size;) {
        const uint8_t *op = data + i;
        if (op[0] & 0x80) {
            pipeline_tick(pl, pl->now_ms + op[1] * 64u);
            struct flow_key key;
            memset(&key, 0, sizeof(key));
            drain(pl, &key);
            i += 2;
            continue;
        }
        int from_server = !!(op[0] & 0x40);
        uint8_t flags = op[0] & 0x3f;
        /* A new connection begins a new sequence space, which the table `left` does not follow. */
        if (flags & TCP_SYN)
            flags = (uint8_t)(conn++ & 1 ? flags & ~TCP_SYN : TCP_ACK);
        int32_t seq_off = (int16_t)(op[1] << 8 | op[2]) / 64;
        int32_t ack_off = (int8_t)op[3];
        uint32_t len = op[4];
        i += 5;
        if (len > size - i)
            len = (uint32_t)(size - i);
        uint32_t seq = next[from_server] + (uint32_t)seq_off;
        put(pl, from_server, seq, next[!from_server] + (uint32_t)ack_off, flags, data + i,
            len);
        if (seq == next[from_server])
            next[from_server] += len;
        i += len;
    }
    for (int i = 0; i < 64 && flow_cnt(pl->flows); i++) {
        pipeline_tick(pl, pl->now_ms + 60000);
        struct flow_key key;
        memset(&key, 0, sizeof(key));
        drain(pl, &key);
    }
    check(flow_cnt(pl->flows) == 0, "flows end");
    check(pl->store.free_cnt == pl->store.chunk_cnt, "chunks are given back");
    check(pl->sessions.used == 0 && pl->refusals.used == 0, "objects are given back");
    pipeline_free(pl);
    check(rte_mempool_in_use_count(pool) == 0, "mbufs are given back");
    return 0;
}
