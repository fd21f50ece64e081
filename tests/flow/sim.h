// sim: a client and a server with small TCPs of their own, and the real pipeline between them.
//
// Everything is virtual: time, the wire, loss, order. The endpoints are slow and plain on purpose (octets
// in maps), so that they can be believed. The wire may lose, repeat and reorder on both hops; the client may
// be evil and retransmit other octets than it sent first.
#ifndef WEIR_TESTS_FLOW_SIM_H
#define WEIR_TESTS_FLOW_SIM_H

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/pipeline.h"
#include "scan/image.h"
#include "scan/rule.h"

namespace sim
{

inline rte_mempool *
mbuf_pool()
{
    static rte_mempool *pool = [] {
        std::vector<std::string> words = {"test", "--no-huge", "-m", "256", "--no-pci",
                                          "--no-telemetry", "--log-level=3", "--no-shconf",
                                          "--lcores=0@(0-1)"};
        static std::vector<std::vector<char>> keep;
        std::vector<char *> argv;
        for (auto &w : words) {
            keep.emplace_back(w.begin(), w.end());
            keep.back().push_back(0);
            argv.push_back(keep.back().data());
        }
        if (rte_eal_init((int)argv.size(), argv.data()) < 0)
            abort();
        rte_mempool *p = rte_pktmbuf_pool_create("sim", 16383, 0, 0, 2176, SOCKET_ID_ANY);
        if (!p)
            abort();
        return p;
    }();
    return pool;
}

inline ruleset *
make_rules(const std::string &text, uint32_t generation = 1)
{
    rule_list *l = rule_list_new();
    rule_list_parse(l, "test.cf", text.data(), text.size());
    void *image = nullptr;
    size_t len = 0;
    char err[256] = "";
    EXPECT_EQ(0, image_build(l, &image, &len)) << rule_list_diagnostics(l);
    ruleset *rs = ruleset_load(image, len, generation, 1, err, sizeof(err));
    EXPECT_NE(nullptr, rs) << err;
    free(image);
    rule_list_free(l);
    return rs;
}

inline pipeline_config
default_config()
{
    pipeline_config c;
    memset(&c, 0, sizeof(c));
    c.smtp_port[25 / 8] |= 1 << (25 % 8);
    c.thresholds = {INT32_MAX, INT32_MAX, 5000, INT32_MAX};
    for (unsigned e = 0; e < EVENT_CNT; e++)
        c.event_action[e] = event_default_action((enum event)e);
    c.flows_max = 256;
    c.half_open_max = 64;
    c.messages_max = 64;
    c.refusals_max = 64;
    c.fragments_max = 16;
    c.store_chunks = 4096;
    c.stream_octets_max = 1 << 20;
    c.idle_ms = 300000;
    c.half_open_ms = 30000;
    c.closed_ms = 10000;
    c.stall_ms = 5000;
    c.refusal_ms = 30000;
    c.fragment_ms = 3000;
    c.unknown_ms = 900000;
    c.on_flow_cap = c.on_session_cap = c.on_unknown_flow = FAULT_DROP;
    strcpy(c.hostname, "mx.test");
    strcpy(c.refuse_text, "Message refused");
    strcpy(c.defer_text, "Try again later");
    return c;
}

struct Segment {
    uint32_t seq = 0, ack = 0;
    uint8_t flags = 0;
    std::string payload;
    uint32_t ts_val = 0, ts_ecr = 0;
    uint16_t window = 65000;
};

struct Tuple {
    bool v6 = false;
    uint16_t client_port = 40000, server_port = 25;
    bool vlan = false;
};

inline std::string
build(const Tuple &t, bool from_client, const Segment &s)
{
    std::string f(from_client ? "\x02\0\0\0\0\x02\x02\0\0\0\0\x01" : "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
    auto put16 = [&f](unsigned v) { f += (char)(v >> 8), f += (char)v; };
    auto put32 = [&](uint32_t v) { put16(v >> 16), put16(v & 0xffff); };
    if (t.vlan)
        put16(0x8100), put16(7);
    std::string options("\x01\x01\x08\x0a", 4);
    if (s.flags & TCP_SYN)
        options = std::string("\x02\x04\x05\xb4", 4) + options;
    size_t tcp_len = 20 + options.size() + 8 + s.payload.size();
    std::string a4("\xc6\x12\0\x01", 4), b4("\xc6\x12\0\x02", 4);
    std::string a6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16), b6 = a6;
    b6[15] = 2;
    if (t.v6) {
        put16(0x86dd);
        put32(0x60000000);
        put16((unsigned)tcp_len);
        put16(0x0640);
        f += from_client ? a6 + b6 : b6 + a6;
    } else {
        put16(0x0800);
        put16(0x4500), put16((unsigned)(20 + tcp_len)), put32(0x4000), put16(0x4006), put16(0);
        f += from_client ? a4 + b4 : b4 + a4;
    }
    put16(from_client ? t.client_port : t.server_port);
    put16(from_client ? t.server_port : t.client_port);
    put32(s.seq), put32(s.ack);
    put16((unsigned)((20 + options.size() + 8) / 4 << 12 | s.flags));
    put16(s.window), put32(0);
    f += options;
    put32(s.ts_val), put32(s.ts_ecr);
    f += s.payload;
    packet p;
    EXPECT_EQ(PACKET_TCP, packet_parse(&p, (uint8_t *)f.data(), f.size()));
    packet_checksum_write(&p);
    return f;
}

struct Weir {
    pipeline_config cfg;
    pipeline *pl;
    uint64_t now = 1000000;

    explicit Weir(const pipeline_config &c = default_config(), ruleset *rs = nullptr) : cfg(c)
    {
        mbuf_pool();
        pl = pipeline_new(&cfg, 0, -1, 42, mbuf_pool(), nullptr, now);
        pl->scanner.live = rs;
    }
    Weir(const Weir &) = delete;
    ~Weir() { pipeline_free(pl); }

    // One frame in on a side; what left, by the side that it left from.
    std::vector<std::string> out[2];
    void in(unsigned side, const std::string &frame)
    {
        rte_mbuf *m = rte_pktmbuf_alloc(mbuf_pool());
        ASSERT_NE(nullptr, m);
        memcpy(rte_pktmbuf_append(m, (uint16_t)frame.size()), frame.data(), frame.size());
        pipeline_burst(pl, 0, side, &m, 1, now);
        collect();
    }
    void tick(uint64_t ms)
    {
        now += ms;
        pipeline_tick(pl, now);
        collect();
    }
    void collect()
    {
        for (unsigned side = 0; side < 2; side++) {
            outbox *o = &pl->outbox[0][side];
            for (uint32_t i = 0; i < o->cnt; i++) {
                rte_mbuf *m = o->mbufs[i];
                out[side].emplace_back(rte_pktmbuf_mtod(m, char *), m->data_len);
                rte_pktmbuf_free(m);
            }
            o->cnt = 0;
        }
    }
    uint64_t counter(enum counter c) const { return pl->counter[c]; }
};

// One end of a connection: sends `out`, collects `in`. Offsets are 64 bit, from 0 after the ISN.
struct End {
    bool is_client = true;
    bool last_wins = false; // of a receiver that lets later octets overwrite queued ones
    uint32_t iss = 0, irs = 0;
    bool is_open = false, has_reset = false;
    std::string out;          // application octets to send
    std::string first;        // what was really sent first at each offset: `out` unless evil
    uint64_t una = 0, nxt = 0;
    bool wants_fin = false, fin_acked = false, fin_received = false;
    bool fin_sent = false;
    std::string in;
    std::map<uint64_t, char> early;
    uint64_t fin_at = UINT64_MAX;
    uint32_t ts_peer = 0;
    uint64_t last_progress = 0;
    bool must_ack = false;

    uint32_t rcv_ack() const { return irs + 1 + (uint32_t)in.size() + (fin_received ? 1 : 0); }

    void take_payload(uint64_t off, const std::string &p)
    {
        for (size_t i = 0; i < p.size(); i++) {
            uint64_t at = off + i;
            if (at < in.size())
                continue;
            if (last_wins)
                early[at] = p[i];
            else
                early.emplace(at, p[i]);
        }
        for (auto it = early.begin(); it != early.end() && it->first == in.size();
             it = early.erase(it))
            in += it->second;
    }

    // False: not for us (checksum, reset state).
    void receive(const packet &p, uint64_t now)
    {
        if (has_reset)
            return;
        if (p.flags & TCP_RST) {
            if (p.seq == rcv_ack())
                has_reset = true;
            else
                must_ack = true; // challenge ACK
            return;
        }
        if (p.has_timestamps && ts_peer && seq_lt(p.ts_val, ts_peer))
            return; // PAWS
        ts_peer = p.ts_val;
        if (p.flags & TCP_ACK) {
            uint64_t ack = una + (uint32_t)(p.ack - (iss + 1 + (uint32_t)una));
            if (ack > una && ack <= nxt + (fin_sent ? 1 : 0)) {
                una = ack;
                last_progress = now;
                if (fin_sent && una == out.size() + 1)
                    fin_acked = true;
            }
        }
        int32_t rel = (int32_t)(p.seq - (irs + 1 + (uint32_t)in.size()));
        std::string payload((const char *)p.frame + p.payload_off, p.payload_len);
        if (p.payload_len) {
            int64_t off = (int64_t)in.size() + rel;
            if (off < 0) {
                payload.erase(0, std::min<size_t>(payload.size(), (size_t)-off));
                off = 0;
            }
            take_payload((uint64_t)off, payload);
            must_ack = true;
        }
        if (p.flags & TCP_FIN) {
            fin_at = in.size() + (uint64_t)0;
            int64_t at = (int64_t)(int32_t)(p.seq + p.payload_len - (irs + 1));
            fin_at = (uint64_t)at;
            must_ack = true;
        }
        if (fin_at == in.size())
            fin_received = true;
    }
};

} // namespace sim
#endif
